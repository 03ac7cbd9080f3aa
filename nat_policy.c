// SPDX-License-Identifier: GPL-2.0
/*
 * Which flow is ours, in which direction, and what becomes of it.
 *
 * There are two doors to the same decision.  Hooks of our own: nf_nat calls
 * them for the first packet of a connection only, in the order of their
 * priorities, until one has decided:
 *
 *	PREROUTING, last:	inbound and hairpinned flows to an endpoint of
 *				ours that no port forward has taken; others from
 *				inside go where they were sent
 *	POSTROUTING, first:	the source of hairpinned flows; outbound flows on
 *				a wan interface (order=first)
 *	POSTROUTING, last:	the same for order=last; what nobody has decided
 *				is masqueraded, and strangers keep their source
 *
 * Between INT_MIN and INT_MAX nothing else can get in the way, whatever
 * priority a user gives to a chain.  And rules of the owner, which xt_FULLCONENAT
 * brings here; they say on what terms.
 */

#include <linux/icmpv6.h>
#include <linux/ipv6.h>
#include <linux/jhash.h>
#include <linux/netdevice.h>
#include <linux/netfilter_bridge.h>
#include <linux/netfilter_ipv4.h>
#include <linux/timekeeping.h>
#include <net/dst.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_nat.h>
#include <net/netfilter/nf_nat_masquerade.h>
#include <net/xfrm.h>

#include "compat.h"
#include "nat_addr.h"
#include "nat_conf.h"
#include "nat_conntrack.h"
#include "nat_core.h"
#include "nat_filter.h"
#include "nat_log.h"
#include "nat_mapping.h"
#include "nat_policy.h"
#include "nat_timewait.h"
#include "nat_wan.h"

/*
 * Tells an inside host that its flow is refused (RFC 6888, REQ-11b; RFC 5508,
 * REQ-8), as often as the kernel lets us.
 */
static void fcn_tell(const struct fcn_conf *conf, const struct nf_conn *ct,
		     struct sk_buff *skb)
{
	const bool prohibited = conf->reject == FCN_REJECT_ADMIN_PROHIB;

	if (conf->reject == FCN_REJECT_DROP)
		return;
	if (nf_ct_l3num(ct) == NFPROTO_IPV6)
		icmpv6_send(skb, ICMPV6_DEST_UNREACH,
			    prohibited ? ICMPV6_ADM_PROHIBITED :
					 ICMPV6_ADDR_UNREACH, 0);
	else
		icmp_send(skb, ICMP_DEST_UNREACH,
			  prohibited ? ICMP_PKT_FILTERED : ICMP_HOST_UNREACH,
			  0);
}

/* Drops the packet of a flow that a limit refuses, and tells which. */
static unsigned int fcn_refuse(struct fcn_net *fn, u8 proto,
			       const struct nf_conntrack_man *inside,
			       enum fcn_stat limit)
{
	fcn_stat_inc(fn, limit);
	fcn_log_refuse(fn, proto, inside, limit);
	return NF_DROP;
}

static unsigned int fcn_drop(struct fcn_net *fn, enum fcn_stat why)
{
	fcn_stat_inc(fn, why);
	return NF_DROP;
}

/* Whose flow? */

/**
 * fcn_is_exempt - does the owner want this packet left alone?
 * @conf:	the knobs
 * @skb:	the packet
 */
bool fcn_is_exempt(const struct fcn_conf *conf, const struct sk_buff *skb)
{
	return conf->exempt_mask &&
	       (skb->mark & conf->exempt_mask) == conf->exempt_value;
}

/**
 * fcn_is_ipsec_bound - does IPsec take this packet?
 * @skb:	the packet
 *
 * Translating it would make it miss its policy and leave in clear text.
 */
bool fcn_is_ipsec_bound(const struct sk_buff *skb)
{
#ifdef CONFIG_XFRM
	return skb_dst(skb) && skb_dst(skb)->xfrm;
#else
	return false;
#endif
}

/*
 * Is this packet only passed on from port to port of a bridge?  With
 * bridge-nf-call-iptables=1 such come by here, too, as if they left by the bridge.
 */
static bool fcn_is_bridged(const struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_BRIDGE_NETFILTER)
	return nf_bridge_get_physoutdev(skb);
#else
	return false;
#endif
}

/* The device a packet came in by is on the inside, or the packet left IPsec. */
static bool fcn_from_inside(const struct fcn_net *fn, u8 family,
			    const struct sk_buff *skb, int iif)
{
	return !fcn_net_wan(fn, family, iif) || skb_sec_path(skb);
}

/**
 * fcn_is_forwarded - was this packet forwarded, not sent by the router?
 * @skb:	the packet
 * @state:	of its hook, %NF_INET_POST_ROUTING
 *
 * The incoming device alone does not tell: the router's own tunnel packets show
 * the tunnel's.  IPv6 does not mark what it forwards.  There, what the router sends
 * itself has a socket, or has come out of a tunnel, which clears what was noted when
 * it was received; and what is only bridged has no incoming device in @state.  The
 * source tells nothing: a host may have forged the router's.
 */
bool fcn_is_forwarded(const struct sk_buff *skb,
		      const struct nf_hook_state *state)
{
	if (state->pf == NFPROTO_IPV4)
		return IPCB(skb)->flags & IPSKB_FORWARDED;
	return state->in && IP6CB(skb)->iif && !state->sk;
}

/**
 * fcn_iif - by which device did a packet come in?
 * @family:	NFPROTO_*
 * @skb:	the packet, behind the routing decision
 *
 * In a VRF skb_iif has become the VRF's.
 *
 * Return: its ifindex; 0 for most of what the router sends itself.
 */
int fcn_iif(u8 family, const struct sk_buff *skb)
{
	if (family == NFPROTO_IPV6 && ipv6_l3mdev_skb(IP6CB(skb)->flags))
		return IP6CB(skb)->iif;
	if (family == NFPROTO_IPV4 && ipv4_l3mdev_skb(IPCB(skb)->flags))
		return IPCB(skb)->iif;
	return skb->skb_iif;
}

/*
 * Does this flow get a mapping?  It was forwarded, came from the inside, not with a
 * source of the router's (IPv4 lets none of these in), and is what the knobs select.
 */
static bool fcn_is_mapped(const struct fcn_net *fn, const struct fcn_conf *conf,
			  const struct sk_buff *skb, const struct nf_conn *ct,
			  const struct nf_hook_state *state)
{
	const struct nf_conntrack_tuple *tuple;
	const u8 family = state->pf;
	int iif = fcn_iif(family, skb);

	tuple = &ct->tuplehash[IP_CT_DIR_ORIGINAL].tuple;
	return fcn_is_forwarded(skb, state) &&
	       fcn_conf_maps(conf, family, nf_ct_protonum(ct)) &&
	       fcn_conf_inside(conf, family, &tuple->src.u3) &&
	       (iif != state->out->ifindex || skb_sec_path(skb)) &&
	       fcn_from_inside(fn, family, skb, iif) &&
	       (family == NFPROTO_IPV4 ||
		!fcn_addr_is_local(state->net, family, &tuple->src.u3));
}

/* How long a first packet keeps its mapping, as a deadline in seconds. */
static u32 fcn_first_deadline(const struct fcn_conf *conf,
			      const struct nf_conn *ct)
{
	const struct nf_conntrack_tuple *tuple;
	enum fcn_phase phase;
	bool ordinary;

	tuple = &ct->tuplehash[IP_CT_DIR_ORIGINAL].tuple;
	phase = tuple->dst.protonum == IPPROTO_TCP ? FCN_OPEN :
		fcn_is_icmp(tuple->dst.protonum) ? FCN_ICMP : FCN_UDP;
	ordinary = !fcn_conf_short_port(conf, tuple->dst.protonum,
					tuple->dst.u.all);
	return (u32)ktime_get_seconds() + 1 +
	       fcn_phase_timeout(&conf->timeouts, phase, ordinary);
}

/* The terms of a mapping that no rule has made. */
static struct fcn_terms fcn_plain_terms(const struct fcn_conf *conf,
					const struct nf_conn *ct, int ifindex)
{
	struct fcn_terms terms = {
		.ifindex	= ifindex,
		.last		= FCN_PORTS - 1,
		.filter		= fcn_conf_filter(conf, nf_ct_protonum(ct)),
	};

	return terms;
}

/* The mapping of the entry's opener, or ERR_PTR(); see fcn_mapping_get(). */
static struct fcn_mapping *fcn_opener(struct fcn_net *fn,
				      const struct fcn_conf *conf,
				      const struct nf_conn *ct,
				      const union nf_inet_addr *ext,
				      const struct fcn_terms *terms,
				      u32 deadline)
{
	struct fcn_key key;

	fcn_ct_key(conf, ct, ext, &key);
	return fcn_mapping_get(fn, conf, &key, terms, deadline);
}

static unsigned int fcn_refuse_opener(struct fcn_net *fn,
				      const struct fcn_conf *conf,
				      struct sk_buff *skb,
				      const struct nf_conn *ct, long err)
{
	enum fcn_stat limit;

	switch (err) {
	case -ENOSPC:
	case -EADDRINUSE:
		limit = FCN_STAT_drop_no_port;
		break;
	case -EDQUOT:
		limit = FCN_STAT_drop_max_mappings;
		break;
	case -ENFILE:
		limit = FCN_STAT_drop_max_total;
		break;
	case -EMFILE:
		limit = FCN_STAT_drop_host_max_mappings;
		break;
	case -ETIME:
		limit = FCN_STAT_drop_host_max_rate;
		break;
	default:
		limit = FCN_STAT_drop_no_memory;
		break;
	}
	fcn_tell(conf, ct, skb);
	return fcn_refuse(fn, nf_ct_protonum(ct),
			  &ct->tuplehash[IP_CT_DIR_ORIGINAL].tuple.src, limit);
}

/* There is no address that it could leave with; it may be back in a moment. */
static unsigned int fcn_refuse_homeless(struct fcn_net *fn,
					const struct nf_conn *ct)
{
	return fcn_refuse(fn, nf_ct_protonum(ct),
			  &ct->tuplehash[IP_CT_DIR_ORIGINAL].tuple.src,
			  FCN_STAT_drop_no_address);
}

/* The verdict on a flow whose translation has ended with @err. */
static unsigned int fcn_conclude(struct fcn_net *fn, int err,
				 enum fcn_stat done, enum fcn_stat conflict)
{
	switch (err) {
	case 0:
		fcn_stat_inc(fn, done);
		return NF_ACCEPT;
	case -EBUSY:
		return fcn_drop(fn, conflict);
	default:
		return fcn_drop(fn, FCN_STAT_drop_no_memory);
	}
}

/* An outbound first packet that gets a mapping, at this external address. */
static unsigned int fcn_out(struct fcn_net *fn, const struct fcn_conf *conf,
			    struct fcn_wan *wan, struct sk_buff *skb,
			    struct nf_conn *ct, const union nf_inet_addr *ext,
			    const struct fcn_terms *terms)
{
	const u32 deadline = fcn_first_deadline(conf, ct);
	const struct nf_conntrack_man *peer;
	struct fcn_mapping *m;
	int err;

	m = fcn_opener(fn, conf, ct, ext, terms, deadline);
	if (IS_ERR(m))
		return fcn_refuse_opener(fn, conf, skb, ct, PTR_ERR(m));
	fcn_mapping_decide(m, terms);
	/* not whom the packet was sent to, if that was translated */
	peer = &ct->tuplehash[IP_CT_DIR_REPLY].tuple.src;
	if (unlikely(fcn_mapping_filter(m) != FCN_EIF))
		fcn_filter_note(fn, conf, m, &peer->u3, peer->u.all, deadline);

	err = fcn_ct_map_out(fn, ct, m, terms->origin.named ? 0 : terms->ifindex);
	if (!err && wan)
		fcn_wan_stat_inc(wan, FCN_WAN_OUT);
	return fcn_conclude(fn, err, FCN_STAT_flows_out,
			    FCN_STAT_drop_out_conflict);
}

/* The same on a wan interface, where no rule says anything. */
static unsigned int fcn_out_plain(struct fcn_net *fn,
				  const struct fcn_conf *conf,
				  struct fcn_wan *wan, struct sk_buff *skb,
				  const struct nf_hook_state *state,
				  struct nf_conn *ct)
{
	struct fcn_terms terms = fcn_plain_terms(conf, ct, state->out->ifindex);
	union nf_inet_addr ext;

	if (!fcn_addr_outside(fn, state->pf, skb, state->out, &ext))
		return fcn_refuse_homeless(fn, ct);
	return fcn_out(fn, conf, wan, skb, ct, &ext, &terms);
}

/*
 * What gets no mapping leaves as with MASQUERADE, or as with SNAT if a rule
 * names addresses.  The router's own packets that have an address of this
 * interface keep it, unless a rule names ports, too: it may have no others.
 */
static unsigned int fcn_translate(struct fcn_net *fn, struct sk_buff *skb,
				  const struct nf_hook_state *state,
				  struct nf_conn *ct,
				  const struct nf_nat_range2 *range)
{
	const unsigned int named = NF_NAT_RANGE_MAP_IPS |
				   NF_NAT_RANGE_PROTO_SPECIFIED;
	const struct nf_conntrack_tuple *tuple;

	tuple = &ct->tuplehash[IP_CT_DIR_ORIGINAL].tuple;
	if (!(range->flags & named) &&
	    fcn_addr_is_on(state->out, state->pf, &tuple->src.u3) &&
	    !fcn_is_forwarded(skb, state))
		return NF_ACCEPT;

	fcn_stat_inc(fn, FCN_STAT_flows_masqueraded);
	if (range->flags & NF_NAT_RANGE_MAP_IPS)
		return nf_nat_setup_info(ct, range, NF_NAT_MANIP_SRC);
	if (IS_ENABLED(CONFIG_IPV6) && state->pf == NFPROTO_IPV6)
		return nf_nat_masquerade_ipv6(skb, range, state->out);
	return nf_nat_masquerade_ipv4(skb, state->hook, range, state->out);
}

static unsigned int fcn_refuse_stranger(struct fcn_net *fn,
					const struct fcn_mapping *m, int iif)
{
	struct fcn_wan *wan = fcn_net_wan(fn, fcn_mapping_family(m), iif);

	if (wan)
		fcn_wan_stat_inc(wan, FCN_WAN_IN_REFUSED);
	switch (READ_ONCE(m->life.state)) {
	case FCN_ACTIVE:
		return fcn_drop(fn, FCN_STAT_drop_in_filtered);
	case FCN_DRAINING:
		return fcn_drop(fn, FCN_STAT_drop_in_draining);
	case FCN_HOLDDOWN:
		return fcn_drop(fn, FCN_STAT_drop_in_holddown);
	default:
		return fcn_drop(fn, FCN_STAT_drop_in_dying);
	}
}

/* One mapping has only so many sessions of strangers (RFC 6888, REQ-5). */
static bool fcn_has_room(struct fcn_net *fn, const struct fcn_conf *conf,
			 struct fcn_mapping *m)
{
	struct fcn_extra *extra;

	if (likely(!conf->mapping_max_sessions))
		return true;
	extra = rcu_dereference(m->extra);
	if (unlikely(!extra)) {
		spin_lock_bh(fcn_mapping_lock(m));
		extra = fcn_mapping_extra(m);
		spin_unlock_bh(fcn_mapping_lock(m));
	}
	return extra && fcn_account_admit(&m->account, extra->opened,
					  READ_ONCE(fn->clock.gen),
					  conf->mapping_max_sessions);
}

static unsigned int fcn_refuse_session(struct fcn_net *fn,
				       const struct fcn_mapping *m,
				       struct fcn_wan *wan)
{
	const struct nf_conntrack_man inside = fcn_mapping_inside(m);

	if (wan)
		fcn_wan_stat_inc(wan, FCN_WAN_IN_REFUSED);
	return fcn_refuse(fn, fcn_mapping_proto(m), &inside,
			  FCN_STAT_drop_mapping_max_sessions);
}

/*
 * A flow that a stranger opens.  What may not pass is dropped here: left alone
 * it would reach the router's own sockets, and leave an entry that blocks the
 * port for the inside host.
 */
static unsigned int fcn_in(struct fcn_net *fn, const struct fcn_conf *conf,
			   struct nf_conn *ct, struct fcn_mapping *m, int iif)
{
	const struct nf_conntrack_man *peer;
	struct fcn_wan *wan;

	peer = &ct->tuplehash[IP_CT_DIR_ORIGINAL].tuple.src;
	if (unlikely(fcn_mapping_filter(m) != FCN_EIF) &&
	    !fcn_filter_admits(m, &peer->u3, peer->u.all))
		return fcn_refuse_stranger(fn, m, iif);

	wan = fcn_net_wan(fn, fcn_mapping_family(m), iif);
	if (!fcn_has_room(fn, conf, m))
		return fcn_refuse_session(fn, m, wan);
	if (fcn_ct_map_in(fn, ct, m))
		return fcn_drop(fn, FCN_STAT_drop_no_memory);
	if (wan)
		fcn_wan_stat_inc(wan, FCN_WAN_IN);
	fcn_stat_inc(fn, FCN_STAT_flows_in);
	return NF_ACCEPT;
}

/*
 * From one inside host to the outside endpoint of another: the second half, when
 * routing and the forward chain have let the packet through.  Before, anybody
 * could open an endpoint of a host whose address he takes.  Its route leads to
 * the inside and does not tell the sender's external address: it is the one that
 * it has already, else the target's, and so are the terms.
 */
static unsigned int fcn_hairpin(struct fcn_net *fn, const struct fcn_conf *conf,
				struct sk_buff *skb, struct nf_conn *ct,
				const struct fcn_mapping *to)
{
	const u32 deadline = fcn_first_deadline(conf, ct);
	struct fcn_terms terms = fcn_mapping_terms(to);
	struct fcn_mapping *from;
	struct fcn_key key;

	terms.filtered = false;
	terms.filter = fcn_filter_before(fn, conf, fcn_mapping_family(to),
					 fcn_mapping_proto(to), terms.origin.ruled);
	fcn_ct_key(conf, ct, fcn_mapping_ext(to), &key);
	fcn_mapping_find_any(&fn->table, &key);
	from = fcn_opener(fn, conf, ct, &key.ext, &terms, deadline);
	if (IS_ERR(from))
		return fcn_refuse_opener(fn, conf, skb, ct, PTR_ERR(from));
	fcn_filter_note(fn, conf, from, fcn_mapping_ext(to), to->ext_port,
			deadline);
	if (!fcn_filter_admits(to, fcn_mapping_ext(from), from->ext_port))
		return fcn_refuse_stranger(fn, to,
					   fcn_iif(fcn_mapping_family(to), skb));
	return fcn_conclude(fn, fcn_ct_map_out(fn, ct, from, 0),
			    FCN_STAT_flows_hairpin, FCN_STAT_drop_in_conflict);
}

/* fcn_iif() of a packet to @to.  Nearly all come in where it leads, and so by no VRF. */
static __always_inline int fcn_iif_to(const struct sk_buff *skb,
				      const struct fcn_mapping *to)
{
	if (likely(skb->skb_iif == to->ifindex))
		return to->ifindex;
	return fcn_iif(fcn_mapping_family(to), skb);
}

/* An inside host, or the router, has sent this packet to @to, not a stranger. */
static __always_inline bool fcn_opened_inside(const struct fcn_net *fn,
					      const struct sk_buff *skb,
					      const struct fcn_mapping *to)
{
	int iif = fcn_iif_to(skb, to);

	return iif != to->ifindex &&
	       fcn_from_inside(fn, fcn_mapping_family(to), skb, iif);
}

/*
 * Has an inside host sent this packet to @to?  The router's own packets only have
 * such a destination if a rule of the owner says so.
 */
static bool fcn_is_hairpinned(const struct fcn_net *fn,
			      const struct fcn_conf *conf,
			      const struct sk_buff *skb,
			      const struct nf_conn *ct,
			      const struct fcn_mapping *to)
{
	const struct nf_conntrack_tuple *tuple;
	const u8 family = fcn_mapping_family(to);

	tuple = &ct->tuplehash[IP_CT_DIR_ORIGINAL].tuple;
	return conf->hairpin && fcn_opened_inside(fn, skb, to) &&
	       fcn_conf_inside(conf, family, &tuple->src.u3) &&
	       !fcn_addr_is_local(fn->net, family, &tuple->src.u3);
}

/*
 * The entry of a packet whose connection is still to be decided, or NULL.  A
 * rule may stand in places where nf_nat would not have asked.
 */
static __always_inline struct nf_conn *
fcn_undecided(const struct sk_buff *skb, enum nf_nat_manip_type manip)
{
	enum ip_conntrack_info ctinfo;
	struct nf_conn *ct = nf_ct_get(skb, &ctinfo);

	/* confirmed: older than the nat hooks of this namespace, too late */
	if (!ct || nf_ct_is_template(ct) || nf_ct_is_confirmed(ct) ||
	    nf_nat_initialized(ct, manip))
		return NULL;
	return ct;
}

/*
 * A first packet to an endpoint of ours, or -ENOENT if it is to none.  From the
 * outside it is only taken where the owner wants it: @wanted, on a wan interface or
 * where a rule has asked.
 */
static int fcn_inbound(struct fcn_net *fn, const struct fcn_conf *conf,
		       struct sk_buff *skb, const struct nf_hook_state *state,
		       struct nf_conn *ct, bool wanted)
{
	/* not skb_iif: with bridge netfilter that is still the bridge's port */
	int iif = state->in->ifindex;
	const struct nf_conntrack_tuple *tuple;
	const struct fcn_pool *pool;
	struct fcn_mapping *m;
	bool inside;

	tuple = &ct->tuplehash[IP_CT_DIR_ORIGINAL].tuple;
	/* pings of our address are the router's to answer */
	if (fcn_is_icmp(tuple->dst.protonum))
		return -ENOENT;

	pool = fcn_pool_find(&fn->table.pools, state->pf, tuple->dst.protonum,
			     &tuple->dst.u3);
	m = pool ? fcn_pool_owner(pool, ntohs(tuple->dst.u.all)) : NULL;
	if (!m || fcn_is_exempt(conf, skb) ||
	    m->zone != fcn_ct_zone_id(ct)) {
		if (pool || wanted)
			fcn_ct_knock(fn, tuple->dst.u.all);
		return -ENOENT;
	}

	inside = iif != m->ifindex &&
		 fcn_from_inside(fn, state->pf, skb, iif);
	if (inside ? !conf->hairpin : !wanted)
		return -ENOENT;
	if (!fcn_mapping_accepts(m))
		return fcn_refuse_stranger(fn, m, iif);
	if (inside && fcn_conf_inside(conf, state->pf, &tuple->src.u3))
		return fcn_ct_divert(ct, m) ?
		       fcn_drop(fn, FCN_STAT_drop_no_memory) : NF_ACCEPT;
	return fcn_in(fn, conf, ct, m, iif);
}

/* Rules. */

/*
 * The external address that a rule wants for this inside host: the same for all
 * protocols (RFC 4787, REQ-2), and the one that nf_nat takes for flows that get
 * no mapping.  Follows find_best_ips_proto(): of each word of the address as
 * much is chosen as the range leaves open.
 */
static union nf_inet_addr fcn_rule_addr(const struct nf_nat_range2 *range,
					const struct nf_conn *ct)
{
	const u32 words = nf_ct_l3num(ct) == NFPROTO_IPV6 ? 4 : 1;
	const union nf_inet_addr *inside;
	union nf_inet_addr addr = {};
	u32 i, hash, first, span;
	bool open = false;

	inside = &ct->tuplehash[IP_CT_DIR_ORIGINAL].tuple.src.u3;
	hash = jhash2(inside->all, ARRAY_SIZE(inside->all), 0);
	for (i = 0; i < words; i++) {
		first = open ? 0 : ntohl((__force __be32)range->min_addr.all[i]);
		span = open ? U32_MAX :
		       ntohl((__force __be32)range->max_addr.all[i]) - first + 1;
		addr.all[i] = (__force u32)htonl(first +
						 reciprocal_scale(hash, span));
		open |= addr.all[i] != range->max_addr.all[i];
	}
	return addr;
}

static struct fcn_terms fcn_rule_terms(const struct fcn_conf *conf,
				       const struct fcn_policy *policy,
				       const struct nf_conn *ct, int ifindex)
{
	const struct nf_nat_range2 *range = &policy->range;
	struct fcn_terms terms = fcn_plain_terms(conf, ct, ifindex);

	terms.origin.ruled = true;
	terms.origin.random = !!(range->flags & NF_NAT_RANGE_PROTO_RANDOM_ALL);
	/* strangers open no ICMP queries */
	if (policy->filtered && !fcn_is_icmp(nf_ct_protonum(ct))) {
		terms.filtered = true;
		terms.filter = policy->filter;
	}
	if (range->flags & NF_NAT_RANGE_PROTO_SPECIFIED) {
		terms.first = ntohs(range->min_proto.all);
		terms.last = ntohs(range->max_proto.all);
	}
	return terms;
}

/**
 * fcn_rule_out - a POSTROUTING rule decides a flow
 * @skb:	the packet
 * @state:	of its hook
 * @policy:	what the rule says
 *
 * Under rcu_read_lock().  The same decision as on a wan interface, on other
 * terms; a flow that gets no mapping is translated within the same range.
 *
 * Return: the verdict, NF_*, or -ENOENT when the flow is decided already or
 * exempt, and the next rule should be asked.
 */
int fcn_rule_out(struct sk_buff *skb, const struct nf_hook_state *state,
		 const struct fcn_policy *policy)
{
	struct nf_conn *ct = fcn_undecided(skb, NF_NAT_MANIP_SRC);
	struct fcn_net *fn = fcn_net(state->net);
	const struct fcn_conf *conf = fcn_conf(fn);
	union nf_inet_addr ext;
	struct fcn_terms terms;
	struct fcn_wan *wan;

	if (!ct || READ_ONCE(fn->dead) || !skb_dst(skb))
		return -ENOENT;
	if (fcn_is_exempt(conf, skb) || fcn_is_ipsec_bound(skb))
		return -ENOENT;
	/* a stranger's: his address stays, even if the rule names no device */
	if (fcn_ct_mapping_in(&fn->table, ct))
		return -ENOENT;
	if (!fcn_is_mapped(fn, conf, skb, ct, state))
		return fcn_translate(fn, skb, state, ct, &policy->range);

	terms = fcn_rule_terms(conf, policy, ct, state->out->ifindex);
	if (policy->range.flags & NF_NAT_RANGE_MAP_IPS) {
		ext = fcn_rule_addr(&policy->range, ct);
		terms.origin.named = true;
		terms.origin.routed = !fcn_addr_is_local(fn->net, state->pf, &ext);
	} else if (!fcn_addr_outside(fn, state->pf, skb, state->out, &ext)) {
		return fcn_refuse_homeless(fn, ct);
	}
	/* not another's rule */
	wan = fcn_net_wan(fn, state->pf, terms.ifindex);
	if (wan && conf->order_last)
		fcn_wan_stat_inc(wan, FCN_WAN_LEFT);
	return fcn_out(fn, conf, wan, skb, ct, &ext, &terms);
}
EXPORT_SYMBOL_GPL(fcn_rule_out);

/**
 * fcn_rule_in - a PREROUTING rule decides a flow
 * @skb:	the packet
 * @state:	of its hook
 *
 * Under rcu_read_lock().
 *
 * Return: the verdict, NF_*, or -ENOENT when the packet is sent to no mapping
 * and the next rule should be asked.
 */
int fcn_rule_in(struct sk_buff *skb, const struct nf_hook_state *state)
{
	struct nf_conn *ct = fcn_undecided(skb, NF_NAT_MANIP_DST);
	struct fcn_net *fn = fcn_net(state->net);

	if (!ct || READ_ONCE(fn->dead))
		return -ENOENT;
	return fcn_inbound(fn, fcn_conf(fn), skb, state, ct, true);
}
EXPORT_SYMBOL_GPL(fcn_rule_in);

/* The hooks. */

static unsigned int fcn_prerouting(void *priv, struct sk_buff *skb,
				   const struct nf_hook_state *state)
{
	struct nf_conn *ct = fcn_undecided(skb, NF_NAT_MANIP_DST);
	struct fcn_net *fn = fcn_net(state->net);
	bool outside;
	int verdict;

	if (!ct)
		return NF_ACCEPT;
	outside = fcn_net_wan(fn, state->pf, state->in->ifindex);
	verdict = fcn_inbound(fn, fcn_conf(fn), skb, state, ct, outside);
	if (verdict != -ENOENT)
		return verdict;
	/*
	 * Nobody translates the destination.  nf_nat would look whether the reply
	 * tuple is free, and change an ICMP query's id if it is not; but who chooses
	 * the source looks, too, and only that matters.
	 */
	if (!outside)
		fcn_ct_keep_destination(ct);
	return NF_ACCEPT;
}

/* An inbound flow has got past the filter table: for the status file. */
static void fcn_count_passed(struct fcn_net *fn, const struct sk_buff *skb,
			     const struct fcn_mapping *to)
{
	struct fcn_wan *wan = fcn_net_wan(fn, fcn_mapping_family(to),
					  fcn_iif_to(skb, to));

	fcn_stat_inc(fn, FCN_STAT_flows_in_passed);
	if (wan)
		fcn_wan_stat_inc(wan, FCN_WAN_IN_PASSED);
}

static unsigned int fcn_postrouting_first(void *priv, struct sk_buff *skb,
					  const struct nf_hook_state *state)
{
	struct fcn_net *fn = fcn_net(state->net);
	const struct fcn_conf *conf = fcn_conf(fn);
	struct nf_conn *ct = fcn_undecided(skb, NF_NAT_MANIP_SRC);
	const struct fcn_mapping *to;
	struct fcn_wan *wan;

	if (!ct)
		return NF_ACCEPT;
	to = fcn_ct_mapping_in(&fn->table, ct);
	if (to && fcn_is_hairpinned(fn, conf, skb, ct, to))
		return fcn_hairpin(fn, conf, skb, ct, to);
	wan = fcn_net_wan(fn, state->pf, state->out->ifindex);
	if (!wan) {
		if (to)
			fcn_count_passed(fn, skb, to);
		return NF_ACCEPT;
	}
	if (fcn_is_exempt(conf, skb) || fcn_is_ipsec_bound(skb) ||
	    !fcn_is_mapped(fn, conf, skb, ct, state))
		return NF_ACCEPT;
	if (!conf->order_last)
		return fcn_out_plain(fn, conf, wan, skb, state, ct);

	fcn_wan_stat_inc(wan, FCN_WAN_OFFERED);
	return NF_ACCEPT;
}

/*
 * No rule has wanted another source for this flow: if it is a stranger's, he keeps
 * his.  nf_nat may give another port to others whose destination was translated.
 */
static unsigned int fcn_in_last(struct fcn_net *fn, const struct sk_buff *skb,
				struct nf_conn *ct)
{
	const struct fcn_mapping *to = fcn_ct_mapping_in(&fn->table, ct);
	int err;

	if (!to || fcn_opened_inside(fn, skb, to))
		return NF_ACCEPT;
	err = fcn_ct_keep_source(fn, ct);
	if (likely(!err))
		return NF_ACCEPT;
	return fcn_drop(fn, err == -EBUSY ? FCN_STAT_drop_in_conflict :
					    FCN_STAT_drop_no_memory);
}

static unsigned int fcn_postrouting_last(void *priv, struct sk_buff *skb,
					 const struct nf_hook_state *state)
{
	static const struct nf_nat_range2 masquerade;
	struct fcn_net *fn = fcn_net(state->net);
	const struct fcn_conf *conf = fcn_conf(fn);
	struct nf_conn *ct = fcn_undecided(skb, NF_NAT_MANIP_SRC);
	struct fcn_wan *wan;

	if (!ct)
		return NF_ACCEPT;
	wan = fcn_net_wan(fn, state->pf, state->out->ifindex);
	if (!wan || fcn_is_exempt(conf, skb) || fcn_is_ipsec_bound(skb) ||
	    fcn_is_bridged(skb))
		return fcn_in_last(fn, skb, ct);
	if (!fcn_is_mapped(fn, conf, skb, ct, state))
		return fcn_translate(fn, skb, state, ct, &masquerade);

	fcn_wan_stat_inc(wan, FCN_WAN_LEFT);
	return fcn_out_plain(fn, conf, wan, skb, state, ct);
}

#define FCN_HOOKS(family)						\
	{								\
		{							\
			.hook		= fcn_prerouting,		\
			.pf		= family,			\
			.hooknum	= NF_INET_PRE_ROUTING,		\
			.priority	= INT_MAX,			\
		}, {							\
			.hook		= fcn_postrouting_first,	\
			.pf		= family,			\
			.hooknum	= NF_INET_POST_ROUTING,		\
			.priority	= INT_MIN,			\
		}, {							\
			.hook		= fcn_postrouting_last,		\
			.pf		= family,			\
			.hooknum	= NF_INET_POST_ROUTING,		\
			.priority	= INT_MAX,			\
		},							\
	}

#define FCN_HOOK_COUNT	3

/**
 * struct fcn_door - how nf_nat asks us about a family's flows
 * @ops:	the hooks
 * @open:	lets it ask for one of them
 * @close:	lets it ask no more
 */
struct fcn_door {
	struct nf_hook_ops	ops[FCN_HOOK_COUNT];
	int			(*open)(struct net *net,
					const struct nf_hook_ops *op);
	void			(*close)(struct net *net,
					 const struct nf_hook_ops *op);
};

static const struct fcn_door fcn_door4 = {
	.ops	= FCN_HOOKS(NFPROTO_IPV4),
	.open	= nf_nat_ipv4_register_fn,
	.close	= nf_nat_ipv4_unregister_fn,
};

#if IS_ENABLED(CONFIG_IPV6)
static const struct fcn_door fcn_door6 = {
	.ops	= FCN_HOOKS(NFPROTO_IPV6),
	.open	= nf_nat_ipv6_register_fn,
	.close	= nf_nat_ipv6_unregister_fn,
};

static const struct fcn_door *fcn_door(u8 family)
{
	return family == NFPROTO_IPV6 ? &fcn_door6 : &fcn_door4;
}
#else
static const struct fcn_door *fcn_door(u8 family)
{
	return &fcn_door4;
}
#endif

static void fcn_door_close(const struct fcn_door *door, struct net *net,
			   unsigned int count)
{
	while (count--)
		door->close(net, &door->ops[count]);
}

/**
 * fcn_hooks_register - let nf_nat ask us
 * @net:	namespace
 * @family:	NFPROTO_*
 *
 * Return: 0, or a negative error; then it asks for nothing.
 */
int fcn_hooks_register(struct net *net, u8 family)
{
	const struct fcn_door *door = fcn_door(family);
	unsigned int i;
	int err;

	for (i = 0; i < FCN_HOOK_COUNT; i++) {
		err = door->open(net, &door->ops[i]);
		if (err) {
			fcn_door_close(door, net, i);
			return err;
		}
	}
	return 0;
}

/**
 * fcn_hooks_unregister - let nf_nat ask us no more
 * @net:	namespace
 * @family:	NFPROTO_*
 *
 * Does not wait for packets that are just being asked about.
 */
void fcn_hooks_unregister(struct net *net, u8 family)
{
	fcn_door_close(fcn_door(family), net, FCN_HOOK_COUNT);
}
