// SPDX-License-Identifier: GPL-2.0
/*
 * What the owner has asked for.
 *
 * Owns the configuration of each namespace and the ways to it: sysctls,
 * module parameters (for the initial namespace), and the predicates that the
 * packet path asks.
 *
 * A write to a knob parses into a copy of the configuration and publishes that
 * as a whole, so a packet never sees half of a change, and a value that is
 * refused changes nothing.
 */

#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysctl.h>

#include "compat.h"
#include "nat_conf.h"
#include "nat_core.h"
#include "nat_knob.h"

#define FCN_HIGH_PORTS {						\
	.count	= 1,							\
	.range	= { { 1024, 65535 } },					\
}

#define FCN_ALL_IDS {							\
	.count	= 1,							\
	.range	= { { 0, 65535 } },					\
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
	.guard			= 1,					\
	.tcp_prolong		= 1,					\
	.udp_refresh_inbound	= 1,					\
	.protocols		= FCN_PROTO_UDP | FCN_PROTO_TCP |	\
				  FCN_PROTO_ICMP,			\
	.port_holddown		= 120,					\
	.port_holddown_max	= 4096,					\
	.port_parity		= 1,					\
	.short_count		= 2,					\
	.short_ports		= { 53, 123 },				\
	.ports			= FCN_HIGH_PORTS,			\
	.usable			= FCN_HIGH_PORTS,			\
	.icmp_ids		= FCN_ALL_IDS,				\
}

/* A new namespace begins with the first; parameters are parsed into the second. */
static struct fcn_conf fcn_conf_defaults = FCN_CONF_DEFAULTS;
static struct fcn_conf fcn_boot_conf = FCN_CONF_DEFAULTS;

/* What the packet path asks. */

/**
 * fcn_conf_wans - the interfaces whose flows are ours
 * @conf:	the knobs
 * @family:	NFPROTO_*
 */
const struct fcn_names *fcn_conf_wans(const struct fcn_conf *conf, u8 family)
{
	return family == NFPROTO_IPV6 ? &conf->wan6 : &conf->wan;
}

/**
 * fcn_conf_maps - does this protocol get mappings?
 * @conf:	the knobs
 * @family:	NFPROTO_*
 * @proto:	IPPROTO_*
 */
bool fcn_conf_maps(const struct fcn_conf *conf, u8 family, u8 proto)
{
	switch (proto) {
	case IPPROTO_UDP:
		return conf->protocols & FCN_PROTO_UDP;
	case IPPROTO_TCP:
		return conf->protocols & FCN_PROTO_TCP;
	case IPPROTO_ICMP:
		return family == NFPROTO_IPV4 &&
		       conf->protocols & FCN_PROTO_ICMP;
	case IPPROTO_ICMPV6:
		return family == NFPROTO_IPV6 &&
		       conf->protocols & FCN_PROTO_ICMP;
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
	return conf->per_peer && !fcn_is_icmp(proto);
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
 * @family:	NFPROTO_*
 * @addr:	its address
 */
bool fcn_conf_inside(const struct fcn_conf *conf, u8 family,
		     const union nf_inet_addr *addr)
{
	u32 i;

	/* as MASQUERADE: not meant to be translated */
	if (!fcn_addr_is_host(family, addr))
		return false;
	for (i = 0; i < conf->prefixes; i++)
		if (fcn_prefix_has(&conf->inside[i], family, addr))
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
	return fcn_is_icmp(proto) ? &conf->icmp_ids : &conf->usable;
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

FCN_PARAM(wan, WAN, "interfaces whose IPv4 flows get a mapping");
FCN_PARAM(wan6, WAN6, "interfaces whose IPv6 flows get a mapping");
FCN_PARAM(order, ORDER, "first or last: before or after the machine's nat rules");
FCN_PARAM(exempt_mark, EXEMPT_MARK, "value/mask of packets to leave alone");
FCN_PARAM(inside, INSIDE, "prefixes whose flows get a mapping, empty for all");
FCN_PARAM(protocols, PROTOCOLS, "protocols that get a mapping");
FCN_PARAM(tcp_prolong, TCP_PROLONG, "keep closing TCP entries as the RFCs ask");
FCN_PARAM(mapping, MAPPING, "eim, or apdm: another port for each destination");
FCN_PARAM(filter_udp, FILTER_UDP, "eif, adf or apdf: who may come in");
FCN_PARAM(filter_tcp, FILTER_TCP, "eif, adf or apdf: who may come in");
FCN_PARAM(guard, GUARD, "drop what conntrack calls INVALID");
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
FCN_PARAM(icmp_ids, ICMP_IDS, "external ICMP query ids that may be handed out");
FCN_PARAM(port_parity, PORT_PARITY, "even ports stay even, odd ones odd");
FCN_PARAM(port_holddown, PORT_HOLDDOWN, "seconds a freed port is held back");
FCN_PARAM(port_holddown_max, PORT_HOLDDOWN_MAX, "ports held back at most");
FCN_PARAM(max_mappings, MAX_MAPPINGS, "mappings at most");
FCN_PARAM(host_max_mappings, HOST_MAX_MAPPINGS, "mappings of an inside host and protocol at most");
FCN_PARAM(host_max_rate, HOST_MAX_RATE, "those it may make in a second");
FCN_PARAM(mapping_max_sessions, MAPPING_MAX_SESSIONS, "sessions of strangers on a mapping at most");
FCN_PARAM(reject, REJECT, "host-unreach, admin-prohib or drop: what refused hosts are told");
FCN_PARAM(log, LOG, "a line in the kernel's log for each mapping");

/*
 * The one that is not a knob: a namespace has no say in what all of them have
 * together.
 */
static unsigned int fcn_max_total __read_mostly;
module_param_named(max_total, fcn_max_total, uint, 0444);
MODULE_PARM_DESC(max_total, "mappings of all namespaces together at most");

/**
 * fcn_conf_max_total - mappings that all namespaces may have together
 */
u32 fcn_conf_max_total(void)
{
	return fcn_max_total;
}

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
	conf = kmemdup(fcn_conf(fn), sizeof(*conf), GFP_KERNEL_ACCOUNT);
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

	/* nothing is written: as with the kernel's own, that is no value */
	if (!*lenp)
		return 0;
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
	table = kcalloc(FCN_KNOBS + 1, sizeof(*table), GFP_KERNEL_ACCOUNT);
	if (!table)
		return -ENOMEM;

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
	if (!fcn_max_total)
		fcn_max_total = min_t(u64, U32_MAX,
				      4ULL * max(fcn_conf_defaults.max_mappings,
						 fcn_boot_conf.max_mappings));
}

int fcn_conf_net_init(struct fcn_net *fn)
{
	struct fcn_conf *conf;

	conf = kmemdup(&fcn_conf_defaults, sizeof(*conf), GFP_KERNEL_ACCOUNT);
	if (!conf)
		return -ENOMEM;
	RCU_INIT_POINTER(fn->conf, conf);
	return 0;
}

/* Hooks, clock, sysctls and procfs are gone, and rules ask no more. */
void fcn_conf_net_exit(struct fcn_net *fn)
{
	kfree(rcu_dereference_protected(fn->conf, true));
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
