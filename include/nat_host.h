/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Quotas of inside hosts.
 */
#ifndef _FULLCONE_NAT_HOST_H
#define _FULLCONE_NAT_HOST_H

#include <linux/compiler.h>
#include <linux/netfilter.h>
#include <linux/rhashtable-types.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "nat_conf.h"

struct fcn_key;

/* Mappings a second at most: a u32 holds twice as many in units of 1/HZ. */
#define FCN_RATE_MAX	1000000

/**
 * struct fcn_host_key - what a host is found by; unused bytes are zero
 * @addr:	its address, network order
 * @zone:	conntrack zone of the original direction
 * @family:	NFPROTO_*
 * @proto:	IPPROTO_*: a host has a quota for each
 */
struct fcn_host_key {
	union nf_inet_addr	addr;
	u16			zone;
	u8			family;
	u8			proto;
};

/**
 * struct fcn_host - an inside host that has mappings, in one protocol
 * @node:	in fcn_hosts.table
 * @key:	fixed at creation
 * @hosts:	fixed at creation
 * @members:	mappings that point here; the host goes with the last
 * @charged:	those of them that count against host_max_mappings
 * @credit:	mappings it may make at once, in units of 1/HZ
 * @stamp:	when @credit was reckoned, jiffies
 *
 * From @members on all are protected by fcn_hosts.lock.
 */
struct fcn_host {
	struct rhash_head	node;
	struct fcn_host_key	key;
	struct fcn_hosts	*hosts;
	u32			members;
	u32			charged;
	u32			credit;
	u32			stamp;
};

/**
 * struct fcn_hosts - the inside hosts of a namespace that quotas are kept for
 * @table:	by key
 * @lock:	protects @table and the hosts in it; taken under the lock of a
 *		mapping, and none of ours is taken under it
 */
struct fcn_hosts {
	struct rhashtable	table;
	spinlock_t		lock;	/* protects @table and the hosts */
};

int fcn_hosts_init(struct fcn_hosts *hosts);
void fcn_hosts_exit(struct fcn_hosts *hosts);

struct fcn_host *fcn_host_add(struct fcn_hosts *hosts,
			      const struct fcn_conf *conf,
			      const struct fcn_key *key, bool force);
void fcn_host_leave(struct fcn_host *host, bool charged);
bool fcn_host_charge(struct fcn_host *host, u32 max);
void fcn_host_discharge(struct fcn_host *host);

/**
 * fcn_host_join - a host is going to have a mapping more
 * @hosts:	those of the namespace
 * @conf:	its knobs
 * @key:	of the mapping
 * @force:	it has it already: do not ask for the quotas
 *
 * Return: the host, which fcn_host_leave() gives back, with the mapping
 * charged; NULL if there are no quotas; or ERR_PTR() of -EMFILE
 * (host_max_mappings), -ETIME (host_max_rate: too soon), -ENOMEM, or what a
 * busy hash returns.
 */
static inline struct fcn_host *fcn_host_join(struct fcn_hosts *hosts,
					     const struct fcn_conf *conf,
					     const struct fcn_key *key,
					     bool force)
{
	if (likely(!conf->host_max_mappings && !conf->host_max_rate))
		return NULL;
	return fcn_host_add(hosts, conf, key, force);
}

#endif /* _FULLCONE_NAT_HOST_H */
