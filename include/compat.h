/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernel differences, and nothing else.
 *
 * The rest of the module is written for the newest interfaces; what an older
 * or newer kernel spells differently is mended here.  The FCN_HAVE_* symbols
 * are set by Kbuild, which looks into the headers it builds against: stable
 * branches and vendors move interface changes between versions.
 */
#ifndef _FULLCONE_NAT_COMPAT_H
#define _FULLCONE_NAT_COMPAT_H

#include <linux/sysctl.h>
#include <linux/version.h>
#include <net/inet6_hashtables.h>
#include <net/inet_hashtables.h>
#include <net/net_namespace.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/udp.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 10, 0)
#error "fullcone_nat needs Linux 5.10 or newer"
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 4, 0)
#error "fullcone_nat has not been tried on Linux 7.4 or newer"
#endif

#if !IS_ENABLED(CONFIG_NF_NAT_MASQUERADE)
#error "fullcone_nat needs CONFIG_NF_NAT_MASQUERADE (any MASQUERADE rule selects it)"
#endif

/* 6.0: the iterator takes its arguments in a structure */
static inline void
fcn_ct_iterate(struct net *net, int (*iter)(struct nf_conn *ct, void *data),
	       void *data)
{
#ifdef FCN_HAVE_NF_CT_ITER_DATA
	struct nf_ct_iter_data iter_data = {
		.net	= net,
		.data	= data,
	};

	nf_ct_iterate_cleanup_net(iter, &iter_data);
#else
	nf_ct_iterate_cleanup_net(net, iter, data, 0, 0);
#endif
}

/* It has left a flowtable and seen no packet since: what it knew of windows is gone. */
static inline bool fcn_ct_left_flow(const struct nf_conn *ct)
{
	const struct ip_ct_tcp_state *seen = ct->proto.tcp.seen;

	return !READ_ONCE(seen[0].td_maxwin) && !READ_ONCE(seen[1].td_maxwin);
}

/*
 * 5.14: a TCP connection that leaves a flowtable has as much time left as its idleness
 * leaves it; before, so many jiffies.
 */
static inline u32 fcn_ct_flow_pickup(const struct nf_conn *ct)
{
#ifdef FCN_HAVE_OFFLOAD_TIMEOUT
	return 0;
#else
	return fcn_ct_left_flow(ct) ? 120 * HZ : 0;
#endif
}

/*
 * What an established TCP connection has left when it leaves a flowtable does not tell for
 * how long it has been idle.  Since 6.14, and in stable branches from 6.12 on, it gets a day
 * there again and again; before, it has what it had when conntrack saw its last packet.
 * Before 5.14 it is as above.
 */
static inline bool fcn_ct_flow_timeless(const struct nf_conn *ct)
{
#ifdef FCN_HAVE_OFFLOAD_TIMEOUT
	return fcn_ct_left_flow(ct);
#else
	return false;
#endif
}

/* 6.2: the UDP socket table belongs to the namespace */
static inline struct udp_table *fcn_udp_table(struct net *net)
{
#ifdef FCN_HAVE_NETNS_UDP_TABLE
	return net->ipv4.udp_table;
#else
	return &udp_table;
#endif
}

/* 5.18 to 6.0: what has the TCP sockets of a namespace is a pointer */
static inline struct inet_hashinfo *fcn_tcp_hashinfo(struct net *net)
{
#ifdef FCN_HAVE_DEATH_ROW_POINTER
	return net->ipv4.tcp_death_row->hashinfo;
#else
	return net->ipv4.tcp_death_row.hashinfo;
#endif
}

/* The socket that listens on @daddr:@port, or NULL.  Under rcu_read_lock(). */
static inline struct sock *
fcn_tcp_listener(struct net *net, __be32 daddr, u16 port, int dif)
{
#ifdef FCN_HAVE_LISTENER_HASHINFO
	return __inet_lookup_listener(net, fcn_tcp_hashinfo(net),
				      NULL, 0, 0, 0, daddr, port, dif, 0);
#else
	return __inet_lookup_listener(net, NULL, 0, 0, 0, daddr, port, dif, 0);
#endif
}

/* Has this namespace a socket that takes this TCP segment?  Ports network order. */
static inline bool
fcn_tcp_has_socket(struct net *net, struct sk_buff *skb, __be32 saddr,
		   __be16 sport, __be32 daddr, __be16 dport, int dif)
{
	struct sock *sk;

#ifdef FCN_HAVE_LISTENER_HASHINFO
	sk = inet_lookup(net, fcn_tcp_hashinfo(net), skb,
			 ip_hdrlen(skb), saddr, sport, daddr, dport, dif);
#else
	sk = inet_lookup(net, skb, ip_hdrlen(skb), saddr, sport, daddr, dport,
			 dif);
#endif
	if (sk)
		sock_gen_put(sk);
	return sk;
}

/*
 * The same two for IPv6; the TCP header is @doff behind the head of the packet.
 */
#if IS_ENABLED(CONFIG_IPV6)
static inline struct sock *
fcn_tcp6_listener(struct net *net, const struct in6_addr *daddr, u16 port,
		  int dif)
{
#ifdef FCN_HAVE_LISTENER_HASHINFO
	return inet6_lookup_listener(net, fcn_tcp_hashinfo(net),
				     NULL, 0, &in6addr_any, 0, daddr, port, dif,
				     0);
#else
	return inet6_lookup_listener(net, NULL, 0, &in6addr_any, 0, daddr, port,
				     dif, 0);
#endif
}

static inline bool
fcn_tcp6_has_socket(struct net *net, struct sk_buff *skb, int doff,
		    const struct in6_addr *saddr, __be16 sport,
		    const struct in6_addr *daddr, __be16 dport, int dif)
{
	struct sock *sk;

#ifdef FCN_HAVE_LISTENER_HASHINFO
	sk = inet6_lookup(net, fcn_tcp_hashinfo(net), skb, doff,
			  saddr, sport, daddr, dport, dif);
#else
	sk = inet6_lookup(net, skb, doff, saddr, sport, daddr, dport, dif);
#endif
	if (sk)
		sock_gen_put(sk);
	return sk;
}
#else
static inline struct sock *
fcn_tcp6_listener(struct net *net, const struct in6_addr *daddr, u16 port,
		  int dif)
{
	return NULL;
}

static inline bool
fcn_tcp6_has_socket(struct net *net, struct sk_buff *skb, int doff,
		    const struct in6_addr *saddr, __be16 sport,
		    const struct in6_addr *daddr, __be16 dport, int dif)
{
	return false;
}
#endif

/*
 * What a rule drops before it is routed.  Since NF_DROP has reasons nf_tables makes of it
 * a NF_STOLEN with an errno, after which nf_nat_ipv6_in() does not know that the packet
 * has gone, and reads it; so it is freed here.  Before, nf_tables itself reads what was
 * stolen, when it is traced.
 */
static inline unsigned int fcn_target_drop(struct sk_buff *skb)
{
#ifdef FCN_HAVE_DROP_REASON
	kfree_skb(skb);
	return NF_STOLEN;
#else
	return NF_DROP;
#endif
}

/* 6.11: sysctl handlers do not write to their table entry */
#ifdef FCN_HAVE_CONST_CTL_TABLE
#define fcn_ctl_table const struct ctl_table
#else
#define fcn_ctl_table struct ctl_table
#endif

/* 6.6: tables come with a size, and later without an empty last entry */
static inline struct ctl_table_header *
fcn_register_sysctl(struct net *net, const char *path, struct ctl_table *table,
		    size_t size)
{
#ifdef FCN_HAVE_SYSCTL_SZ
	return register_net_sysctl_sz(net, path, table, size);
#else
	return register_net_sysctl(net, path, table);
#endif
}

#endif /* _FULLCONE_NAT_COMPAT_H */
