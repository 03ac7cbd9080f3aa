/* SPDX-License-Identifier: GPL-2.0 */
/*
 * External ports: who owns which, and which may be handed out.
 */
#ifndef _FULLCONE_NAT_PORT_H
#define _FULLCONE_NAT_PORT_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/cache.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/netfilter.h>
#include <linux/rcupdate.h>
#include <linux/rhashtable-types.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct fcn_mapping;
struct net;

/* A query has one id in place of two ports. */
static inline bool fcn_is_icmp(u8 proto)
{
	return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

#define FCN_PORTS	65536	/* also: ICMP query ids */
#define FCN_PORTS_LOW	1024	/* these many are well-known */
#define FCN_CHUNK_BITS	8
#define FCN_CHUNK_PORTS	256	/* 2 to the power of FCN_CHUNK_BITS */
#define FCN_CHUNKS	(FCN_PORTS / FCN_CHUNK_PORTS)
#define FCN_RANGES_MAX	64	/* bounds every search for a port */
#define FCN_STRIPES	16	/* a power of two */
#define FCN_AWAY_BITS	64

/**
 * struct fcn_port_list - ports as a sorted list of disjoint ranges
 * @count:	ranges in use
 * @range:	first and last port of each, host order, both included
 */
struct fcn_port_list {
	u32	count;
	struct {
		u16	first;
		u16	last;
	} range[FCN_RANGES_MAX];
};

/**
 * struct fcn_pool_key - what a pool is found by; unused bytes are zero
 * @addr:	external address, network order
 * @family:	NFPROTO_*
 * @proto:	IPPROTO_*
 * @pad:	zero
 */
struct fcn_pool_key {
	union nf_inet_addr	addr;
	u8			family;
	u8			proto;
	u16			pad;
};

/**
 * struct fcn_chunk - ports that have the same upper bits
 * @used:	a bit for each that has an owner, or is going to; whoever sets one
 *		has the port
 * @owner:	mappings, under RCU; written by who has the port
 */
struct fcn_chunk {
	DECLARE_BITMAP(used, FCN_CHUNK_PORTS);
	struct fcn_mapping __rcu	*owner[FCN_CHUNK_PORTS];
};

/**
 * struct fcn_stripe - the mappings of a pool whose inside ports have the same lowest bits
 * @lock:	protects them, see fcn_mapping_lock(), and the members below.  No two
 *		of these at once, and none around a call into conntrack, so it may be
 *		taken under a conntrack bucket lock.
 * @away_count:	mappings that are not found by their ports from inside
 * @away:	a bit for the inside ports of those; may be set for nobody.  Read at
 *		any time
 *
 * CPUs that make mappings at once mostly do so for different inside ports.
 */
struct fcn_stripe {
	spinlock_t		lock;	/* protects what follows */
	u32			away_count;
	unsigned long		away[BITS_TO_LONGS(FCN_AWAY_BITS)];
} ____cacheline_aligned_in_smp;

/**
 * struct fcn_pool - the ports of one external address and protocol
 * @node:	in fcn_pools.table
 * @key:	fixed at creation
 * @pools:	fixed at creation
 * @id:		fixed at creation, grows along fcn_pools.list
 * @list:	in fcn_pools.list
 * @used:	ports in use; FCN_POOL_DEAD when nothing is added any more
 * @full:	a bit for each chunk that has no free even port, and one for each
 *		that has no free odd port; not exact, see nat_port.c
 * @chunk:	ports by their upper bits, under RCU; made with the first port of a
 *		chunk, under fcn_pools.lock, kept until the pool goes
 * @stripe:	mappings by their inside ports
 * @rcu:	for the end
 *
 * The pool is the outside index of the mapping table: it finds the mapping of
 * an external endpoint in two steps and knows every free port.
 */
struct fcn_pool {
	struct rhash_head	node;
	struct fcn_pool_key	key;
	struct fcn_pools	*pools;
	u32			id;
	struct list_head	list;

	/* written with each new mapping, unlike what is above */
	atomic_t		used ____cacheline_aligned_in_smp;
	unsigned long		full[2][BITS_TO_LONGS(FCN_CHUNKS)];
	struct fcn_chunk __rcu	*chunk[FCN_CHUNKS];
	struct fcn_stripe	stripe[FCN_STRIPES];
	struct rcu_head		rcu;
};

#define FCN_POOL_DEAD	INT_MIN

#define FCN_FRONT_BITS	6

/**
 * struct fcn_front - a place in front of the table of pools
 * @pool:	one of the pools that belong here, under RCU, or NULL
 * @count:	how many those are; read with READ_ONCE()
 */
struct fcn_front {
	struct fcn_pool __rcu	*pool;
	u32			count;
};

/**
 * struct fcn_pools - the pools of a namespace
 * @table:	by key, under RCU
 * @front:	by a small hash.  Nearly all routers have fewer pools than this has
 *		places: most packets find theirs here, or that there is none
 * @list:	all of them in the order of their ids, under RCU
 * @lock:	protects changes of all members, and new chunks of a pool; the
 *		innermost of ours
 * @next_id:	id of the next pool
 * @count:	pools in @list
 * @room:	chunks that there may be, those of other namespaces included.  Fixed
 */
struct fcn_pools {
	struct rhashtable	table;
	struct fcn_front	front[1 << FCN_FRONT_BITS];
	struct list_head	list;
	spinlock_t		lock;	/* protects all members, and chunks */
	u32			next_id;
	u32			count;
	u32			room;
};

/**
 * struct fcn_port_wish - what a new mapping asks of the allocator
 * @net:	namespace whose sockets and reserved ports are left alone
 * @kept:	a bit for each port that is kept for static forwards, or NULL
 * @allowed:	ports that may be handed out ...
 * @first:	... if they are not below this, host order
 * @last:	... nor above this
 * @port:	the inside port, host order: preserved if it is free
 * @random:	do not preserve it
 * @keep_class:	below 1024 stays below 1024, the rest above, if there are such
 * @keep_parity: even stays even, odd stays odd, best effort
 * @ifindex:	external device, for sockets that are bound to one
 */
struct fcn_port_wish {
	struct net			*net;
	const unsigned long		*kept;
	const struct fcn_port_list	*allowed;
	u16				first;
	u16				last;
	u16				port;
	bool				random;
	bool				keep_class;
	bool				keep_parity;
	int				ifindex;
};

int fcn_port_cache_init(void);
void fcn_port_cache_exit(void);
int fcn_pools_init(struct fcn_pools *pools, u32 room);
void fcn_pools_exit(struct fcn_pools *pools);

struct fcn_pool *fcn_pool_find(struct fcn_pools *pools, u8 family, u8 proto,
			       const union nf_inet_addr *addr);
struct fcn_pool *fcn_pool_get(struct fcn_pools *pools, u8 family, u8 proto,
			      const union nf_inet_addr *addr, u32 max);
void fcn_pools_trim(struct fcn_pools *pools);

struct fcn_mapping *fcn_pool_next(const struct fcn_pool *pool, u32 *port);
bool fcn_port_has_socket(const struct fcn_pool *pool,
			 const struct fcn_port_wish *wish, u16 port);
bool fcn_port_is_routers(const struct fcn_pool *pool,
			 const struct fcn_port_wish *wish, u16 port);
int fcn_port_choose(const struct fcn_pool *pool, struct fcn_port_wish *wish);
int fcn_port_take(struct fcn_pool *pool, u16 port);
void fcn_port_give(struct fcn_pool *pool, u16 port, struct fcn_mapping *m);
void fcn_port_release(struct fcn_pool *pool, u16 port);

void fcn_stripe_away_add(struct fcn_stripe *stripe, u16 port);
void fcn_stripe_away_del(struct fcn_stripe *stripe);

/**
 * fcn_pool_stripe - what protects the mappings of an inside port
 * @pool:	the pool
 * @port:	inside port, host order
 */
static inline struct fcn_stripe *fcn_pool_stripe(struct fcn_pool *pool,
						 u16 port)
{
	return &pool->stripe[port & (FCN_STRIPES - 1)];
}

/* How many ports are in use? */
static inline u32 fcn_pool_used(const struct fcn_pool *pool)
{
	return max(atomic_read(&pool->used), 0);
}

/**
 * fcn_pool_owner - the mapping that holds a port
 * @pool:	the pool
 * @port:	host order
 *
 * Return: the mapping, valid until rcu_read_unlock(), or NULL.
 */
static inline struct fcn_mapping *fcn_pool_owner(const struct fcn_pool *pool,
						 u16 port)
{
	const struct fcn_chunk *chunk;

	chunk = rcu_dereference(pool->chunk[port >> FCN_CHUNK_BITS]);
	if (!chunk)
		return NULL;
	return rcu_dereference(chunk->owner[port & (FCN_CHUNK_PORTS - 1)]);
}

static inline u32 fcn_away_bit(u16 port)
{
	return port / FCN_STRIPES % FCN_AWAY_BITS;
}

/* May there be a mapping of this inside port, or of one like it, with another? */
static inline bool fcn_pool_has_away(struct fcn_pool *pool, u16 port)
{
	return test_bit(fcn_away_bit(port), fcn_pool_stripe(pool, port)->away);
}

bool fcn_port_list_has(const struct fcn_port_list *list, u16 port);
int fcn_port_list_subtract(struct fcn_port_list *out,
			   const struct fcn_port_list *from,
			   const struct fcn_port_list *minus);

#endif /* _FULLCONE_NAT_PORT_H */
