// SPDX-License-Identifier: GPL-2.0
/*
 * External ports.
 *
 * Owns the pools: one for each external address and protocol, made when the
 * first mapping wants it and freed when the last has gone.  A pool knows which
 * mapping holds which port, and exactly which ports are free.
 *
 * Invariants:
 *  - a port's bit is set before it gets an owner and cleared after it has none:
 *    whoever sets it has the port;
 *  - a chunk's bit in one half of @full is set if and only if the bits of all its
 *    even or odd ports are, but for a moment; it may be missing for longer when two
 *    CPUs took and gave back the last such port at once, which costs a look at the
 *    chunk and nothing else;
 *  - owners are read under RCU; chunks live as long as their pool.
 *
 * A search looks at a bounded number of ranges and words, so its cost hardly
 * depends on how many ports are in use.
 */

#include <linux/bitmap.h>
#include <linux/hash.h>
#include <linux/inetdevice.h>
#include <linux/random.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/sock.h>

#include "compat.h"
#include "nat_port.h"

/*
 * Candidates looked at for one mapping.  Only ports that the router itself
 * uses or keeps are refused after they were found free, so more than a few
 * mean that those cover nearly all that is left.  At the bound the mapping is
 * refused.
 */
#define FCN_PORT_TRIES	64

/* Sockets looked at for one candidate; a slot has a few, if nobody is up to something. */
#define FCN_SOCKETS_MAX	256

/* which ports */
enum fcn_parity {
	FCN_EVEN,
	FCN_ODD,
	FCN_ANY,
};

static struct kmem_cache *fcn_chunk_cache __read_mostly;

/* What a pool weighs, in chunks. */
#define FCN_POOL_WEIGHT	2

/* Those of all namespaces, and the weight of their pools. */
static atomic_t fcn_chunks = ATOMIC_INIT(0);

static const struct rhashtable_params fcn_pool_params = {
	.head_offset		= offsetof(struct fcn_pool, node),
	.key_offset		= offsetof(struct fcn_pool, key),
	.key_len		= sizeof(struct fcn_pool_key),
	.automatic_shrinking	= true,
};

int __init fcn_port_cache_init(void)
{
	fcn_chunk_cache = kmem_cache_create("fullcone_nat_ports",
					    sizeof(struct fcn_chunk), 0, 0,
					    NULL);
	return fcn_chunk_cache ? 0 : -ENOMEM;
}

/* The caller has seen to it (rcu_barrier()) that no pool awaits its end. */
void fcn_port_cache_exit(void)
{
	kmem_cache_destroy(fcn_chunk_cache);
}

/**
 * fcn_pools_init - no pools yet
 * @pools:	pools of the namespace
 * @room:	chunks that there may be, those of other namespaces included
 *
 * Return: 0 or a negative error.
 */
int fcn_pools_init(struct fcn_pools *pools, u32 room)
{
	pools->room = room;
	INIT_LIST_HEAD(&pools->list);
	spin_lock_init(&pools->lock);
	return rhashtable_init(&pools->table, &fcn_pool_params);
}

/* All pools are gone: the table was emptied and trimmed. */
void fcn_pools_exit(struct fcn_pools *pools)
{
	WARN_ON_ONCE(!list_empty(&pools->list));
	rhashtable_destroy(&pools->table);
}

static struct fcn_front *fcn_pools_front(struct fcn_pools *pools, u8 proto,
					 const union nf_inet_addr *addr)
{
	const __u32 *word = addr->all;

	return &pools->front[hash_32(word[0] ^ word[1] ^ word[2] ^ word[3] ^
				     proto, FCN_FRONT_BITS)];
}

static struct fcn_pool_key fcn_pool_key(u8 family, u8 proto,
					const union nf_inet_addr *addr)
{
	struct fcn_pool_key key = {
		.addr	= *addr,
		.family	= family,
		.proto	= proto,
	};

	return key;
}

static struct fcn_pool *fcn_pool_search(struct fcn_pools *pools, u8 family,
					u8 proto,
					const union nf_inet_addr *addr)
{
	const struct fcn_pool_key key = fcn_pool_key(family, proto, addr);

	return rhashtable_lookup(&pools->table, &key, fcn_pool_params);
}

/**
 * fcn_pool_find - look a pool up
 * @pools:	pools of the namespace
 * @family:	NFPROTO_*
 * @proto:	IPPROTO_*
 * @addr:	external address
 *
 * Return: the pool, valid until rcu_read_unlock(), or NULL.
 */
struct fcn_pool *fcn_pool_find(struct fcn_pools *pools, u8 family, u8 proto,
			       const union nf_inet_addr *addr)
{
	const struct fcn_front *front = fcn_pools_front(pools, proto, addr);
	struct fcn_pool *pool = rcu_dereference(front->pool);

	if (pool && nf_inet_addr_cmp(&pool->key.addr, addr) &&
	    pool->key.proto == proto && pool->key.family == family)
		return pool;
	if (!READ_ONCE(front->count))
		return NULL;
	return fcn_pool_search(pools, family, proto, addr);
}

/* Lock held: adds a pool, also in front if no other has the place. */
static void fcn_pool_link(struct fcn_pools *pools, struct fcn_pool *pool)
{
	struct fcn_front *front;

	lockdep_assert_held(&pools->lock);
	pools->next_id++;
	WRITE_ONCE(pools->count, pools->count + 1);
	list_add_tail_rcu(&pool->list, &pools->list);
	front = fcn_pools_front(pools, pool->key.proto, &pool->key.addr);
	WRITE_ONCE(front->count, front->count + 1);
	if (!rcu_access_pointer(front->pool))
		rcu_assign_pointer(front->pool, pool);
}

/* Lock held: removes a pool; others of its place are found in the table. */
static void fcn_pool_unlink(struct fcn_pools *pools, struct fcn_pool *pool)
{
	struct fcn_front *front;

	lockdep_assert_held(&pools->lock);
	front = fcn_pools_front(pools, pool->key.proto, &pool->key.addr);
	if (rcu_access_pointer(front->pool) == pool)
		RCU_INIT_POINTER(front->pool, NULL);
	WRITE_ONCE(front->count, front->count - 1);
	list_del_rcu(&pool->list);
	WRITE_ONCE(pools->count, pools->count - 1);
	rhashtable_remove_fast(&pools->table, &pool->node, fcn_pool_params);
}

static void fcn_stripes_init(struct fcn_pool *pool)
{
	struct fcn_stripe *stripe;

	for (stripe = pool->stripe; stripe < pool->stripe + FCN_STRIPES; stripe++)
		spin_lock_init(&stripe->lock);
}

/*
 * One port in use keeps a whole chunk, and a pool keeps what it ever had, so that
 * a limit of mappings is none of memory.
 */
static bool fcn_pools_charge(const struct fcn_pools *pools, u32 chunks)
{
	if (atomic_add_return(chunks, &fcn_chunks) <= pools->room)
		return true;
	atomic_sub(chunks, &fcn_chunks);
	return false;
}

static void fcn_pools_uncharge(u32 chunks)
{
	atomic_sub(chunks, &fcn_chunks);
}

static struct fcn_pool *fcn_pool_create(struct fcn_pools *pools, u8 family,
					u8 proto,
					const union nf_inet_addr *addr)
{
	struct fcn_pool *pool, *old;

	if (!fcn_pools_charge(pools, FCN_POOL_WEIGHT))
		return ERR_PTR(-ENFILE);
	pool = kzalloc(sizeof(*pool), GFP_ATOMIC | __GFP_ACCOUNT | __GFP_NOWARN);
	if (!pool) {
		fcn_pools_uncharge(FCN_POOL_WEIGHT);
		return ERR_PTR(-ENOMEM);
	}

	pool->key = fcn_pool_key(family, proto, addr);
	pool->pools = pools;
	fcn_stripes_init(pool);

	spin_lock_bh(&pools->lock);
	/* before anybody can find it: keys are hashed with it */
	pool->id = pools->next_id;
	old = rhashtable_lookup_get_insert_fast(&pools->table, &pool->node,
						fcn_pool_params);
	if (!old)
		fcn_pool_link(pools, pool);
	spin_unlock_bh(&pools->lock);

	if (!old)
		return pool;

	kfree(pool);
	fcn_pools_uncharge(FCN_POOL_WEIGHT);
	return old;
}

/**
 * fcn_pool_get - look a pool up, make it if it is not there
 * @pools:	pools of the namespace
 * @family:	NFPROTO_*
 * @proto:	IPPROTO_*
 * @addr:	external address
 * @max:	how many there may be, about; a pool is much larger than a
 *		mapping
 *
 * Return: the pool, valid until rcu_read_unlock(), or ERR_PTR() of -EDQUOT,
 * -ENFILE (all namespaces have too many), -ENOMEM, or what a busy hash returns.
 */
struct fcn_pool *fcn_pool_get(struct fcn_pools *pools, u8 family, u8 proto,
			      const union nf_inet_addr *addr, u32 max)
{
	struct fcn_pool *pool = fcn_pool_find(pools, family, proto, addr);

	/* one that is just being removed is out of the table under the lock */
	if (likely(pool && atomic_read(&pool->used) >= 0))
		return pool;
	if (READ_ONCE(pools->count) >= max)
		return ERR_PTR(-EDQUOT);
	return fcn_pool_create(pools, family, proto, addr);
}

static void fcn_pool_free_rcu(struct rcu_head *head)
{
	struct fcn_pool *pool = container_of(head, struct fcn_pool, rcu);
	u32 i, weight = FCN_POOL_WEIGHT;

	for (i = 0; i < FCN_CHUNKS; i++) {
		if (!rcu_access_pointer(pool->chunk[i]))
			continue;
		kmem_cache_free(fcn_chunk_cache,
				rcu_dereference_protected(pool->chunk[i], 1));
		weight++;
	}
	fcn_pools_uncharge(weight);
	kfree(pool);
}

/**
 * fcn_pools_trim - free the pools that no mapping uses
 * @pools:	pools of the namespace
 *
 * Process context; the caller keeps two of these from running at once.
 */
void fcn_pools_trim(struct fcn_pools *pools)
{
	struct fcn_pool *pool, *next;
	bool dead;

	list_for_each_entry_safe(pool, next, &pools->list, list) {
		if (atomic_read(&pool->used))
			continue;

		spin_lock_bh(&pools->lock);
		dead = !atomic_cmpxchg(&pool->used, 0, FCN_POOL_DEAD);
		if (dead)
			fcn_pool_unlink(pools, pool);
		spin_unlock_bh(&pools->lock);
		if (dead)
			call_rcu(&pool->rcu, fcn_pool_free_rcu);
	}
}

/**
 * fcn_pool_next - walk over the mappings of a pool
 * @pool:	the pool
 * @port:	in: where to begin, host order; out: the port that was found
 *
 * Return: the first mapping at or above @port, valid until rcu_read_unlock(),
 * or NULL when there is none.
 */
struct fcn_mapping *fcn_pool_next(const struct fcn_pool *pool, u32 *port)
{
	const struct fcn_chunk *chunk;
	struct fcn_mapping *m;
	u32 bit;

	while (*port < FCN_PORTS) {
		bit = *port & (FCN_CHUNK_PORTS - 1);
		chunk = rcu_dereference(pool->chunk[*port >> FCN_CHUNK_BITS]);
		if (chunk)
			bit = find_next_bit(chunk->used, FCN_CHUNK_PORTS, bit);
		else
			bit = FCN_CHUNK_PORTS;
		*port = (*port & ~(FCN_CHUNK_PORTS - 1)) + bit;
		if (bit == FCN_CHUNK_PORTS)
			continue;

		m = rcu_dereference(chunk->owner[bit]);
		if (m)
			return m;
		++*port;
	}
	return NULL;
}

static struct fcn_chunk *fcn_pool_chunk(const struct fcn_pool *pool, u32 i)
{
	return rcu_dereference(pool->chunk[i]);
}

/* Returns a chunk that is in its place, or ERR_PTR(). */
static noinline struct fcn_chunk *fcn_pool_add_chunk(struct fcn_pool *pool,
						     u32 i)
{
	struct fcn_chunk *chunk, *old;

	if (!fcn_pools_charge(pool->pools, 1))
		return ERR_PTR(-ENFILE);
	chunk = kmem_cache_zalloc(fcn_chunk_cache,
				  GFP_ATOMIC | __GFP_ACCOUNT | __GFP_NOWARN);
	if (!chunk) {
		fcn_pools_uncharge(1);
		return ERR_PTR(-ENOMEM);
	}
	spin_lock_bh(&pool->pools->lock);
	old = rcu_dereference_protected(pool->chunk[i],
					lockdep_is_held(&pool->pools->lock));
	if (!old)
		rcu_assign_pointer(pool->chunk[i], chunk);
	spin_unlock_bh(&pool->pools->lock);
	if (!old)
		return chunk;
	kmem_cache_free(fcn_chunk_cache, chunk);
	fcn_pools_uncharge(1);
	return old;
}

static bool fcn_port_used(const struct fcn_pool *pool, u16 port)
{
	const struct fcn_chunk *chunk;

	chunk = fcn_pool_chunk(pool, port >> FCN_CHUNK_BITS);
	return chunk && test_bit(port & (FCN_CHUNK_PORTS - 1), chunk->used);
}

/* The first free bit at or above @bit that is even or odd, else no bit at all. */
static u32 fcn_chunk_next_free(const struct fcn_chunk *chunk, u32 bit,
			       enum fcn_parity parity)
{
	const unsigned long mask = (~0UL / 3) << parity;
	unsigned long free;
	u32 i = bit / BITS_PER_LONG;

	free = ~READ_ONCE(chunk->used[i]) & mask & (~0UL << (bit % BITS_PER_LONG));
	while (!free && ++i < BITS_TO_LONGS(FCN_CHUNK_PORTS))
		free = ~READ_ONCE(chunk->used[i]) & mask;
	return free ? i * BITS_PER_LONG + __ffs(free) : FCN_CHUNK_PORTS;
}

/*
 * The first free even or odd port in [first, last], or -1: the rest of one chunk,
 * the summary of all, and one chunk more, but for those whose bit is missing.
 */
static int fcn_port_next_of(const struct fcn_pool *pool, u32 first, u32 last,
			    enum fcn_parity parity)
{
	u32 i = first >> FCN_CHUNK_BITS, bit = first & (FCN_CHUNK_PORTS - 1);
	const struct fcn_chunk *chunk;
	u32 port;

	for (;;) {
		chunk = fcn_pool_chunk(pool, i);
		if (chunk)
			bit = fcn_chunk_next_free(chunk, bit, parity);
		else
			bit += (bit ^ parity) & 1;
		port = (i << FCN_CHUNK_BITS) + bit;
		if (port > last)
			return -1;
		if (bit < FCN_CHUNK_PORTS)
			return port;

		/* mostly a chunk whose bit is not set has a free port */
		i = find_next_zero_bit(pool->full[parity], FCN_CHUNKS, i + 1);
		if (i == FCN_CHUNKS)
			return -1;
		bit = 0;
	}
}

/* The first free port in [first, last], or -1. */
static int fcn_port_next_free(const struct fcn_pool *pool, u32 first, u32 last,
			      enum fcn_parity parity)
{
	int even, odd;

	if (parity != FCN_ANY)
		return fcn_port_next_of(pool, first, last, parity);
	even = fcn_port_next_of(pool, first, last, FCN_EVEN);
	odd = fcn_port_next_of(pool, first, last, FCN_ODD);
	return even < 0 ? odd : odd < 0 ? even : min(even, odd);
}

bool fcn_port_list_has(const struct fcn_port_list *list, u16 port)
{
	u32 i;

	for (i = 0; i < list->count; i++)
		if (port >= list->range[i].first && port <= list->range[i].last)
			return true;
	return false;
}

/* Range @i of the list as far as the wish goes; false if nothing is left. */
static bool fcn_wish_range(const struct fcn_port_wish *wish, u32 i, u32 *first,
			   u32 *last)
{
	*first = max(wish->allowed->range[i].first, wish->first);
	*last = min(wish->allowed->range[i].last, wish->last);
	return *first <= *last;
}

/* How many ports there are to choose from, free or not. */
static u32 fcn_wish_total(const struct fcn_port_wish *wish)
{
	u32 i, first, last, total = 0;

	for (i = 0; i < wish->allowed->count; i++)
		if (fcn_wish_range(wish, i, &first, &last))
			total += last - first + 1;
	return total;
}

/*
 * The next free port, beginning at @start and going round once, or -1.
 * Whatever lies below @start in its range comes last.
 */
static int fcn_port_round(const struct fcn_pool *pool,
			  const struct fcn_port_wish *wish,
			  enum fcn_parity parity, u32 start)
{
	const u32 count = wish->allowed->count;
	u32 i, n, first, last, home = 0;
	int port;

	while (home < count && wish->allowed->range[home].last < start)
		home++;
	for (n = 0; n <= count; n++) {
		i = (home + n) % count;
		if (!fcn_wish_range(wish, i, &first, &last))
			continue;
		if (n == 0)
			first = max(first, start);
		else if (n == count)
			last = min(last, start - 1);
		port = first > last ? -1 :
		       fcn_port_next_free(pool, first, last, parity);
		if (port >= 0)
			return port;
	}
	return -1;
}

/* RFC 6056, section 3.3.1: start anywhere, take the next free one. */
static int fcn_port_random(const struct fcn_pool *pool,
			   const struct fcn_port_wish *wish,
			   enum fcn_parity parity, u32 total)
{
	u32 i, first, last, n = reciprocal_scale(get_random_u32(), total);

	for (i = 0; i < wish->allowed->count; i++) {
		if (!fcn_wish_range(wish, i, &first, &last))
			continue;
		if (n <= last - first)
			break;
		n -= last - first + 1;
	}
	return fcn_port_round(pool, wish, parity, first + n);
}

/* Is a UDP socket bound to this address, or to all? */
static bool fcn_udp_is_bound(const struct sock *sk, u8 family,
			     const union nf_inet_addr *addr)
{
	__be32 bound;

#if IS_ENABLED(CONFIG_IPV6)
	if (family == NFPROTO_IPV6)
		return sk->sk_family == AF_INET6 &&
		       (ipv6_addr_any(&sk->sk_v6_rcv_saddr) ||
			ipv6_addr_equal(&sk->sk_v6_rcv_saddr, &addr->in6));
#endif
	bound = READ_ONCE(inet_sk(sk)->inet_rcv_saddr);
	return !bound || bound == addr->ip;
}

/*
 * Looks at the sockets themselves: the kernel's lookup by address would not see those
 * that are connected.  More than anybody has in one place, none of them for this
 * device, count as one that is.
 */
static bool fcn_udp_slot_has(struct net *net, u32 hash, u8 family,
			     const union nf_inet_addr *addr, u16 port,
			     int ifindex)
{
	struct udp_hslot *slot = udp_hashslot2(fcn_udp_table(net), hash);
	unsigned int seen = 0;
	struct sock *sk;

	udp_portaddr_for_each_entry_rcu(sk, &slot->head) {
		int dev = READ_ONCE(sk->sk_bound_dev_if);

		if (++seen > FCN_SOCKETS_MAX)
			return true;
		if (!net_eq(sock_net(sk), net) ||
		    udp_sk(sk)->udp_port_hash != port)
			continue;
		if (fcn_udp_is_bound(sk, family, addr) &&
		    (!dev || dev == ifindex))
			return true;
	}
	return false;
}

/*
 * Sockets are in the slot of their address and port.  All with one port are in one
 * slot of another table, in which anybody may put as many as he likes.
 */
static bool fcn_udp_socket(struct net *net, u8 family,
			   const union nf_inet_addr *addr, u16 port,
			   int ifindex)
{
	u32 one = ipv4_portaddr_hash(net, addr->ip, port);
	/* IPv6's is the same */
	u32 all = ipv4_portaddr_hash(net, htonl(INADDR_ANY), port);

#if IS_ENABLED(CONFIG_IPV6)
	if (family == NFPROTO_IPV6)
		one = ipv6_portaddr_hash(net, &addr->in6, port);
#endif
	return fcn_udp_slot_has(net, one, family, addr, port, ifindex) ||
	       fcn_udp_slot_has(net, all, family, addr, port, ifindex);
}

/**
 * fcn_port_has_socket - does the router itself use this port?
 * @pool:	the pool
 * @wish:	what is asked for; @net and @ifindex
 * @port:	host order
 *
 * Under rcu_read_lock().
 */
bool fcn_port_has_socket(const struct fcn_pool *pool,
			 const struct fcn_port_wish *wish, u16 port)
{
	const union nf_inet_addr *addr = &pool->key.addr;
	const u8 family = pool->key.family;

	switch (pool->key.proto) {
	case IPPROTO_UDP:
		return fcn_udp_socket(wish->net, family, addr, port,
				      wish->ifindex);
	case IPPROTO_TCP:
		return family == NFPROTO_IPV6 ?
		       fcn_tcp6_listener(wish->net, &addr->in6, port,
					 wish->ifindex) :
		       fcn_tcp_listener(wish->net, addr->ip, port,
					wish->ifindex);
	default:
		return false;
	}
}

/**
 * fcn_port_is_routers - is this port the router's to use or to keep?
 * @pool:	the pool
 * @wish:	what is asked for; @net, @ifindex and @kept
 * @port:	host order
 *
 * Under rcu_read_lock().
 *
 * Return: true if it has a socket there, or keeps the port for a static
 * forward, or its sysctl says so.
 */
bool fcn_port_is_routers(const struct fcn_pool *pool,
			 const struct fcn_port_wish *wish, u16 port)
{
	if (fcn_is_icmp(pool->key.proto))
		return false;
	if (wish->kept && test_bit(port, wish->kept))
		return true;
	return inet_is_local_reserved_port(wish->net, port) ||
	       fcn_port_has_socket(pool, wish, port);
}

/* A free port of this parity that the router does not use itself, or -1. */
static int fcn_port_search(const struct fcn_pool *pool,
			   const struct fcn_port_wish *wish,
			   enum fcn_parity parity, u32 total, int tries)
{
	int port = fcn_port_random(pool, wish, parity, total), n;

	for (n = 0; port >= 0 && n < tries; n++) {
		if (!fcn_port_is_routers(pool, wish, port))
			return port;

		/* go on from there; then, should it be a long run, elsewhere */
		if (n < tries / 2)
			port = fcn_port_round(pool, wish, parity, port + 1);
		else
			port = fcn_port_random(pool, wish, parity, total);
	}
	return -1;
}

/* An inside port below 1024 gets one below 1024 if there are any, and so on. */
static u32 fcn_wish_keep_class(struct fcn_port_wish *wish)
{
	struct fcn_port_wish same = *wish;
	u32 total;

	if (wish->port < FCN_PORTS_LOW)
		same.last = min_t(u16, wish->last, FCN_PORTS_LOW - 1);
	else
		same.first = max_t(u16, wish->first, FCN_PORTS_LOW);
	total = fcn_wish_total(&same);
	if (!total)
		return fcn_wish_total(wish);
	*wish = same;
	return total;
}

/**
 * fcn_port_choose - choose the external port of a new mapping
 * @pool:	the pool
 * @wish:	what is asked for; narrowed
 *
 * Under rcu_read_lock().  Another CPU may take the port meanwhile; then
 * fcn_port_take() says so.
 *
 * The inside port if it is wanted and free (RFC 4787, section 4.2.1), else a
 * random one (RFC 7857, section 9), on the same side of 1024 (REQ-3a), and even
 * or odd like the inside port while there are such (REQ-4).  Never one that the
 * router itself uses.
 *
 * Return: the port in host order, or -ENOSPC.
 */
int fcn_port_choose(const struct fcn_pool *pool, struct fcn_port_wish *wish)
{
	const u16 want = wish->port;
	int tries = FCN_PORT_TRIES, port = -1;
	u32 total;

	if (!wish->random && want >= wish->first && want <= wish->last &&
	    fcn_port_list_has(wish->allowed, want) &&
	    !fcn_port_used(pool, want) &&
	    !fcn_port_is_routers(pool, wish, want))
		return want;

	total = wish->keep_class ? fcn_wish_keep_class(wish) :
				   fcn_wish_total(wish);
	if (!total)
		return -ENOSPC;
	if (wish->keep_parity) {
		tries /= 2;
		port = fcn_port_search(pool, wish, want & 1, total, tries);
	}
	if (port < 0)
		port = fcn_port_search(pool, wish, FCN_ANY, total, tries);
	return port < 0 ? -ENOSPC : port;
}

/* Has the chunk no free port like this one any more? */
static bool fcn_chunk_is_full(const struct fcn_chunk *chunk, u16 port)
{
	return fcn_chunk_next_free(chunk, 0, port & 1) == FCN_CHUNK_PORTS;
}

/**
 * fcn_port_take - take a port that is going to have an owner
 * @pool:	the pool
 * @port:	host order
 *
 * Under rcu_read_lock().
 *
 * Return: 0; -EADDRINUSE when it is taken, -EAGAIN when the pool is just being
 * removed, -ENFILE when all namespaces have too many chunks, or -ENOMEM.
 */
int fcn_port_take(struct fcn_pool *pool, u16 port)
{
	u32 i = port >> FCN_CHUNK_BITS, bit = port & (FCN_CHUNK_PORTS - 1);
	struct fcn_chunk *chunk = fcn_pool_chunk(pool, i);

	if (unlikely(!chunk)) {
		chunk = fcn_pool_add_chunk(pool, i);
		if (IS_ERR(chunk))
			return PTR_ERR(chunk);
	}
	if (!atomic_inc_unless_negative(&pool->used))
		return -EAGAIN;
	if (test_and_set_bit(bit, chunk->used)) {
		atomic_dec(&pool->used);
		return -EADDRINUSE;
	}
	if (unlikely(fcn_chunk_is_full(chunk, port))) {
		set_bit(i, pool->full[port & 1]);
		smp_mb__after_atomic();	/* pairs with fcn_port_release() */
		if (!fcn_chunk_is_full(chunk, port))
			clear_bit(i, pool->full[port & 1]);
	}
	return 0;
}

/**
 * fcn_port_give - give a port that was taken to a mapping
 * @pool:	the pool
 * @port:	host order
 * @m:		its owner; from now on readers under RCU find it
 */
void fcn_port_give(struct fcn_pool *pool, u16 port, struct fcn_mapping *m)
{
	struct fcn_chunk *chunk = fcn_pool_chunk(pool, port >> FCN_CHUNK_BITS);

	rcu_assign_pointer(chunk->owner[port & (FCN_CHUNK_PORTS - 1)], m);
}

/**
 * fcn_port_release - give a port back
 * @pool:	the pool
 * @port:	host order; taken by the caller
 */
void fcn_port_release(struct fcn_pool *pool, u16 port)
{
	u32 i = port >> FCN_CHUNK_BITS, bit = port & (FCN_CHUNK_PORTS - 1);
	struct fcn_chunk *chunk = fcn_pool_chunk(pool, i);

	RCU_INIT_POINTER(chunk->owner[bit], NULL);
	clear_bit_unlock(bit, chunk->used);
	smp_mb__after_atomic();	/* pairs with fcn_port_take() */
	clear_bit(i, pool->full[port & 1]);
	atomic_dec(&pool->used);
}

/**
 * fcn_stripe_away_add - a mapping is not found by its port from inside
 * @stripe:	of its inside port; its lock is held
 * @port:	inside port, host order
 *
 * Before the mapping is published.
 */
void fcn_stripe_away_add(struct fcn_stripe *stripe, u16 port)
{
	lockdep_assert_held(&stripe->lock);
	stripe->away_count++;
	set_bit(fcn_away_bit(port), stripe->away);
}

/**
 * fcn_stripe_away_del - such a mapping has gone
 * @stripe:	of its inside port; its lock is held
 *
 * Another's bit may be the same, so bits go with the last of them.
 */
void fcn_stripe_away_del(struct fcn_stripe *stripe)
{
	lockdep_assert_held(&stripe->lock);
	if (!--stripe->away_count)
		bitmap_zero(stripe->away, FCN_AWAY_BITS);
}

static int fcn_port_list_add(struct fcn_port_list *list, u32 first, u32 last)
{
	if (list->count == FCN_RANGES_MAX)
		return -E2BIG;
	list->range[list->count].first = first;
	list->range[list->count].last = last;
	list->count++;
	return 0;
}

/**
 * fcn_port_list_subtract - the ports of one list that are not in another
 * @out:	the result
 * @from:	sorted and disjoint, like all lists
 * @minus:	ports to leave out
 *
 * Return: 0, or -E2BIG when the result has more than FCN_RANGES_MAX ranges.
 */
int fcn_port_list_subtract(struct fcn_port_list *out,
			   const struct fcn_port_list *from,
			   const struct fcn_port_list *minus)
{
	u32 i, j;
	int err = 0;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < from->count && !err; i++) {
		u32 first = from->range[i].first, last = from->range[i].last;

		for (j = 0; j < minus->count && first <= last && !err; j++) {
			if (minus->range[j].last < first ||
			    minus->range[j].first > last)
				continue;
			if (minus->range[j].first > first)
				err = fcn_port_list_add(out, first,
							minus->range[j].first - 1);
			first = minus->range[j].last + 1;
		}
		if (first <= last && !err)
			err = fcn_port_list_add(out, first, last);
	}
	return err;
}
