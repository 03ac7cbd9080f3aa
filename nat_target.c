// SPDX-License-Identifier: GPL-2.0
/*
 * xt_FULLCONENAT: the iptables target.
 *
 * A thin door to fullcone_nat.  It says what a rule's data ask for, refuses
 * what makes no sense, and decides nothing.  It is a module of its own, so that
 * fullcone_nat loads where there is no x_tables.
 *
 * Revision 0 is laid out as in the packages that had this target first; rule
 * sets and plugins written for those go on to work.  Revision 1 adds a filter.
 */

#include <linux/inet.h>
#include <linux/module.h>
#include <linux/netfilter/x_tables.h>
#include <net/netfilter/nf_nat.h>

#include "nat_core.h"
#include "nat_policy.h"
#include "xt_FULLCONENAT.h"

static struct fcn_policy fcn_policy_v0(const void *data)
{
	const struct nf_nat_ipv4_multi_range_compat *mr = data;
	const struct nf_nat_ipv4_range *old = &mr->range[0];
	struct fcn_policy policy = {
		.range = {
			.flags		= old->flags | NF_NAT_RANGE_PERSISTENT,
			.min_addr.ip	= old->min_ip,
			.max_addr.ip	= old->max_ip,
			.min_proto	= old->min,
			.max_proto	= old->max,
		},
	};

	return policy;
}

static struct fcn_policy fcn_policy_v1(const void *data)
{
	const struct xt_fullconenat_tginfo *info = data;
	const struct nf_nat_range2 *range = &info->range;
	struct fcn_policy policy = {
		.range = {
			.flags		= range->flags | NF_NAT_RANGE_PERSISTENT,
			.min_addr.ip	= range->min_addr.ip,
			.max_addr.ip	= range->max_addr.ip,
			.min_proto	= range->min_proto,
			.max_proto	= range->max_proto,
		},
		.filtered = info->filter != XT_FULLCONENAT_DEFAULT,
	};

	switch (info->filter) {
	case XT_FULLCONENAT_ADF:
		policy.filter = FCN_ADF;
		break;
	case XT_FULLCONENAT_APDF:
		policy.filter = FCN_APDF;
		break;
	default:
		policy.filter = FCN_EIF;
		break;
	}
	return policy;
}

/*
 * nf_tables can't tell a user's chain from which hooks it is reached, so a rule
 * may be asked where it has no business.
 */
static unsigned int fcn_target(struct sk_buff *skb,
			       const struct xt_action_param *par,
			       const struct fcn_policy *policy)
{
	int verdict = -ENOENT;

	if (xt_hooknum(par) == NF_INET_POST_ROUTING)
		verdict = fcn_rule_out(skb, par->state, policy);
	else if (xt_hooknum(par) == NF_INET_PRE_ROUTING)
		verdict = fcn_rule_in(skb, par->state);
	return verdict == -ENOENT ? XT_CONTINUE : verdict;
}

static unsigned int fcn_target_v0(struct sk_buff *skb,
				  const struct xt_action_param *par)
{
	struct fcn_policy policy = fcn_policy_v0(par->targinfo);

	return fcn_target(skb, par, &policy);
}

static unsigned int fcn_target_v1(struct sk_buff *skb,
				  const struct xt_action_param *par)
{
	struct fcn_policy policy = fcn_policy_v1(par->targinfo);

	return fcn_target(skb, par, &policy);
}

/* Nothing that can be a host's address outside. */
static bool fcn_addr_is_unusable(__be32 addr)
{
	return ipv4_is_zeronet(addr) || ipv4_is_loopback(addr) ||
	       ipv4_is_multicast(addr) || ipv4_is_lbcast(addr);
}

static int fcn_target_check(const struct xt_tgchk_param *par,
			    const struct nf_nat_range2 *range)
{
	const __be32 first = range->min_addr.ip, last = range->max_addr.ip;

	if (range->flags & ~XT_FULLCONENAT_FLAGS) {
		pr_info_ratelimited("flags %#x are unknown\n",
				    range->flags & ~XT_FULLCONENAT_FLAGS);
		return -EINVAL;
	}
	if (range->flags & NF_NAT_RANGE_MAP_IPS &&
	    (fcn_addr_is_unusable(first) || fcn_addr_is_unusable(last))) {
		pr_info_ratelimited("--to-source %pI4-%pI4: no host has such an address\n",
				    &first, &last);
		return -EINVAL;
	}
	if (range->flags & NF_NAT_RANGE_MAP_IPS && ntohl(first) > ntohl(last)) {
		pr_info_ratelimited("--to-source %pI4-%pI4: the range is reversed\n",
				    &first, &last);
		return -EINVAL;
	}
	if (range->flags & NF_NAT_RANGE_PROTO_SPECIFIED &&
	    ntohs(range->min_proto.all) > ntohs(range->max_proto.all)) {
		pr_info_ratelimited("--to-ports %u-%u: the range is reversed\n",
				    ntohs(range->min_proto.all),
				    ntohs(range->max_proto.all));
		return -EINVAL;
	}
	return fcn_rule_get(par->net);
}

static int fcn_target_check_v0(const struct xt_tgchk_param *par)
{
	const struct nf_nat_ipv4_multi_range_compat *mr = par->targinfo;
	struct fcn_policy policy = fcn_policy_v0(mr);

	if (mr->rangesize != 1) {
		pr_info_ratelimited("%u ranges: one is possible\n",
				    mr->rangesize);
		return -EINVAL;
	}
	return fcn_target_check(par, &policy.range);
}

static int fcn_target_check_v1(const struct xt_tgchk_param *par)
{
	const struct xt_fullconenat_tginfo *info = par->targinfo;
	struct fcn_policy policy = fcn_policy_v1(info);

	if (info->filter >= XT_FULLCONENAT_FILTERS ||
	    memchr_inv(info->reserved, 0, sizeof(info->reserved))) {
		pr_info_ratelimited("filter %u is unknown\n", info->filter);
		return -EINVAL;
	}
	return fcn_target_check(par, &policy.range);
}

static void fcn_target_destroy(const struct xt_tgdtor_param *par)
{
	fcn_rule_put(par->net);
}

#define FCN_TARGET_HOOKS	(BIT(NF_INET_PRE_ROUTING) | \
				 BIT(NF_INET_POST_ROUTING))

static struct xt_target fcn_targets[] __read_mostly = {
	{
		.name		= "FULLCONENAT",
		.family		= NFPROTO_IPV4,
		.revision	= 0,
		.table		= "nat",
		.hooks		= FCN_TARGET_HOOKS,
		.target		= fcn_target_v0,
		.targetsize	= sizeof(struct nf_nat_ipv4_multi_range_compat),
		.checkentry	= fcn_target_check_v0,
		.destroy	= fcn_target_destroy,
		.me		= THIS_MODULE,
	}, {
		.name		= "FULLCONENAT",
		.family		= NFPROTO_IPV4,
		.revision	= 1,
		.table		= "nat",
		.hooks		= FCN_TARGET_HOOKS,
		.target		= fcn_target_v1,
		.targetsize	= sizeof(struct xt_fullconenat_tginfo),
		.checkentry	= fcn_target_check_v1,
		.destroy	= fcn_target_destroy,
		.me		= THIS_MODULE,
	},
};

static int __init fcn_targets_init(void)
{
	return xt_register_targets(fcn_targets, ARRAY_SIZE(fcn_targets));
}

static void __exit fcn_targets_exit(void)
{
	xt_unregister_targets(fcn_targets, ARRAY_SIZE(fcn_targets));
}

module_init(fcn_targets_init);
module_exit(fcn_targets_exit);

MODULE_DESCRIPTION("Xtables: the target FULLCONENAT of fullcone_nat");
MODULE_LICENSE("GPL");
MODULE_VERSION(FCN_VERSION);
MODULE_ALIAS("ipt_FULLCONENAT");
