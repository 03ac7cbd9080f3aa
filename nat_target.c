// SPDX-License-Identifier: GPL-2.0
/*
 * xt_FULLCONENAT: the iptables target.
 *
 * A thin door to fullcone_nat.  It says what a rule's data ask for, refuses
 * what makes no sense, and decides nothing.  It is a module of its own, so that
 * fullcone_nat loads where there is no x_tables.
 *
 * Revision 0 is laid out as in the packages that had this target first, another
 * way for each family; rule sets and plugins written for those go on to work.
 * Revision 1 is the same for both and adds a filter.
 */

#include <linux/in6.h>
#include <linux/module.h>
#include <linux/netfilter/x_tables.h>
#include <linux/skbuff.h>
#include <net/netfilter/nf_nat.h>

#include "compat.h"
#include "nat_addr.h"
#include "nat_core.h"
#include "nat_log.h"
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

static struct fcn_policy fcn_policy_v1(const void *data, u8 family)
{
	const struct xt_fullconenat_tginfo *info = data;
	struct fcn_policy policy = {
		.range = info->range,
		.filtered = info->filter != XT_FULLCONENAT_DEFAULT,
	};

	policy.range.flags |= NF_NAT_RANGE_PERSISTENT;
	memset(&policy.range.base_proto, 0, sizeof(policy.range.base_proto));
	if (family == NFPROTO_IPV4) {
		policy.range.min_addr = (union nf_inet_addr) {
			.ip = info->range.min_addr.ip,
		};
		policy.range.max_addr = (union nf_inet_addr) {
			.ip = info->range.max_addr.ip,
		};
	}
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

static int fcn_target_in(struct sk_buff *skb, const struct xt_action_param *par)
{
	int verdict = fcn_rule_in(skb, par->state);

	return verdict == NF_DROP ? fcn_target_drop(skb) : verdict;
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
		verdict = fcn_target_in(skb, par);
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
	struct fcn_policy policy = fcn_policy_v1(par->targinfo, xt_family(par));

	return fcn_target(skb, par, &policy);
}

/* From the first to the last, as numbers. */
static int fcn_addr_cmp(u8 family, const union nf_inet_addr *a,
			const union nf_inet_addr *b)
{
	if (family == NFPROTO_IPV6)
		return memcmp(&a->in6, &b->in6, sizeof(a->in6));
	return memcmp(&a->ip, &b->ip, sizeof(a->ip));
}

static int fcn_target_check_addrs(u8 family, const struct nf_nat_range2 *range)
{
	const union nf_inet_addr *first = &range->min_addr;
	const union nf_inet_addr *last = &range->max_addr;
	struct sockaddr_in6 from, to;

	if (!(range->flags & NF_NAT_RANGE_MAP_IPS))
		return 0;
	fcn_log_sockaddr(&from, family, first, 0);
	fcn_log_sockaddr(&to, family, last, 0);
	if (!fcn_addr_is_host(family, first) ||
	    !fcn_addr_is_host(family, last)) {
		pr_info_ratelimited("--to-source %pISc-%pISc: no host has such an address\n",
				    &from, &to);
		return -EINVAL;
	}
	if (fcn_addr_cmp(family, first, last) > 0) {
		pr_info_ratelimited("--to-source %pISc-%pISc: the range is reversed\n",
				    &from, &to);
		return -EINVAL;
	}
	return 0;
}

static int fcn_target_check(const struct xt_tgchk_param *par,
			    const struct nf_nat_range2 *range)
{
	int err;

	if (range->flags & ~XT_FULLCONENAT_FLAGS) {
		pr_info_ratelimited("flags %#x are unknown\n",
				    range->flags & ~XT_FULLCONENAT_FLAGS);
		return -EINVAL;
	}
	err = fcn_target_check_addrs(par->family, range);
	if (err)
		return err;
	if (range->flags & NF_NAT_RANGE_PROTO_SPECIFIED &&
	    ntohs(range->min_proto.all) > ntohs(range->max_proto.all)) {
		pr_info_ratelimited("--to-ports %u-%u: the range is reversed\n",
				    ntohs(range->min_proto.all),
				    ntohs(range->max_proto.all));
		return -EINVAL;
	}
	if (range->flags & NF_NAT_RANGE_PROTO_SPECIFIED &&
	    !range->max_proto.all) {
		pr_info_ratelimited("--to-ports 0: nobody can have that port\n");
		return -EINVAL;
	}
	err = fcn_rule_get(par->net, par->family);
	if (err)
		pr_info_ratelimited("no NAT for IPv%u here: error %d\n",
				    par->family == NFPROTO_IPV6 ? 6 : 4, err);
	return err;
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
	struct fcn_policy policy = fcn_policy_v1(info, par->family);

	if (info->filter >= XT_FULLCONENAT_FILTERS ||
	    memchr_inv(info->reserved, 0, sizeof(info->reserved))) {
		pr_info_ratelimited("filter %u is unknown\n", info->filter);
		return -EINVAL;
	}
	return fcn_target_check(par, &policy.range);
}

#if IS_ENABLED(CONFIG_IPV6)
static struct fcn_policy fcn_policy_v0_ipv6(const void *data)
{
	const struct nf_nat_range *range = data;
	struct fcn_policy policy = {
		.range = {
			.flags		= range->flags | NF_NAT_RANGE_PERSISTENT,
			.min_addr	= range->min_addr,
			.max_addr	= range->max_addr,
			.min_proto	= range->min_proto,
			.max_proto	= range->max_proto,
		},
	};

	return policy;
}

static unsigned int fcn_target_v0_ipv6(struct sk_buff *skb,
				       const struct xt_action_param *par)
{
	struct fcn_policy policy = fcn_policy_v0_ipv6(par->targinfo);

	return fcn_target(skb, par, &policy);
}

static int fcn_target_check_v0_ipv6(const struct xt_tgchk_param *par)
{
	struct fcn_policy policy = fcn_policy_v0_ipv6(par->targinfo);

	return fcn_target_check(par, &policy.range);
}
#endif

static void fcn_target_destroy(const struct xt_tgdtor_param *par)
{
	fcn_rule_put(par->net, par->family);
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
#if IS_ENABLED(CONFIG_IPV6)
	{
		.name		= "FULLCONENAT",
		.family		= NFPROTO_IPV6,
		.revision	= 0,
		.table		= "nat",
		.hooks		= FCN_TARGET_HOOKS,
		.target		= fcn_target_v0_ipv6,
		.targetsize	= sizeof(struct nf_nat_range),
		.checkentry	= fcn_target_check_v0_ipv6,
		.destroy	= fcn_target_destroy,
		.me		= THIS_MODULE,
	}, {
		.name		= "FULLCONENAT",
		.family		= NFPROTO_IPV6,
		.revision	= 1,
		.table		= "nat",
		.hooks		= FCN_TARGET_HOOKS,
		.target		= fcn_target_v1,
		.targetsize	= sizeof(struct xt_fullconenat_tginfo),
		.checkentry	= fcn_target_check_v1,
		.destroy	= fcn_target_destroy,
		.me		= THIS_MODULE,
	},
#endif
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
MODULE_ALIAS("ip6t_FULLCONENAT");
