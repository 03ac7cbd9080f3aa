// SPDX-License-Identifier: GPL-2.0
/*
 * The mapping table.
 *
 * Owns the mappings and the ways to find one: by outside endpoint in the port
 * pool of its external address and protocol; by inside endpoint there, too, if it
 * is at home, which means at its own port and for all peers, as most are; the
 * others in a resizable hash with a secret key.
 *
 * Invariants:
 *  - at most one mapping for a key, at most one owner for an external port;
 *  - a mapping is found both ways; or it is dying, or a second one of its
 *    endpoint from before we were there: then it only holds its port, so that
 *    its sessions can still be found and nobody else gets the port.  What can
 *    fail comes first: to take the port, then the hash, both under the lock of its
 *    stripe; then the port is given to it;
 *  - everything is found under RCU; nothing outside this table keeps a
 *    pointer to a mapping past rcu_read_unlock();
 *  - creation, revival, and every change of state happen under the lock of
 *    the mapping's stripe, which is that of all mappings of its endpoint in the
 *    pool; nothing else does.
 *
 * An outbound packet pushes the deadline first and looks at the state then;
 * the clock changes the state first and looks at the deadline then.  Whichever
 * is later sees the other, so a mapping that a packet has just used is never
 * let go.
 */

#include <linux/jhash.h>
#include <linux/random.h>
#include <linux/rhashtable.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>

#include "nat_conf.h"
#include "nat_core.h"
#include "nat_log.h"
#include "nat_mapping.h"
#include "nat_static.h"
#include "nat_wan.h"

/* There may be a pool for so many mappings, and always so many pools. */
#define FCN_POOL_SHARE		16
#define FCN_POOLS_LEAST		64

/*
 * There may be a chunk of ports for so many mappings of max_total, and always so many
 * chunks; those of all namespaces but the machine's first have half of that together.
 */
#define FCN_CHUNK_SHARE		4
#define FCN_CHUNKS_LEAST	1024

/* How often a port may be taken between choosing and taking it. */
#define FCN_TAKE_TRIES		8

/* Pools looked at for a mapping whose external address is not known. */
#define FCN_POOLS_LOOKED	256

static struct kmem_cache *fcn_mapping_cache __read_mostly;
static struct kmem_cache *fcn_extra_cache __read_mostly;
static hsiphash_key_t fcn_hash_key __read_mostly;

/* A key in a pool; with its hash once that is wanted, which is seldom. */
struct fcn_search {
	struct fcn_pool		*pool;
	const struct fcn_key	*key;
	u32			hash;
	bool			hashed;
};

/* No host can choose keys of one hash, as it does not know the secret. */
static u32 fcn_key_hash(const struct fcn_pool *pool, const struct fcn_key *key)
{
	struct {
		union nf_inet_addr	addr;
		u32			pool;
		__be16			port;
		u16			zone;
		union nf_inet_addr	peer;
		__be16			peer_port;
		u16			pad[3];
	} __aligned(8) data = {
		.addr	= key->addr,
		.pool	= pool->id,
		.port	= key->port,
		.zone	= key->zone,
	};

	if (key->peer) {
		data.peer = key->peer->u3;
		data.peer_port = key->peer->u.all;
	}
	return hsiphash(&data, key->peer ? sizeof(data) :
				offsetof(typeof(data), peer), &fcn_hash_key);
}

static void fcn_search_prepare(struct fcn_search *search)
{
	if (!search->hashed)
		search->hash = fcn_key_hash(search->pool, search->key);
	search->hashed = true;
}

/* The seed is the table's own and changes with its size. */
static u32 fcn_search_hash(const void *data, u32 len, u32 seed)
{
	const struct fcn_search *search = data;

	return jhash_1word(search->hash, seed);
}

static u32 fcn_extra_hash(const void *data, u32 len, u32 seed)
{
	const struct fcn_extra *extra = data;

	return jhash_1word(extra->hash, seed);
}

/* Is it the inside endpoint's, whatever peers it is for? */
static bool fcn_mapping_is_of(const struct fcn_mapping *m,
			      const struct fcn_key *key)
{
	return m->port == key->port && m->zone == key->zone &&
	       nf_inet_addr_cmp(&m->addr, &key->addr);
}

static bool fcn_extra_is_for(const struct fcn_extra *extra,
			     const struct nf_conntrack_man *peer)
{
	if (!peer)
		return !extra->per_peer;
	return extra->per_peer && extra->peer_port == peer->u.all &&
	       nf_inet_addr_cmp(&extra->peer, &peer->u3);
}

/* 0 if it is the one. */
static int fcn_extra_compare(struct rhashtable_compare_arg *arg,
			     const void *data)
{
	const struct fcn_search *search = arg->key;
	const struct fcn_extra *extra = data;

	return extra->hash != search->hash ||
	       extra->mapping->pool != search->pool ||
	       !fcn_mapping_is_of(extra->mapping, search->key) ||
	       !fcn_extra_is_for(extra, search->key->peer);
}

static const struct rhashtable_params fcn_away_params = {
	.head_offset		= offsetof(struct fcn_extra, node),
	.hashfn			= fcn_search_hash,
	.obj_hashfn		= fcn_extra_hash,
	.obj_cmpfn		= fcn_extra_compare,
	/* a few hundred do not make it grow; 8 KB */
	.min_size		= 1024,
	.automatic_shrinking	= true,
};

int __init fcn_mapping_cache_init(void)
{
	get_random_bytes(&fcn_hash_key, sizeof(fcn_hash_key));
	fcn_mapping_cache = kmem_cache_create("fullcone_nat_mapping",
					      sizeof(struct fcn_mapping), 0, 0,
					      NULL);
	if (!fcn_mapping_cache)
		return -ENOMEM;
	fcn_extra_cache = kmem_cache_create("fullcone_nat_extra",
					    sizeof(struct fcn_extra), 0, 0,
					    NULL);
	if (!fcn_extra_cache) {
		kmem_cache_destroy(fcn_mapping_cache);
		return -ENOMEM;
	}
	return 0;
}

/* The caller has seen to it (rcu_barrier()) that no mapping awaits its end. */
void fcn_mapping_cache_exit(void)
{
	kmem_cache_destroy(fcn_extra_cache);
	kmem_cache_destroy(fcn_mapping_cache);
}

/**
 * fcn_table_init - no mappings yet
 * @table:	the table
 * @net:	its namespace; all but the machine's first have less, together
 *
 * Return: 0 or a negative error.
 */
int fcn_table_init(struct fcn_table *table, const struct net *net)
{
	u32 max = fcn_conf_max_total(), peers = 0;
	u32 chunks = max_t(u32, max / FCN_CHUNK_SHARE, FCN_CHUNKS_LEAST);
	int err;

	if (!net_eq(net, &init_net)) {
		chunks /= 2;
		peers = max_t(u32, max / 2, 1);
	}

	atomic_set(&table->count, 0);
	err = rhashtable_init(&table->away, &fcn_away_params);
	if (err)
		return err;
	err = fcn_pools_init(&table->pools, chunks);
	if (err)
		goto destroy_away;
	err = fcn_peers_init(&table->peers, peers);
	if (err)
		goto exit_pools;
	err = fcn_hosts_init(&table->hosts);
	if (err)
		goto exit_peers;
	return 0;

exit_peers:
	fcn_peers_exit(&table->peers);
exit_pools:
	fcn_pools_exit(&table->pools);
destroy_away:
	rhashtable_destroy(&table->away);
	return err;
}

static void fcn_mapping_drop(struct fcn_mapping *m, void *data)
{
	fcn_mapping_condemn(m);
	fcn_mapping_retire(m);
}

/**
 * fcn_table_exit - end a table that nobody uses any more
 * @table:	the table; hooks, clock and procfs are gone
 *
 * Mappings end without regard for their sessions.  The caller runs
 * rcu_barrier() before the memory of the table goes.
 */
void fcn_table_exit(struct fcn_table *table)
{
	fcn_mapping_walk(table, fcn_mapping_drop, NULL);
	fcn_pools_trim(&table->pools);
	fcn_hosts_exit(&table->hosts);
	fcn_peers_exit(&table->peers);
	fcn_pools_exit(&table->pools);
	rhashtable_destroy(&table->away);
}

static noinline struct fcn_mapping *fcn_away_search(struct fcn_table *table,
						    struct fcn_search *search)
{
	const struct fcn_extra *extra;

	fcn_search_prepare(search);
	extra = rhashtable_lookup(&table->away, search, fcn_away_params);
	return extra ? extra->mapping : NULL;
}

/* The mapping of an inside endpoint in a pool, not dying, or NULL. */
static struct fcn_mapping *fcn_mapping_search(struct fcn_table *table,
					      struct fcn_search *search)
{
	const struct fcn_key *key = search->key;
	const u16 port = ntohs(key->port);
	struct fcn_mapping *m = fcn_pool_owner(search->pool, port);

	if (m && m->home && fcn_mapping_is_of(m, key) && !key->peer &&
	    READ_ONCE(m->life.state) < FCN_DYING)
		return m;
	if (likely(!fcn_pool_has_away(search->pool, port)))
		return NULL;
	return fcn_away_search(table, search);
}

static struct fcn_pool *fcn_key_pool(struct fcn_table *table,
				     const struct fcn_key *key)
{
	return fcn_pool_find(&table->pools, key->family, key->proto, &key->ext);
}

/**
 * fcn_mapping_find - look a mapping up by its inside endpoint
 * @table:	the table
 * @key:	inside endpoint and external address
 *
 * Return: the mapping, not dying, valid until rcu_read_unlock(), or NULL.
 */
struct fcn_mapping *fcn_mapping_find(struct fcn_table *table,
				     const struct fcn_key *key)
{
	struct fcn_search search = {
		.pool	= fcn_key_pool(table, key),
		.key	= key,
	};

	return search.pool ? fcn_mapping_search(table, &search) : NULL;
}

/**
 * fcn_mapping_find_any - look a mapping up by its inside endpoint alone
 * @table:	the table
 * @key:	inside endpoint, and the external address to be looked at first; on
 *		success that of the mapping
 *
 * Looks at FCN_POOLS_LOOKED pools at most: addresses are few, or the endpoint is
 * at one of the first.
 *
 * Return: a mapping that is not dying, valid until rcu_read_unlock(), or NULL.
 */
struct fcn_mapping *fcn_mapping_find_any(struct fcn_table *table,
					 struct fcn_key *key)
{
	struct fcn_mapping *m = fcn_mapping_find(table, key);
	struct fcn_pool *pool;
	u32 looked = 0;

	if (m)
		return m;
	list_for_each_entry_rcu(pool, &table->pools.list, list) {
		if (looked++ == FCN_POOLS_LOOKED)
			break;
		if (pool->key.proto != key->proto ||
		    pool->key.family != key->family)
			continue;
		m = fcn_mapping_search(table, &(struct fcn_search){
			.pool	= pool,
			.key	= key,
		});
		if (m) {
			key->ext = pool->key.addr;
			return m;
		}
	}
	return NULL;
}

/**
 * fcn_mapping_find_ext - look a mapping up by its outside endpoint
 * @table:	the table
 * @family:	NFPROTO_*
 * @proto:	IPPROTO_*
 * @addr:	external address
 * @port:	external port or ICMP query id, network order
 *
 * Return: the mapping in whatever state, valid until rcu_read_unlock(), or
 * NULL.
 */
struct fcn_mapping *fcn_mapping_find_ext(struct fcn_table *table, u8 family,
					 u8 proto,
					 const union nf_inet_addr *addr,
					 __be16 port)
{
	struct fcn_pool *pool = fcn_pool_find(&table->pools, family, proto,
					      addr);

	return pool ? fcn_pool_owner(pool, ntohs(port)) : NULL;
}

/* Under fcn_mapping_lock(), or nobody else knows the mapping. */
static struct fcn_extra *fcn_extra_create(struct fcn_mapping *m)
{
	struct fcn_extra *extra;

	extra = kmem_cache_zalloc(fcn_extra_cache, GFP_ATOMIC | __GFP_NOWARN);
	if (!extra)
		return NULL;
	extra->mapping = m;
	extra->last = FCN_PORTS - 1;
	rcu_assign_pointer(m->extra, extra);
	return extra;
}

/**
 * fcn_mapping_extra - what few mappings have
 * @m:		the mapping; fcn_mapping_lock() is held
 *
 * Return: what is there, made if need be; NULL if there is no memory.
 */
struct fcn_extra *fcn_mapping_extra(struct fcn_mapping *m)
{
	struct fcn_extra *extra;

	extra = rcu_dereference_protected(m->extra,
					  lockdep_is_held(fcn_mapping_lock(m)));
	return extra ?: fcn_extra_create(m);
}

/**
 * fcn_mapping_terms - on what terms a mapping was made
 * @m:		the mapping
 *
 * Under rcu_read_lock().
 *
 * Return: the terms, without those on who may come in.
 */
struct fcn_terms fcn_mapping_terms(const struct fcn_mapping *m)
{
	const struct fcn_extra *extra = rcu_dereference(m->extra);
	struct fcn_terms terms = {
		.ifindex	= m->ifindex,
		.first		= extra ? extra->first : 0,
		.last		= extra ? extra->last : FCN_PORTS - 1,
		.origin		= m->origin,
	};

	return terms;
}

/**
 * fcn_mapping_inside - the inside endpoint of a mapping, as conntrack has it
 * @m:		the mapping
 */
struct nf_conntrack_man fcn_mapping_inside(const struct fcn_mapping *m)
{
	struct nf_conntrack_man inside = {
		.u3	= m->addr,
		.u.all	= m->port,
		.l3num	= fcn_mapping_family(m),
	};

	return inside;
}

/**
 * fcn_mapping_accepts - may a stranger open a session?
 * @m:		the mapping
 */
bool fcn_mapping_accepts(const struct fcn_mapping *m)
{
	return READ_ONCE(m->life.state) == FCN_ACTIVE;
}

/* Stripe lock held: whose quota it counts against, or NULL. */
static struct fcn_host *fcn_mapping_host(const struct fcn_mapping *m)
{
	const struct fcn_extra *extra;

	extra = rcu_dereference_protected(m->extra,
					  lockdep_is_held(fcn_mapping_lock(m)));
	return extra ? extra->host : NULL;
}

/* Stripe lock held: it counts against its host's quota; false if that is used up. */
static bool fcn_mapping_charge(struct fcn_mapping *m, u32 host_max)
{
	struct fcn_host *host = fcn_mapping_host(m);

	if (!host || m->charged || m->fixed)
		return true;
	m->charged = fcn_host_charge(host, host_max);
	return m->charged;
}

/* Stripe lock held: it counts no more. */
static void fcn_mapping_discharge(struct fcn_mapping *m)
{
	lockdep_assert_held(fcn_mapping_lock(m));
	if (m->charged)
		fcn_host_discharge(fcn_mapping_host(m));
	m->charged = false;
}

/*
 * Stripe lock held: makes the mapping active; false if it is past that, or one
 * too many for its host.
 */
static bool fcn_mapping_revive(struct fcn_mapping *m, u32 host_max)
{
	lockdep_assert_held(fcn_mapping_lock(m));
	if (m->life.state >= FCN_DYING || !fcn_mapping_charge(m, host_max))
		return false;
	WRITE_ONCE(m->life.closed, false);
	WRITE_ONCE(m->life.state, FCN_ACTIVE);
	return true;
}

/**
 * fcn_mapping_push - an outbound packet moves the deadline
 * @m:		the mapping
 * @deadline:	seconds; an earlier one than there is changes nothing
 *
 * Two CPUs may push at once and the earlier deadline win; the difference is
 * made good by the next sweep, which sees both sessions.
 */
void fcn_mapping_push(struct fcn_mapping *m, u32 deadline)
{
	if (READ_ONCE(m->life.pushed) < deadline)
		WRITE_ONCE(m->life.pushed, deadline);
}

/* Pushes the deadline and makes sure that the mapping accepts. */
static bool fcn_mapping_refresh(struct fcn_mapping *m, u32 deadline,
				u32 host_max)
{
	bool alive;

	fcn_mapping_push(m, deadline);
	smp_mb();	/* pairs with fcn_mapping_stop() */
	if (likely(fcn_mapping_accepts(m)))
		return true;

	spin_lock_bh(fcn_mapping_lock(m));
	alive = fcn_mapping_revive(m, host_max);
	spin_unlock_bh(fcn_mapping_lock(m));
	return alive;
}

static int fcn_mapping_add_extra(struct fcn_mapping *m,
				 const struct fcn_key *key,
				 const struct fcn_terms *terms,
				 struct fcn_host *host)
{
	struct fcn_extra *extra = fcn_extra_create(m);

	if (!extra)
		return -ENOMEM;
	extra->first = terms->first;
	extra->last = terms->last;
	extra->host = host;
	if (key->peer) {
		extra->per_peer = true;
		extra->peer = key->peer->u3;
		extra->peer_port = key->peer->u.all;
	}
	return 0;
}

static struct fcn_mapping *
fcn_mapping_alloc(const struct fcn_key *key, struct fcn_pool *pool,
		  const struct fcn_terms *terms, struct fcn_host *host,
		  u32 deadline)
{
	struct fcn_mapping *m;

	m = kmem_cache_zalloc(fcn_mapping_cache, GFP_ATOMIC | __GFP_NOWARN);
	if (!m)
		return NULL;
	m->pool = pool;
	m->addr = key->addr;
	m->port = key->port;
	m->zone = key->zone;
	m->origin = terms->origin;
	m->charged = !!host;
	m->ruled = terms->origin.ruled;
	m->filter = terms->filter;
	m->life.pushed = deadline;
	m->life.state = FCN_ACTIVE;
	m->ifindex = terms->ifindex;
	m->created = (u32)ktime_get_seconds();

	if (unlikely(host || key->peer || terms->first ||
		     terms->last != FCN_PORTS - 1) &&
	    fcn_mapping_add_extra(m, key, terms, host)) {
		kmem_cache_free(fcn_mapping_cache, m);
		return NULL;
	}
	return m;
}

static bool fcn_mapping_is_away(const struct fcn_mapping *m)
{
	return !m->home && !m->second;
}

/*
 * Stripe lock held: it can be found by its inside endpoint, in place of @old if that
 * is away, too.
 */
static int fcn_away_insert(struct fcn_mapping *m, struct fcn_search *search,
			   struct fcn_mapping *old)
{
	struct rhashtable *away = &fcn_mapping_table(m)->away;
	struct fcn_extra *extra = fcn_mapping_extra(m), *replaced = NULL;
	int err;

	if (!extra)
		return -ENOMEM;
	fcn_search_prepare(search);
	extra->hash = search->hash;
	if (old && fcn_mapping_is_away(old))
		replaced = fcn_mapping_extra(old);
	fcn_stripe_away_add(fcn_mapping_stripe(m), ntohs(m->port));
	/* -EBUSY, -ENOMEM, -E2BIG: a resize that can't wait is under way */
	if (replaced)
		err = rhashtable_replace_fast(away, &replaced->node,
					      &extra->node, fcn_away_params);
	else
		err = rhashtable_insert_fast(away, &extra->node,
					     fcn_away_params);
	if (err || replaced)
		fcn_stripe_away_del(fcn_mapping_stripe(m));
	return err;
}

/* Stripe lock held. */
static void fcn_away_remove(struct fcn_mapping *m)
{
	rhashtable_remove_fast(&fcn_mapping_table(m)->away,
			       &fcn_mapping_extra(m)->node, fcn_away_params);
	fcn_stripe_away_del(fcn_mapping_stripe(m));
}

/*
 * Stripe lock held: publishes a mapping for both ways to find it; a second one for
 * the way from outside; one that takes the place of @old where that was.  Nobody
 * else has its key.
 */
static int fcn_mapping_insert(struct fcn_mapping *m, struct fcn_search *search,
			      struct fcn_mapping *old, u16 port)
{
	int err;

	err = fcn_port_take(m->pool, port);
	if (err)
		return err;
	m->ext_port = htons(port);
	m->home = m->ext_port == m->port && !search->key->peer && !m->second;
	if (fcn_mapping_is_away(m))
		err = fcn_away_insert(m, search, old);
	if (err)
		fcn_port_release(m->pool, port);
	else
		fcn_port_give(m->pool, port, m);
	return err;
}

/* All mappings of the machine, those that wait for a grace period included. */
static atomic_t fcn_mappings = ATOMIC_INIT(0);

static void fcn_table_uncount(struct fcn_table *table)
{
	atomic_dec(&fcn_mappings);
	atomic_dec(&table->count);
}

/* Mappings that are freed at once, which is done with softirqs off. */
#define FCN_FREE_BULK	16

/* It, and what is chained to it: no more than so many. */
static void fcn_mapping_free_rcu(struct rcu_head *head)
{
	struct fcn_mapping *m = container_of(head, struct fcn_mapping, rcu);
	void *bulk[FCN_FREE_BULK];
	struct fcn_extra *extra;
	size_t count = 0;

	for (; m; m = m->next) {
		extra = rcu_dereference_protected(m->extra, true);
		fcn_table_uncount(m->table);
		if (extra)
			kmem_cache_free(fcn_extra_cache, extra);
		bulk[count++] = m;
	}
	kmem_cache_free_bulk(fcn_mapping_cache, count, bulk);
}

/*
 * It can't be found any more.  Its pool, and the table, may go before what RCU still
 * holds.
 */
static void fcn_mapping_part(struct fcn_mapping *m, struct fcn_mapping *next)
{
	struct fcn_table *table = fcn_mapping_table(m);
	struct fcn_extra *extra = rcu_dereference_protected(m->extra, true);

	if (extra && extra->host)
		fcn_host_leave(extra->host, m->charged);
	smp_wmb();	/* free, then overwritten: fcn_mappings_show() */
	m->table = table;
	m->next = next;
}

/* One that nobody has been able to find. */
static void fcn_mapping_discard(struct fcn_mapping *m)
{
	struct fcn_extra *extra = rcu_dereference_protected(m->extra, true);

	fcn_table_uncount(fcn_mapping_table(m));
	if (extra) {
		if (extra->host)
			fcn_host_leave(extra->host, m->charged);
		kmem_cache_free(fcn_extra_cache, extra);
	}
	kmem_cache_free(fcn_mapping_cache, m);
}

/* Those that a walk has retired share a grace period. */
static void fcn_table_free_gone(struct fcn_table *table)
{
	struct fcn_mapping *m = table->gone;

	if (!m)
		return;
	table->gone = NULL;
	table->gone_count = 0;
	call_rcu(&m->rcu, fcn_mapping_free_rcu);
}

/*
 * Chooses the port of a new mapping, and does what it takes if it will not be at
 * home.  This is the longer part of the work, so it comes before the lock;
 * whether the port is still free is seen under the lock.
 */
static int fcn_mapping_prepare(struct fcn_mapping *m, struct fcn_search *search,
			       struct fcn_port_wish *wish)
{
	int port = fcn_port_choose(m->pool, wish);

	if (port < 0 || (htons(port) == m->port && !search->key->peer))
		return port;
	fcn_search_prepare(search);
	if (!rcu_access_pointer(m->extra) && !fcn_extra_create(m))
		return -ENOMEM;
	return port;
}

/* Stripe lock held: publishes a new mapping at this port, or else at another one. */
static int fcn_mapping_settle(struct fcn_mapping *m, struct fcn_search *search,
			      struct fcn_port_wish *wish, int port)
{
	int err, tries = FCN_TAKE_TRIES;

	do {
		if (port < 0)
			return port;
		err = fcn_mapping_insert(m, search, NULL, port);
		if (err != -EADDRINUSE)
			return err;
		/* another CPU was quicker */
		port = fcn_port_choose(m->pool, wish);
	} while (--tries);
	return err;
}

/*
 * Looks again under the lock, and publishes the mapping.  Returns the mapping
 * that counts, the new one or the one another CPU made.
 */
static struct fcn_mapping *
fcn_mapping_publish(struct fcn_net *fn, const struct fcn_conf *conf,
		    struct fcn_mapping *m, struct fcn_search *search,
		    struct fcn_port_wish *wish)
{
	struct fcn_mapping *old;
	int port, err;
	bool alive;

	port = fcn_mapping_prepare(m, search, wish);
	spin_lock_bh(fcn_mapping_lock(m));
	old = fcn_mapping_search(&fn->table, search);
	if (old) {
		/* found, so not dying */
		fcn_mapping_discharge(m);
		alive = fcn_mapping_revive(old, conf->host_max_mappings);
		if (alive)
			fcn_mapping_push(old, m->life.pushed);
		spin_unlock_bh(fcn_mapping_lock(m));
		fcn_mapping_discard(m);
		return alive ? old : ERR_PTR(-EMFILE);
	}
	err = fcn_mapping_settle(m, search, wish, port);
	spin_unlock_bh(fcn_mapping_lock(m));
	if (err) {
		fcn_mapping_discard(m);
		return ERR_PTR(err);
	}
	fcn_stat_inc(fn, FCN_STAT_mappings_created);
	fcn_log_create(fn, m);
	return m;
}

/*
 * Counts a mapping in, or refuses it: the caps cover what RCU still holds.
 * Anybody can have namespaces of his own, so these leave half of all to the
 * machine's first one.
 */
static int fcn_table_admit(struct fcn_net *fn, u32 max)
{
	u32 max_total = fcn_conf_max_total();
	u32 count = atomic_inc_return(&fn->table.count);
	u32 total = atomic_inc_return(&fcn_mappings);
	int err;

	if (count == 1)
		fcn_clock_start(fn);
	if (!net_eq(fn->net, &init_net))
		max_total /= 2;
	err = count > max ? -EDQUOT : total > max_total ? -ENFILE : 0;
	if (err)
		fcn_table_uncount(&fn->table);
	return err;
}

/* The pool of a mapping that is to be made, or ERR_PTR(). */
static struct fcn_pool *fcn_table_pool(struct fcn_table *table,
				       const struct fcn_key *key, u32 max)
{
	return fcn_pool_get(&table->pools, key->family, key->proto, &key->ext,
			    max_t(u32, max / FCN_POOL_SHARE, FCN_POOLS_LEAST));
}

/* Makes the pool, too, if the search has found none. */
static struct fcn_mapping *
fcn_mapping_create(struct fcn_net *fn, const struct fcn_conf *conf,
		   struct fcn_search *search, const struct fcn_terms *terms,
		   u32 deadline)
{
	const struct fcn_key *key = search->key;
	const bool is_port = !fcn_is_icmp(key->proto);
	struct fcn_port_wish wish = {
		.net		= fn->net,
		.kept		= fcn_statics_kept(&fn->statics, key->proto),
		.allowed	= fcn_conf_ports(conf, key->proto),
		.first		= terms->first,
		.last		= terms->last,
		.port		= ntohs(key->port),
		.random		= terms->origin.random,
		.keep_class	= is_port,
		.keep_parity	= is_port && conf->port_parity,
		.ifindex	= terms->ifindex,
	};
	struct fcn_mapping *m;
	struct fcn_host *host;
	int err;

	err = fcn_table_admit(fn, conf->max_mappings);
	if (err)
		return ERR_PTR(err);

	host = fcn_host_join(&fn->table.hosts, conf, key, false);
	err = PTR_ERR_OR_ZERO(host);
	if (err)
		goto uncount;
	if (unlikely(!search->pool))
		search->pool = fcn_table_pool(&fn->table, key,
					      conf->max_mappings);
	err = PTR_ERR_OR_ZERO(search->pool);
	if (err)
		goto leave;
	m = fcn_mapping_alloc(key, search->pool, terms, host, deadline);
	if (!m) {
		err = -ENOMEM;
		goto leave;
	}
	return fcn_mapping_publish(fn, conf, m, search, &wish);

leave:
	if (host)
		fcn_host_leave(host, true);
uncount:
	fcn_table_uncount(&fn->table);
	return ERR_PTR(err);
}

/**
 * fcn_mapping_get - the mapping of an inside endpoint, made if need be
 * @fn:		namespace
 * @conf:	its configuration
 * @key:	inside endpoint and external address
 * @terms:	for a mapping that has to be made
 * @deadline:	seconds; how long the packet at hand keeps the mapping
 *
 * Under rcu_read_lock(), which is also how long the result is valid.  A
 * mapping that was draining or held down is active again.
 *
 * Return: the mapping, or ERR_PTR() of -ENOSPC or -EADDRINUSE (no free port,
 * or other CPUs have taken each that was), -EDQUOT
 * (max_mappings), -ENFILE (max_total), -EMFILE (host_max_mappings), -ETIME
 * (host_max_rate), -ENOMEM, -EAGAIN (its pool has gone, twice), or what a busy
 * hash returns.
 */
struct fcn_mapping *fcn_mapping_get(struct fcn_net *fn,
				    const struct fcn_conf *conf,
				    const struct fcn_key *key,
				    const struct fcn_terms *terms,
				    u32 deadline)
{
	struct fcn_search search = {
		.pool	= fcn_key_pool(&fn->table, key),
		.key	= key,
	};
	struct fcn_mapping *m;

	m = likely(search.pool) ? fcn_mapping_search(&fn->table, &search) : NULL;
	if (likely(m) &&
	    fcn_mapping_refresh(m, deadline, conf->host_max_mappings))
		return m;
	m = fcn_mapping_create(fn, conf, &search, terms, deadline);
	/* its pool was empty and is just being removed: make a new one */
	if (m == ERR_PTR(-EAGAIN)) {
		search = (struct fcn_search){ .key = key };
		m = fcn_mapping_create(fn, conf, &search, terms, deadline);
	}
	return m;
}

/**
 * fcn_mapping_decide - an outbound flow of a mapping has been decided
 * @m:		the mapping
 * @terms:	on what terms
 *
 * Who may come in from now on a rule with --filter always says anew.  The knobs
 * say so once, when they make the mapping or take it over from such a rule; a new
 * value is for others.
 */
void fcn_mapping_decide(struct fcn_mapping *m, const struct fcn_terms *terms)
{
	bool filtered = READ_ONCE(m->filtered);

	if (terms->origin.ruled && !READ_ONCE(m->ruled))
		WRITE_ONCE(m->ruled, true);
	if ((terms->filtered || filtered || !READ_ONCE(m->decided)) &&
	    READ_ONCE(m->filter) != terms->filter)
		WRITE_ONCE(m->filter, terms->filter);
	if (filtered != terms->filtered)
		WRITE_ONCE(m->filtered, terms->filtered);
	if (!READ_ONCE(m->decided))
		WRITE_ONCE(m->decided, true);
}

/**
 * fcn_mapping_resume - its sessions make a mapping active again
 * @m:		the mapping, not dying
 *
 * No quota is asked: they are there.
 */
void fcn_mapping_resume(struct fcn_mapping *m)
{
	spin_lock_bh(fcn_mapping_lock(m));
	fcn_mapping_revive(m, 0);
	spin_unlock_bh(fcn_mapping_lock(m));
}

/**
 * fcn_mapping_adopt - make the mapping that an earlier conntrack entry implies
 * @fn:		namespace
 * @key:	inside endpoint and external address of the entry
 * @port:	its external port, network order
 * @terms:	those it would have been made on
 * @closed:	the entry was opened from outside, maybe by a port forward: the
 *		mapping keeps the port from others, and takes nothing new before
 *		its endpoint speaks
 *
 * Called by the sweep, so maybe under a conntrack bucket lock.  The deadline
 * comes from the entry, in the same sweep.
 *
 * MASQUERADE may have given an endpoint several ports.  The first that is seen
 * becomes its mapping; each of the others is kept for the sessions that use it.
 *
 * These, and what may be a rule's, leave half of the room to others.
 *
 * Return: 0, or a negative error when it is there already, the port has another
 * owner, or a limit is reached.
 */
int fcn_mapping_adopt(struct fcn_net *fn, const struct fcn_key *key,
		      __be16 port, const struct fcn_terms *terms, bool closed)
{
	const struct fcn_conf *conf = fcn_conf(fn);
	struct fcn_port_wish wish = {
		.net		= fn->net,
		.kept		= fcn_statics_kept(&fn->statics, key->proto),
		.ifindex	= terms->ifindex,
	};
	struct fcn_search search = { .key = key };
	u32 max = conf->max_mappings;
	struct fcn_mapping *m;
	struct fcn_pool *pool;
	struct fcn_host *host;
	bool second;
	int err;

	m = fcn_mapping_find(&fn->table, key);
	if (m && m->ext_port == port) {
		if (!closed && READ_ONCE(m->life.closed))
			fcn_mapping_resume(m);
		return -EEXIST;
	}
	second = !!m;
	if (!fcn_port_list_has(fcn_conf_ports(conf, key->proto), ntohs(port)))
		return -ERANGE;
	err = fcn_table_admit(fn, terms->origin.ruled || second ? max / 2 : max);
	if (err)
		return err;

	pool = fcn_table_pool(&fn->table, key, max);
	err = PTR_ERR_OR_ZERO(pool);
	if (err)
		goto uncount;
	search.pool = pool;
	err = -EADDRINUSE;
	if (fcn_pool_owner(pool, ntohs(port)) ||
	    fcn_port_is_routers(pool, &wish, ntohs(port)))
		goto uncount;
	host = fcn_host_join(&fn->table.hosts, conf, key, true);
	err = PTR_ERR_OR_ZERO(host);
	if (err)
		goto uncount;
	m = fcn_mapping_alloc(key, pool, terms, host, 0);
	if (!m) {
		err = -ENOMEM;
		goto leave;
	}
	m->second = second;
	if (closed || second) {
		m->life.closed = true;
		m->life.state = FCN_DRAINING;
	}
	spin_lock_bh(fcn_mapping_lock(m));
	if (!second && fcn_mapping_search(&fn->table, &search))
		err = -EEXIST;
	else
		err = fcn_mapping_insert(m, &search, NULL, ntohs(port));
	spin_unlock_bh(fcn_mapping_lock(m));
	if (err) {
		fcn_mapping_discard(m);
		return err;
	}
	fcn_stat_inc(fn, FCN_STAT_mappings_adopted);
	fcn_log_create(fn, m);
	return 0;

leave:
	if (host)
		fcn_host_leave(host, true);
uncount:
	fcn_table_uncount(&fn->table);
	return err;
}

/* Stripe lock held: one that is there takes no part in time and quotas any more. */
static void fcn_mapping_pin(struct fcn_mapping *m)
{
	fcn_mapping_discharge(m);
	WRITE_ONCE(m->fixed, true);
	WRITE_ONCE(m->life.closed, false);
	WRITE_ONCE(m->life.state, FCN_ACTIVE);
}

/* Stripe lock held: takes the place of the mapping that the endpoint has. */
static int fcn_mapping_supplant(struct fcn_mapping *m,
				struct fcn_search *search,
				struct fcn_mapping *old, u16 port)
{
	int err = fcn_mapping_insert(m, search, old, port);

	if (err)
		return err;
	if (m->home && fcn_mapping_is_away(old))
		fcn_away_remove(old);
	WRITE_ONCE(old->life.state, FCN_DYING);
	fcn_mapping_discharge(old);
	fcn_mapping_table(old)->dying = true;
	return 0;
}

/**
 * fcn_mapping_fix - make a static mapping
 * @fn:		namespace; the caller holds its mutex
 * @key:	inside endpoint and external address
 * @port:	external port, network order
 * @dev:	external device
 *
 * Under rcu_read_lock().  What the endpoint has there already becomes static,
 * or dies if it has another port.
 *
 * Return: 0, -EADDRINUSE if the port is somebody else's, -EEXIST if the endpoint
 * has another static mapping, -EDQUOT (max_mappings), -ENFILE (max_total),
 * -ENOMEM, or what a busy hash returns.
 */
int fcn_mapping_fix(struct fcn_net *fn, const struct fcn_key *key,
		    __be16 port, const struct net_device *dev)
{
	const struct fcn_conf *conf = fcn_conf(fn);
	const struct fcn_terms terms = {
		.ifindex	= dev->ifindex,
		.last		= FCN_PORTS - 1,
		.origin.ruled	= !fcn_net_names(fn, key->family, dev),
	};
	const struct fcn_port_wish wish = {
		.net		= fn->net,
		.ifindex	= dev->ifindex,
	};
	struct fcn_search search = { .key = key };
	struct fcn_mapping *m, *old, *owner;
	struct fcn_pool *pool;
	int err;

	lockdep_assert_held(&fn->mutex);
	err = fcn_table_admit(fn, conf->max_mappings);
	if (err)
		return err;
	pool = fcn_table_pool(&fn->table, key, conf->max_mappings);
	if (IS_ERR(pool)) {
		fcn_table_uncount(&fn->table);
		return PTR_ERR(pool);
	}
	m = fcn_mapping_alloc(key, pool, &terms, NULL, 0);
	if (!m) {
		fcn_table_uncount(&fn->table);
		return -ENOMEM;
	}
	m->fixed = true;
	search.pool = pool;

	spin_lock_bh(fcn_mapping_lock(m));
	old = fcn_mapping_search(&fn->table, &search);
	owner = fcn_pool_owner(pool, ntohs(port));
	if (old && old->fixed)
		err = -EEXIST;
	else if (owner && owner != old)
		err = -EADDRINUSE;
	else if (!owner && fcn_port_has_socket(pool, &wish, ntohs(port)))
		err = -EADDRINUSE;
	else if (owner)
		fcn_mapping_pin(owner);
	else if (old)
		err = fcn_mapping_supplant(m, &search, old, ntohs(port));
	else
		err = fcn_mapping_insert(m, &search, NULL, ntohs(port));
	spin_unlock_bh(fcn_mapping_lock(m));

	if (err || owner) {
		fcn_mapping_discard(m);
		return err;
	}
	fcn_stat_inc(fn, FCN_STAT_mappings_created);
	fcn_log_create(fn, m);
	return 0;
}

/**
 * fcn_mapping_stop - let a mapping accept no more
 * @m:		the mapping
 * @state:	%FCN_DRAINING or %FCN_HOLDDOWN
 * @now:	seconds
 *
 * Return: false if a packet has pushed the deadline meanwhile; the mapping is
 * active then.
 */
bool fcn_mapping_stop(struct fcn_mapping *m, enum fcn_state state, u32 now)
{
	bool stopped = true, accepted;

	spin_lock_bh(fcn_mapping_lock(m));
	accepted = fcn_mapping_accepts(m);
	WRITE_ONCE(m->life.state, state);
	smp_mb();	/* pairs with fcn_mapping_refresh() */
	if (accepted && READ_ONCE(m->life.pushed) > now) {
		WRITE_ONCE(m->life.state, FCN_ACTIVE);
		stopped = false;
	}
	if (stopped && state == FCN_HOLDDOWN)
		fcn_mapping_discharge(m);
	spin_unlock_bh(fcn_mapping_lock(m));
	return stopped;
}

/* Stripe lock held: a dying mapping is not found from inside. */
static void fcn_mapping_unlink(struct fcn_mapping *m)
{
	lockdep_assert_held(fcn_mapping_lock(m));
	if (m->life.state >= FCN_DYING)
		return;
	WRITE_ONCE(m->life.state, FCN_DYING);
	fcn_mapping_discharge(m);
	if (fcn_mapping_is_away(m))
		fcn_away_remove(m);
}

/* Stripe lock held: nothing finds it any more. */
static void fcn_mapping_release(struct fcn_mapping *m)
{
	WRITE_ONCE(m->life.state, FCN_FREE);
	fcn_port_release(m->pool, ntohs(m->ext_port));
}

/**
 * fcn_mapping_condemn - begin the end of a mapping
 * @m:		the mapping; the caller holds fcn_net.mutex, or it is the namespace's end
 *
 * Its inside endpoint gets a new mapping from now on.  The port stays taken
 * until fcn_mapping_retire(), and the sweep deletes the sessions.
 */
void fcn_mapping_condemn(struct fcn_mapping *m)
{
	spin_lock_bh(fcn_mapping_lock(m));
	fcn_mapping_unlink(m);
	spin_unlock_bh(fcn_mapping_lock(m));
	fcn_mapping_table(m)->dying = true;
}

/**
 * fcn_mapping_retire - give the port back and free the mapping
 * @m:		the mapping, in a walk; valid until rcu_read_unlock() in any case
 *
 * Return: false if a packet has just made it active again, or if it is free
 * already.
 */
bool fcn_mapping_retire(struct fcn_mapping *m)
{
	struct fcn_table *table = fcn_mapping_table(m);
	bool retire, extra = false;

	spin_lock_bh(fcn_mapping_lock(m));
	retire = m->life.state != FCN_ACTIVE && m->life.state != FCN_FREE;
	if (retire) {
		fcn_mapping_unlink(m);
		/* dying, so it gets no more peers */
		extra = rcu_access_pointer(m->extra);
		if (!extra)
			fcn_mapping_release(m);
	}
	spin_unlock_bh(fcn_mapping_lock(m));
	if (!retire)
		return false;

	if (extra) {
		fcn_filter_forget(m, U32_MAX);
		spin_lock_bh(fcn_mapping_lock(m));
		fcn_mapping_release(m);
		spin_unlock_bh(fcn_mapping_lock(m));
	}
	fcn_log_free(container_of(table, struct fcn_net, table), m);
	fcn_mapping_part(m, table->gone);
	table->gone = m;
	if (++table->gone_count == FCN_FREE_BULK)
		fcn_table_free_gone(table);
	return true;
}

/**
 * fcn_mapping_count - how many mappings there are
 * @table:	the table
 * @family:	NFPROTO_*
 *
 * Those that hold a port, whatever their state.
 */
u32 fcn_mapping_count(const struct fcn_table *table, u8 family)
{
	const struct fcn_pool *pool;
	u32 count = 0;

	rcu_read_lock();
	list_for_each_entry_rcu(pool, &table->pools.list, list)
		if (pool->key.family == family)
			count += fcn_pool_used(pool);
	rcu_read_unlock();
	return count;
}

static void fcn_chunk_walk(const struct fcn_chunk *chunk,
			   void (*visit)(struct fcn_mapping *m, void *data),
			   void *data)
{
	struct fcn_mapping *m;
	u32 bit;

	for_each_set_bit(bit, chunk->used, FCN_CHUNK_PORTS) {
		m = rcu_dereference(chunk->owner[bit]);
		if (m)
			visit(m, data);
	}
}

/**
 * fcn_mapping_walk - visit every mapping once
 * @table:	the table
 * @visit:	what to do with each, under rcu_read_lock(); may free it
 * @data:	for @visit
 *
 * Process context, under fcn_net.mutex, which keeps the pools, or at the
 * namespace's end.  Mappings that are made meanwhile may or may not be visited.
 */
void fcn_mapping_walk(struct fcn_table *table,
		      void (*visit)(struct fcn_mapping *m, void *data),
		      void *data)
{
	const struct fcn_chunk *chunk;
	struct fcn_pool *pool;
	u32 i;

	rcu_read_lock();
	list_for_each_entry_rcu(pool, &table->pools.list, list) {
		for (i = 0; i < FCN_CHUNKS; i++) {
			chunk = rcu_dereference(pool->chunk[i]);
			if (!chunk)
				continue;
			fcn_chunk_walk(chunk, visit, data);
			fcn_table_free_gone(table);
			/* only the caller frees pools, so this one stays */
			rcu_read_unlock();
			cond_resched();
			rcu_read_lock();
		}
	}
	rcu_read_unlock();
}
