// SPDX-License-Identifier: GPL-2.0
/*
 * The mapping table.
 *
 * Owns the mappings and the ways to find one: by inside endpoint in a resizable
 * hash with a secret key, or where most have it, at their own port outside; by
 * outside endpoint in the port pool of its external address and protocol.
 *
 * Invariants:
 *  - at most one mapping for a key, at most one owner for an external port;
 *  - a mapping is in both indexes; or it is dying, or a second one of its
 *    endpoint from before we were there: then it only holds its port, so that
 *    its sessions can still be found and nobody else gets the port.  What can
 *    fail comes first: the hash, then the port, both under the pool's lock;
 *  - everything is found under RCU; nothing outside this table keeps a
 *    pointer to a mapping past rcu_read_unlock();
 *  - creation, revival, and every change of state happen under the lock of
 *    the mapping's pool, and nothing else does.
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

/* Pools looked at for a mapping whose external address is not known. */
#define FCN_POOLS_LOOKED	256

static struct kmem_cache *fcn_mapping_cache __read_mostly;
static hsiphash_key_t fcn_hash_key __read_mostly;

static bool fcn_key_has_peer(const struct fcn_key *key)
{
	const __u32 *a = key->peer.all;

	return a[0] | a[1] | a[2] | a[3];
}

/**
 * fcn_key_seal - a key is complete
 * @key:	the key, its hash filled in
 *
 * Done once for a mapping: not when it is looked for again under a lock, nor when
 * the table grows.
 */
void fcn_key_seal(struct fcn_key *key)
{
	u32 len = offsetof(struct fcn_key, peer);

	if (unlikely(fcn_key_has_peer(key)))
		len = offsetof(struct fcn_key, hash);
	key->hash = hsiphash(key, len, &fcn_hash_key);
}

/*
 * No host can choose keys of one hash, as it does not know the secret.  The seed is
 * the table's own and changes with its size.
 */
static u32 fcn_key_hash(const void *data, u32 len, u32 seed)
{
	const struct fcn_key *key = data;

	return jhash_1word(key->hash, seed);
}

static const struct rhashtable_params fcn_inside_params = {
	.head_offset		= offsetof(struct fcn_mapping, node),
	.key_offset		= offsetof(struct fcn_mapping, key),
	.key_len		= sizeof(struct fcn_key),
	.hashfn			= fcn_key_hash,
	.automatic_shrinking	= true,
};

int __init fcn_mapping_cache_init(void)
{
	get_random_bytes(&fcn_hash_key, sizeof(fcn_hash_key));
	fcn_mapping_cache = kmem_cache_create("fullcone_nat_mapping",
					      sizeof(struct fcn_mapping), 0,
					      SLAB_HWCACHE_ALIGN, NULL);
	return fcn_mapping_cache ? 0 : -ENOMEM;
}

/* The caller has seen to it (rcu_barrier()) that no mapping awaits its end. */
void fcn_mapping_cache_exit(void)
{
	kmem_cache_destroy(fcn_mapping_cache);
}

int fcn_table_init(struct fcn_table *table)
{
	int err;

	atomic_set(&table->count, 0);
	err = rhashtable_init(&table->inside, &fcn_inside_params);
	if (err)
		return err;
	err = fcn_pools_init(&table->pools);
	if (err)
		goto destroy_inside;
	err = fcn_peers_init(&table->peers);
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
destroy_inside:
	rhashtable_destroy(&table->inside);
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
	rhashtable_destroy(&table->inside);
}

/**
 * fcn_mapping_find - look a mapping up by its inside endpoint
 * @table:	the table
 * @key:	inside endpoint and external address, sealed
 *
 * Return: the mapping in whatever state, valid until rcu_read_unlock(), or
 * NULL.
 */
struct fcn_mapping *fcn_mapping_find(struct fcn_table *table,
				     const struct fcn_key *key)
{
	return rhashtable_lookup(&table->inside, key, fcn_inside_params);
}

/**
 * fcn_mapping_find_any - look a mapping up by its inside endpoint alone
 * @table:	the table
 * @key:	inside endpoint, and the external address to be looked at first,
 *		sealed; on success that of the mapping
 *
 * Looks at FCN_POOLS_LOOKED pools at most: addresses are few, or the endpoint is
 * at one of the first.
 *
 * Return: a mapping that is not dying, valid until rcu_read_unlock(), or NULL.
 */
struct fcn_mapping *fcn_mapping_find_any(struct fcn_table *table,
					 struct fcn_key *key)
{
	struct fcn_key other = *key;
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
		other.ext = pool->key.addr;
		fcn_key_seal(&other);
		m = fcn_mapping_find(table, &other);
		if (m) {
			*key = other;
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

/**
 * fcn_mapping_inside - the inside endpoint of a mapping, as conntrack has it
 * @m:		the mapping
 */
struct nf_conntrack_man fcn_mapping_inside(const struct fcn_mapping *m)
{
	struct nf_conntrack_man inside = {
		.u3	= m->key.addr,
		.u.all	= m->key.port,
		.l3num	= m->key.family,
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

/* Pool lock held: it counts against its host's quota; false if that is used up. */
static bool fcn_mapping_charge(struct fcn_mapping *m, u32 host_max)
{
	lockdep_assert_held(&m->pool->lock);
	if (!m->host || m->charged || m->fixed)
		return true;
	m->charged = fcn_host_charge(m->host, host_max);
	return m->charged;
}

/* Pool lock held: it counts no more. */
static void fcn_mapping_discharge(struct fcn_mapping *m)
{
	lockdep_assert_held(&m->pool->lock);
	if (m->charged)
		fcn_host_discharge(m->host);
	m->charged = false;
}

/*
 * Pool lock held: makes the mapping active; false if it is past that, or one
 * too many for its host.
 */
static bool fcn_mapping_revive(struct fcn_mapping *m, u32 host_max)
{
	lockdep_assert_held(&m->pool->lock);
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

	spin_lock_bh(&m->pool->lock);
	alive = fcn_mapping_revive(m, host_max);
	spin_unlock_bh(&m->pool->lock);
	return alive;
}

static struct fcn_mapping *
fcn_mapping_alloc(struct fcn_table *table, const struct fcn_key *key,
		  struct fcn_pool *pool, const struct fcn_terms *terms,
		  struct fcn_host *host, u32 deadline)
{
	struct fcn_mapping *m;

	m = kmem_cache_zalloc(fcn_mapping_cache, GFP_ATOMIC | __GFP_NOWARN);
	if (!m)
		return NULL;
	m->key = *key;
	m->table = table;
	m->pool = pool;
	m->terms = *terms;
	m->host = host;
	m->charged = !!host;
	m->ruled = terms->ruled;
	m->filter = terms->filter;
	m->created = (u32)ktime_get_seconds();
	m->life.pushed = deadline;
	m->life.state = FCN_ACTIVE;
	return m;
}

/*
 * Pool lock held: publishes a mapping in both indexes; a second one in the
 * outside index; one that takes the place of @old where that was.
 */
static int fcn_mapping_insert(struct fcn_mapping *m, struct fcn_mapping *old,
			      u16 port)
{
	struct rhashtable *inside = &m->table->inside;
	int err;

	err = fcn_port_take(m->pool, port);
	if (err)
		return err;
	m->ext_port = htons(port);
	/* -EBUSY, -ENOMEM, -E2BIG: a resize that can't wait is under way */
	if (old)
		err = rhashtable_replace_fast(inside, &old->node, &m->node,
					      fcn_inside_params);
	else if (!m->second)
		err = rhashtable_lookup_insert_fast(inside, &m->node,
						    fcn_inside_params);
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

static void fcn_mapping_free_rcu(struct rcu_head *head)
{
	struct fcn_mapping *m = container_of(head, struct fcn_mapping, rcu);

	fcn_table_uncount(m->table);
	kmem_cache_free(fcn_mapping_cache, m);
}

/* It is in no index any more.  The table may go before what RCU still holds. */
static void fcn_mapping_discard(struct fcn_mapping *m)
{
	if (m->host)
		fcn_host_leave(m->host, m->charged);
	call_rcu(&m->rcu, fcn_mapping_free_rcu);
}

/*
 * Looks again under the pool lock, chooses a port, and publishes the mapping.
 * Returns the mapping that counts, the new one or the one another CPU made.
 */
static struct fcn_mapping *
fcn_mapping_publish(struct fcn_net *fn, const struct fcn_conf *conf,
		    struct fcn_mapping *m, struct fcn_port_wish *wish)
{
	struct fcn_pool *pool = m->pool;
	struct fcn_mapping *old;
	int port, err;
	u32 deadline;
	bool alive;

	spin_lock_bh(&pool->lock);
	if (pool->dead) {
		err = -EAGAIN;
		goto unlock;
	}
	old = fcn_mapping_find(m->table, &m->key);
	if (old) {
		/* in the hash, so not dying */
		deadline = m->life.pushed;
		fcn_mapping_discard(m);
		alive = fcn_mapping_revive(old, conf->host_max_mappings);
		if (alive)
			fcn_mapping_push(old, deadline);
		spin_unlock_bh(&pool->lock);
		return alive ? old : ERR_PTR(-EMFILE);
	}
	port = fcn_port_choose(pool, wish);
	err = port < 0 ? port : fcn_mapping_insert(m, NULL, port);
unlock:
	spin_unlock_bh(&pool->lock);
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

static struct fcn_mapping *
fcn_mapping_create(struct fcn_net *fn, const struct fcn_conf *conf,
		   const struct fcn_key *key, const struct fcn_terms *terms,
		   u32 deadline)
{
	const bool is_port = !fcn_is_icmp(key->proto);
	struct fcn_port_wish wish = {
		.net		= fn->net,
		.kept		= fcn_statics_kept(&fn->statics, key->proto),
		.allowed	= fcn_conf_ports(conf, key->proto),
		.first		= terms->first,
		.last		= terms->last,
		.port		= ntohs(key->port),
		.random		= terms->random,
		.keep_class	= is_port,
		.keep_parity	= is_port && conf->port_parity,
		.ifindex	= terms->ifindex,
	};
	struct fcn_mapping *m;
	struct fcn_pool *pool;
	struct fcn_host *host;
	int err;

	err = fcn_table_admit(fn, conf->max_mappings);
	if (err)
		return ERR_PTR(err);

	host = fcn_host_join(&fn->table.hosts, conf, key, false);
	err = PTR_ERR_OR_ZERO(host);
	if (err)
		goto uncount;
	pool = fcn_table_pool(&fn->table, key, conf->max_mappings);
	err = PTR_ERR_OR_ZERO(pool);
	if (err)
		goto leave;
	m = fcn_mapping_alloc(&fn->table, key, pool, terms, host, deadline);
	if (!m) {
		err = -ENOMEM;
		goto leave;
	}
	return fcn_mapping_publish(fn, conf, m, &wish);

leave:
	if (host)
		fcn_host_leave(host, true);
uncount:
	fcn_table_uncount(&fn->table);
	return ERR_PTR(err);
}

/**
 * fcn_mapping_get_home - the mapping of an inside endpoint, if it is at home
 * @fn:		namespace
 * @conf:	its configuration; mapping=eim
 * @orig:	who sends to whom
 * @zone:	conntrack zone
 * @ext:	external address
 * @deadline:	seconds; how long the packet at hand keeps the mapping
 *
 * Under rcu_read_lock().  Most mappings have the port of their inside endpoint, and
 * are found there without a hash.
 *
 * Return: the mapping, or NULL: then there may be one elsewhere.
 */
struct fcn_mapping *fcn_mapping_get_home(struct fcn_net *fn,
					 const struct fcn_conf *conf,
					 const struct nf_conntrack_tuple *orig,
					 u16 zone,
					 const union nf_inet_addr *ext,
					 u32 deadline)
{
	const struct nf_conntrack_man *inside = &orig->src;
	struct fcn_mapping *m;

	m = fcn_mapping_find_ext(&fn->table, inside->l3num, orig->dst.protonum,
				 ext, inside->u.all);
	if (!m || m->key.port != inside->u.all || m->key.zone != zone ||
	    !nf_inet_addr_cmp(&m->key.addr, &inside->u3) ||
	    fcn_key_has_peer(&m->key) || m->second ||
	    READ_ONCE(m->life.state) >= FCN_DYING)
		return NULL;
	return fcn_mapping_refresh(m, deadline, conf->host_max_mappings) ? m :
									   NULL;
}

/**
 * fcn_mapping_get - the mapping of an inside endpoint, made if need be
 * @fn:		namespace
 * @conf:	its configuration
 * @key:	inside endpoint and external address, sealed
 * @terms:	for a mapping that has to be made
 * @deadline:	seconds; how long the packet at hand keeps the mapping
 *
 * Under rcu_read_lock(), which is also how long the result is valid.  A
 * mapping that was draining or held down is active again.
 *
 * Return: the mapping, or ERR_PTR() of -ENOSPC (no free port), -EDQUOT
 * (max_mappings), -ENFILE (max_total), -EMFILE (host_max_mappings), -ETIME
 * (host_max_rate), -ENOMEM, or what a busy hash returns.
 */
struct fcn_mapping *fcn_mapping_get(struct fcn_net *fn,
				    const struct fcn_conf *conf,
				    const struct fcn_key *key,
				    const struct fcn_terms *terms,
				    u32 deadline)
{
	struct fcn_mapping *m = fcn_mapping_find(&fn->table, key);

	if (likely(m) &&
	    fcn_mapping_refresh(m, deadline, conf->host_max_mappings))
		return m;
	m = fcn_mapping_create(fn, conf, key, terms, deadline);
	/* its pool was empty and is just being removed: make a new one */
	if (m == ERR_PTR(-EAGAIN))
		m = fcn_mapping_create(fn, conf, key, terms, deadline);
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

	if (terms->ruled && !READ_ONCE(m->ruled))
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
	spin_lock_bh(&m->pool->lock);
	fcn_mapping_revive(m, 0);
	spin_unlock_bh(&m->pool->lock);
}

/**
 * fcn_mapping_adopt - make the mapping that an earlier conntrack entry implies
 * @fn:		namespace
 * @key:	inside endpoint and external address of the entry, sealed
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
	err = fcn_table_admit(fn, terms->ruled || second ? max / 2 : max);
	if (err)
		return err;

	pool = fcn_table_pool(&fn->table, key, max);
	err = PTR_ERR_OR_ZERO(pool);
	if (err)
		goto uncount;
	err = -EADDRINUSE;
	if (fcn_pool_owner(pool, ntohs(port)) ||
	    fcn_port_is_routers(pool, &wish, ntohs(port)))
		goto uncount;
	host = fcn_host_join(&fn->table.hosts, conf, key, true);
	err = PTR_ERR_OR_ZERO(host);
	if (err)
		goto uncount;
	m = fcn_mapping_alloc(&fn->table, key, pool, terms, host, 0);
	if (!m) {
		err = -ENOMEM;
		goto leave;
	}
	m->second = second;
	if (closed || second) {
		m->life.closed = true;
		m->life.state = FCN_DRAINING;
	}
	spin_lock_bh(&pool->lock);
	err = pool->dead ? -EAGAIN : fcn_mapping_insert(m, NULL, ntohs(port));
	spin_unlock_bh(&pool->lock);
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

/* Pool lock held: one that is there takes no part in time and quotas any more. */
static void fcn_mapping_pin(struct fcn_mapping *m)
{
	fcn_mapping_discharge(m);
	WRITE_ONCE(m->fixed, true);
	WRITE_ONCE(m->life.closed, false);
	WRITE_ONCE(m->life.state, FCN_ACTIVE);
}

/* Pool lock held: takes the place of the mapping that the endpoint has. */
static int fcn_mapping_supplant(struct fcn_mapping *m, struct fcn_mapping *old,
				u16 port)
{
	int err = fcn_mapping_insert(m, old, port);

	if (err)
		return err;
	WRITE_ONCE(old->life.state, FCN_DYING);
	fcn_mapping_discharge(old);
	return 0;
}

/**
 * fcn_mapping_fix - make a static mapping
 * @fn:		namespace; the caller holds its mutex
 * @key:	inside endpoint and external address, sealed
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
		.ruled		= !fcn_net_names(fn, key->family, dev->name),
	};
	const struct fcn_port_wish wish = {
		.net		= fn->net,
		.ifindex	= dev->ifindex,
	};
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
	m = fcn_mapping_alloc(&fn->table, key, pool, &terms, NULL, 0);
	if (!m) {
		fcn_table_uncount(&fn->table);
		return -ENOMEM;
	}
	m->fixed = true;

	spin_lock_bh(&pool->lock);
	old = fcn_mapping_find(&fn->table, key);
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
		err = fcn_mapping_supplant(m, old, ntohs(port));
	else
		err = fcn_mapping_insert(m, NULL, ntohs(port));
	spin_unlock_bh(&pool->lock);

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

	spin_lock_bh(&m->pool->lock);
	accepted = fcn_mapping_accepts(m);
	WRITE_ONCE(m->life.state, state);
	smp_mb();	/* pairs with fcn_mapping_refresh() */
	if (accepted && READ_ONCE(m->life.pushed) > now) {
		WRITE_ONCE(m->life.state, FCN_ACTIVE);
		stopped = false;
	}
	if (stopped && state == FCN_HOLDDOWN)
		fcn_mapping_discharge(m);
	spin_unlock_bh(&m->pool->lock);
	return stopped;
}

/* Pool lock held: a dying mapping is not found from inside. */
static void fcn_mapping_unlink(struct fcn_mapping *m)
{
	lockdep_assert_held(&m->pool->lock);
	if (m->life.state >= FCN_DYING)
		return;
	WRITE_ONCE(m->life.state, FCN_DYING);
	fcn_mapping_discharge(m);
	rhashtable_remove_fast(&m->table->inside, &m->node,
			       fcn_inside_params);
}

/**
 * fcn_mapping_condemn - begin the end of a mapping
 * @m:		the mapping
 *
 * Its inside endpoint gets a new mapping from now on.  The port stays taken
 * until fcn_mapping_retire(), and the sweep deletes the sessions.
 */
void fcn_mapping_condemn(struct fcn_mapping *m)
{
	spin_lock_bh(&m->pool->lock);
	fcn_mapping_unlink(m);
	spin_unlock_bh(&m->pool->lock);
}

/**
 * fcn_mapping_retire - give the port back and free the mapping
 * @m:		the mapping; valid until rcu_read_unlock() in any case
 *
 * Return: false if a packet has just made it active again, or if it is free
 * already.
 */
bool fcn_mapping_retire(struct fcn_mapping *m)
{
	bool retire;

	spin_lock_bh(&m->pool->lock);
	retire = m->life.state != FCN_ACTIVE && m->life.state != FCN_FREE;
	if (retire)
		fcn_mapping_unlink(m);
	spin_unlock_bh(&m->pool->lock);
	if (!retire)
		return false;

	/* dying, so it gets no more peers */
	fcn_filter_forget(m, U32_MAX);

	spin_lock_bh(&m->pool->lock);
	WRITE_ONCE(m->life.state, FCN_FREE);
	fcn_port_release(m->pool, ntohs(m->ext_port));
	spin_unlock_bh(&m->pool->lock);
	fcn_log_free(container_of(m->table, struct fcn_net, table), m);
	fcn_mapping_discard(m);
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
			count += READ_ONCE(pool->used);
	rcu_read_unlock();
	return count;
}

/**
 * fcn_mapping_walk - visit every mapping once
 * @table:	the table
 * @visit:	what to do with each, under rcu_read_lock(); may free it
 * @data:	for @visit
 *
 * Process context, under fcn_net.mutex, which keeps the pools.  Mappings that
 * are made meanwhile may or may not be visited.
 */
void fcn_mapping_walk(struct fcn_table *table,
		      void (*visit)(struct fcn_mapping *m, void *data),
		      void *data)
{
	struct fcn_pool *pool;
	struct fcn_mapping *m;
	u32 port, end;

	rcu_read_lock();
	list_for_each_entry_rcu(pool, &table->pools.list, list) {
		for (port = 0; port < FCN_PORTS;) {
			end = port + FCN_CHUNK_PORTS;
			while ((m = fcn_pool_next(pool, &port))) {
				visit(m, data);
				if (++port >= end)
					break;
			}
			/* only the caller frees pools, so this one stays */
			rcu_read_unlock();
			cond_resched();
			rcu_read_lock();
		}
	}
	rcu_read_unlock();
}
