/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What the iptables plugin and the kernel module xt_FULLCONENAT say to each
 * other.  Revision 0, of the packages that had this target first, is
 * struct nf_nat_ipv4_multi_range_compat with one range, and struct nf_nat_range
 * for IPv6.
 */
#ifndef _XT_FULLCONENAT_H
#define _XT_FULLCONENAT_H

#include <linux/types.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>

/**
 * enum xt_fullconenat_filter - who may come in from outside
 * @XT_FULLCONENAT_DEFAULT:	whoever the knobs of fullcone_nat let in
 * @XT_FULLCONENAT_EIF:		anybody
 * @XT_FULLCONENAT_ADF:		addresses the inside endpoint has spoken to
 * @XT_FULLCONENAT_APDF:	endpoints it has spoken to
 * @XT_FULLCONENAT_FILTERS:	one more than the last
 */
enum xt_fullconenat_filter {
	XT_FULLCONENAT_DEFAULT,
	XT_FULLCONENAT_EIF,
	XT_FULLCONENAT_ADF,
	XT_FULLCONENAT_APDF,
	XT_FULLCONENAT_FILTERS,
};

/**
 * struct xt_fullconenat_tginfo - revision 1
 * @range:	as with SNAT; network order
 * @filter:	enum xt_fullconenat_filter
 * @reserved:	zero
 */
struct xt_fullconenat_tginfo {
	struct nf_nat_range2	range;
	__u8			filter;
	__u8			reserved[3];
};

/* the flags that mean something to this target */
#define XT_FULLCONENAT_FLAGS	(NF_NAT_RANGE_MAP_IPS |			\
				 NF_NAT_RANGE_PROTO_SPECIFIED |		\
				 NF_NAT_RANGE_PROTO_RANDOM |		\
				 NF_NAT_RANGE_PROTO_RANDOM_FULLY |	\
				 NF_NAT_RANGE_PERSISTENT)

#endif /* _XT_FULLCONENAT_H */
