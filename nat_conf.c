// SPDX-License-Identifier: GPL-2.0
/*
 * The knobs.
 *
 * Owns the configuration of each namespace and the ways to it: sysctls,
 * module parameters (for the initial namespace), and the predicates that the
 * packet path asks.
 *
 * A knob is a name, a parser and a printer; both doors use the same table.  A
 * write parses into a copy of the configuration and publishes that as a whole,
 * so a packet never sees half of a change, and a value that is refused changes
 * nothing.
 */

#include <linux/ctype.h>
#include <linux/inet.h>
#include <linux/inetdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/sysctl.h>

#include "compat.h"
#include "nat_conf.h"
#include "nat_core.h"

#define FCN_TEXT_MAX	1024		/* longest value of a knob, with NUL */
#define FCN_WEEK	(7 * 24 * 3600)

/**
 * struct fcn_knob - a knob
 * @name:	as users know it
 * @parse:	reads a value into a configuration; may write to @text; 0 or a
 *		negative error
 * @print:	writes the value, without a newline; returns its length
 * @offset:	for numbers: of the u32 in struct fcn_conf
 * @min:	for numbers: smallest
 * @max:	for numbers: largest
 * @words:	for one word of several: these, and @max is the last one's index;
 *		the value is the index
 */
struct fcn_knob {
	const char	*name;
	int		(*parse)(const struct fcn_knob *knob,
				 struct fcn_conf *conf, char *text);
	int		(*print)(const struct fcn_knob *knob,
				 const struct fcn_conf *conf, char *buf,
				 size_t size);
	size_t		offset;
	u32		min;
	u32		max;
	const char *const *words;
};

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

/* wan */

static int fcn_parse_wan(const struct fcn_knob *knob, struct fcn_conf *conf,
			 char *text)
{
	char *word;
	u32 i;

	conf->wans = 0;
	while ((word = fcn_next_word(&text))) {
		if (!dev_valid_name(word))
			return -EINVAL;
		for (i = 0; i < conf->wans; i++)
			if (!strcmp(conf->wan[i], word))
				break;
		if (i < conf->wans)
			continue;
		if (conf->wans == FCN_WANS_MAX)
			return -E2BIG;
		strscpy(conf->wan[conf->wans++], word, IFNAMSIZ);
	}
	return 0;
}

static int fcn_print_wan(const struct fcn_knob *knob,
			 const struct fcn_conf *conf, char *buf, size_t size)
{
	int len = 0;
	u32 i;

	*buf = '\0';
	for (i = 0; i < conf->wans; i++)
		len += scnprintf(buf + len, size - len, "%s%s", i ? " " : "",
				 conf->wan[i]);
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

static int fcn_parse_prefix(char *word, __be32 *addr, __be32 *mask)
{
	char *bits = strchr(word, '/');
	u8 length = 32;

	if (bits) {
		*bits++ = '\0';
		if (kstrtou8(bits, 10, &length) || length > 32)
			return -EINVAL;
	}
	*mask = inet_make_mask(length);
	if (!in4_pton(word, -1, (u8 *)addr, '\0', NULL) || *addr & ~*mask)
		return -EINVAL;
	return 0;
}

static int fcn_parse_inside(const struct fcn_knob *knob, struct fcn_conf *conf,
			    char *text)
{
	char *word;
	u32 i;
	int err;

	conf->prefixes = 0;
	while ((word = fcn_next_word(&text))) {
		i = conf->prefixes;
		if (i == FCN_PREFIXES_MAX)
			return -E2BIG;
		err = fcn_parse_prefix(word, &conf->inside[i].addr,
				       &conf->inside[i].mask);
		if (err)
			return err;
		conf->prefixes++;
	}
	return 0;
}

static int fcn_print_inside(const struct fcn_knob *knob,
			    const struct fcn_conf *conf, char *buf, size_t size)
{
	int len = 0;
	u32 i;

	*buf = '\0';
	for (i = 0; i < conf->prefixes; i++)
		len += scnprintf(buf + len, size - len, "%s%pI4/%d",
				 i ? " " : "", &conf->inside[i].addr,
				 inet_mask_len(conf->inside[i].mask));
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

/* ports, reserved_ports */

static int fcn_parse_range(char *word, u16 *first, u16 *last)
{
	char *text = word, *low = strsep(&text, "-");

	if (kstrtou16(low, 10, first))
		return -EINVAL;
	*last = *first;
	if (text && kstrtou16(text, 10, last))
		return -EINVAL;
	return *first && *first <= *last ? 0 : -EINVAL;
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
		err = fcn_parse_range(word, &list->range[n].first,
				      &list->range[n].last);
		if (err)
			return err;
		n++;
	}
	if (n < knob->min)
		return -EINVAL;

	sort(list->range, n, sizeof(list->range[0]), fcn_range_cmp, NULL);
	list->count = n;
	list->total = 0;
	for (i = 0; i < n; i++) {
		if (i && list->range[i].first <= list->range[i - 1].last)
			return -EINVAL;
		list->total += list->range[i].last - list->range[i].first + 1;
	}
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

/* max_mappings: only the machine's own root may take more of its memory. */
static int fcn_parse_max(const struct fcn_knob *knob, struct fcn_conf *conf,
			 char *text)
{
	u32 old = conf->max_mappings;
	int err = fcn_parse_u32(knob, conf, text);

	if (!err && conf->max_mappings > old && !capable(CAP_NET_ADMIN))
		return -EPERM;
	return err;
}

/* The table. */

#define FCN_NUMBER(knob, member, low, high)				\
	{								\
		.name	= #knob,					\
		.parse	= fcn_parse_u32,				\
		.print	= fcn_print_u32,				\
		.offset	= offsetof(struct fcn_conf, member),		\
		.min	= low,						\
		.max	= high,						\
	}
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
#define FCN_TEXT(knob, what)						\
	{								\
		.name	= #knob,					\
		.parse	= fcn_parse_##what,				\
		.print	= fcn_print_##what,				\
	}
#define FCN_LIST(knob, member, least)					\
	{								\
		.name	= #knob,					\
		.parse	= fcn_parse_ports,				\
		.print	= fcn_print_ports,				\
		.offset	= offsetof(struct fcn_conf, member),		\
		.min	= least,					\
	}

enum {
	FCN_KNOB_WAN,
	FCN_KNOB_ORDER,
	FCN_KNOB_EXEMPT_MARK,
	FCN_KNOB_INSIDE,
	FCN_KNOB_PROTOCOLS,
	FCN_KNOB_TCP_PROLONG,
	FCN_KNOB_MAPPING,
	FCN_KNOB_FILTER_UDP,
	FCN_KNOB_FILTER_TCP,
	FCN_KNOB_HAIRPIN,
	FCN_KNOB_UDP_TIMEOUT,
	FCN_KNOB_TCP_OPEN_TIMEOUT,
	FCN_KNOB_TCP_EST_TIMEOUT,
	FCN_KNOB_TCP_CLOSE_TIMEOUT,
	FCN_KNOB_TCP_RST_TIMEOUT,
	FCN_KNOB_ICMP_TIMEOUT,
	FCN_KNOB_UDP_SHORT_PORTS,
	FCN_KNOB_UDP_SHORT_TIMEOUT,
	FCN_KNOB_UDP_REFRESH_INBOUND,
	FCN_KNOB_PORTS,
	FCN_KNOB_RESERVED_PORTS,
	FCN_KNOB_PORT_HOLDDOWN,
	FCN_KNOB_PORT_HOLDDOWN_MAX,
	FCN_KNOB_MAX_MAPPINGS,
	FCN_KNOBS,
};

static const struct fcn_knob fcn_knobs[] = {
	[FCN_KNOB_WAN]			= FCN_TEXT(wan, wan),
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
	[FCN_KNOB_PORTS]		= FCN_LIST(ports, ports, 1),
	[FCN_KNOB_RESERVED_PORTS]	= FCN_LIST(reserved_ports, reserved, 0),
	[FCN_KNOB_PORT_HOLDDOWN]	=
		FCN_NUMBER(port_holddown, port_holddown, 0, FCN_WEEK),
	[FCN_KNOB_PORT_HOLDDOWN_MAX]	=
		FCN_NUMBER(port_holddown_max, port_holddown_max, 0, FCN_PORTS),
	[FCN_KNOB_MAX_MAPPINGS]		= {
		.name	= "max_mappings",
		.parse	= fcn_parse_max,
		.print	= fcn_print_u32,
		.offset	= offsetof(struct fcn_conf, max_mappings),
		.min	= 1,
		.max	= INT_MAX,
	},
};

#define FCN_HIGH_PORTS {						\
	.count	= 1,							\
	.total	= 64512,						\
	.range	= { { 1024, 65535 } },					\
}

/* max_mappings depends on the machine: 0 until fcn_conf_init() */
#define FCN_CONF_DEFAULTS {						\
	.timeouts = {							\
		.udp		= 300,					\
		.udp_short	= 30,					\
		.icmp		= 60,					\
		.tcp_open	= 240,					\
		.tcp_est	= 7440,					\
		.tcp_close	= 240,					\
		.tcp_rst	= 240,					\
	},								\
	.hairpin		= 1,					\
	.tcp_prolong		= 1,					\
	.udp_refresh_inbound	= 1,					\
	.protocols		= FCN_PROTO_UDP | FCN_PROTO_TCP |	\
				  FCN_PROTO_ICMP,			\
	.port_holddown		= 120,					\
	.port_holddown_max	= 4096,					\
	.short_count		= 2,					\
	.short_ports		= { 53, 123 },				\
	.ports			= FCN_HIGH_PORTS,			\
	.usable			= FCN_HIGH_PORTS,			\
}

/* A new namespace begins with the first; parameters are parsed into the second. */
static struct fcn_conf fcn_conf_defaults = FCN_CONF_DEFAULTS;
static struct fcn_conf fcn_boot_conf = FCN_CONF_DEFAULTS;

static const struct fcn_port_list fcn_all_ids = {
	.count = 1, .total = FCN_PORTS, .range = { { 0, 65535 } },
};

/* What the packet path asks. */

/**
 * fcn_conf_maps - does this protocol get mappings?
 * @conf:	the knobs
 * @proto:	IPPROTO_*
 */
bool fcn_conf_maps(const struct fcn_conf *conf, u8 proto)
{
	switch (proto) {
	case IPPROTO_UDP:
		return conf->protocols & FCN_PROTO_UDP;
	case IPPROTO_TCP:
		return conf->protocols & FCN_PROTO_TCP;
	case IPPROTO_ICMP:
		return conf->protocols & FCN_PROTO_ICMP;
	default:
		return false;
	}
}

/**
 * fcn_conf_per_peer - does a flow get a mapping for its destination alone?
 * @conf:	the knobs
 * @proto:	IPPROTO_*
 *
 * An ICMP query names no port at the other end, and its id is never for one
 * destination alone.
 */
bool fcn_conf_per_peer(const struct fcn_conf *conf, u8 proto)
{
	return conf->per_peer && proto != IPPROTO_ICMP;
}

/**
 * fcn_conf_filter - who may come in on a mapping that no rule has made?
 * @conf:	the knobs
 * @proto:	IPPROTO_*
 */
enum fcn_filter fcn_conf_filter(const struct fcn_conf *conf, u8 proto)
{
	switch (proto) {
	case IPPROTO_UDP:
		return conf->filter_udp;
	case IPPROTO_TCP:
		return conf->filter_tcp;
	default:
		return FCN_EIF;	/* strangers open no ICMP queries */
	}
}

/**
 * fcn_conf_inside - do the flows of this host get mappings?
 * @conf:	the knobs
 * @addr:	its address, network order
 */
bool fcn_conf_inside(const struct fcn_conf *conf, __be32 addr)
{
	u32 i;

	if (!addr)
		return false;	/* as MASQUERADE: not meant to be translated */
	for (i = 0; i < conf->prefixes; i++)
		if (!((addr ^ conf->inside[i].addr) & conf->inside[i].mask))
			return true;
	return !conf->prefixes;
}

/**
 * fcn_conf_short_port - does a flow to this port make no ordinary mapping?
 * @conf:	the knobs
 * @proto:	IPPROTO_*
 * @port:	destination port, network order
 *
 * RFC 4787, REQ-5a: a mapping that has only ever spoken to such ports expires
 * early.
 */
bool fcn_conf_short_port(const struct fcn_conf *conf, u8 proto, __be16 port)
{
	u32 i;

	if (proto != IPPROTO_UDP)
		return false;
	for (i = 0; i < conf->short_count; i++)
		if (conf->short_ports[i] == ntohs(port))
			return true;
	return false;
}

/**
 * fcn_conf_ports - the ports or query ids that may be handed out
 * @conf:	the knobs
 * @proto:	IPPROTO_*
 */
const struct fcn_port_list *fcn_conf_ports(const struct fcn_conf *conf,
					   u8 proto)
{
	return proto == IPPROTO_ICMP ? &fcn_all_ids : &conf->usable;
}

/* Module parameters: the knobs of the initial namespace. */

static struct fcn_net *fcn_param_net;		/* by fcn_param_mutex */
static DEFINE_MUTEX(fcn_param_mutex);

/* Before the module's init, once for each parameter that is given. */
static int fcn_param_set(const char *text, const struct kernel_param *kp)
{
	const struct fcn_knob *knob = kp->arg;
	char *copy;
	int err;

	if (strlen(text) >= FCN_TEXT_MAX)
		return -EINVAL;
	copy = kstrdup(text, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	err = knob->parse(knob, &fcn_boot_conf, copy);
	if (err)
		pr_err("%s: bad value \"%s\"\n", knob->name, text);
	kfree(copy);
	return err;
}

static int fcn_param_get(char *buffer, const struct kernel_param *kp)
{
	const struct fcn_knob *knob = kp->arg;
	const struct fcn_conf *conf;
	int len;

	mutex_lock(&fcn_param_mutex);
	rcu_read_lock();
	conf = fcn_param_net ? fcn_conf(fcn_param_net) : &fcn_boot_conf;
	len = knob->print(knob, conf, buffer, FCN_TEXT_MAX);
	rcu_read_unlock();
	mutex_unlock(&fcn_param_mutex);
	buffer[len++] = '\n';
	buffer[len] = '\0';
	return len;
}

static const struct kernel_param_ops fcn_param_ops = {
	.set	= fcn_param_set,
	.get	= fcn_param_get,
};

#define FCN_PARAM(name, index, text)					\
	module_param_cb(name, &fcn_param_ops,				\
			(void *)&fcn_knobs[FCN_KNOB_##index], 0444);	\
	MODULE_PARM_DESC(name, text)

FCN_PARAM(wan, WAN, "interfaces whose flows get a mapping");
FCN_PARAM(order, ORDER, "first or last: before or after the machine's nat rules");
FCN_PARAM(exempt_mark, EXEMPT_MARK, "value/mask of packets to leave alone");
FCN_PARAM(inside, INSIDE, "prefixes whose flows get a mapping, empty for all");
FCN_PARAM(protocols, PROTOCOLS, "protocols that get a mapping");
FCN_PARAM(tcp_prolong, TCP_PROLONG, "keep closing TCP entries as the RFCs ask");
FCN_PARAM(mapping, MAPPING, "eim, or apdm: another port for each destination");
FCN_PARAM(filter_udp, FILTER_UDP, "eif, adf or apdf: who may come in");
FCN_PARAM(filter_tcp, FILTER_TCP, "eif, adf or apdf: who may come in");
FCN_PARAM(hairpin, HAIRPIN, "inside hosts reach each other by outside endpoints");
FCN_PARAM(udp_timeout, UDP_TIMEOUT, "seconds, at least 120");
FCN_PARAM(tcp_open_timeout, TCP_OPEN_TIMEOUT, "seconds");
FCN_PARAM(tcp_est_timeout, TCP_EST_TIMEOUT, "seconds, at least 7440");
FCN_PARAM(tcp_close_timeout, TCP_CLOSE_TIMEOUT, "seconds, at least 240");
FCN_PARAM(tcp_rst_timeout, TCP_RST_TIMEOUT, "seconds");
FCN_PARAM(icmp_timeout, ICMP_TIMEOUT, "seconds, at least 60");
FCN_PARAM(udp_short_ports, UDP_SHORT_PORTS, "destination ports that need no long mapping");
FCN_PARAM(udp_short_timeout, UDP_SHORT_TIMEOUT, "seconds");
FCN_PARAM(udp_refresh_inbound, UDP_REFRESH_INBOUND, "inbound packets keep a mapping too");
FCN_PARAM(ports, PORTS, "external ports that may be handed out");
FCN_PARAM(reserved_ports, RESERVED_PORTS, "external ports that may not");
FCN_PARAM(port_holddown, PORT_HOLDDOWN, "seconds a freed port is held back");
FCN_PARAM(port_holddown_max, PORT_HOLDDOWN_MAX, "ports held back at most");
FCN_PARAM(max_mappings, MAX_MAPPINGS, "mappings at most");

static int fcn_version_set(const char *text, const struct kernel_param *kp)
{
	return -EPERM;
}

static int fcn_version_get(char *buffer, const struct kernel_param *kp)
{
	return sprintf(buffer, "%s\n", FCN_VERSION);
}

static const struct kernel_param_ops fcn_version_ops = {
	.set	= fcn_version_set,
	.get	= fcn_version_get,
};

module_param_cb(version, &fcn_version_ops, NULL, 0444);
MODULE_PARM_DESC(version, "version of the module, read only");

/* Sysctls. */

static int fcn_conf_write(struct fcn_net *fn, const struct fcn_knob *knob,
			  char *text)
{
	struct fcn_conf *conf;
	int err = -ENOMEM;

	mutex_lock(&fn->mutex);
	conf = kmemdup(fcn_conf(fn), sizeof(*conf), GFP_KERNEL);
	if (conf) {
		err = knob->parse(knob, conf, text);
		if (!err)
			err = fcn_net_set_conf(fn, conf);
		if (err)
			kfree(conf);
	}
	mutex_unlock(&fn->mutex);
	return err;
}

static int fcn_sysctl_write(fcn_ctl_table *table, char *text,
			    const void *buffer, size_t *lenp, loff_t *ppos)
{
	int err;

	/* a value comes in one piece */
	if (*ppos || *lenp >= FCN_TEXT_MAX)
		return -EINVAL;
	memcpy(text, buffer, *lenp);
	text[*lenp] = '\0';
	if (strlen(text) != *lenp)
		return -EINVAL;
	err = fcn_conf_write(table->data, table->extra1, text);
	if (!err)
		*ppos += *lenp;
	return err;
}

static int fcn_sysctl_read(fcn_ctl_table *table, char *text, void *buffer,
			   size_t *lenp, loff_t *ppos)
{
	const struct fcn_knob *knob = table->extra1;
	struct ctl_table copy = {
		.data	= text,
		.maxlen	= FCN_TEXT_MAX,
	};

	rcu_read_lock();
	knob->print(knob, fcn_conf(table->data), text, FCN_TEXT_MAX);
	rcu_read_unlock();
	return proc_dostring(&copy, 0, buffer, lenp, ppos);
}

static int fcn_sysctl(fcn_ctl_table *table, int write, void *buffer,
		      size_t *lenp, loff_t *ppos)
{
	char *text = kmalloc(FCN_TEXT_MAX, GFP_KERNEL);
	int err;

	if (!text)
		return -ENOMEM;
	if (write)
		err = fcn_sysctl_write(table, text, buffer, lenp, ppos);
	else
		err = fcn_sysctl_read(table, text, buffer, lenp, ppos);
	kfree(text);
	return err;
}

#ifdef CONFIG_SYSCTL
int fcn_sysctl_net_init(struct fcn_net *fn)
{
	struct ctl_table *table;
	size_t i;

	/* one more, empty: where older kernels look for the end */
	table = kcalloc(FCN_KNOBS + 1, sizeof(*table), GFP_KERNEL);
	if (!table)
		return -ENOMEM;

	BUILD_BUG_ON(ARRAY_SIZE(fcn_knobs) != FCN_KNOBS);
	for (i = 0; i < FCN_KNOBS; i++) {
		table[i].procname = fcn_knobs[i].name;
		table[i].data = fn;
		table[i].mode = 0644;
		table[i].proc_handler = fcn_sysctl;
		table[i].extra1 = (void *)&fcn_knobs[i];
	}
	fn->sysctl = fcn_register_sysctl(fn->net, "net/fullcone_nat", table,
					 FCN_KNOBS);
	if (!fn->sysctl) {
		kfree(table);
		return -ENOMEM;
	}
	fn->sysctls = table;
	return 0;
}

void fcn_sysctl_net_exit(struct fcn_net *fn)
{
	unregister_net_sysctl_table(fn->sysctl);
	kfree(fn->sysctls);
}
#else
int fcn_sysctl_net_init(struct fcn_net *fn)
{
	return 0;
}

void fcn_sysctl_net_exit(struct fcn_net *fn)
{
}
#endif

/* Life cycle. */

/* One mapping for each 16 KiB of memory, like the entries of conntrack. */
static u32 __init fcn_default_max_mappings(void)
{
	u64 bytes = (u64)totalram_pages() << PAGE_SHIFT;

	return clamp_t(u64, bytes >> 14, 4096, 262144);
}

/* Before the first namespace. */
void __init fcn_conf_init(void)
{
	fcn_conf_defaults.max_mappings = fcn_default_max_mappings();
	if (!fcn_boot_conf.max_mappings)
		fcn_boot_conf.max_mappings = fcn_conf_defaults.max_mappings;
}

int fcn_conf_net_init(struct fcn_net *fn)
{
	struct fcn_conf *conf;

	conf = kmemdup(&fcn_conf_defaults, sizeof(*conf), GFP_KERNEL);
	if (!conf)
		return -ENOMEM;
	RCU_INIT_POINTER(fn->conf, conf);
	return 0;
}

/* Hooks, clock, sysctls and procfs are gone: nobody reads it any more. */
void fcn_conf_net_exit(struct fcn_net *fn)
{
	struct fcn_conf *conf = rcu_replace_pointer(fn->conf, NULL, true);

	kfree_rcu(conf, rcu);	/* packets of a rule may still come */
}

/**
 * fcn_conf_boot - put the module parameters into force
 * @fn:		the initial namespace
 *
 * Return: 0 or a negative error.
 */
int __init fcn_conf_boot(struct fcn_net *fn)
{
	struct fcn_conf *conf;
	int err;

	conf = kmemdup(&fcn_boot_conf, sizeof(*conf), GFP_KERNEL);
	if (!conf)
		return -ENOMEM;
	mutex_lock(&fn->mutex);
	err = fcn_net_set_conf(fn, conf);
	mutex_unlock(&fn->mutex);
	if (err) {
		kfree(conf);
		return err;
	}

	mutex_lock(&fcn_param_mutex);
	fcn_param_net = fn;
	mutex_unlock(&fcn_param_mutex);
	return 0;
}

/* The initial namespace is about to go, the parameters a little later. */
void fcn_conf_unboot(void)
{
	mutex_lock(&fcn_param_mutex);
	fcn_param_net = NULL;
	mutex_unlock(&fcn_param_mutex);
}
