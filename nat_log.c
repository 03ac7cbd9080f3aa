// SPDX-License-Identifier: GPL-2.0
/*
 * What is told of mappings.
 *
 * Tracepoints tell everything to whoever asks (perf, bpftrace, tracefs).  The
 * kernel's log has a line for each mapping if the owner wants that, and one a
 * second for each limit that refuses.  Events have the numbers of RFC 8158,
 * section 4.2, so that a collector can be fed with the lines.
 */

#include <linux/export.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "nat_conf.h"
#include "nat_log.h"

#define CREATE_TRACE_POINTS
#include "nat_trace.h"

/* natEvent, IPFIX information element 230 */
enum {
	FCN_EVENT_ADDRESSES_EXHAUSTED	= 3,
	FCN_EVENT_BIB_CREATE		= 8,
	FCN_EVENT_BIB_DELETE		= 9,
	FCN_EVENT_PORTS_EXHAUSTED	= 12,
	FCN_EVENT_QUOTA_EXCEEDED	= 13,
};

/* A line for each mapping is what the owner asks for; a flood of them is not. */
#define FCN_LINES_A_SECOND	1000

/**
 * fcn_log_sockaddr - an endpoint as a socket address
 * @to:		space for struct sockaddr_in6
 * @family:	NFPROTO_*
 * @addr:	address, network order
 * @port:	port or ICMP query id, network order
 *
 * For printing with %pISpc.
 */
void fcn_log_sockaddr(void *to, u8 family, const union nf_inet_addr *addr,
		      __be16 port)
{
	struct sockaddr_in6 *sin6 = to;
	struct sockaddr_in *sin = to;

	memset(to, 0, sizeof(*sin6));
	if (family == NFPROTO_IPV6) {
		sin6->sin6_family = AF_INET6;
		sin6->sin6_addr = addr->in6;
		sin6->sin6_port = port;
	} else {
		sin->sin_family = AF_INET;
		sin->sin_addr = addr->in;
		sin->sin_port = port;
	}
}
EXPORT_SYMBOL_GPL(fcn_log_sockaddr);

/**
 * fcn_proto_name - a protocol as users know it
 * @proto:	IPPROTO_*, one that gets mappings
 */
const char *fcn_proto_name(u8 proto)
{
	switch (proto) {
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_TCP:
		return "tcp";
	default:
		return "icmp";
	}
}

static noinline void fcn_log_line(const struct fcn_net *fn,
				  const struct fcn_mapping *m, u32 event)
{
	static DEFINE_RATELIMIT_STATE(lines, HZ, FCN_LINES_A_SECOND);
	struct sockaddr_in6 inside, ext;

	if (!__ratelimit(&lines))
		return;
	fcn_log_sockaddr(&inside, fcn_mapping_family(m), &m->addr, m->port);
	fcn_log_sockaddr(&ext, fcn_mapping_family(m), fcn_mapping_ext(m),
			 m->ext_port);
	pr_info("natEvent=%u netns=%u proto=%s int=%pISpc ext=%pISpc\n", event,
		fn->net->ns.inum, fcn_proto_name(fcn_mapping_proto(m)), &inside, &ext);
}

static void fcn_log_mapping(const struct fcn_net *fn,
			    const struct fcn_mapping *m, u32 event)
{
	if (unlikely(fcn_conf(fn)->log))
		fcn_log_line(fn, m, event);
}

/**
 * fcn_log_create - a mapping has been made
 * @fn:		namespace
 * @m:		the mapping
 *
 * This and its sisters are called under rcu_read_lock(), adoption's under a
 * conntrack bucket lock, too: nothing here asks conntrack.
 */
void fcn_log_create(const struct fcn_net *fn, const struct fcn_mapping *m)
{
	trace_mapping_create(fn->net, m);
	fcn_log_mapping(fn, m, FCN_EVENT_BIB_CREATE);
}

/**
 * fcn_log_expire - a mapping takes no more strangers
 * @fn:		namespace
 * @m:		the mapping
 */
void fcn_log_expire(const struct fcn_net *fn, const struct fcn_mapping *m)
{
	trace_mapping_expire(fn->net, m);
}

/**
 * fcn_log_free - a mapping has gone, and its port is free
 * @fn:		namespace
 * @m:		the mapping
 */
void fcn_log_free(const struct fcn_net *fn, const struct fcn_mapping *m)
{
	trace_mapping_free(fn->net, m);
	fcn_log_mapping(fn, m, FCN_EVENT_BIB_DELETE);
}

/* What a limit is to a collector; 0, which is reserved, if it is nothing. */
static u32 fcn_limit_event(enum fcn_stat limit)
{
	switch (limit) {
	case FCN_STAT_drop_no_address:
		return FCN_EVENT_ADDRESSES_EXHAUSTED;
	case FCN_STAT_drop_no_port:
		return FCN_EVENT_PORTS_EXHAUSTED;
	case FCN_STAT_drop_max_mappings:
	case FCN_STAT_drop_max_total:
	case FCN_STAT_drop_host_max_mappings:
	case FCN_STAT_drop_host_max_rate:
	case FCN_STAT_drop_mapping_max_sessions:
	case FCN_STAT_peers_refused:
		return FCN_EVENT_QUOTA_EXCEEDED;
	default:
		return 0;
	}
}

/*
 * One line a second for each limit: no flood of one hides another.  Whoever can
 * make namespaces could have as many floods; all but the machine's first one
 * share.
 */
static struct ratelimit_state fcn_limit_lines[2][FCN_STAT_COUNT];

void __init fcn_log_init(void)
{
	struct ratelimit_state *lines = &fcn_limit_lines[0][0];
	size_t i;

	for (i = 0; i < 2 * FCN_STAT_COUNT; i++) {
		ratelimit_state_init(&lines[i], HZ, 1);
		/* or what was left out would be a line of its own */
		ratelimit_set_flags(&lines[i], RATELIMIT_MSG_ON_RELEASE);
	}
}

/**
 * fcn_log_refuse - a limit refuses something new
 * @fn:		namespace
 * @proto:	IPPROTO_*
 * @inside:	the inside endpoint that is concerned
 * @limit:	the counter of that limit
 *
 * In the log, by a tracepoint, and in the status file.
 */
void fcn_log_refuse(struct fcn_net *fn, u8 proto,
		    const struct nf_conntrack_man *inside, enum fcn_stat limit)
{
	struct sockaddr_in6 addr;

	WRITE_ONCE(fn->refused_by, limit);
	WRITE_ONCE(fn->refused, (u32)ktime_get_seconds());
	trace_mapping_refuse(fn->net, proto, inside, fcn_stat_names[limit]);
	if (!__ratelimit(&fcn_limit_lines[net_eq(fn->net, &init_net)][limit]))
		return;
	fcn_log_sockaddr(&addr, inside->l3num, &inside->u3, inside->u.all);
	pr_warn("natEvent=%u %s: refused netns=%u proto=%s int=%pISpc, see /proc/net/fullcone_nat/status\n",
		fcn_limit_event(limit), fcn_stat_names[limit],
		fn->net->ns.inum, fcn_proto_name(proto), &addr);
}
