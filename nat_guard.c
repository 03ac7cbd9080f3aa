// SPDX-License-Identifier: GPL-2.0
/*
 * The guard: what conntrack calls INVALID stops at a wan interface, and so do
 * messages that are for neighbours only.
 *
 * Such a packet has no entry, so nat does not see it.  From inside it would
 * leave with its private source address; from outside it would get to the
 * router, whose reset ends a connection that an inside host may still have.
 * Two hooks of netfilter's own, not of nf_nat's: they see every packet, and
 * have nothing to do with one that has an entry.
 */

#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/netfilter_ipv4.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/ndisc.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/tcp.h>
#include <net/xfrm.h>

#include "compat.h"
#include "nat_conf.h"
#include "nat_core.h"
#include "nat_guard.h"
#include "nat_policy.h"
#include "nat_wan.h"

/* It came out of no tunnel of IPsec's: in the clear, by a wan interface. */
static bool fcn_from_wan(const struct fcn_net *fn, u8 family,
			 const struct sk_buff *skb, int iif)
{
	return fcn_net_wan(fn, family, iif) && !skb_sec_path(skb);
}

#if IS_ENABLED(CONFIG_IPV6)
/*
 * Is this a message for neighbours?  Conntrack leaves those alone, so they would
 * pass a router with their inside source.  They are not to: whoever got one would
 * have to drop it (RFC 4861, 6.1 and 7.1; RFC 3810, 6.2).
 */
static bool fcn_is_for_neighbours(const struct sk_buff *skb)
{
	u8 proto = ipv6_hdr(skb)->nexthdr, buf;
	__be16 frag_off;
	const u8 *type;
	int offset;

	offset = ipv6_skip_exthdr(skb, sizeof(struct ipv6hdr), &proto,
				  &frag_off);
	if (offset < 0 || proto != IPPROTO_ICMPV6)
		return false;
	type = skb_header_pointer(skb, offset, sizeof(buf), &buf);
	return type && ((*type >= ICMPV6_MGM_QUERY &&
			 *type <= NDISC_NEIGHBOUR_ADVERTISEMENT) ||
			*type == ICMPV6_MLD2_REPORT);
}
#else
static bool fcn_is_for_neighbours(const struct sk_buff *skb)
{
	return false;
}
#endif

/* The owner wants no entry for it (NOTRACK), and it is for no neighbour. */
static bool fcn_is_left_untracked(const struct sk_buff *skb, u8 family)
{
	return skb->_nfct == IP_CT_UNTRACKED &&
	       !(family == NFPROTO_IPV6 && fcn_is_for_neighbours(skb));
}

/* Out of line: nearly all packets have an entry, and pay for no stack frame. */
static noinline unsigned int
fcn_entryless_forwarded(struct sk_buff *skb,
			const struct nf_hook_state *state)
{
	struct fcn_net *fn = fcn_net(state->net);
	const struct fcn_conf *conf = fcn_conf(fn);

	if (!conf->guard || fcn_is_exempt(conf, skb) ||
	    fcn_is_ipsec_bound(skb) ||
	    !fcn_is_forwarded(skb, state))
		return NF_ACCEPT;
	if (!fcn_net_wan(fn, state->pf, state->out->ifindex) &&
	    !fcn_from_wan(fn, state->pf, skb, fcn_iif(state->pf, skb)))
		return NF_ACCEPT;
	if (fcn_is_left_untracked(skb, state->pf))
		return NF_ACCEPT;
	fcn_stat_inc(fn, FCN_STAT_drop_invalid_forwarded);
	return NF_DROP;
}

static unsigned int fcn_guard_forwarded(void *priv, struct sk_buff *skb,
					const struct nf_hook_state *state)
{
	if (likely(skb_nfct(skb)))
		return NF_ACCEPT;
	return fcn_entryless_forwarded(skb, state);
}

static bool fcn_tcp4_is_routers(struct net *net, struct sk_buff *skb, int iif)
{
	const struct iphdr *iph = ip_hdr(skb);
	const struct tcphdr *th;
	struct tcphdr buf;

	th = skb_header_pointer(skb, ip_hdrlen(skb), sizeof(buf), &buf);
	return th && fcn_tcp_has_socket(net, skb, iph->saddr, th->source,
					iph->daddr, th->dest, iif);
}

static bool fcn_tcp6_is_routers(struct net *net, struct sk_buff *skb, int offset,
				int iif)
{
	const struct ipv6hdr *iph = ipv6_hdr(skb);
	const struct tcphdr *th;
	struct tcphdr buf;

	th = skb_header_pointer(skb, offset, sizeof(buf), &buf);
	return th && fcn_tcp6_has_socket(net, skb, offset, &iph->saddr,
					 th->source, &iph->daddr, th->dest,
					 iif);
}

/*
 * Has the router no socket for this segment?  If it has, that is its own affair,
 * INVALID or not.  Nothing but TCP makes the router answer.
 */
static bool fcn_is_nobodys_tcp(struct net *net, u8 family, struct sk_buff *skb,
			       int iif)
{
	__be16 frag_off;
	int offset;
	u8 proto;

	if (family == NFPROTO_IPV4)
		return ip_hdr(skb)->protocol == IPPROTO_TCP &&
		       !fcn_tcp4_is_routers(net, skb, iif);
	proto = ipv6_hdr(skb)->nexthdr;
	offset = ipv6_skip_exthdr(skb, sizeof(struct ipv6hdr), &proto,
				  &frag_off);
	return offset > 0 && proto == IPPROTO_TCP &&
	       !fcn_tcp6_is_routers(net, skb, offset, iif);
}

static noinline unsigned int
fcn_entryless_input(struct sk_buff *skb, const struct nf_hook_state *state)
{
	struct fcn_net *fn = fcn_net(state->net);
	const struct fcn_conf *conf = fcn_conf(fn);

	/* the owner wants no entry for it (NOTRACK) */
	if (skb->_nfct == IP_CT_UNTRACKED)
		return NF_ACCEPT;
	if (!conf->guard || fcn_is_exempt(conf, skb) ||
	    !fcn_from_wan(fn, state->pf, skb, state->in->ifindex) ||
	    !fcn_is_nobodys_tcp(state->net, state->pf, skb,
				state->in->ifindex))
		return NF_ACCEPT;
	fcn_stat_inc(fn, FCN_STAT_drop_invalid_in);
	return NF_DROP;
}

static unsigned int fcn_guard_input(void *priv, struct sk_buff *skb,
				    const struct nf_hook_state *state)
{
	if (likely(skb_nfct(skb)))
		return NF_ACCEPT;
	return fcn_entryless_input(skb, state);
}

#define FCN_GUARDS(family)						\
	{								\
		{							\
			.hook		= fcn_guard_forwarded,		\
			.pf		= family,			\
			.hooknum	= NF_INET_POST_ROUTING,		\
			.priority	= NF_IP_PRI_FIRST,		\
		}, {							\
			.hook		= fcn_guard_input,		\
			.pf		= family,			\
			.hooknum	= NF_INET_LOCAL_IN,		\
			.priority	= NF_IP_PRI_FIRST,		\
		},							\
	}

#define FCN_GUARD_COUNT	2

static const struct nf_hook_ops fcn_guards4[FCN_GUARD_COUNT] =
	FCN_GUARDS(NFPROTO_IPV4);
static const struct nf_hook_ops fcn_guards6[FCN_GUARD_COUNT] =
	FCN_GUARDS(NFPROTO_IPV6);

static const struct nf_hook_ops *fcn_guards(u8 family)
{
	return family == NFPROTO_IPV6 ? fcn_guards6 : fcn_guards4;
}

/**
 * fcn_guard_register - watch the packets of a namespace
 * @net:	namespace
 * @family:	NFPROTO_*
 *
 * Return: 0, or a negative error; then nothing is watched.
 */
int fcn_guard_register(struct net *net, u8 family)
{
	return nf_register_net_hooks(net, fcn_guards(family), FCN_GUARD_COUNT);
}

/**
 * fcn_guard_unregister - watch no more
 * @net:	namespace
 * @family:	NFPROTO_*
 *
 * Does not wait for packets that are just being looked at.
 */
void fcn_guard_unregister(struct net *net, u8 family)
{
	nf_unregister_net_hooks(net, fcn_guards(family), FCN_GUARD_COUNT);
}
