// SPDX-License-Identifier: GPL-2.0
/*
 * The knobs.
 *
 * A knob is a name, a parser and a printer; there are a few kinds of them, and
 * one table.  A parser writes into a configuration that nobody uses yet, so it
 * may leave that half done when it refuses a value.
 */

#include <linux/kernel.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "nat_conf.h"
#include "nat_host.h"
#include "nat_knob.h"

#define FCN_WEEK	(7 * 24 * 3600)

/* Words are separated by white space or commas. */
static char *fcn_next_word(char **text)
{
	char *word;

	do {
		word = strsep(text, " \t\n,");
	} while (word && !*word);
	return word;
}

/* The one word of a value, or NULL. */
static char *fcn_only_word(char *text)
{
	char *word = fcn_next_word(&text);

	return word && !fcn_next_word(&text) ? word : NULL;
}

/* Numbers. */

static int fcn_parse_u32(const struct fcn_knob *knob, struct fcn_conf *conf,
			 char *text)
{
	u32 *value = (void *)conf + knob->offset;
	char *word = fcn_only_word(text);
	u32 number;

	if (!word || kstrtou32(word, 0, &number) || number < knob->min ||
	    number > knob->max)
		return -EINVAL;
	*value = number;
	return 0;
}

static int fcn_print_u32(const struct fcn_knob *knob,
			 const struct fcn_conf *conf, char *buf, size_t size)
{
	const u32 *value = (const void *)conf + knob->offset;

	return scnprintf(buf, size, "%u", *value);
}

/* wan, wan6 */

static bool fcn_names_have(const struct fcn_names *names, const char *name)
{
	u32 i;

	for (i = 0; i < names->count; i++)
		if (!strcmp(names->name[i], name))
			return true;
	return false;
}

static int fcn_parse_names(const struct fcn_knob *knob, struct fcn_conf *conf,
			   char *text)
{
	struct fcn_names *names = (void *)conf + knob->offset;
	char *word;

	names->count = 0;
	while ((word = fcn_next_word(&text))) {
		if (!dev_valid_name(word))
			return -EINVAL;
		if (fcn_names_have(names, word))
			continue;
		if (names->count == FCN_WANS_MAX)
			return -E2BIG;
		strscpy(names->name[names->count++], word, IFNAMSIZ);
	}
	return 0;
}

static int fcn_parse_wan6(const struct fcn_knob *knob, struct fcn_conf *conf,
			  char *text)
{
	int err = fcn_parse_names(knob, conf, text);

	if (!err && conf->wan6.count && !ipv6_mod_enabled())
		return -EAFNOSUPPORT;
	return err;
}

static int fcn_print_names(const struct fcn_knob *knob,
			   const struct fcn_conf *conf, char *buf, size_t size)
{
	const struct fcn_names *names = (const void *)conf + knob->offset;
	int len = 0;
	u32 i;

	*buf = '\0';
	for (i = 0; i < names->count; i++)
		len += scnprintf(buf + len, size - len, "%s%s", i ? " " : "",
				 names->name[i]);
	return len;
}

/* One word of several. */

static int fcn_parse_word(const struct fcn_knob *knob, struct fcn_conf *conf,
			  char *text)
{
	u32 *value = (void *)conf + knob->offset;
	char *word = fcn_only_word(text);
	int index;

	index = word ? match_string(knob->words, knob->max + 1, word) : -EINVAL;
	if (index < 0)
		return -EINVAL;
	*value = index;
	return 0;
}

static int fcn_print_word(const struct fcn_knob *knob,
			  const struct fcn_conf *conf, char *buf, size_t size)
{
	const u32 *value = (const void *)conf + knob->offset;

	return scnprintf(buf, size, "%s", knob->words[*value]);
}

static const char *const fcn_order_words[] = { "first", "last" };
static const char *const fcn_mapping_words[] = { "eim", "apdm" };
static const char *const fcn_filter_words[] = {
	[FCN_EIF]	= "eif",
	[FCN_ADF]	= "adf",
	[FCN_APDF]	= "apdf",
};

static const char *const fcn_reject_words[] = {
	[FCN_REJECT_HOST_UNREACH]	= "host-unreach",
	[FCN_REJECT_ADMIN_PROHIB]	= "admin-prohib",
	[FCN_REJECT_DROP]		= "drop",
};

/* exempt_mark */

static int fcn_parse_mark(const struct fcn_knob *knob, struct fcn_conf *conf,
			  char *text)
{
	char *mask = fcn_only_word(text), *value;
	u32 v, m = U32_MAX;

	value = strsep(&mask, "/");
	if (!value || kstrtou32(value, 0, &v) ||
	    (mask && kstrtou32(mask, 0, &m)) || v & ~m)
		return -EINVAL;
	if (!mask && !v)
		m = 0;	/* a plain 0 is meant to exempt nothing */
	conf->exempt_value = v;
	conf->exempt_mask = m;
	return 0;
}

static int fcn_print_mark(const struct fcn_knob *knob,
			  const struct fcn_conf *conf, char *buf, size_t size)
{
	if (!conf->exempt_mask)
		return scnprintf(buf, size, "0/0");
	return scnprintf(buf, size, "%#x/%#x", conf->exempt_value,
			 conf->exempt_mask);
}

/* inside */

static int fcn_parse_inside(const struct fcn_knob *knob, struct fcn_conf *conf,
			    char *text)
{
	char *word;
	int err;

	conf->prefixes = 0;
	while ((word = fcn_next_word(&text))) {
		if (conf->prefixes == FCN_PREFIXES_MAX)
			return -E2BIG;
		err = fcn_prefix_parse(word, &conf->inside[conf->prefixes]);
		if (err)
			return err;
		conf->prefixes++;
	}
	return 0;
}

static int fcn_print_inside(const struct fcn_knob *knob,
			    const struct fcn_conf *conf, char *buf, size_t size)
{
	const struct fcn_prefix *prefix;
	int len = 0;
	u32 i;

	*buf = '\0';
	for (i = 0; i < conf->prefixes; i++) {
		prefix = &conf->inside[i];
		len += scnprintf(buf + len, size - len,
				 prefix->family == NFPROTO_IPV6 ?
				 "%s%pI6c/%u" : "%s%pI4/%u", i ? " " : "",
				 &prefix->addr, prefix->length);
	}
	return len;
}

/* protocols */

static const struct {
	const char	*name;
	u8		proto;
	u32		bit;
} fcn_protocols[] = {
	{ "udp",	IPPROTO_UDP,	FCN_PROTO_UDP },
	{ "tcp",	IPPROTO_TCP,	FCN_PROTO_TCP },
	{ "icmp",	IPPROTO_ICMP,	FCN_PROTO_ICMP },
};

static int fcn_parse_protocols(const struct fcn_knob *knob,
			       struct fcn_conf *conf, char *text)
{
	char *word;
	size_t i;

	conf->protocols = 0;
	while ((word = fcn_next_word(&text))) {
		for (i = 0; i < ARRAY_SIZE(fcn_protocols); i++)
			if (!strcmp(word, fcn_protocols[i].name))
				break;
		if (i == ARRAY_SIZE(fcn_protocols))
			return -EINVAL;
		conf->protocols |= fcn_protocols[i].bit;
	}
	return 0;
}

static int fcn_print_protocols(const struct fcn_knob *knob,
			       const struct fcn_conf *conf, char *buf,
			       size_t size)
{
	int len = 0;
	size_t i;

	*buf = '\0';
	for (i = 0; i < ARRAY_SIZE(fcn_protocols); i++)
		if (conf->protocols & fcn_protocols[i].bit)
			len += scnprintf(buf + len, size - len, "%s%s",
					 len ? " " : "",
					 fcn_protocols[i].name);
	return len;
}

/* udp_short_ports */

static int fcn_parse_short(const struct fcn_knob *knob, struct fcn_conf *conf,
			   char *text)
{
	char *word;
	u16 port;

	conf->short_count = 0;
	while ((word = fcn_next_word(&text))) {
		if (kstrtou16(word, 10, &port) || !port)
			return -EINVAL;
		if (conf->short_count == FCN_SHORT_PORTS_MAX)
			return -E2BIG;
		conf->short_ports[conf->short_count++] = port;
	}
	return 0;
}

static int fcn_print_short(const struct fcn_knob *knob,
			   const struct fcn_conf *conf, char *buf, size_t size)
{
	int len = 0;
	u32 i;

	*buf = '\0';
	for (i = 0; i < conf->short_count; i++)
		len += scnprintf(buf + len, size - len, "%s%u", i ? " " : "",
				 conf->short_ports[i]);
	return len;
}

/* ports, reserved_ports, icmp_ids */

static int fcn_parse_range(char *word, u16 least, u16 *first, u16 *last)
{
	char *text = word, *low = strsep(&text, "-");

	if (kstrtou16(low, 10, first))
		return -EINVAL;
	*last = *first;
	if (text && kstrtou16(text, 10, last))
		return -EINVAL;
	return *first >= least && *first <= *last ? 0 : -EINVAL;
}

static int fcn_range_cmp(const void *a, const void *b)
{
	const u16 *x = a, *y = b;

	return (int)x[0] - (int)y[0];
}

static int fcn_parse_ports(const struct fcn_knob *knob, struct fcn_conf *conf,
			   char *text)
{
	struct fcn_port_list *list = (void *)conf + knob->offset;
	u32 i, n = 0;
	char *word;
	int err;

	while ((word = fcn_next_word(&text))) {
		if (n == FCN_RANGES_MAX)
			return -E2BIG;
		err = fcn_parse_range(word, knob->min, &list->range[n].first,
				      &list->range[n].last);
		if (err)
			return err;
		n++;
	}
	if (!n && knob->needed)
		return -EINVAL;

	sort(list->range, n, sizeof(list->range[0]), fcn_range_cmp, NULL);
	list->count = n;
	for (i = 1; i < n; i++)
		if (list->range[i].first <= list->range[i - 1].last)
			return -EINVAL;
	return fcn_port_list_subtract(&conf->usable, &conf->ports,
				      &conf->reserved);
}

static int fcn_print_ports(const struct fcn_knob *knob,
			   const struct fcn_conf *conf, char *buf, size_t size)
{
	const struct fcn_port_list *list = (const void *)conf + knob->offset;
	int len = 0;
	u32 i;

	*buf = '\0';
	for (i = 0; i < list->count; i++) {
		len += scnprintf(buf + len, size - len, "%s%u", i ? "," : "",
				 list->range[i].first);
		if (list->range[i].last != list->range[i].first)
			len += scnprintf(buf + len, size - len, "-%u",
					 list->range[i].last);
	}
	return len;
}

/* Memory and log are the machine's: only its own root may have more of them. */
static int fcn_parse_guarded(const struct fcn_knob *knob,
			     struct fcn_conf *conf, char *text)
{
	const u32 *value = (const void *)conf + knob->offset;
	const u32 old = *value;
	int err = fcn_parse_u32(knob, conf, text);

	if (!err && *value > old && !capable(CAP_NET_ADMIN))
		return -EPERM;
	return err;
}

/* The table. */

#define FCN_U32(knob, what, member, low, high)				\
	{								\
		.name	= #knob,					\
		.parse	= fcn_parse_##what,				\
		.print	= fcn_print_u32,				\
		.offset	= offsetof(struct fcn_conf, member),		\
		.min	= low,						\
		.max	= high,						\
	}
#define FCN_NUMBER(knob, member, low, high)				\
	FCN_U32(knob, u32, member, low, high)
#define FCN_GUARDED(knob, low, high)					\
	FCN_U32(knob, guarded, knob, low, high)
#define FCN_SWITCH(knob)	FCN_NUMBER(knob, knob, 0, 1)
#define FCN_WORD(knob, member, list)					\
	{								\
		.name	= #knob,					\
		.parse	= fcn_parse_word,				\
		.print	= fcn_print_word,				\
		.offset	= offsetof(struct fcn_conf, member),		\
		.max	= ARRAY_SIZE(list) - 1,				\
		.words	= list,						\
	}
#define FCN_NAMES(knob, what)						\
	{								\
		.name	= #knob,					\
		.parse	= fcn_parse_##what,				\
		.print	= fcn_print_names,				\
		.offset	= offsetof(struct fcn_conf, knob),		\
	}
#define FCN_TEXT(knob, what)						\
	{								\
		.name	= #knob,					\
		.parse	= fcn_parse_##what,				\
		.print	= fcn_print_##what,				\
	}
#define FCN_LIST(knob, member, least, must)				\
	{								\
		.name	= #knob,					\
		.parse	= fcn_parse_ports,				\
		.print	= fcn_print_ports,				\
		.offset	= offsetof(struct fcn_conf, member),		\
		.min	= least,					\
		.needed	= must,						\
	}

const struct fcn_knob fcn_knobs[FCN_KNOBS] = {
	[FCN_KNOB_WAN]			= FCN_NAMES(wan, names),
	[FCN_KNOB_WAN6]			= FCN_NAMES(wan6, wan6),
	[FCN_KNOB_ORDER]		=
		FCN_WORD(order, order_last, fcn_order_words),
	[FCN_KNOB_EXEMPT_MARK]		= FCN_TEXT(exempt_mark, mark),
	[FCN_KNOB_INSIDE]		= FCN_TEXT(inside, inside),
	[FCN_KNOB_PROTOCOLS]		= FCN_TEXT(protocols, protocols),
	[FCN_KNOB_TCP_PROLONG]		= FCN_SWITCH(tcp_prolong),
	[FCN_KNOB_MAPPING]		=
		FCN_WORD(mapping, per_peer, fcn_mapping_words),
	[FCN_KNOB_FILTER_UDP]		=
		FCN_WORD(filter_udp, filter_udp, fcn_filter_words),
	[FCN_KNOB_FILTER_TCP]		=
		FCN_WORD(filter_tcp, filter_tcp, fcn_filter_words),
	[FCN_KNOB_GUARD]		= FCN_SWITCH(guard),
	[FCN_KNOB_HAIRPIN]		= FCN_SWITCH(hairpin),
	/* the floors are RFC 4787, REQ-5; 5382, REQ-5; 5508, REQ-2 */
	[FCN_KNOB_UDP_TIMEOUT]		=
		FCN_NUMBER(udp_timeout, timeouts.udp, 120, FCN_WEEK),
	[FCN_KNOB_TCP_OPEN_TIMEOUT]	=
		FCN_NUMBER(tcp_open_timeout, timeouts.tcp_open, 1, FCN_WEEK),
	[FCN_KNOB_TCP_EST_TIMEOUT]	=
		FCN_NUMBER(tcp_est_timeout, timeouts.tcp_est, 7440, FCN_WEEK),
	[FCN_KNOB_TCP_CLOSE_TIMEOUT]	=
		FCN_NUMBER(tcp_close_timeout, timeouts.tcp_close, 240,
			   FCN_WEEK),
	[FCN_KNOB_TCP_RST_TIMEOUT]	=
		FCN_NUMBER(tcp_rst_timeout, timeouts.tcp_rst, 1, FCN_WEEK),
	[FCN_KNOB_ICMP_TIMEOUT]		=
		FCN_NUMBER(icmp_timeout, timeouts.icmp, 60, FCN_WEEK),
	[FCN_KNOB_UDP_SHORT_PORTS]	= FCN_TEXT(udp_short_ports, short),
	[FCN_KNOB_UDP_SHORT_TIMEOUT]	=
		FCN_NUMBER(udp_short_timeout, timeouts.udp_short, 1, FCN_WEEK),
	[FCN_KNOB_UDP_REFRESH_INBOUND]	= FCN_SWITCH(udp_refresh_inbound),
	[FCN_KNOB_PORTS]		= FCN_LIST(ports, ports, 1, true),
	[FCN_KNOB_RESERVED_PORTS]	=
		FCN_LIST(reserved_ports, reserved, 1, false),
	[FCN_KNOB_ICMP_IDS]		=
		FCN_LIST(icmp_ids, icmp_ids, 0, true),
	[FCN_KNOB_PORT_PARITY]		= FCN_SWITCH(port_parity),
	[FCN_KNOB_PORT_HOLDDOWN]	=
		FCN_NUMBER(port_holddown, port_holddown, 0, FCN_WEEK),
	[FCN_KNOB_PORT_HOLDDOWN_MAX]	=
		FCN_NUMBER(port_holddown_max, port_holddown_max, 0, FCN_PORTS),
	[FCN_KNOB_MAX_MAPPINGS]		=
		FCN_GUARDED(max_mappings, 1, INT_MAX),
	[FCN_KNOB_HOST_MAX_MAPPINGS]	=
		FCN_NUMBER(host_max_mappings, host_max_mappings, 0, INT_MAX),
	[FCN_KNOB_HOST_MAX_RATE]	=
		FCN_NUMBER(host_max_rate, host_max_rate, 0, FCN_RATE_MAX),
	[FCN_KNOB_MAPPING_MAX_SESSIONS]	=
		FCN_NUMBER(mapping_max_sessions, mapping_max_sessions, 0,
			   INT_MAX),
	[FCN_KNOB_REJECT]		=
		FCN_WORD(reject, reject, fcn_reject_words),
	[FCN_KNOB_LOG]			= FCN_GUARDED(log, 0, 1),
};
