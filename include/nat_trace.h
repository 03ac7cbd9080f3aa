/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: the life of a mapping.  Ports and query ids in host order.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM fullcone_nat

#if !defined(_FULLCONE_NAT_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _FULLCONE_NAT_TRACE_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <net/net_namespace.h>
#include <net/netfilter/nf_conntrack_tuple.h>

#include "nat_log.h"
#include "nat_mapping.h"

/*
 * Types and sizes are for the eyes of programs, too: bpftrace has no others where a
 * kernel does not tell its own (CONFIG_DEBUG_INFO_BTF).
 */
#define FCN_SOCKADDR_SIZE	28
static_assert(sizeof(struct sockaddr_in6) == FCN_SOCKADDR_SIZE);

/* perf does not know the names */
TRACE_DEFINE_ENUM(IPPROTO_UDP);
TRACE_DEFINE_ENUM(IPPROTO_TCP);
TRACE_DEFINE_ENUM(IPPROTO_ICMP);
TRACE_DEFINE_ENUM(IPPROTO_ICMPV6);

#define fcn_show_proto(proto)						\
	__print_symbolic(proto, { IPPROTO_UDP, "udp" },			\
			 { IPPROTO_TCP, "tcp" }, { IPPROTO_ICMP, "icmp" },	\
			 { IPPROTO_ICMPV6, "icmp" })

DECLARE_EVENT_CLASS(fcn_mapping_class,
	TP_PROTO(const struct net *net, const struct fcn_mapping *m),

	TP_ARGS(net, m),

	TP_STRUCT__entry(
		__field(unsigned int, netns)
		__field(__u8, proto)
		__field(__u16, int_port)
		__field(__u16, ext_port)
		__array(__u8, int_addr, FCN_SOCKADDR_SIZE)
		__array(__u8, ext_addr, FCN_SOCKADDR_SIZE)
	),

	TP_fast_assign(
		__entry->netns = net->ns.inum;
		__entry->proto = fcn_mapping_proto(m);
		__entry->int_port = ntohs(m->port);
		__entry->ext_port = ntohs(m->ext_port);
		fcn_log_sockaddr(__entry->int_addr, fcn_mapping_family(m),
				 &m->addr, m->port);
		fcn_log_sockaddr(__entry->ext_addr, fcn_mapping_family(m),
				 fcn_mapping_ext(m), m->ext_port);
	),

	TP_printk("netns=%u proto=%s int=%pISpc ext=%pISpc", __entry->netns,
		  fcn_show_proto(__entry->proto), __entry->int_addr,
		  __entry->ext_addr)
);

/* It was made, or adopted. */
DEFINE_EVENT(fcn_mapping_class, mapping_create,
	TP_PROTO(const struct net *net, const struct fcn_mapping *m),
	TP_ARGS(net, m)
);

/* It was idle for too long; strangers are refused from now on. */
DEFINE_EVENT(fcn_mapping_class, mapping_expire,
	TP_PROTO(const struct net *net, const struct fcn_mapping *m),
	TP_ARGS(net, m)
);

/* Its port is free again. */
DEFINE_EVENT(fcn_mapping_class, mapping_free,
	TP_PROTO(const struct net *net, const struct fcn_mapping *m),
	TP_ARGS(net, m)
);

/*
 * It, or a stranger's session on it, would be one too many: by which limit, as
 * in the file "stats".
 */
TRACE_EVENT(mapping_refuse,
	TP_PROTO(const struct net *net, u8 proto,
		 const struct nf_conntrack_man *inside, const char *limit),

	TP_ARGS(net, proto, inside, limit),

	TP_STRUCT__entry(
		__field(unsigned int, netns)
		__field(__u8, proto)
		__field(__u16, int_port)
		__array(__u8, int_addr, FCN_SOCKADDR_SIZE)
		__array(char, limit, FCN_LIMIT_NAME)
	),

	TP_fast_assign(
		__entry->netns = net->ns.inum;
		__entry->proto = proto;
		__entry->int_port = ntohs(inside->u.all);
		fcn_log_sockaddr(__entry->int_addr, inside->l3num, &inside->u3,
				 inside->u.all);
		strscpy(__entry->limit, limit, FCN_LIMIT_NAME);
	),

	TP_printk("netns=%u proto=%s int=%pISpc limit=%s", __entry->netns,
		  fcn_show_proto(__entry->proto), __entry->int_addr,
		  __entry->limit)
);

#endif /* _FULLCONE_NAT_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE nat_trace
#include <trace/define_trace.h>
