/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The mapping table.
 */
#ifndef _FULLCONE_NAT_MAPPING_H
#define _FULLCONE_NAT_MAPPING_H

#include <linux/atomic.h>
#include <linux/netfilter.h>
#include <linux/rhashtable-types.h>
#include <linux/types.h>
#include <net/netfilter/nf_conntrack_tuple.h>

#include "nat_filter.h"
#include "nat_host.h"
#include "nat_port.h"
#include "nat_timewait.h"

struct fcn_conf;
struct fcn_net;
struct net_device;

/**
 * struct fcn_key - what a mapping is found by from inside; unused bytes zero
 * @addr:	X, the inside address, network order
 * @ext:	E, the external address, network order
 * @port:	x, the inside port or ICMP query id, network order
 * @zone:	conntrack zone of the original direction
 * @peer_port:	of @peer, network order
 * @family:	NFPROTO_*
 * @proto:	IPPROTO_*
 * @peer:	whom alone it is for, network order; zero if it is for all
 *		(endpoint-independent mapping, RFC 4787, REQ-1).  After the
 *		others, as only a mapping that has it pays for hashing it
 * @hash:	of the others, see fcn_key_seal()
 * @pad:	zero
 */
struct fcn_key {
	union nf_inet_addr	addr;
	union nf_inet_addr	ext;
	__be16			port;
	u16			zone;
	__be16			peer_port;
	u8			family;
	u8			proto;
	union nf_inet_addr	peer;
	u32			hash;
	u32			pad;
} __aligned(8);

/**
 * struct fcn_terms - on what terms a mapping is made
 * @ifindex:	external device
 * @first:	lowest external port it may have, host order; this and @last
 *		narrow the knob `ports`
 * @last:	highest external port it may have, host order
 * @random:	do not preserve the inside port
 * @ruled:	made by a rule: its device need not be a wan interface
 * @named:	the external address is one that the rule names, so it belongs
 *		to no device
 * @routed:	... and none of the router's own
 * @filtered:	it is the rule that says ...
 * @filter:	... who may come in from outside
 */
struct fcn_terms {
	int		ifindex;
	u16		first;
	u16		last;
	bool		random;
	bool		ruled;
	bool		named;
	bool		routed;
	bool		filtered;
	enum fcn_filter	filter;
};

/**
 * struct fcn_mapping - X:x has E:e
 * @node:	in fcn_table.inside, while not %FCN_DYING, and not @second
 * @key:	fixed at creation
 * @table:	fixed at creation
 * @pool:	owns the port; fixed at creation, outlives the mapping
 * @ext_port:	e, network order; fixed at creation
 * @terms:	fixed at creation
 * @host:	whose quota it counts against, or NULL; fixed at creation
 * @charged:	it does so now; written under the lock of the pool
 * @fixed:	a static forward; only ever set, under the lock of the pool
 * @second:	its endpoint has another mapping, and this one only holds a port;
 *		fixed at creation
 * @ruled:	a rule has chosen it; only ever set
 * @decided:	an outbound flow of it was decided; only ever set
 * @filtered:	it was a rule that said what @filter is
 * @filter:	enum fcn_filter; see fcn_mapping_decide().  Written and read with
 *		WRITE_ONCE() and READ_ONCE(), like the four before
 * @peers:	whom it has spoken to, if @filter wants to know; changed under
 *		the pool's lock, walked under RCU
 * @peer_count:	how many those are; under the pool's lock
 * @created:	seconds; fixed at creation
 * @life:	see there for who writes what
 * @rcu:	for the end
 */
struct fcn_mapping {
	struct rhash_head	node;
	struct fcn_key		key;
	struct fcn_table	*table;
	struct fcn_pool		*pool;
	__be16			ext_port;
	struct fcn_terms	terms;
	struct fcn_host		*host;
	bool			charged;
	bool			fixed;
	bool			second;
	bool			ruled;
	bool			decided;
	bool			filtered;
	u8			filter;
	struct hlist_head	peers;
	u32			peer_count;
	u32			created;

	struct fcn_life		life;
	struct rcu_head		rcu;
};

/**
 * struct fcn_table - the mappings of a namespace
 * @inside:	by inside endpoint, under RCU
 * @pools:	by outside endpoint, under RCU
 * @peers:	of the mappings with a filter, under RCU
 * @hosts:	whom quotas are kept for
 * @count:	mappings, those that wait for a grace period included
 */
struct fcn_table {
	struct rhashtable	inside;
	struct fcn_pools	pools;
	struct fcn_peers	peers;
	struct fcn_hosts	hosts;
	atomic_t		count;
};

int fcn_mapping_cache_init(void);
void fcn_mapping_cache_exit(void);
int fcn_table_init(struct fcn_table *table);
void fcn_table_exit(struct fcn_table *table);

void fcn_key_seal(struct fcn_key *key);

struct fcn_mapping *fcn_mapping_find(struct fcn_table *table,
				     const struct fcn_key *key);
struct fcn_mapping *fcn_mapping_find_any(struct fcn_table *table,
					 struct fcn_key *key);
struct fcn_mapping *fcn_mapping_find_ext(struct fcn_table *table, u8 family,
					 u8 proto,
					 const union nf_inet_addr *addr,
					 __be16 port);
struct fcn_mapping *fcn_mapping_get_home(struct fcn_net *fn,
					 const struct fcn_conf *conf,
					 const struct nf_conntrack_tuple *orig,
					 u16 zone,
					 const union nf_inet_addr *ext,
					 u32 deadline);
struct fcn_mapping *fcn_mapping_get(struct fcn_net *fn,
				    const struct fcn_conf *conf,
				    const struct fcn_key *key,
				    const struct fcn_terms *terms,
				    u32 deadline);
int fcn_mapping_fix(struct fcn_net *fn, const struct fcn_key *key,
		    __be16 port, const struct net_device *dev);
int fcn_mapping_adopt(struct fcn_net *fn, const struct fcn_key *key,
		      __be16 port, const struct fcn_terms *terms, bool closed);

struct nf_conntrack_man fcn_mapping_inside(const struct fcn_mapping *m);
bool fcn_mapping_accepts(const struct fcn_mapping *m);
void fcn_mapping_decide(struct fcn_mapping *m, const struct fcn_terms *terms);
void fcn_mapping_push(struct fcn_mapping *m, u32 deadline);
bool fcn_mapping_stop(struct fcn_mapping *m, enum fcn_state state, u32 now);
void fcn_mapping_resume(struct fcn_mapping *m);
void fcn_mapping_condemn(struct fcn_mapping *m);
bool fcn_mapping_retire(struct fcn_mapping *m);

u32 fcn_mapping_count(const struct fcn_table *table, u8 family);
void fcn_mapping_walk(struct fcn_table *table,
		      void (*visit)(struct fcn_mapping *m, void *data),
		      void *data);

#endif /* _FULLCONE_NAT_MAPPING_H */
