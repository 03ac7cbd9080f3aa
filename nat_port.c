// SPDX-License-Identifier: GPL-2.0
/*
 * External ports.
 *
 * Owns the pools: one for each external address and protocol, made when the
 * first mapping wants it and freed when the last has gone.  A pool knows which
 * mapping holds which port, and exactly which ports are free.
 *
 * Invariants:
 *  - a port's bit is set if and only if the port has an owner;
 *  - a chunk's bit in @full is set if and only if all its ports' bits are;
 *  - owners are published and withdrawn under the pool's lock and read under
 *    RCU; chunks live as long as their pool.
 *
 * A search looks at a bounded number of ranges and words, so its cost hardly
 * depends on how many ports are in use.
 */

#include <linux/inetdevice.h>
#include <linux/random.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <net/ip.h>
#include <net/sock.h>

#include "compat.h"
#include "nat_port.h"

/*
 * Candidates looked at for one mapping.  Only ports that the router itself
 * uses are refused after they were found free, so more than a few mean that
 * sockets cover nearly all that is left.  At the bound the mapping is refused.
 */
#define FCN_PORT_TRIES	64

struct fcn_chunk {
	DECLARE_BITMAP(used, FCN_CHUNK_PORTS);
	struct fcn_mapping __rcu *owner[FCN_CHUNK_PORTS];
};

static struct kmem_cache *fcn_chunk_cache __read_mostly;

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

int fcn_pools_init(struct fcn_pools *pools)
{
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

/**
 * fcn_pool_find - look a pool up
 * @pools:	pools of the namespace
 * @key:	address and protocol
 *
 * Return: the pool, valid until rcu_read_unlock(), or NULL.
 */
struct fcn_pool *fcn_pool_find(struct fcn_pools *pools,
			       const struct fcn_pool_key *key)
{
	return rhashtable_lookup(&pools->table, key, fcn_pool_params);
}

static struct fcn_pool *fcn_pool_create(struct fcn_pools *pools,
					const struct fcn_pool_key *key)
{
	struct fcn_pool *pool, *old;

	pool = kzalloc(sizeof(*pool), GFP_ATOMIC | __GFP_NOWARN);
	if (!pool)
		return ERR_PTR(-ENOMEM);

	pool->key = *key;
	spin_lock_init(&pool->lock);

	spin_lock_bh(&pools->lock);
	old = rhashtable_lookup_get_insert_fast(&pools->table, &pool->node,
						fcn_pool_params);
	if (!old) {
		pool->id = pools->next_id++;
		WRITE_ONCE(pools->count, pools->count + 1);
		list_add_tail_rcu(&pool->list, &pools->list);
	}
	spin_unlock_bh(&pools->lock);

	if (!old)
		return pool;

	kfree(pool);
	return old;
}

/**
 * fcn_pool_get - look a pool up, make it if it is not there
 * @pools:	pools of the namespace
 * @key:	address and protocol
 * @max:	how many there may be, about; a pool is much larger than a
 *		mapping
 *
 * Return: the pool, valid until rcu_read_unlock(), or ERR_PTR() of -EDQUOT,
 * -ENOMEM, or what a busy hash returns.
 */
struct fcn_pool *fcn_pool_get(struct fcn_pools *pools,
			      const struct fcn_pool_key *key, u32 max)
{
	struct fcn_pool *pool = fcn_pool_find(pools, key);

	if (likely(pool))
		return pool;
	if (READ_ONCE(pools->count) >= max)
		return ERR_PTR(-EDQUOT);
	return fcn_pool_create(pools, key);
}

static void fcn_pool_free_rcu(struct rcu_head *head)
{
	struct fcn_pool *pool = container_of(head, struct fcn_pool, rcu);
	unsigned int i;

	for (i = 0; i < FCN_CHUNKS; i++)
		if (rcu_access_pointer(pool->chunk[i]))
			kmem_cache_free(fcn_chunk_cache,
					rcu_dereference_protected(pool->chunk[i],
								  1));
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

	list_for_each_entry_safe(pool, next, &pools->list, list) {
		spin_lock_bh(&pool->lock);
		pool->dead = !pool->used;
		spin_unlock_bh(&pool->lock);
		if (!pool->dead)
			continue;

		spin_lock_bh(&pools->lock);
		rhashtable_remove_fast(&pools->table, &pool->node,
				       fcn_pool_params);
		list_del_rcu(&pool->list);
		WRITE_ONCE(pools->count, pools->count - 1);
		spin_unlock_bh(&pools->lock);
		call_rcu(&pool->rcu, fcn_pool_free_rcu);
	}
}

/**
 * fcn_pool_owner - the mapping that holds a port
 * @pool:	the pool
 * @port:	host order
 *
 * Return: the mapping, valid until rcu_read_unlock(), or NULL.
 */
struct fcn_mapping *fcn_pool_owner(const struct fcn_pool *pool, u16 port)
{
	const struct fcn_chunk *chunk;

	chunk = rcu_dereference(pool->chunk[port >> FCN_CHUNK_BITS]);
	if (!chunk)
		return NULL;
	return rcu_dereference(chunk->owner[port & (FCN_CHUNK_PORTS - 1)]);
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
	return rcu_dereference_protected(pool->chunk[i],
					 lockdep_is_held(&pool->lock));
}

static bool fcn_port_used(const struct fcn_pool *pool, u16 port)
{
	const struct fcn_chunk *chunk;

	chunk = fcn_pool_chunk(pool, port >> FCN_CHUNK_BITS);
	return chunk && test_bit(port & (FCN_CHUNK_PORTS - 1), chunk->used);
}

/*
 * The first free port in [first, last], or -1: at most the rest of one chunk,
 * the summary of all, and one chunk more.
 */
static int fcn_port_next_free(const struct fcn_pool *pool, u32 first, u32 last)
{
	u32 i = first >> FCN_CHUNK_BITS, bit = first & (FCN_CHUNK_PORTS - 1);
	const struct fcn_chunk *chunk;
	u32 port;

	for (;;) {
		chunk = fcn_pool_chunk(pool, i);
		if (chunk)
			bit = find_next_zero_bit(chunk->used, FCN_CHUNK_PORTS,
						 bit);
		port = (i << FCN_CHUNK_BITS) + bit;
		if (port > last)
			return -1;
		if (bit < FCN_CHUNK_PORTS)
			return port;

		/* a chunk whose bit is not set has a free port from 0 on */
		i = find_next_zero_bit(pool->full, FCN_CHUNKS, i + 1);
		if (i == FCN_CHUNKS)
			return -1;
		bit = 0;
	}
}

/* The range of @list that holds @port, or -1. */
static int fcn_port_list_index(const struct fcn_port_list *list, u16 port)
{
	u32 i;

	for (i = 0; i < list->count; i++)
		if (port >= list->range[i].first && port <= list->range[i].last)
			return i;
	return -1;
}

bool fcn_port_list_has(const struct fcn_port_list *list, u16 port)
{
	return fcn_port_list_index(list, port) >= 0;
}

/*
 * The next free port that @list allows, beginning at @start in range @index
 * and going round once, or -1.
 */
static int fcn_port_round(const struct fcn_pool *pool,
			  const struct fcn_port_list *list, u32 index,
			  u16 start)
{
	u32 i, n;
	int port;

	port = fcn_port_next_free(pool, start, list->range[index].last);
	for (n = 1; port < 0 && n < list->count; n++) {
		i = (index + n) % list->count;
		port = fcn_port_next_free(pool, list->range[i].first,
					  list->range[i].last);
	}
	if (port < 0 && start > list->range[index].first)
		port = fcn_port_next_free(pool, list->range[index].first,
					  start - 1);
	return port;
}

/* RFC 6056, section 3.3.1: start anywhere, take the next free one. */
static int fcn_port_random(const struct fcn_pool *pool,
			   const struct fcn_port_list *list)
{
	u32 i, n = reciprocal_scale(get_random_u32(), list->total);

	for (i = 0; i < list->count; i++) {
		u32 size = list->range[i].last - list->range[i].first + 1;

		if (n < size)
			break;
		n -= size;
	}
	return fcn_port_round(pool, list, i, list->range[i].first + n);
}

/*
 * Walks the sockets in the slot of @port, as bind() does.  A lookup by address
 * would not see those that are connected.
 */
static bool fcn_udp_socket(struct net *net, __be32 addr, u16 port, int ifindex)
{
	struct udp_hslot *slot = udp_hashslot(fcn_udp_table(net), net, port);
	struct sock *sk;

	sk_for_each_rcu(sk, &slot->head) {
		__be32 bound = READ_ONCE(inet_sk(sk)->inet_rcv_saddr);
		int dev = READ_ONCE(sk->sk_bound_dev_if);

		if (!net_eq(sock_net(sk), net) ||
		    udp_sk(sk)->udp_port_hash != port)
			continue;
		if ((!bound || bound == addr) && (!dev || dev == ifindex))
			return true;
	}
	return false;
}

/**
 * fcn_port_is_routers - does the router itself want this port?
 * @pool:	the pool
 * @wish:	what is asked for; @net and @ifindex
 * @port:	host order
 *
 * Under rcu_read_lock().
 *
 * Return: true if it has a socket there, or its sysctl says so.
 */
bool fcn_port_is_routers(const struct fcn_pool *pool,
			 const struct fcn_port_wish *wish, u16 port)
{
	__be32 addr = pool->key.addr.ip;

	if (pool->key.family != NFPROTO_IPV4)
		return false;

	switch (pool->key.proto) {
	case IPPROTO_UDP:
		return inet_is_local_reserved_port(wish->net, port) ||
		       fcn_udp_socket(wish->net, addr, port, wish->ifindex);
	case IPPROTO_TCP:
		return inet_is_local_reserved_port(wish->net, port) ||
		       fcn_tcp_listener(wish->net, addr, port, wish->ifindex);
	default:
		return false;
	}
}

/**
 * fcn_port_choose - choose the external port of a new mapping
 * @pool:	the pool; its lock is held, and rcu_read_lock()
 * @wish:	what is asked for
 *
 * The inside port if it is wanted and free (RFC 4787, section 4.2.1), else a
 * random one (RFC 7857, section 9); never one that the router itself uses.
 *
 * Return: the port in host order, or -ENOSPC.
 */
int fcn_port_choose(struct fcn_pool *pool, const struct fcn_port_wish *wish)
{
	const struct fcn_port_list *list = wish->allowed;
	int port = wish->port, i, tries;

	lockdep_assert_held(&pool->lock);
	if (!list->count)
		return -ENOSPC;
	if (!wish->random && fcn_port_list_has(list, port) &&
	    !fcn_port_used(pool, port) &&
	    !fcn_port_is_routers(pool, wish, port))
		return port;

	port = fcn_port_random(pool, list);
	for (tries = 0; port >= 0 && tries < FCN_PORT_TRIES; tries++) {
		if (!fcn_port_is_routers(pool, wish, port))
			return port;

		/* go on from there; then, should it be a long run, elsewhere */
		i = fcn_port_list_index(list, port + 1);
		if (tries < FCN_PORT_TRIES / 2 && i >= 0)
			port = fcn_port_round(pool, list, i, port + 1);
		else
			port = fcn_port_random(pool, list);
	}
	return -ENOSPC;
}

/**
 * fcn_port_take - give a port to a mapping
 * @pool:	the pool; its lock is held
 * @port:	host order
 * @m:		the new owner; from now on readers under RCU find it
 *
 * Return: 0, -EBUSY when the port has an owner, or -ENOMEM.
 */
int fcn_port_take(struct fcn_pool *pool, u16 port, struct fcn_mapping *m)
{
	u32 i = port >> FCN_CHUNK_BITS, bit = port & (FCN_CHUNK_PORTS - 1);
	struct fcn_chunk *chunk;

	lockdep_assert_held(&pool->lock);
	if (fcn_port_used(pool, port))
		return -EBUSY;

	chunk = fcn_pool_chunk(pool, i);
	if (!chunk) {
		chunk = kmem_cache_zalloc(fcn_chunk_cache,
					  GFP_ATOMIC | __GFP_NOWARN);
		if (!chunk)
			return -ENOMEM;
		rcu_assign_pointer(pool->chunk[i], chunk);
	}

	__set_bit(bit, chunk->used);
	if (bitmap_full(chunk->used, FCN_CHUNK_PORTS))
		__set_bit(i, pool->full);
	pool->used++;
	rcu_assign_pointer(chunk->owner[bit], m);
	return 0;
}

/**
 * fcn_port_release - take a port back from its mapping
 * @pool:	the pool; its lock is held
 * @port:	host order; has an owner
 */
void fcn_port_release(struct fcn_pool *pool, u16 port)
{
	u32 i = port >> FCN_CHUNK_BITS, bit = port & (FCN_CHUNK_PORTS - 1);
	struct fcn_chunk *chunk = fcn_pool_chunk(pool, i);

	lockdep_assert_held(&pool->lock);
	RCU_INIT_POINTER(chunk->owner[bit], NULL);
	__clear_bit(bit, chunk->used);
	__clear_bit(i, pool->full);
	pool->used--;
}

static int fcn_port_list_add(struct fcn_port_list *list, u32 first, u32 last)
{
	if (list->count == FCN_RANGES_MAX)
		return -E2BIG;
	list->range[list->count].first = first;
	list->range[list->count].last = last;
	list->count++;
	list->total += last - first + 1;
	return 0;
}

/**
 * fcn_port_list_narrow - the ports of a list that are in a range
 * @out:	the result; maybe empty
 * @from:	sorted and disjoint, like all lists
 * @first:	of the range, host order
 * @last:	of the range, host order
 */
void fcn_port_list_narrow(struct fcn_port_list *out,
			  const struct fcn_port_list *from, u16 first, u16 last)
{
	u32 i;

	out->count = 0;
	out->total = 0;
	for (i = 0; i < from->count; i++) {
		u16 low = max(from->range[i].first, first);
		u16 high = min(from->range[i].last, last);

		/* no more ranges than there were */
		if (low <= high)
			fcn_port_list_add(out, low, high);
	}
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
