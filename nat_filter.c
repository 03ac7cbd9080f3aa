// SPDX-License-Identifier: GPL-2.0
/*
 * Filtering: which strangers may open a session on a mapping.
 *
 * A full cone lets everybody in and needs no memory.  The restricted cones let
 * those in whom the inside endpoint has spoken to, for as long as that keeps
 * the mapping alive.  Conntrack can't tell: it has no index by mapping and
 * address, and forgets an unanswered peer after 30 s.  So these mappings note
 * their peers: one record for each address, or endpoint, that a first packet
 * goes to, found by a hash, so in constant time however many there are.
 *
 * Invariants:
 *  - a peer is in the table and in the list of its mapping, or in neither;
 *  - both change under fcn_mapping_lock(), and a mapping that is dying gets no
 *    more peers;
 *  - a packet is judged by whether there is a record.  Only the clock looks at
 *    the deadline, so a late clock never refuses anybody.
 */

#include <linux/rculist.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>

#include "nat_conf.h"
#include "nat_core.h"
#include "nat_filter.h"
#include "nat_log.h"
#include "nat_mapping.h"

/**
 * struct fcn_peer_key - what a peer is found by; unused bytes are zero
 * @mapping:	who has spoken to it
 * @addr:	its address, network order
 * @port:	its port, network order; 0 for %FCN_ADF
 * @pad:	zero
 */
struct fcn_peer_key {
	const struct fcn_mapping	*mapping;
	union nf_inet_addr		addr;
	__be16				port;
	u8				pad[sizeof(long) - sizeof(__be16)];
};

/**
 * struct fcn_peer - somebody a mapping has spoken to
 * @node:	in fcn_peers.table
 * @key:	fixed at creation
 * @peers:	fixed at creation
 * @list:	in fcn_extra.peers
 * @deadline:	seconds; written under fcn_mapping_lock()
 * @rcu:	for the end
 */
struct fcn_peer {
	struct rhash_head	node;
	struct fcn_peer_key	key;
	struct fcn_peers	*peers;
	struct hlist_node	list;
	u32			deadline;
	struct rcu_head		rcu;
};

/* A mapping that has so great a part of the room leaves half of it to others. */
#define FCN_PEER_SHARE	64

static struct kmem_cache *fcn_peer_cache __read_mostly;

/* Those of all namespaces that have a limit together. */
static atomic_t fcn_peers_shared = ATOMIC_INIT(0);

static const struct rhashtable_params fcn_peer_params = {
	.head_offset		= offsetof(struct fcn_peer, node),
	.key_offset		= offsetof(struct fcn_peer, key),
	.key_len		= sizeof(struct fcn_peer_key),
	.automatic_shrinking	= true,
};

int __init fcn_filter_cache_init(void)
{
	fcn_peer_cache = kmem_cache_create("fullcone_nat_peer",
					   sizeof(struct fcn_peer), 0, 0, NULL);
	return fcn_peer_cache ? 0 : -ENOMEM;
}

/* The caller has seen to it (rcu_barrier()) that no peer awaits its end. */
void fcn_filter_cache_exit(void)
{
	kmem_cache_destroy(fcn_peer_cache);
}

/**
 * fcn_peers_init - no peers yet
 * @peers:	of a namespace
 * @room:	peers that it may have together with other namespaces, 0: no limit
 *
 * Return: 0 or a negative error.
 */
int fcn_peers_init(struct fcn_peers *peers, u32 room)
{
	peers->room = room;
	atomic_set(&peers->count, 0);
	return rhashtable_init(&peers->table, &fcn_peer_params);
}

/* All mappings are gone, so all peers are. */
void fcn_peers_exit(struct fcn_peers *peers)
{
	rhashtable_destroy(&peers->table);
}

static struct fcn_peer_key fcn_peer_key(const struct fcn_mapping *m,
					enum fcn_filter filter,
					const union nf_inet_addr *addr,
					__be16 port)
{
	struct fcn_peer_key key = {
		.mapping	= m,
		.addr		= *addr,
		.port		= filter == FCN_APDF ? port : 0,
	};

	return key;
}

static struct fcn_peers *fcn_peers(const struct fcn_mapping *m)
{
	return &fcn_mapping_table(m)->peers;
}

static void fcn_peers_uncount(struct fcn_peers *peers)
{
	if (peers->room)
		atomic_dec(&fcn_peers_shared);
	atomic_dec(&peers->count);
}

/*
 * Anybody can have namespaces of his own, and as many as he likes: what one may have is no
 * limit to all of them.
 */
static int fcn_peers_admit(struct fcn_peers *peers, u32 max)
{
	u32 count = atomic_inc_return(&peers->count), total = 0;
	int err;

	if (peers->room)
		total = atomic_inc_return(&fcn_peers_shared);
	err = count > max ? -EDQUOT : total > peers->room ? -ENFILE : 0;
	if (unlikely(err))
		fcn_peers_uncount(peers);
	return err;
}

static void fcn_peer_free_rcu(struct rcu_head *head)
{
	struct fcn_peer *peer = container_of(head, struct fcn_peer, rcu);

	fcn_peers_uncount(peer->peers);
	kmem_cache_free(fcn_peer_cache, peer);
}

/* Stripe lock held. */
static void fcn_peer_unlink(struct fcn_mapping *m, struct fcn_extra *extra,
			    struct fcn_peer *peer)
{
	lockdep_assert_held(fcn_mapping_lock(m));
	rhashtable_remove_fast(&fcn_peers(m)->table, &peer->node,
			       fcn_peer_params);
	hlist_del_rcu(&peer->list);
	extra->peer_count--;
	call_rcu(&peer->rcu, fcn_peer_free_rcu);
}

/* Stripe lock held: the peer of this key is new.  Returns 0 or an error. */
static int fcn_peer_create(struct fcn_mapping *m,
			   const struct fcn_peer_key *key, u32 deadline,
			   u32 max)
{
	struct fcn_peers *peers = fcn_peers(m);
	struct fcn_extra *extra = fcn_mapping_extra(m);
	struct fcn_peer *peer;
	int err;

	lockdep_assert_held(fcn_mapping_lock(m));
	if (!extra)
		return -ENOMEM;
	if (extra->peer_count >= max / FCN_PEER_SHARE)
		max /= 2;
	err = fcn_peers_admit(peers, max);
	if (err)
		return err;
	/* all of it is written below */
	peer = kmem_cache_alloc(fcn_peer_cache, GFP_ATOMIC | __GFP_NOWARN);
	if (!peer) {
		err = -ENOMEM;
		goto uncount;
	}
	peer->key = *key;
	peer->peers = peers;
	peer->deadline = deadline;
	err = rhashtable_insert_fast(&peers->table, &peer->node,
				     fcn_peer_params);
	if (err)
		goto free;
	hlist_add_head_rcu(&peer->list, &extra->peers);
	extra->peer_count++;
	return 0;

free:
	kmem_cache_free(fcn_peer_cache, peer);
uncount:
	fcn_peers_uncount(peers);
	return err;
}

/* Stripe lock held: moves the deadline of a peer; false if there is none. */
static bool fcn_peer_push(struct fcn_mapping *m,
			  const struct fcn_peer_key *key, u32 deadline)
{
	struct fcn_peer *peer;

	lockdep_assert_held(fcn_mapping_lock(m));
	peer = rhashtable_lookup(&fcn_peers(m)->table, key, fcn_peer_params);
	if (!peer)
		return false;
	if (peer->deadline < deadline)
		WRITE_ONCE(peer->deadline, deadline);
	return true;
}

/**
 * fcn_filter_before - who may come in before a flow of an endpoint was decided
 * @fn:		namespace
 * @conf:	its configuration
 * @family:	NFPROTO_*
 * @proto:	IPPROTO_*
 * @ruled:	rules decide where the mapping was made
 *
 * Where a rule may decide, it is not for the knobs to let anybody in.
 */
enum fcn_filter fcn_filter_before(const struct fcn_net *fn,
				  const struct fcn_conf *conf, u8 family,
				  u8 proto, bool ruled)
{
	if (ruled || (READ_ONCE(fn->rules[family]) && conf->order_last))
		return FCN_APDF;
	return fcn_conf_filter(conf, proto);
}

/**
 * fcn_filter_note - an inside endpoint speaks to somebody
 * @fn:		namespace
 * @conf:	its configuration
 * @m:		mapping of the inside endpoint
 * @addr:	whom it speaks to, network order
 * @port:	likewise; 0 if the protocol has no ports
 * @deadline:	seconds; how long the packet at hand keeps the mapping
 *
 * Under rcu_read_lock().  There are at most max_mappings peers in a namespace,
 * half of max_total in all but the machine's first, and one endpoint can't have
 * them all.  One that can't be noted is told; its answers come in all the same,
 * as long as conntrack has the session.
 */
void fcn_filter_note(struct fcn_net *fn, const struct fcn_conf *conf,
		     struct fcn_mapping *m, const union nf_inet_addr *addr,
		     __be16 port, u32 deadline)
{
	enum fcn_filter filter = fcn_mapping_filter(m);
	struct nf_conntrack_man inside;
	struct fcn_peer_key key;
	int err = 0;

	if (likely(filter == FCN_EIF))
		return;
	key = fcn_peer_key(m, filter, addr, port);
	spin_lock_bh(fcn_mapping_lock(m));
	if (m->life.state < FCN_DYING && !fcn_peer_push(m, &key, deadline))
		err = fcn_peer_create(m, &key, deadline, conf->max_mappings);
	spin_unlock_bh(fcn_mapping_lock(m));
	if (likely(!err))
		return;
	fcn_stat_inc(fn, FCN_STAT_peers_refused);
	inside = fcn_mapping_inside(m);
	fcn_log_refuse(fn, fcn_mapping_proto(m), &inside,
		       FCN_STAT_peers_refused);
}

/**
 * fcn_filter_refresh - a session with somebody is still alive
 * @m:		the mapping
 * @addr:	who is at the other end, network order
 * @port:	likewise
 * @deadline:	seconds; what the session gives its mapping
 *
 * Under rcu_read_lock().  Whom the mapping has not spoken to stays a stranger.
 */
void fcn_filter_refresh(struct fcn_mapping *m, const union nf_inet_addr *addr,
			__be16 port, u32 deadline)
{
	enum fcn_filter filter = fcn_mapping_filter(m);
	struct fcn_peer_key key;

	if (likely(filter == FCN_EIF))
		return;
	key = fcn_peer_key(m, filter, addr, port);
	spin_lock_bh(fcn_mapping_lock(m));
	fcn_peer_push(m, &key, deadline);
	spin_unlock_bh(fcn_mapping_lock(m));
}

/**
 * fcn_filter_admits - may somebody open a session?
 * @m:		mapping it is sent to
 * @addr:	who wants to, network order
 * @port:	likewise
 *
 * Under rcu_read_lock().
 */
bool fcn_filter_admits(const struct fcn_mapping *m,
		       const union nf_inet_addr *addr, __be16 port)
{
	enum fcn_filter filter = fcn_mapping_filter(m);
	struct fcn_peer_key key;

	if (likely(filter == FCN_EIF))
		return true;
	key = fcn_peer_key(m, filter, addr, port);
	return rhashtable_lookup(&fcn_peers(m)->table, &key, fcn_peer_params);
}

/**
 * fcn_filter_forget - forget the peers whose time has passed
 * @m:		the mapping
 * @now:	seconds; peers whose deadline is not later go
 *
 * Under rcu_read_lock(), by one caller at a time.  The lock is taken for one
 * peer at a time: there may be many, and packets wait.
 */
void fcn_filter_forget(struct fcn_mapping *m, u32 now)
{
	struct fcn_extra *extra = rcu_dereference(m->extra);
	struct fcn_peer *peer;

	if (likely(!extra))
		return;
	hlist_for_each_entry_rcu(peer, &extra->peers, list) {
		if (READ_ONCE(peer->deadline) > now)
			continue;
		spin_lock_bh(fcn_mapping_lock(m));
		if (peer->deadline <= now)
			fcn_peer_unlink(m, extra, peer);
		spin_unlock_bh(fcn_mapping_lock(m));
	}
}
