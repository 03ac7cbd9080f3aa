/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The mapping table.
 */
#ifndef _FULLCONE_NAT_MAPPING_H
#define _FULLCONE_NAT_MAPPING_H

#include <linux/atomic.h>
#include <linux/kernel.h>
#include <linux/netfilter.h>
#include <linux/rhashtable-types.h>
#include <linux/types.h>
#include <net/netfilter/nf_conntrack_tuple.h>

#include "nat_filter.h"
#include "nat_host.h"
#include "nat_port.h"
#include "nat_timewait.h"

struct fcn_conf;
struct fcn_host;
struct fcn_net;
struct net_device;

/**
 * struct fcn_key - what a mapping is found by from inside
 * @addr:	X, the inside address, network order
 * @ext:	E, the external address, network order
 * @port:	x, the inside port or ICMP query id, network order
 * @zone:	conntrack zone of the original direction
 * @family:	NFPROTO_*
 * @proto:	IPPROTO_*
 * @peer:	whom alone it is for; NULL if it is for all (endpoint-independent
 *		mapping, RFC 4787, REQ-1)
 */
struct fcn_key {
	union nf_inet_addr		addr;
	union nf_inet_addr		ext;
	__be16				port;
	u16				zone;
	u8				family;
	u8				proto;
	const struct nf_conntrack_man	*peer;
};

/**
 * struct fcn_origin - who makes a mapping
 * @ruled:	a rule: its device need not be a wan interface
 * @random:	... which does not want the inside port preserved
 * @named:	... which names the external address, so that belongs to no device
 * @routed:	... and is none of the router's own
 */
struct fcn_origin {
	u8	ruled:1,
		random:1,
		named:1,
		routed:1;
};

/**
 * struct fcn_terms - on what terms a mapping is made
 * @ifindex:	external device
 * @first:	lowest external port it may have, host order; this and @last
 *		narrow the knob `ports`
 * @last:	highest external port it may have, host order
 * @origin:	who makes it
 * @filtered:	it is a rule that says ...
 * @filter:	... who may come in from outside
 */
struct fcn_terms {
	int			ifindex;
	u16			first;
	u16			last;
	struct fcn_origin	origin;
	bool			filtered;
	u8			filter;
};

/**
 * struct fcn_extra - what few mappings have: those that are not at home, have a
 * filter or a quota, or whose strangers are counted
 * @node:	in fcn_table.away, while the mapping is neither at home, nor
 *		%FCN_DYING, nor a second one
 * @mapping:	whose it is
 * @hash:	of what it is found by
 * @per_peer:	@peer and @peer_port tell whom alone it is for
 * @peer_port:	network order
 * @peer:	network order
 * @first:	lowest external port it could have had, host order
 * @last:	highest
 * @host:	whose quota it counts against, or NULL
 * @peers:	whom it has spoken to, if its filter wants to know; changed under
 *		fcn_mapping_lock(), walked under RCU
 * @peer_count:	how many those are; under fcn_mapping_lock()
 * @opened:	sessions that strangers have opened since a sweep began, of even
 *		and of odd number; any CPU, see fcn_account_admit()
 *
 * All but the last three are fixed before anybody can find this.
 */
struct fcn_extra {
	struct rhash_head	node;
	struct fcn_mapping	*mapping;
	u32			hash;
	bool			per_peer;
	__be16			peer_port;
	union nf_inet_addr	peer;
	u16			first;
	u16			last;
	struct fcn_host		*host;
	struct hlist_head	peers;
	u32			peer_count;
	atomic_t		opened[2];
};

/**
 * struct fcn_mapping - X:x has E:e
 * @pool:	owns the port, and tells E, family and protocol; outlives the
 *		mapping
 * @extra:	NULL for most; only ever set, under fcn_mapping_lock()
 * @addr:	X, network order
 * @port:	x, network order
 * @ext_port:	e, network order
 * @zone:	conntrack zone of the original direction
 * @home:	found from inside by its port: x and e are the same, and it is for
 *		all peers
 * @second:	its endpoint has another mapping, and this one only holds a port
 * @origin:	who has made it
 * @charged:	it counts against its host's quota; written under
 *		fcn_mapping_lock()
 * @fixed:	a static forward; only ever set, under fcn_mapping_lock()
 * @ruled:	a rule has chosen it; only ever set
 * @decided:	an outbound flow of it was decided; only ever set
 * @filtered:	it was a rule that said what @filter is
 * @filter:	enum fcn_filter; see fcn_mapping_decide().  Written and read with
 *		WRITE_ONCE() and READ_ONCE(), like the four before
 * @life:	what packets look at
 * @ifindex:	external device
 * @created:	seconds
 * @account:	what the clock reckons with
 * @rcu:	for the end
 * @table:	likewise, as the pool may end first
 * @next:	likewise: what goes with it
 *
 * What nothing else is said of is fixed at creation.  A million of these are to
 * fit into a small machine: what is not in every mapping does not belong here.
 */
struct fcn_mapping {
	struct fcn_pool		*pool;
	struct fcn_extra __rcu	*extra;
	union nf_inet_addr	addr;
	__be16			port;
	__be16			ext_port;
	u16			zone;
	u8			home:1,
				second:1;
	struct fcn_origin	origin;
	bool			charged;
	bool			fixed;
	bool			ruled;
	bool			decided;
	bool			filtered;
	u8			filter;
	struct fcn_life		life;
	int			ifindex;
	u32			created;

	union {
		struct fcn_account	account;
		struct {
			struct rcu_head		rcu;
			struct fcn_table	*table;
			struct fcn_mapping	*next;
		};
	};
};

/**
 * struct fcn_table - the mappings of a namespace
 * @pools:	by outside endpoint, under RCU; those at home also by inside endpoint
 * @away:	the others by inside endpoint, under RCU
 * @peers:	of the mappings with a filter, under RCU
 * @hosts:	whom quotas are kept for
 * @count:	mappings, those that wait for a grace period included
 * @dying:	some are dying, or were in the last sweep; under fcn_net.mutex
 * @gone:	what the walk under way has retired last; this and the next are its
 *		alone, under fcn_net.mutex
 * @gone_count:	how many those are
 */
struct fcn_table {
	struct fcn_pools	pools;
	struct rhashtable	away;
	struct fcn_peers	peers;
	struct fcn_hosts	hosts;
	atomic_t		count;
	bool			dying;
	struct fcn_mapping	*gone;
	u32			gone_count;
};

int fcn_mapping_cache_init(void);
void fcn_mapping_cache_exit(void);
int fcn_table_init(struct fcn_table *table, const struct net *net);
void fcn_table_exit(struct fcn_table *table);

struct fcn_mapping *fcn_mapping_find(struct fcn_table *table,
				     const struct fcn_key *key);
struct fcn_mapping *fcn_mapping_find_any(struct fcn_table *table,
					 struct fcn_key *key);
struct fcn_mapping *fcn_mapping_find_ext(struct fcn_table *table, u8 family,
					 u8 proto,
					 const union nf_inet_addr *addr,
					 __be16 port);
struct fcn_mapping *fcn_mapping_get(struct fcn_net *fn,
				    const struct fcn_conf *conf,
				    const struct fcn_key *key,
				    const struct fcn_terms *terms,
				    u32 deadline);
int fcn_mapping_fix(struct fcn_net *fn, const struct fcn_key *key,
		    __be16 port, const struct net_device *dev);
int fcn_mapping_adopt(struct fcn_net *fn, const struct fcn_key *key,
		      __be16 port, const struct fcn_terms *terms, bool closed);

struct fcn_terms fcn_mapping_terms(const struct fcn_mapping *m);
struct fcn_extra *fcn_mapping_extra(struct fcn_mapping *m);
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

static inline struct fcn_table *fcn_mapping_table(const struct fcn_mapping *m)
{
	return container_of(m->pool->pools, struct fcn_table, pools);
}

/* What protects it: see there. */
static inline struct fcn_stripe *fcn_mapping_stripe(const struct fcn_mapping *m)
{
	return fcn_pool_stripe(m->pool, ntohs(m->port));
}

static inline spinlock_t *fcn_mapping_lock(const struct fcn_mapping *m)
{
	return &fcn_mapping_stripe(m)->lock;
}

static inline u8 fcn_mapping_family(const struct fcn_mapping *m)
{
	return m->pool->key.family;
}

static inline u8 fcn_mapping_proto(const struct fcn_mapping *m)
{
	return m->pool->key.proto;
}

/* E, network order */
static inline const union nf_inet_addr *
fcn_mapping_ext(const struct fcn_mapping *m)
{
	return &m->pool->key.addr;
}

/* Who may come in?  A static forward lets everybody in. */
static inline enum fcn_filter fcn_mapping_filter(const struct fcn_mapping *m)
{
	return READ_ONCE(m->fixed) ? FCN_EIF : READ_ONCE(m->filter);
}

#endif /* _FULLCONE_NAT_MAPPING_H */
