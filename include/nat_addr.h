/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Addresses, where IPv4 and IPv6 part.
 */
#ifndef _FULLCONE_NAT_ADDR_H
#define _FULLCONE_NAT_ADDR_H

#include <linux/netfilter.h>
#include <linux/types.h>

struct fcn_net;
struct net;
struct net_device;
struct sk_buff;

/**
 * struct fcn_prefix - addresses that begin alike
 * @addr:	the rest is zero, network order
 * @family:	NFPROTO_*
 * @length:	bits that count
 */
struct fcn_prefix {
	union nf_inet_addr	addr;
	u8			family;
	u8			length;
};

int fcn_addr_parse(char *text, u8 *family, union nf_inet_addr *addr);
int fcn_prefix_parse(char *text, struct fcn_prefix *prefix);
bool fcn_prefix_has(const struct fcn_prefix *prefix, u8 family,
		    const union nf_inet_addr *addr);

bool fcn_addr_is_host(u8 family, const union nf_inet_addr *addr);
bool fcn_addr_is_private(u8 family, const union nf_inet_addr *addr);

struct net_device *fcn_addr_dev(struct net *net, u8 family,
				const union nf_inet_addr *addr);
bool fcn_addr_is_on(const struct net_device *dev, u8 family,
		    const union nf_inet_addr *addr);
bool fcn_addr_of(const struct net_device *dev, u8 family,
		 union nf_inet_addr *addr);
bool fcn_addr_outside(const struct fcn_net *fn, u8 family,
		      const struct sk_buff *skb, const struct net_device *out,
		      union nf_inet_addr *addr);

/* Has the router itself this address? */
static inline bool fcn_addr_is_local(struct net *net, u8 family,
				     const union nf_inet_addr *addr)
{
	return fcn_addr_dev(net, family, addr);
}

#endif /* _FULLCONE_NAT_ADDR_H */
