/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the owner has asked for: the knobs of a namespace.
 */
#ifndef _FULLCONE_NAT_CONF_H
#define _FULLCONE_NAT_CONF_H

#include <linux/if.h>
#include <linux/types.h>

#include "nat_addr.h"
#include "nat_filter.h"
#include "nat_port.h"
#include "nat_timewait.h"

struct fcn_net;

#define FCN_WANS_MAX		16
#define FCN_PREFIXES_MAX	16
#define FCN_SHORT_PORTS_MAX	16

/* what a refused inside host is told */
enum fcn_reject {
	FCN_REJECT_HOST_UNREACH,
	FCN_REJECT_ADMIN_PROHIB,
	FCN_REJECT_DROP,
};

/* bits of fcn_conf.protocols */
#define FCN_PROTO_UDP		BIT(0)
#define FCN_PROTO_TCP		BIT(1)
#define FCN_PROTO_ICMP		BIT(2)

/**
 * struct fcn_names - a list of interfaces
 * @count:	names in use
 * @name:	they need not be there
 */
struct fcn_names {
	u32	count;
	char	name[FCN_WANS_MAX][IFNAMSIZ];
};

/**
 * struct fcn_conf - the knobs of one namespace
 * @rcu:		for the end
 * @timeouts:		the *_timeout knobs
 * @order_last:		let the nat rules of the machine decide first
 * @per_peer:		another external port for each destination: APDM
 * @filter_udp:		enum fcn_filter for mappings that no rule has made
 * @filter_tcp:		likewise
 * @guard:		drop what conntrack calls INVALID on wan interfaces
 * @hairpin:		inside hosts reach each other by outside endpoints
 * @tcp_prolong:	keep closing conntrack entries as long as the RFCs ask
 * @udp_refresh_inbound: inbound packets keep a mapping too
 * @protocols:		FCN_PROTO_* that get mappings
 * @exempt_value:	packets with this mark are left alone ...
 * @exempt_mask:	... compared under this mask, unless it is 0
 * @port_holddown:	seconds
 * @port_holddown_max:	ports
 * @port_parity:	keep even ports even, odd ones odd
 * @max_mappings:	mappings in the namespace
 * @host_max_mappings:	mappings of an inside host and protocol, 0: no limit
 * @host_max_rate:	those it may make in a second, 0: no limit
 * @mapping_max_sessions: sessions that strangers may open on a mapping, 0: no
 *			limit
 * @reject:		enum fcn_reject: what a refused inside host is told
 * @log:		a line in the kernel's log for each mapping
 * @wan:		interfaces whose IPv4 flows are ours
 * @wan6:		interfaces whose IPv6 flows are ours
 * @prefixes:		prefixes in @inside; 0: every inside host is ours
 * @inside:		of hosts that are ours
 * @short_count:	ports in @short_ports
 * @short_ports:	destination ports that make no ordinary mapping, host order
 * @ports:		ports that may be handed out
 * @reserved:		ports that may not
 * @usable:		@ports less @reserved
 * @icmp_ids:		ICMP query ids that may be handed out
 *
 * Never changed once it is published: a write to a knob makes a new one.
 */
struct fcn_conf {
	struct rcu_head		rcu;
	struct fcn_timeouts	timeouts;
	u32			order_last;
	u32			per_peer;
	u32			filter_udp;
	u32			filter_tcp;
	u32			guard;
	u32			hairpin;
	u32			tcp_prolong;
	u32			udp_refresh_inbound;
	u32			protocols;
	u32			exempt_value;
	u32			exempt_mask;
	u32			port_holddown;
	u32			port_holddown_max;
	u32			port_parity;
	u32			max_mappings;
	u32			host_max_mappings;
	u32			host_max_rate;
	u32			mapping_max_sessions;
	u32			reject;
	u32			log;

	struct fcn_names	wan;
	struct fcn_names	wan6;
	u32			prefixes;
	struct fcn_prefix	inside[FCN_PREFIXES_MAX];
	u32			short_count;
	u16			short_ports[FCN_SHORT_PORTS_MAX];
	struct fcn_port_list	ports;
	struct fcn_port_list	reserved;
	struct fcn_port_list	usable;
	struct fcn_port_list	icmp_ids;
};

const struct fcn_names *fcn_conf_wans(const struct fcn_conf *conf, u8 family);
bool fcn_conf_maps(const struct fcn_conf *conf, u8 family, u8 proto);
bool fcn_conf_per_peer(const struct fcn_conf *conf, u8 proto);
enum fcn_filter fcn_conf_filter(const struct fcn_conf *conf, u8 proto);
bool fcn_conf_inside(const struct fcn_conf *conf, u8 family,
		     const union nf_inet_addr *addr);
bool fcn_conf_short_port(const struct fcn_conf *conf, u8 proto, __be16 port);
const struct fcn_port_list *fcn_conf_ports(const struct fcn_conf *conf,
					   u8 proto);

u32 fcn_conf_max_total(void);

void fcn_conf_init(void);
int fcn_conf_net_init(struct fcn_net *fn);
void fcn_conf_net_exit(struct fcn_net *fn);
int fcn_sysctl_net_init(struct fcn_net *fn);
void fcn_sysctl_net_exit(struct fcn_net *fn);
int fcn_conf_boot(struct fcn_net *fn);
void fcn_conf_unboot(void);

#endif /* _FULLCONE_NAT_CONF_H */
