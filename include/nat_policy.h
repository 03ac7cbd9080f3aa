/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which flow is ours, in which direction, and what becomes of it.
 */
#ifndef _FULLCONE_NAT_POLICY_H
#define _FULLCONE_NAT_POLICY_H

#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/types.h>

#include "nat_filter.h"

struct fcn_conf;
struct net;
struct nf_hook_state;
struct sk_buff;

/**
 * struct fcn_policy - what a rule of the FULLCONENAT target asks for
 * @range:	as with SNAT, NF_NAT_RANGE_*: %NF_NAT_RANGE_MAP_IPS for external
 *		addresses, else the interface's; %NF_NAT_RANGE_PROTO_SPECIFIED
 *		for ports that narrow the knob `ports`;
 *		%NF_NAT_RANGE_PROTO_RANDOM and %NF_NAT_RANGE_PROTO_RANDOM_FULLY
 *		for ports that are not preserved.  %NF_NAT_RANGE_PERSISTENT goes
 *		without saying: an inside host always gets the same address.
 * @filtered:	the rule says who may come in from outside, not the knobs
 * @filter:	... and this is who
 */
struct fcn_policy {
	struct nf_nat_range2	range;
	bool			filtered;
	enum fcn_filter		filter;
};

int fcn_rule_out(struct sk_buff *skb, const struct nf_hook_state *state,
		 const struct fcn_policy *policy);
int fcn_rule_in(struct sk_buff *skb, const struct nf_hook_state *state);

bool fcn_is_exempt(const struct fcn_conf *conf, const struct sk_buff *skb);
bool fcn_is_forwarded(const struct sk_buff *skb,
		      const struct nf_hook_state *state);
bool fcn_is_ipsec_bound(const struct sk_buff *skb);
int fcn_iif(u8 family, const struct sk_buff *skb);

int fcn_hooks_register(struct net *net, u8 family);
void fcn_hooks_unregister(struct net *net, u8 family);

#endif /* _FULLCONE_NAT_POLICY_H */
