// SPDX-License-Identifier: GPL-2.0
/*
 * The iptables plugin for the target FULLCONENAT: parse, print, save.
 *
 * Options, and what is printed, are those of the packages that had this target
 * first; --filter is new.  Where the kernel knows only revision 0 (theirs), it
 * is spoken, without --filter.  It has another layout for IPv6; revision 1 has
 * the same for both.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xtables.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <linux/netfilter/nf_nat.h>

#include "xt_FULLCONENAT.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof(*(array)))
#define ERROR(...)	xtables_error(PARAMETER_PROBLEM, "FULLCONENAT: " __VA_ARGS__)

enum {
	O_TO_SOURCE,
	O_TO_PORTS,
	O_RANDOM,
	O_RANDOM_FULLY,
	O_PERSISTENT,
	O_FILTER,
};

#define OPTIONS_V0							\
	{ .name = "to-source",	  .id = O_TO_SOURCE,	.type = XTTYPE_STRING }, \
	{ .name = "to-ports",	  .id = O_TO_PORTS,	.type = XTTYPE_STRING }, \
	{ .name = "random",	  .id = O_RANDOM,	.type = XTTYPE_NONE }, \
	{ .name = "random-fully", .id = O_RANDOM_FULLY,	.type = XTTYPE_NONE }, \
	{ .name = "persistent",	  .id = O_PERSISTENT,	.type = XTTYPE_NONE }

static const struct xt_option_entry options_v0[] = {
	OPTIONS_V0,
	XTOPT_TABLEEND,
};

static const struct xt_option_entry options_v1[] = {
	OPTIONS_V0,
	{ .name = "filter", .id = O_FILTER, .type = XTTYPE_STRING },
	XTOPT_TABLEEND,
};

static const char *const filter_names[] = {
	[XT_FULLCONENAT_EIF]	= "eif",
	[XT_FULLCONENAT_ADF]	= "adf",
	[XT_FULLCONENAT_APDF]	= "apdf",
};

static void help_options(void)
{
	puts("				External address (range) instead of the interface's\n"
	     " --to-ports <port>[-<port>]\n"
	     "				External ports, of those that the sysctl\n"
	     "				net.fullcone_nat.ports allows\n"
	     " --random, --random-fully\n"
	     "				Do not preserve the inside port\n"
	     " --persistent			An inside host keeps its address of the range\n"
	     "				(it always does)");
}

static void help_v0(void)
{
	puts("FULLCONENAT target options:\n"
	     " --to-source <ipaddr>[-<ipaddr>][:<port>[-<port>]]");
	help_options();
}

static void help_v0_ipv6(void)
{
	puts("FULLCONENAT target options:\n"
	     " --to-source <ipaddr>[-<ipaddr>]\n"
	     " --to-source [<ipaddr>[-<ipaddr>]][:<port>[-<port>]]");
	help_options();
}

static void help_filter(void)
{
	puts(" --filter eif|adf|apdf		Who may open a session from outside: anybody\n"
	     "				(full cone), addresses (restricted cone) or\n"
	     "				endpoints (port-restricted cone) that the inside\n"
	     "				endpoint has spoken to");
}

static void help_v1(void)
{
	help_v0();
	help_filter();
}

static void help_v1_ipv6(void)
{
	help_v0_ipv6();
	help_filter();
}

/* Parsing. */

static void parse_ipv4(const char *text, union nf_inet_addr *addr)
{
	const struct in_addr *in = xtables_numeric_to_ipaddr(text);
	__u32 number;

	if (!in)
		ERROR("\"%s\" is not an IPv4 address", text);
	number = ntohl(in->s_addr);
	if (number >> 24 == 0 || number >> 24 == 127 || number >= 0xe0000000)
		ERROR("no host has the address %s", text);
	addr->in = *in;
}

static void parse_ipv6(const char *text, union nf_inet_addr *addr)
{
	const struct in6_addr *in6 = xtables_numeric_to_ip6addr(text);

	if (!in6)
		ERROR("\"%s\" is not an IPv6 address", text);
	if (IN6_IS_ADDR_UNSPECIFIED(in6) || IN6_IS_ADDR_LOOPBACK(in6) ||
	    IN6_IS_ADDR_MULTICAST(in6) || IN6_IS_ADDR_LINKLOCAL(in6) ||
	    IN6_IS_ADDR_V4MAPPED(in6))
		ERROR("no host has the address %s", text);
	addr->in6 = *in6;
}

/* "P" or "P-Q" */
static void parse_ports(const char *text, const char *option,
			struct nf_nat_range2 *range)
{
	unsigned int first, last;
	char *end;

	if (range->flags & NF_NAT_RANGE_PROTO_SPECIFIED)
		ERROR("ports are named twice, by --to-source and --to-ports");
	if (!xtables_strtoui(text, &end, &first, 0, UINT16_MAX))
		ERROR("%s: \"%s\" is not a port or range of ports", option, text);
	last = first;
	if (*end == '-' &&
	    !xtables_strtoui(end + 1, &end, &last, 0, UINT16_MAX))
		ERROR("%s: \"%s\" is not a port or range of ports", option, text);
	if (*end)
		ERROR("%s: \"%s\" is not a port or range of ports", option, text);
	if (first > last)
		ERROR("%s: the range %s is reversed", option, text);
	if (!last)
		ERROR("%s: the range %s is empty", option, text);

	range->flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
	range->min_proto.all = htons(first);
	range->max_proto.all = htons(last);
}

static void need_ports(unsigned int proto)
{
	switch (proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return;
	}
	ERROR("ports need -p tcp, udp, udplite, sctp, dccp, icmp or icmpv6");
}

/* What a family does in its own way. */
struct family {
	void		(*parse)(const char *text, union nf_inet_addr *addr);
	const char	*(*print)(const union nf_inet_addr *addr);
	size_t		size;
	bool		brackets;
};

static const char *print_ipv4(const union nf_inet_addr *addr)
{
	return xtables_ipaddr_to_numeric(&addr->in);
}

static const char *print_ipv6(const union nf_inet_addr *addr)
{
	return xtables_ip6addr_to_numeric(&addr->in6);
}

static const struct family ipv4 = {
	.parse	= parse_ipv4,
	.print	= print_ipv4,
	.size	= sizeof(struct in_addr),
};

static const struct family ipv6 = {
	.parse	= parse_ipv6,
	.print	= print_ipv6,
	.size	= sizeof(struct in6_addr),
	.brackets = true,
};

/*
 * Where the ports begin in "A:P" or "[A]:P", or NULL; the address, or range of
 * addresses, is cut off there, and out of its brackets.
 */
static char *cut_ports(const struct family *family, char **addresses)
{
	char *text = *addresses, *end;

	if (family->brackets && *text == '[') {
		end = strchr(text, ']');
		if (!end || (end[1] && end[1] != ':'))
			ERROR("--to-source: \"%s\" is not [address]:port", text);
		*addresses = text + 1;
		*end++ = '\0';
	} else {
		end = family->brackets ? NULL : strchr(text, ':');
	}
	if (!end || !*end)
		return NULL;
	*end = '\0';
	return end + 1;
}

/* "A", "A-B", "A:P", "A-B:P-Q"; with ports an IPv6 address has brackets */
static void parse_source(const struct xt_option_call *cb,
			 const struct family *family, unsigned int proto,
			 struct nf_nat_range2 *range)
{
	char *copy = strdup(cb->arg), *text = copy, *dash, *ports;

	/* xtables_strdup() is there since iptables 1.8.8 */
	if (!copy)
		xtables_error(RESOURCE_PROBLEM, "FULLCONENAT: no memory");
	ports = cut_ports(family, &text);
	dash = strchr(text, '-');
	if (dash)
		*dash = '\0';
	range->flags |= NF_NAT_RANGE_MAP_IPS;
	family->parse(text, &range->min_addr);
	range->max_addr = range->min_addr;
	if (dash)
		family->parse(dash + 1, &range->max_addr);
	if (memcmp(&range->min_addr, &range->max_addr, family->size) > 0)
		ERROR("--to-source: the range %s is reversed", cb->arg);
	if (ports) {
		need_ports(proto);
		parse_ports(ports, "--to-source", range);
	}
	free(copy);
}

static unsigned int parse_filter(const char *text)
{
	unsigned int i;

	for (i = XT_FULLCONENAT_EIF; i < XT_FULLCONENAT_FILTERS; i++)
		if (!strcmp(text, filter_names[i]))
			return i;
	ERROR("--filter is eif, adf or apdf, not \"%s\"", text);
	return 0;
}

static void parse_range(const struct xt_option_call *cb,
			const struct family *family, unsigned int proto,
			struct nf_nat_range2 *range)
{
	switch (cb->entry->id) {
	case O_TO_SOURCE:
		parse_source(cb, family, proto, range);
		break;
	case O_TO_PORTS:
		need_ports(proto);
		parse_ports(cb->arg, "--to-ports", range);
		break;
	case O_RANDOM:
		range->flags |= NF_NAT_RANGE_PROTO_RANDOM;
		break;
	case O_RANDOM_FULLY:
		range->flags |= NF_NAT_RANGE_PROTO_RANDOM_FULLY;
		break;
	case O_PERSISTENT:
		range->flags |= NF_NAT_RANGE_PERSISTENT;
		break;
	}
}

/* Revision 0 has the same in another layout. */
static struct nf_nat_range2
range_of_v0(const struct nf_nat_ipv4_multi_range_compat *mr)
{
	const struct nf_nat_ipv4_range *old = &mr->range[0];
	struct nf_nat_range2 range = {
		.flags		= old->flags,
		.min_addr.ip	= old->min_ip,
		.max_addr.ip	= old->max_ip,
		.min_proto	= old->min,
		.max_proto	= old->max,
	};

	return range;
}

/* And so has that of IPv6. */
static struct nf_nat_range2 range_of_v0_ipv6(const struct nf_nat_range *old)
{
	struct nf_nat_range2 range = {
		.flags		= old->flags,
		.min_addr	= old->min_addr,
		.max_addr	= old->max_addr,
		.min_proto	= old->min_proto,
		.max_proto	= old->max_proto,
	};

	return range;
}

static unsigned int proto_of(const struct xt_option_call *cb)
{
	const struct ipt_entry *entry = cb->xt_entry;

	return entry->ip.proto;
}

static unsigned int proto_of_ipv6(const struct xt_option_call *cb)
{
	const struct ip6t_entry *entry = cb->xt_entry;

	return entry->ipv6.proto;
}

static void init_v0(struct xt_entry_target *target)
{
	struct nf_nat_ipv4_multi_range_compat *mr = (void *)target->data;

	mr->rangesize = 1;
}

static void parse_v0(struct xt_option_call *cb)
{
	struct nf_nat_ipv4_multi_range_compat *mr = cb->data;
	struct nf_nat_range2 range = range_of_v0(mr);

	xtables_option_parse(cb);
	parse_range(cb, &ipv4, proto_of(cb), &range);
	mr->range[0].flags = range.flags;
	mr->range[0].min_ip = range.min_addr.ip;
	mr->range[0].max_ip = range.max_addr.ip;
	mr->range[0].min = range.min_proto;
	mr->range[0].max = range.max_proto;
}

static void parse_v0_ipv6(struct xt_option_call *cb)
{
	struct nf_nat_range *old = cb->data;
	struct nf_nat_range2 range = range_of_v0_ipv6(old);

	xtables_option_parse(cb);
	parse_range(cb, &ipv6, proto_of_ipv6(cb), &range);
	old->flags = range.flags;
	old->min_addr = range.min_addr;
	old->max_addr = range.max_addr;
	old->min_proto = range.min_proto;
	old->max_proto = range.max_proto;
}

static void parse_info(struct xt_option_call *cb, const struct family *family,
		       unsigned int proto)
{
	struct xt_fullconenat_tginfo *info = cb->data;

	if (cb->entry->id == O_FILTER)
		info->filter = parse_filter(cb->arg);
	else
		parse_range(cb, family, proto, &info->range);
}

static void parse_v1(struct xt_option_call *cb)
{
	xtables_option_parse(cb);
	parse_info(cb, &ipv4, proto_of(cb));
}

static void parse_v1_ipv6(struct xt_option_call *cb)
{
	xtables_option_parse(cb);
	parse_info(cb, &ipv6, proto_of_ipv6(cb));
}

/* Printing. */

static void print_addresses(const struct family *family,
			    const struct nf_nat_range2 *range)
{
	printf("%s", family->print(&range->min_addr));
	if (memcmp(&range->min_addr, &range->max_addr, family->size))
		printf("-%s", family->print(&range->max_addr));
}

static void print_ports(const struct nf_nat_range2 *range)
{
	printf("%u", ntohs(range->min_proto.all));
	if (range->max_proto.all != range->min_proto.all)
		printf("-%u", ntohs(range->max_proto.all));
}

static void print_range(const struct family *family,
			const struct nf_nat_range2 *range)
{
	if (range->flags & NF_NAT_RANGE_MAP_IPS) {
		printf(" to:");
		print_addresses(family, range);
	}
	if (range->flags & NF_NAT_RANGE_PERSISTENT)
		printf(" persistent");
	if (range->flags & NF_NAT_RANGE_PROTO_SPECIFIED) {
		printf(" masq ports: ");
		print_ports(range);
	}
	if (range->flags & NF_NAT_RANGE_PROTO_RANDOM)
		printf(" random");
	if (range->flags & NF_NAT_RANGE_PROTO_RANDOM_FULLY)
		printf(" random-fully");
}

static void save_range(const struct family *family,
		       const struct nf_nat_range2 *range)
{
	if (range->flags & NF_NAT_RANGE_MAP_IPS) {
		printf(" --to-source ");
		print_addresses(family, range);
	}
	if (range->flags & NF_NAT_RANGE_PERSISTENT)
		printf(" --persistent");
	if (range->flags & NF_NAT_RANGE_PROTO_SPECIFIED) {
		printf(" --to-ports ");
		print_ports(range);
	}
	if (range->flags & NF_NAT_RANGE_PROTO_RANDOM)
		printf(" --random");
	if (range->flags & NF_NAT_RANGE_PROTO_RANDOM_FULLY)
		printf(" --random-fully");
}

static void print_v0(const void *ip, const struct xt_entry_target *target,
		     int numeric)
{
	const struct nf_nat_range2 range = range_of_v0((void *)target->data);

	(void)ip;
	(void)numeric;
	print_range(&ipv4, &range);
}

static void save_v0(const void *ip, const struct xt_entry_target *target)
{
	const struct nf_nat_range2 range = range_of_v0((void *)target->data);

	(void)ip;
	save_range(&ipv4, &range);
}

static void print_v0_ipv6(const void *ip, const struct xt_entry_target *target,
			  int numeric)
{
	const struct nf_nat_range2 range = range_of_v0_ipv6((void *)target->data);

	(void)ip;
	(void)numeric;
	print_range(&ipv6, &range);
}

static void save_v0_ipv6(const void *ip, const struct xt_entry_target *target)
{
	const struct nf_nat_range2 range = range_of_v0_ipv6((void *)target->data);

	(void)ip;
	save_range(&ipv6, &range);
}

/* The name of a filter, or NULL for none, and for what this can't know. */
static const char *filter_name(const struct xt_fullconenat_tginfo *info)
{
	return info->filter < XT_FULLCONENAT_FILTERS ?
	       filter_names[info->filter] : NULL;
}

static void print_info(const struct family *family,
		       const struct xt_entry_target *target)
{
	const struct xt_fullconenat_tginfo *info = (void *)target->data;

	print_range(family, &info->range);
	if (filter_name(info))
		printf(" filter %s", filter_name(info));
}

static void save_info(const struct family *family,
		      const struct xt_entry_target *target)
{
	const struct xt_fullconenat_tginfo *info = (void *)target->data;

	save_range(family, &info->range);
	if (filter_name(info))
		printf(" --filter %s", filter_name(info));
}

static void print_v1(const void *ip, const struct xt_entry_target *target,
		     int numeric)
{
	(void)ip;
	(void)numeric;
	print_info(&ipv4, target);
}

static void save_v1(const void *ip, const struct xt_entry_target *target)
{
	(void)ip;
	save_info(&ipv4, target);
}

static void print_v1_ipv6(const void *ip, const struct xt_entry_target *target,
			  int numeric)
{
	(void)ip;
	(void)numeric;
	print_info(&ipv6, target);
}

static void save_v1_ipv6(const void *ip, const struct xt_entry_target *target)
{
	(void)ip;
	save_info(&ipv6, target);
}

#define SIZE_V0	XT_ALIGN(sizeof(struct nf_nat_ipv4_multi_range_compat))
#define SIZE_V1	XT_ALIGN(sizeof(struct xt_fullconenat_tginfo))
#define SIZE_V0_IPV6	XT_ALIGN(sizeof(struct nf_nat_range))

static struct xtables_target targets[] = {
	{
		.name		= "FULLCONENAT",
		.version	= XTABLES_VERSION,
		.family		= NFPROTO_IPV4,
		.revision	= 0,
		.size		= SIZE_V0,
		.userspacesize	= SIZE_V0,
		.help		= help_v0,
		.init		= init_v0,
		.x6_parse	= parse_v0,
		.x6_options	= options_v0,
		.print		= print_v0,
		.save		= save_v0,
	}, {
		.name		= "FULLCONENAT",
		.version	= XTABLES_VERSION,
		.family		= NFPROTO_IPV4,
		.revision	= 1,
		.size		= SIZE_V1,
		.userspacesize	= SIZE_V1,
		.help		= help_v1,
		.x6_parse	= parse_v1,
		.x6_options	= options_v1,
		.print		= print_v1,
		.save		= save_v1,
	}, {
		.name		= "FULLCONENAT",
		.version	= XTABLES_VERSION,
		.family		= NFPROTO_IPV6,
		.revision	= 0,
		.size		= SIZE_V0_IPV6,
		.userspacesize	= SIZE_V0_IPV6,
		.help		= help_v0_ipv6,
		.x6_parse	= parse_v0_ipv6,
		.x6_options	= options_v0,
		.print		= print_v0_ipv6,
		.save		= save_v0_ipv6,
	}, {
		.name		= "FULLCONENAT",
		.version	= XTABLES_VERSION,
		.family		= NFPROTO_IPV6,
		.revision	= 1,
		.size		= SIZE_V1,
		.userspacesize	= SIZE_V1,
		.help		= help_v1_ipv6,
		.x6_parse	= parse_v1_ipv6,
		.x6_options	= options_v1,
		.print		= print_v1_ipv6,
		.save		= save_v1_ipv6,
	},
};

static void __attribute__((constructor)) fullconenat_init(void)
{
	xtables_register_targets(targets, ARRAY_SIZE(targets));
}
