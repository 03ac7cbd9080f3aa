// SPDX-License-Identifier: GPL-2.0
/*
 * Conntrack seen from us.
 *
 * The first part applies a decision to a new entry: it gets exactly the
 * endpoint of its mapping, and a stranger keeps his, or the packet is dropped.
 * It remembers where entries may be in the way.  The second part reads
 * entries: to which mapping one belongs, how far it has come, when it saw its
 * last packet.  The third is the sweep that does so for all of a namespace.
 *
 * Sessions are conntrack's own entries and nothing else; no state of ours
 * hangs on them.  A translated entry carries its mapping in its tuples:
 *
 *		ORIGINAL tuple		REPLY tuple
 *	out	X:x -> P:p		P:p -> E:e
 *	in	P:p -> E:e		X:x -> P:p
 *	hairpin	Y:y -> E:e		X:x -> E2:e2	Y:y has E2:e2
 *
 * A host that speaks to its own endpoint (the classic STUN client does) has an
 * entry whose two tuples are the same; either direction translates alike.
 *
 * ICMP queries of either family have one id instead of two ports, always in
 * src.u.icmp.id.
 *
 * The sweep's callback runs under a conntrack bucket lock.  It takes locks of
 * mappings, which are never held around a conntrack call.
 */

#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_acct.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_l4proto.h>
#include <net/netfilter/nf_conntrack_timeout.h>
#include <net/netfilter/nf_conntrack_zones.h>
#include <net/netfilter/nf_nat.h>

#include "compat.h"
#include "nat_addr.h"
#include "nat_conf.h"
#include "nat_conntrack.h"
#include "nat_core.h"
#include "nat_filter.h"
#include "nat_wan.h"

/* of enum tcp_bit_set, private to nf_conntrack_proto_tcp.c */
#define FCN_LAST_WAS_ACK	3
#define FCN_LAST_WAS_RST	4

static const struct nf_conntrack_tuple *
fcn_ct_tuple(const struct nf_conn *ct, enum ip_conntrack_dir dir)
{
	return &ct->tuplehash[dir].tuple;
}

/* The port at the receiving end of a tuple; an ICMP query has one id only. */
static __be16 *fcn_tuple_dst_port(struct nf_conntrack_tuple *tuple)
{
	if (fcn_is_icmp(tuple->dst.protonum))
		return &tuple->src.u.icmp.id;
	return &tuple->dst.u.all;
}

static __be16 fcn_tuple_dst(const struct nf_conntrack_tuple *tuple)
{
	if (fcn_is_icmp(tuple->dst.protonum))
		return tuple->src.u.icmp.id;
	return tuple->dst.u.all;
}

/* What the mapping of an end of an entry is found by; as long as @peer is there. */
static void fcn_ct_end_key(const struct fcn_conf *conf,
			   const struct nf_conn *ct,
			   const struct nf_conntrack_man *inside,
			   const struct nf_conntrack_man *peer,
			   const union nf_inet_addr *ext, struct fcn_key *key)
{
	key->addr = inside->u3;
	key->ext = *ext;
	key->port = inside->u.all;
	key->zone = fcn_ct_zone_id(ct);
	key->family = nf_ct_l3num(ct);
	key->proto = nf_ct_protonum(ct);
	key->peer = fcn_conf_per_peer(conf, key->proto) ? peer : NULL;
}

/**
 * fcn_ct_key - what the mapping of an entry's opener is found by
 * @conf:	knobs of its namespace
 * @ct:		the entry; its destination is decided, or is an endpoint of ours
 * @ext:	external address
 * @key:	filled in; valid as long as the entry
 */
void fcn_ct_key(const struct fcn_conf *conf, const struct nf_conn *ct,
		const union nf_inet_addr *ext, struct fcn_key *key)
{
	fcn_ct_end_key(conf, ct, &fcn_ct_tuple(ct, IP_CT_DIR_ORIGINAL)->src,
		       &fcn_ct_tuple(ct, IP_CT_DIR_REPLY)->src, ext, key);
}

/* Strays: what has knocked on a port when it was no mapping's. */

/*
 * How long a knock is remembered at least, seconds: as long as an entry that nobody
 * answers lasts with our sysctls.  One that goes on for longer costs a packet.
 */
#define FCN_KNOCK_TIME	240

static u32 fcn_knock_bit(__be16 port)
{
	return ntohs(port) & (FCN_KNOCK_BITS - 1);
}

/**
 * fcn_ct_knock - a first packet has come to a port that is no mapping's
 * @fn:		namespace
 * @port:	network order
 *
 * The router may keep an entry for it, which will be in the way of a mapping's
 * session with its sender.
 */
void fcn_ct_knock(struct fcn_net *fn, __be16 port)
{
	const u32 bit = fcn_knock_bit(port);

	if (!test_bit(bit, fn->knocks.now))
		set_bit(bit, fn->knocks.now);
}

/* May there be a stray to this port, or to one that looks like it? */
static bool fcn_ct_knocked(const struct fcn_net *fn, __be16 port)
{
	const u32 bit = fcn_knock_bit(port);

	return test_bit(bit, fn->knocks.now) || test_bit(bit, fn->knocks.before);
}

/* One that comes in just now may be forgotten: it costs a packet at worst. */
static void fcn_knocks_age(struct fcn_knocks *knocks, u32 now)
{
	if (now - knocks->since < FCN_KNOCK_TIME)
		return;
	bitmap_copy(knocks->before, knocks->now, FCN_KNOCK_BITS);
	bitmap_zero(knocks->now, FCN_KNOCK_BITS);
	knocks->since = now;
}

/* Applying a decision. */

/*
 * An entry that nobody has answered and nothing has translated, in whose
 * ORIGINAL direction the wanted replies would travel: a stray packet of the
 * peer that reached INPUT before there was a mapping.
 */
static bool fcn_ct_is_stray(const struct nf_conntrack_tuple_hash *h)
{
	const struct nf_conn *ct = nf_ct_tuplehash_to_ctrack(h);

	return NF_CT_DIRECTION(h) == IP_CT_DIR_ORIGINAL &&
	       !(READ_ONCE(ct->status) & (IPS_SEEN_REPLY | IPS_NAT_MASK));
}

/*
 * Makes way for the reply tuple that a new entry is going to have, one to @addr:@port:
 * a stray that has it goes.
 *
 * Return: 0, or -EBUSY when a session that matters is in the way.
 */
static noinline int fcn_ct_clear(struct fcn_net *fn, struct nf_conn *ct,
				 const union nf_inet_addr *addr, __be16 port)
{
	struct nf_conntrack_tuple reply = *fcn_ct_tuple(ct, IP_CT_DIR_REPLY);
	struct nf_conntrack_tuple_hash *h;
	struct nf_conn *other;
	int err = 0;

	reply.dst.u3 = *addr;
	*fcn_tuple_dst_port(&reply) = port;
	/* not by the same flow's entry, of a packet that was a little faster */
	if (likely(!nf_conntrack_tuple_taken(&reply, ct)))
		return 0;

	h = nf_conntrack_find_get(nf_ct_net(ct), nf_ct_zone(ct), &reply);
	if (!h)
		return 0;	/* has just ended */

	other = nf_ct_tuplehash_to_ctrack(h);
	if (!fcn_ct_is_stray(h))
		err = -EBUSY;
	else if (nf_ct_kill(other))
		fcn_stat_inc(fn, FCN_STAT_strays_killed);
	nf_ct_put(other);
	return err;
}

/* The destination, to exactly this endpoint. */
static int fcn_ct_setup_destination(struct nf_conn *ct,
				    const union nf_inet_addr *addr,
				    __be16 port)
{
	const struct nf_nat_range2 range = {
		.flags		= NF_NAT_RANGE_MAP_IPS |
				  NF_NAT_RANGE_PROTO_SPECIFIED,
		.min_addr	= *addr,
		.max_addr	= *addr,
		.min_proto.all	= port,
		.max_proto.all	= port,
	};

	return nf_nat_setup_info(ct, &range, NF_NAT_MANIP_DST) == NF_ACCEPT ?
	       0 : -ENOMEM;
}

/*
 * The source, by a range of which nf_nat takes this port, or another if the reply tuple
 * is some other session's: a duplicate would only be found at the very end, where the
 * packet is lost without a word.
 *
 * Return: 0; -EBUSY if another session is in the way, -ENOMEM.
 */
static int fcn_ct_setup_source(struct fcn_net *fn, struct nf_conn *ct,
			       const struct nf_nat_range2 *range, __be16 port)
{
	const struct nf_conntrack_tuple *reply;

	if (nf_nat_setup_info(ct, range, NF_NAT_MANIP_SRC) != NF_ACCEPT)
		return -ENOMEM;
	reply = fcn_ct_tuple(ct, IP_CT_DIR_REPLY);
	if (likely(fcn_tuple_dst(reply) == port))
		return 0;
	/* the next packet has its way, if that was a stray */
	fcn_ct_clear(fn, ct, &reply->dst.u3, port);
	return -EBUSY;
}

/*
 * Ports that nf_nat is offered for one.  Newer kernels end a closing TCP session that
 * is in the way, but only when no more than 32 ports are left to try: towards this
 * peer, 32 in a row have to be taken then.
 */
#define FCN_OFFER	64

/*
 * The source, to exactly this endpoint.  nf_nat takes a single port even if it is
 * taken; so it is offered more, and made to begin with this one.
 *
 * Return: as above.
 */
static int fcn_ct_change_source(struct fcn_net *fn, struct nf_conn *ct,
				const union nf_inet_addr *addr, __be16 port)
{
	const u16 first = ntohs(port) & ~(FCN_OFFER - 1);
	const u16 has = ntohs(fcn_tuple_dst(fcn_ct_tuple(ct, IP_CT_DIR_REPLY)));
	const struct nf_nat_range2 range = {
		/* random, so that it does not walk the opener's sessions */
		.flags		= NF_NAT_RANGE_MAP_IPS |
				  NF_NAT_RANGE_PROTO_SPECIFIED |
				  NF_NAT_RANGE_PROTO_RANDOM |
				  NF_NAT_RANGE_PROTO_OFFSET,
		.min_addr	= *addr,
		.max_addr	= *addr,
		.min_proto.all	= htons(first),
		.max_proto.all	= htons(first + FCN_OFFER - 1),
		/* it begins at first + (has - base) */
		.base_proto.all	= htons(has - (ntohs(port) - first)),
	};

	return fcn_ct_setup_source(fn, ct, &range, port);
}

/* udp_refresh_inbound=0: the sweep needs to know who has spoken. */
static void fcn_ct_count(const struct fcn_net *fn, struct nf_conn *ct)
{
	if (!fcn_conf(fn)->udp_refresh_inbound &&
	    nf_ct_protonum(ct) == IPPROTO_UDP)
		nf_ct_ext_add(ct, NF_CT_EXT_ACCT, GFP_ATOMIC);
}

/**
 * fcn_ct_map_out - translate an outbound session
 * @fn:		namespace
 * @ct:		entry of the packet, not confirmed
 * @m:		mapping of its inside endpoint
 * @ifindex:	device whose address it gets; 0 if it shall not end when its route
 *		moves
 *
 * Under rcu_read_lock().  The session is marked with the device, as MASQUERADE
 * does, so that nf_nat ends it when its route moves to another.
 *
 * Return: 0; -EBUSY if another session is in the way, -ENOMEM.
 */
int fcn_ct_map_out(struct fcn_net *fn, struct nf_conn *ct,
		   const struct fcn_mapping *m, int ifindex)
{
	struct nf_conn_nat *nat;
	int err;

	if (unlikely(fcn_ct_knocked(fn, m->ext_port))) {
		err = fcn_ct_clear(fn, ct, fcn_mapping_ext(m), m->ext_port);
		if (err)
			return err;
	}

	fcn_ct_count(fn, ct);
	nat = nf_ct_nat_ext_add(ct);
	if (!nat)
		return -ENOMEM;
	nat->masq_index = ifindex;
	return fcn_ct_change_source(fn, ct, fcn_mapping_ext(m), m->ext_port);
}

/**
 * fcn_ct_map_in - translate a session that a stranger opens
 * @fn:		namespace
 * @ct:		entry of the packet, not confirmed
 * @m:		mapping it is sent to
 *
 * Under rcu_read_lock().  Whether another session is in the way
 * fcn_ct_keep_source() finds out.
 *
 * Return: 0, or -ENOMEM.
 */
int fcn_ct_map_in(struct fcn_net *fn, struct nf_conn *ct,
		  const struct fcn_mapping *m)
{
	fcn_ct_count(fn, ct);
	return fcn_ct_setup_destination(ct, &m->addr, m->port);
}

/**
 * fcn_ct_keep_source - the other half: a stranger keeps his endpoint
 * @fn:		namespace
 * @ct:		entry of the packet, not confirmed
 *
 * Under rcu_read_lock().  nf_nat would give him another port if another session
 * were in the way, and the inside host would not know him.
 *
 * Return: 0; -EBUSY if another session is in the way, -ENOMEM.
 */
int fcn_ct_keep_source(struct fcn_net *fn, struct nf_conn *ct)
{
	const struct nf_conntrack_man *peer;
	struct nf_nat_range2 range = { .flags = NF_NAT_RANGE_MAP_IPS };

	/* what he has is in range, so nothing but the reply tuple is looked at */
	peer = &fcn_ct_tuple(ct, IP_CT_DIR_ORIGINAL)->src;
	range.min_addr = peer->u3;
	range.max_addr = peer->u3;
	return fcn_ct_setup_source(fn, ct, &range, peer->u.all);
}

/**
 * fcn_ct_keep_destination - a session goes where its opener has sent it
 * @ct:		entry of the packet, not confirmed
 *
 * All that nf_nat_setup_info() leaves of a binding that changes nothing, in a dozen
 * steps.  Nobody else has the entry yet.
 */
void fcn_ct_keep_destination(struct nf_conn *ct)
{
	ct->status |= IPS_DST_NAT_DONE;
}

/**
 * fcn_ct_divert - translate the destination of a session between inside hosts
 * @ct:		entry of the packet, not confirmed
 * @to:		mapping it is sent to
 *
 * Under rcu_read_lock().  fcn_ct_map_out() gives it the source that it is to have
 * (RFC 4787, REQ-9a); whether another session is in the way is not to be known
 * before.
 *
 * Return: 0, or -ENOMEM.
 */
int fcn_ct_divert(struct nf_conn *ct, const struct fcn_mapping *to)
{
	return fcn_ct_setup_destination(ct, &to->addr, to->port);
}

/* Reading an entry. */

static bool fcn_ct_is_inside(const struct fcn_mapping *m,
			     const struct nf_conn *ct,
			     const union nf_inet_addr *addr, __be16 port)
{
	return m->port == port && m->zone == fcn_ct_zone_id(ct) &&
	       nf_inet_addr_cmp(&m->addr, addr);
}

/* The mapping whose port the packets of one direction are sent to, or NULL. */
static struct fcn_mapping *fcn_ct_owner(struct fcn_table *table,
					const struct nf_conn *ct,
					enum ip_conntrack_dir dir)
{
	const struct nf_conntrack_tuple *tuple = fcn_ct_tuple(ct, dir);

	return fcn_mapping_find_ext(table, nf_ct_l3num(ct), nf_ct_protonum(ct),
				    &tuple->dst.u3, fcn_tuple_dst(tuple));
}

static struct fcn_mapping *fcn_ct_mapping_out(struct fcn_table *table,
					      const struct nf_conn *ct)
{
	const struct nf_conntrack_tuple *orig;
	struct fcn_mapping *m;

	if (!(READ_ONCE(ct->status) & IPS_SRC_NAT))
		return NULL;

	orig = fcn_ct_tuple(ct, IP_CT_DIR_ORIGINAL);
	m = fcn_ct_owner(table, ct, IP_CT_DIR_REPLY);
	if (m && fcn_ct_is_inside(m, ct, &orig->src.u3, orig->src.u.all))
		return m;
	return NULL;
}

/**
 * fcn_ct_mapping_in - the mapping that a session was opened on from outside
 * @table:	the mappings of its namespace
 * @ct:		an entry whose destination is decided
 *
 * Return: the mapping, valid until rcu_read_unlock(), or NULL.
 */
struct fcn_mapping *fcn_ct_mapping_in(struct fcn_table *table,
				      const struct nf_conn *ct)
{
	const struct nf_conntrack_tuple *reply;
	struct fcn_mapping *m;

	if (!(READ_ONCE(ct->status) & IPS_DST_NAT))
		return NULL;

	reply = fcn_ct_tuple(ct, IP_CT_DIR_REPLY);
	m = fcn_ct_owner(table, ct, IP_CT_DIR_ORIGINAL);
	if (m && fcn_ct_is_inside(m, ct, &reply->src.u3, reply->src.u.all))
		return m;
	return NULL;
}

static void fcn_ct_tcp_view(const struct nf_conn *ct, struct fcn_tcp_view *tcp)
{
	const struct ip_ct_tcp *t = &ct->proto.tcp;
	u8 flags = READ_ONCE(t->seen[0].flags) | READ_ONCE(t->seen[1].flags);

	tcp->state = READ_ONCE(t->state);
	tcp->rst_last = READ_ONCE(t->last_index) == FCN_LAST_WAS_RST;
	/* since 6.14 a flowtable sees FIN and RST, and says no more than the state */
	tcp->ack_last = READ_ONCE(t->last_index) == FCN_LAST_WAS_ACK &&
			!fcn_ct_left_flow(ct);
	tcp->answered = test_bit(IPS_SEEN_REPLY_BIT, &ct->status);
	tcp->retrans = READ_ONCE(t->retrans) >=
		       nf_tcp_pernet(nf_ct_net(ct))->tcp_max_retrans;
	tcp->unacked = flags & IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED;
	tcp->mute = !READ_ONCE(t->last_win);
}

static enum fcn_phase fcn_ct_phase(const struct nf_conn *ct)
{
	struct fcn_tcp_view tcp;

	switch (nf_ct_protonum(ct)) {
	case IPPROTO_TCP:
		fcn_ct_tcp_view(ct, &tcp);
		return fcn_tcp_phase(&tcp);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return FCN_ICMP;
	default:
		return FCN_UDP;
	}
}

/**
 * fcn_ct_session - what an entry says
 * @table:	the mappings of its namespace
 * @ct:		an entry that is decided
 * @s:		filled in
 *
 * Under rcu_read_lock(), which is also how long the mappings in @s are valid.
 *
 * Return: false if no mapping has to do with it.
 */
bool fcn_ct_session(struct fcn_table *table, const struct nf_conn *ct,
		    struct fcn_session *s)
{
	s->out = fcn_ct_mapping_out(table, ct);
	s->in = fcn_ct_mapping_in(table, ct);
	if (!s->out && !s->in)
		return false;
	s->phase = fcn_ct_phase(ct);
	s->answered = test_bit(IPS_SEEN_REPLY_BIT, &ct->status);
	return true;
}

/* The size of conntrack's table at this moment, buckets. */
u32 fcn_ct_buckets(void)
{
	return READ_ONCE(nf_conntrack_htable_size);
}

/**
 * fcn_ct_bucket - visit the entries in one bucket of conntrack's table
 * @bucket:	its number; nothing happens if there is none
 * @visit:	called for each entry, under the bucket's lock
 * @data:	for @visit
 *
 * The table belongs to all namespaces.  Its size may change between two calls,
 * not during one.
 */
void fcn_ct_bucket(u32 bucket,
		   void (*visit)(const struct nf_conn *ct, void *data),
		   void *data)
{
	spinlock_t *lock = &nf_conntrack_locks[bucket % CONNTRACK_LOCKS];
	struct nf_conntrack_tuple_hash *h;
	struct hlist_nulls_node *n;

	local_bh_disable();
	nf_conntrack_lock(lock);
	__acquire(lock);	/* its prototype does not tell sparse */
	if (bucket < nf_conntrack_htable_size)
		hlist_nulls_for_each_entry(h, n, &nf_conntrack_hash[bucket],
					   hnnode)
			if (NF_CT_DIRECTION(h) == IP_CT_DIR_ORIGINAL)
				visit(nf_ct_tuplehash_to_ctrack(h), data);
	spin_unlock(lock);
	local_bh_enable();
}

/*
 * The timeout conntrack gave this entry with its last packet, jiffies.  What it
 * notes of that packet is also overwritten by some that it ignored: where more
 * is @left than that explains, the plain timeout of the state was given.
 */
static u32 fcn_ct_kernel_timeout(const struct nf_conn *ct, s32 left)
{
	struct net *net = nf_ct_net(ct);
	unsigned int *timeouts = nf_ct_timeout_lookup(ct);
	struct fcn_tcp_view tcp;
	u32 timeout;

	switch (nf_ct_protonum(ct)) {
	case IPPROTO_TCP:
		fcn_ct_tcp_view(ct, &tcp);
		timeouts = timeouts ?: nf_tcp_pernet(net)->timeouts;
		timeout = fcn_ct_flow_pickup(ct) ?:
			  fcn_tcp_kernel_timeout(&tcp, timeouts);
		return left > (s32)timeout ? timeouts[tcp.state] : timeout;
	case IPPROTO_ICMP:
		return timeouts ? *timeouts : nf_icmp_pernet(net)->timeout;
	case IPPROTO_ICMPV6:
		return timeouts ? *timeouts : nf_icmpv6_pernet(net)->timeout;
	default:
		timeouts = timeouts ?: nf_udp_pernet(net)->timeouts;
		return timeouts[test_bit(IPS_ASSURED_BIT, &ct->status) ?
				UDP_CT_REPLIED : UDP_CT_UNREPLIED];
	}
}

/* The sweep. */

/* Entries that one sweep deletes besides those of dying mappings. */
#define FCN_DOOMED_MAX	32

/**
 * struct fcn_sweep - a sweep under way
 * @fn:		namespace
 * @conf:	its knobs
 * @gen:	number of the sweep
 * @now:	when it began, seconds
 * @since:	time since the one before began, seconds
 * @adopt:	make mappings of what is there already
 * @entries:	entries seen
 * @doomed:	entries to be deleted at the end, with a reference each
 * @doomed_count: how many
 */
struct fcn_sweep {
	struct fcn_net		*fn;
	const struct fcn_conf	*conf;
	u32			gen;
	u32			now;
	u32			since;
	bool			adopt;
	u32			entries;
	struct nf_conn		*doomed[FCN_DOOMED_MAX];
	u32			doomed_count;
};

/*
 * The idle time that a closing or half-closed entry may have before conntrack
 * may forget it, jiffies; 0 for all others.  Conntrack's own is too short for
 * RFC 5382, REQ-5, and once it has forgotten, a FIN or RST is INVALID.
 */
static u32 fcn_sweep_own_timeout(const struct fcn_sweep *sweep,
				 const struct nf_conn *ct, enum fcn_phase phase)
{
	if (nf_ct_protonum(ct) != IPPROTO_TCP ||
	    !test_bit(IPS_ASSURED_BIT, &ct->status) ||
	    READ_ONCE(ct->proto.tcp.state) <= TCP_CONNTRACK_ESTABLISHED)
		return 0;
	return fcn_phase_timeout(&sweep->conf->timeouts, phase, true) * HZ;
}

/* A packet that comes meanwhile sets conntrack's own timeout and wins. */
static void fcn_sweep_prolong(struct fcn_sweep *sweep, struct nf_conn *ct,
			      u32 old, u32 now, u32 kernel, u32 own)
{
	u32 left = fcn_prolong((s32)(old - now), kernel, own);

	if (!left || !sweep->conf->tcp_prolong)
		return;
	if (cmpxchg(&ct->timeout, old, now + left) == old)
		fcn_stat_inc(sweep->fn, FCN_STAT_sessions_prolonged);
}

/*
 * Conntrack forgets an entry that has expired; lookups no longer see it.  To
 * delete it here would send the sweep back to the head of its bucket, and the
 * others there would be counted twice.  A packet that comes meanwhile wins.
 */
static void fcn_sweep_expire(struct nf_conn *ct, u32 old, u32 now)
{
	cmpxchg(&ct->timeout, old, now);
}

/*
 * Ends a session that nobody in the inside has asked for, and counts it.  A
 * flowtable looks at no timeout and goes on with one until its entry is dying: it
 * is deleted after the sweep, or after a later one if there are so many.
 */
static void fcn_sweep_doom(struct fcn_sweep *sweep, struct nf_conn *ct,
			   enum fcn_stat stat)
{
	if (!test_bit(IPS_OFFLOAD_BIT, &ct->status)) {
		fcn_sweep_expire(ct, READ_ONCE(ct->timeout), nfct_time_stamp);
	} else if (sweep->doomed_count < FCN_DOOMED_MAX) {
		nf_conntrack_get(&ct->ct_general);
		sweep->doomed[sweep->doomed_count++] = ct;
	} else {
		return;
	}
	fcn_stat_inc(sweep->fn, stat);
}

static void fcn_sweep_execute(struct fcn_sweep *sweep)
{
	struct nf_conn *ct;

	while (sweep->doomed_count) {
		ct = sweep->doomed[--sweep->doomed_count];
		nf_ct_kill(ct);
		nf_ct_put(ct);
	}
}

/* Jiffies since the entry's last packet. */
static u32 fcn_sweep_idle(struct fcn_sweep *sweep, struct nf_conn *ct,
			  enum fcn_phase phase)
{
	u32 own = fcn_sweep_own_timeout(sweep, ct, phase);
	u32 now = nfct_time_stamp;
	u32 expires = READ_ONCE(ct->timeout);
	s32 left = expires - now;
	u32 kernel = fcn_ct_kernel_timeout(ct, left);

	/* in a flowtable, or until lately: its packets pass without conntrack */
	if (test_bit(IPS_OFFLOAD_BIT, &ct->status) ||
	    (phase == FCN_EST && fcn_ct_flow_timeless(ct)))
		return 0;
	/*
	 * A repeated SYN does not renew the entry, so the last one may have
	 * been just now (5382-REQ-5 counts from the last).
	 */
	if (phase == FCN_OPEN && !test_bit(IPS_SEEN_REPLY_BIT, &ct->status))
		return 0;
	if (own && !test_bit(IPS_FIXED_TIMEOUT_BIT, &ct->status)) {
		if (fcn_overdue(left, kernel, own))
			fcn_sweep_expire(ct, expires, now);
		else
			fcn_sweep_prolong(sweep, ct, expires, now, kernel, own);
	}
	return fcn_idle(left, kernel, own);
}

/*
 * udp_refresh_inbound=0: has the inside sent a packet since the last sweep?
 * Where the accounting extension is there because we asked for it, its counter
 * is set back each time.  Where the owner does accounting the counters are
 * his: their sum over the mapping tells when it changes, which the end of a
 * session does too, once and on the long side.
 */
static bool fcn_sweep_spoke(const struct nf_conn *ct, struct fcn_mapping *m,
			    struct nf_conn_acct *acct,
			    enum ip_conntrack_dir dir)
{
	if (!nf_ct_net(ct)->ct.sysctl_acct)
		return atomic64_xchg(&acct->counter[dir].packets, 0) > 0;
	m->account.seen += (u32)atomic64_read(&acct->counter[dir].packets);
	return false;
}

/* Puts one session on the account of one mapping it belongs to. */
static void fcn_sweep_note(struct fcn_sweep *sweep, struct nf_conn *ct,
			   const struct fcn_session *s, struct fcn_mapping *m,
			   u32 idle)
{
	enum ip_conntrack_dir dir = m == s->out ? IP_CT_DIR_ORIGINAL :
						  IP_CT_DIR_REPLY;
	const struct nf_conntrack_tuple *tuple = fcn_ct_tuple(ct, dir);
	const struct nf_conntrack_tuple *other = fcn_ct_tuple(ct, !dir);
	const struct fcn_conf *conf = sweep->conf;
	struct nf_conn_acct *acct = nf_conn_acct_find(ct);
	bool spoke = true;
	u32 deadline;

	if (!m->life.ordinary &&
	    !fcn_conf_short_port(conf, nf_ct_protonum(ct), tuple->dst.u.all))
		m->life.ordinary = true;

	/* entries from before the knob was set, or in a flowtable, count as 1 */
	if (s->phase == FCN_UDP && !conf->udp_refresh_inbound && acct &&
	    !test_bit(IPS_OFFLOAD_BIT, &ct->status)) {
		spoke = fcn_sweep_spoke(ct, m, acct, dir);
		idle = spoke ? 0 : idle;
	}
	idle /= HZ;
	deadline = sweep->now - min(idle, sweep->now) + 1 +
		   fcn_phase_timeout(&conf->timeouts, s->phase,
				     m->life.ordinary);
	/* no packet since it left a flowtable: no more than it had there */
	if (s->phase == FCN_EST && m->account.est && fcn_ct_flow_timeless(ct))
		deadline = min(deadline, m->account.est);
	if (spoke)
		fcn_account_note(&m->account, s->phase, deadline,
				 idle <= sweep->since);
	else
		m->account.used = true;
	if (likely(fcn_mapping_filter(m) == FCN_EIF))
		return;
	/* with the owner's accounting nobody knows in which session it spoke */
	if (!spoke && !nf_ct_net(ct)->ct.sysctl_acct)
		return;
	/* the other end as the outside knows it */
	if (s->out && s->in)
		fcn_filter_refresh(m, &tuple->dst.u3, tuple->dst.u.all,
				   deadline);
	else
		fcn_filter_refresh(m, &other->src.u3, other->src.u.all,
				   deadline);
}

static bool fcn_is_dying(const struct fcn_mapping *m)
{
	return m && READ_ONCE(m->life.state) >= FCN_DYING;
}

static void fcn_sweep_mapping(struct fcn_sweep *sweep, struct nf_conn *ct,
			      const struct fcn_session *s,
			      struct fcn_mapping *m, u32 idle)
{
	struct fcn_account *acc = &m->account;

	fcn_account_begin(acc, sweep->gen);
	WRITE_ONCE(acc->sessions, acc->sessions + 1);
	acc->strangers_next += !s->out;
	if (fcn_is_dying(s->out) || fcn_is_dying(s->in))
		return;
	if (m == s->out || s->answered) {
		fcn_sweep_note(sweep, ct, s, m, idle);
	} else if (!fcn_mapping_accepts(m)) {
		/* a stranger whom nobody answered does not hold a port */
		fcn_sweep_doom(sweep, ct, FCN_STAT_sessions_unanswered);
	}
}

static void fcn_sweep_session(struct fcn_sweep *sweep, struct nf_conn *ct,
			      const struct fcn_session *s)
{
	u32 idle = fcn_sweep_idle(sweep, ct, s->phase);

	if (s->out)
		fcn_sweep_mapping(sweep, ct, s, s->out, idle);
	if (s->in && s->in != s->out)
		fcn_sweep_mapping(sweep, ct, s, s->in, idle);
}

/*
 * On what terms is a flow adopted that has this external address?  The address
 * is a wan interface's; or the router's, and there are rules, any of which may be
 * the one for it.  What a rule has given an address of its own carries no device.
 */
static bool fcn_sweep_terms(const struct fcn_sweep *sweep,
			    const struct nf_conn *ct,
			    const union nf_inet_addr *addr,
			    struct fcn_terms *terms)
{
	const u8 family = nf_ct_l3num(ct);
	struct net_device *dev;

	dev = fcn_addr_dev(sweep->fn->net, family, addr);
	if (!dev)
		return false;
	terms->ifindex = dev->ifindex;
	terms->last = FCN_PORTS - 1;
	terms->origin.ruled = !fcn_net_names(sweep->fn, family, dev);
	terms->filter = fcn_filter_before(sweep->fn, sweep->conf, family,
					  nf_ct_protonum(ct), terms->origin.ruled);
	return !terms->origin.ruled || sweep->fn->rules[family];
}

/* An end of a flow that was translated from @inside to @ext:@port. */
struct fcn_flow_end {
	const struct nf_conntrack_man	*inside;
	const struct nf_conntrack_man	*peer;
	const union nf_inet_addr	*ext;
	__be16				port;
	bool				closed;
};

/*
 * A flow from before we were there.  It becomes a mapping if nothing
 * contradicts; if the port is another mapping's, the flow goes on as it is, and
 * its endpoint gets another port for the next.  If its endpoint has another port
 * already, this one is kept from others.  What may be a rule's takes nothing new
 * before the rule says so.
 */
static void fcn_sweep_adopt_end(struct fcn_sweep *sweep,
				const struct nf_conn *ct,
				const struct fcn_flow_end *end)
{
	const u8 family = nf_ct_l3num(ct);
	struct fcn_terms terms = {};
	struct fcn_mapping *m;
	struct fcn_key key;

	if (!fcn_sweep_terms(sweep, ct, end->ext, &terms) ||
	    !fcn_conf_inside(sweep->conf, family, &end->inside->u3) ||
	    fcn_addr_is_local(sweep->fn->net, family, &end->inside->u3))
		return;
	fcn_ct_end_key(sweep->conf, ct, end->inside, end->peer, end->ext, &key);
	fcn_mapping_adopt(sweep->fn, &key, end->port, &terms,
			  end->closed || terms.origin.ruled);
	if (end->closed || terms.filter == FCN_EIF)
		return;
	/* it has spoken to this one; the session says for how long */
	m = fcn_mapping_find(&sweep->fn->table, &key);
	if (m)
		fcn_filter_note(sweep->fn, sweep->conf, m, &end->peer->u3,
				end->peer->u.all, sweep->now + 1);
}

static void fcn_sweep_adopt(struct fcn_sweep *sweep, const struct nf_conn *ct)
{
	const struct nf_conntrack_tuple *orig, *reply;
	struct fcn_flow_end end = {};

	if (!fcn_conf_maps(sweep->conf, nf_ct_l3num(ct), nf_ct_protonum(ct)))
		return;

	orig = fcn_ct_tuple(ct, IP_CT_DIR_ORIGINAL);
	reply = fcn_ct_tuple(ct, IP_CT_DIR_REPLY);
	if (READ_ONCE(ct->status) & IPS_SRC_NAT) {
		end.inside = &orig->src;
		end.peer = &reply->src;
		end.ext = &reply->dst.u3;
		end.port = fcn_tuple_dst(reply);
		fcn_sweep_adopt_end(sweep, ct, &end);
	}
	if (READ_ONCE(ct->status) & IPS_DST_NAT) {
		end.inside = &reply->src;
		end.peer = &orig->src;
		end.ext = &orig->dst.u3;
		end.port = fcn_tuple_dst(orig);
		end.closed = true;
		fcn_sweep_adopt_end(sweep, ct, &end);
	}
}

/*
 * A flow that was masqueraded, maybe before we were there, may be on a port that
 * is another host's now.  Nobody else gets that as long as the flow lives.  A
 * port forward is different: its rule decides first, whoever has the port.
 */
static void fcn_sweep_bystander(struct fcn_sweep *sweep,
				const struct nf_conn *ct)
{
	struct fcn_mapping *m;

	m = fcn_ct_owner(&sweep->fn->table, ct, IP_CT_DIR_REPLY);
	if (!m)
		return;
	fcn_account_begin(&m->account, sweep->gen);
	m->account.named = true;
}

/*
 * An entry from before its mapping: a stranger was first, and reached the router
 * itself.  As long as he goes on he has that entry, and never comes in; without
 * it he is a stranger like others.
 */
static void fcn_sweep_stray(struct fcn_sweep *sweep, struct nf_conn *ct)
{
	struct fcn_mapping *m;

	if (READ_ONCE(ct->status) & (IPS_SEEN_REPLY | IPS_NAT_MASK) ||
	    fcn_is_icmp(nf_ct_protonum(ct)))
		return;
	m = fcn_ct_owner(&sweep->fn->table, ct, IP_CT_DIR_ORIGINAL);
	if (!m || !fcn_mapping_accepts(m) || m->zone != fcn_ct_zone_id(ct))
		return;
	fcn_sweep_doom(sweep, ct, FCN_STAT_strays_killed);
}

/* Returns 0, as nf_ct_iterate_cleanup() asks for: nothing is deleted in this walk. */
static int fcn_sweep_entry(struct nf_conn *ct, void *data)
{
	struct fcn_sweep *sweep = data;
	struct fcn_session s;

	sweep->entries++;
	if (nf_ct_is_expired(ct) || nf_ct_is_dying(ct))
		return 0;

	rcu_read_lock();
	if (sweep->adopt)
		fcn_sweep_adopt(sweep, ct);
	if (fcn_ct_session(&sweep->fn->table, ct, &s))
		fcn_sweep_session(sweep, ct, &s);
	else
		fcn_sweep_stray(sweep, ct);
	if (READ_ONCE(ct->status) & IPS_SRC_NAT && !s.out)
		fcn_sweep_bystander(sweep, ct);
	rcu_read_unlock();
	return 0;
}

/* Returns 1 for a session that has to go with a mapping of its. */
static int fcn_end_entry(struct nf_conn *ct, void *data)
{
	struct fcn_net *fn = data;
	struct fcn_session s;
	bool end;

	/* one that somebody is deleting would be found again and again */
	if (nf_ct_is_expired(ct) || nf_ct_is_dying(ct))
		return 0;
	rcu_read_lock();
	end = fcn_ct_session(&fn->table, ct, &s) &&
	      (fcn_is_dying(s.out) || fcn_is_dying(s.in));
	rcu_read_unlock();
	if (end)
		fcn_stat_inc(fn, FCN_STAT_sessions_ended);
	return end;
}

/**
 * fcn_ct_end - delete the sessions of dying mappings
 * @fn:		namespace; the caller holds its mutex
 *
 * After each, conntrack begins with its bucket anew: a sweep would put the others
 * there on their accounts twice.  Sleeps.
 */
void fcn_ct_end(struct fcn_net *fn)
{
	lockdep_assert_held(&fn->mutex);
	fcn_ct_iterate(fn->net, fcn_end_entry, fn);
}

/**
 * fcn_ct_sweep - put every entry of a namespace on the account of its mapping
 * @fn:		namespace; the caller holds its mutex
 * @gen:	number of the sweep
 * @now:	seconds
 * @since:	time since the sweep before began, seconds
 * @adopt:	make mappings of entries that were translated without us
 *
 * Lets those expire that strangers opened on a mapping that accepts no more and
 * that nobody answered, or before there was one.  Sleeps.
 *
 * Return: the number of entries.
 */
u32 fcn_ct_sweep(struct fcn_net *fn, u32 gen, u32 now, u32 since, bool adopt)
{
	struct fcn_sweep sweep = {
		.fn	= fn,
		.conf	= fcn_conf(fn),
		.gen	= gen,
		.now	= now,
		.since	= since,
		.adopt	= adopt,
	};

	fcn_knocks_age(&fn->knocks, now);
	fcn_ct_iterate(fn->net, fcn_sweep_entry, &sweep);
	fcn_sweep_execute(&sweep);
	return sweep.entries;
}
