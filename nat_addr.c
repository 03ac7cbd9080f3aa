// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses: what is one, whose it is, and which one a flow leaves with.
 *
 * Here IPv4 and IPv6 part; what calls this has one path for both.  Nothing is
 * owned here.
 */

#include <linux/export.h>
#include <linux/inet.h>
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <linux/string.h>
#include <net/addrconf.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/route.h>

#include "nat_addr.h"
#include "nat_core.h"
#include "nat_wan.h"

/**
 * fcn_addr_parse - read an address
 * @text:	"203.0.113.1" or "2001:db8::1"
 * @family:	filled in, NFPROTO_*
 * @addr:	filled in, network order
 *
 * Return: 0, or -EINVAL.
 */
int fcn_addr_parse(char *text, u8 *family, union nf_inet_addr *addr)
{
	memset(addr, 0, sizeof(*addr));
	if (in4_pton(text, -1, (u8 *)&addr->ip, '\0', NULL)) {
		*family = NFPROTO_IPV4;
		return 0;
	}
	if (ipv6_mod_enabled() &&
	    in6_pton(text, -1, (u8 *)&addr->in6, '\0', NULL)) {
		*family = NFPROTO_IPV6;
		return 0;
	}
	return -EINVAL;
}

/**
 * fcn_prefix_parse - read a prefix
 * @text:	"192.168.1.0/24", "fd00::/8", or an address alone; written to
 * @prefix:	filled in
 *
 * Return: 0, or -EINVAL, also for one whose bits behind the prefix are not zero.
 */
int fcn_prefix_parse(char *text, struct fcn_prefix *prefix)
{
	char *addr = strsep(&text, "/");
	struct fcn_prefix whole;
	u8 bits;

	if (fcn_addr_parse(addr, &prefix->family, &prefix->addr))
		return -EINVAL;
	bits = prefix->family == NFPROTO_IPV6 ? 128 : 32;
	prefix->length = bits;
	if (text && (kstrtou8(text, 10, &prefix->length) ||
		     prefix->length > bits))
		return -EINVAL;
	whole = *prefix;
	ipv6_addr_prefix(&whole.addr.in6, &prefix->addr.in6, prefix->length);
	return nf_inet_addr_cmp(&whole.addr, &prefix->addr) ? 0 : -EINVAL;
}

/**
 * fcn_prefix_has - does an address begin like that?
 * @prefix:	the prefix
 * @family:	NFPROTO_*
 * @addr:	the address
 */
bool fcn_prefix_has(const struct fcn_prefix *prefix, u8 family,
		    const union nf_inet_addr *addr)
{
	/* an IPv4 address is at the head of the union, too */
	return prefix->family == family &&
	       ipv6_prefix_equal(&prefix->addr.in6, &addr->in6, prefix->length);
}

/**
 * fcn_addr_is_host - can this be the address of a host whose packets are forwarded?
 * @family:	NFPROTO_*
 * @addr:	the address
 */
bool fcn_addr_is_host(u8 family, const union nf_inet_addr *addr)
{
	if (family == NFPROTO_IPV6)
		return ipv6_addr_type(&addr->in6) & IPV6_ADDR_UNICAST &&
		       !(ipv6_addr_type(&addr->in6) &
			 (IPV6_ADDR_LOOPBACK | IPV6_ADDR_LINKLOCAL |
			  IPV6_ADDR_MAPPED));
	return !ipv4_is_zeronet(addr->ip) && !ipv4_is_loopback(addr->ip) &&
	       !ipv4_is_multicast(addr->ip) && !ipv4_is_lbcast(addr->ip);
}
EXPORT_SYMBOL_GPL(fcn_addr_is_host);

/**
 * fcn_addr_is_private - is this an address that the internet does not know?
 * @family:	NFPROTO_*
 * @addr:	the address
 *
 * RFC 1918, and RFC 6598 for what carriers use; RFC 4193.
 */
bool fcn_addr_is_private(u8 family, const union nf_inet_addr *addr)
{
	if (family == NFPROTO_IPV6)
		return (addr->in6.s6_addr[0] & 0xfe) == 0xfc;
	return ipv4_is_private_10(addr->ip) || ipv4_is_private_172(addr->ip) ||
	       ipv4_is_private_192(addr->ip) ||
	       (addr->ip & htonl(0xffc00000)) == htonl(0x64400000);
}

/* IPv4 */

static bool fcn_addr4_is_on(const struct net_device *dev, __be32 addr)
{
	const struct in_device *in_dev = __in_dev_get_rcu(dev);
	const struct in_ifaddr *ifa;

	if (!in_dev || !addr)
		return false;
	/* mostly the first, which inet_confirm_addr() takes much longer to say */
	in_dev_for_each_ifa_rcu(ifa, in_dev)
		if (ifa->ifa_local == addr)
			return true;
	return false;
}

static bool fcn_addr4_of(const struct net_device *dev, union nf_inet_addr *addr)
{
	addr->ip = inet_select_addr(dev, 0, RT_SCOPE_UNIVERSE);
	/* where it has none, the kernel chooses another device's */
	return fcn_addr4_is_on(dev, addr->ip);
}

/* For a device without any, or with link-local ones only, the kernel offers another's. */
static bool fcn_addr4_outside(const struct fcn_net *fn,
			      const struct sk_buff *skb,
			      const struct net_device *out,
			      union nf_inet_addr *addr)
{
	__be32 nexthop = rt_nexthop(skb_rtable(skb), ip_hdr(skb)->daddr);
	const struct net_device *dev;

	addr->ip = inet_select_addr(out, nexthop, RT_SCOPE_UNIVERSE);
	if (likely(fcn_addr4_is_on(out, addr->ip)))
		return true;
	dev = __ip_dev_find(fn->net, addr->ip, false);
	return dev && (dev->flags & IFF_LOOPBACK ||
		       fcn_net_wan(fn, NFPROTO_IPV4, dev->ifindex));
}

/* IPv6 */

#if IS_ENABLED(CONFIG_IPV6)
static struct net_device *fcn_addr6_dev(struct net *net,
					const struct in6_addr *addr)
{
	return ipv6_dev_find(net, addr, NULL);
}

static bool fcn_addr6_is_on(const struct net_device *dev,
			    const struct in6_addr *addr)
{
	return ipv6_chk_addr(dev_net(dev), addr, dev, 1);
}

/*
 * How well an address suits a packet to a private or to a public one; 0: not at
 * all.  Temporary addresses (RFC 8981) and deprecated ones go while mappings live.
 */
static int fcn_addr6_score(const struct inet6_ifaddr *ifa, bool private)
{
	union nf_inet_addr addr = { .in6 = ifa->addr };

	if (ifa->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) ||
	    !fcn_addr_is_host(NFPROTO_IPV6, &addr))
		return 0;
	return 1 + 4 * (fcn_addr_is_private(NFPROTO_IPV6, &addr) == private) +
	       2 * !(ifa->flags & IFA_F_DEPRECATED) +
	       !(ifa->flags & IFA_F_TEMPORARY);
}

/*
 * MASQUERADE's choice depends on the destination where a device has several
 * addresses, and an endpoint would be another one for each; it takes the newest
 * of equals, and the LAN's where it likes that better.  This is the oldest of the
 * device's own that suit best.  As many are looked at as the owner, or autoconf
 * (16, net.ipv6...max_addresses), has given to the device; MASQUERADE looks at
 * those of all devices.
 */
static bool fcn_addr6_choose(const struct net_device *dev, bool private,
			     union nf_inet_addr *addr)
{
	struct inet6_dev *idev = __in6_dev_get(dev);
	const struct inet6_ifaddr *ifa;
	int best = 0, score;

	if (!idev)
		return false;
	read_lock_bh(&idev->lock);
	/* new ones are put before old ones of the same scope */
	list_for_each_entry(ifa, &idev->addr_list, if_list) {
		score = fcn_addr6_score(ifa, private);
		if (score && score >= best) {
			best = score;
			addr->in6 = ifa->addr;
		}
	}
	read_unlock_bh(&idev->lock);
	return best;
}
#else
static struct net_device *fcn_addr6_dev(struct net *net,
					const struct in6_addr *addr)
{
	return NULL;
}

static bool fcn_addr6_is_on(const struct net_device *dev,
			    const struct in6_addr *addr)
{
	return false;
}

static bool fcn_addr6_choose(const struct net_device *dev, bool private,
			     union nf_inet_addr *addr)
{
	return false;
}
#endif

/* Its own, or that of the loopback device or another wan interface. */
static bool fcn_addr6_outside(const struct fcn_net *fn,
			      const struct sk_buff *skb,
			      const struct net_device *out,
			      union nf_inet_addr *addr)
{
	union nf_inet_addr to = { .in6 = ipv6_hdr(skb)->daddr };
	const bool private = fcn_addr_is_private(NFPROTO_IPV6, &to);
	const struct net_device *dev;
	struct fcn_wan *wan;

	if (likely(fcn_addr6_choose(out, private, addr)) ||
	    fcn_addr6_choose(fn->net->loopback_dev, private, addr))
		return true;
	list_for_each_entry_rcu(wan, &fn->wans, list) {
		dev = wan->family != NFPROTO_IPV6 ? NULL :
		      dev_get_by_index_rcu(fn->net, READ_ONCE(wan->ifindex));
		if (dev && fcn_addr6_choose(dev, private, addr))
			return true;
	}
	return false;
}

/* Both */

/**
 * fcn_addr_dev - the device of the router that has this address
 * @net:	namespace
 * @family:	NFPROTO_*
 * @addr:	the address
 *
 * Return: the device, valid until rcu_read_unlock(), or NULL.
 */
struct net_device *fcn_addr_dev(struct net *net, u8 family,
				const union nf_inet_addr *addr)
{
	if (family == NFPROTO_IPV6)
		return fcn_addr6_dev(net, &addr->in6);
	return __ip_dev_find(net, addr->ip, false);
}

/**
 * fcn_addr_is_on - has this device this address?
 * @dev:	the device
 * @family:	NFPROTO_*
 * @addr:	the address
 *
 * Under rcu_read_lock().
 */
bool fcn_addr_is_on(const struct net_device *dev, u8 family,
		    const union nf_inet_addr *addr)
{
	if (family == NFPROTO_IPV6)
		return fcn_addr6_is_on(dev, &addr->in6);
	return fcn_addr4_is_on(dev, addr->ip);
}

/**
 * fcn_addr_of - the address of an interface
 * @dev:	its device
 * @family:	NFPROTO_*
 * @addr:	filled in
 *
 * Under rcu_read_lock().
 *
 * Return: false if it has none of its own.
 */
bool fcn_addr_of(const struct net_device *dev, u8 family,
		 union nf_inet_addr *addr)
{
	bool found;

	memset(addr, 0, sizeof(*addr));
	if (family == NFPROTO_IPV6)
		found = fcn_addr6_choose(dev, false, addr);
	else
		found = fcn_addr4_of(dev, addr);
	if (!found)
		memset(addr, 0, sizeof(*addr));
	return found;
}

/**
 * fcn_addr_outside - the address that a flow leaves with
 * @fn:		namespace
 * @family:	NFPROTO_*
 * @skb:	its first packet
 * @out:	the device it leaves by
 * @addr:	filled in
 *
 * Where the device has none, that of the loopback device or of another wan
 * interface is right: the line is unnumbered.  But while a line is being redialled
 * the kernel would offer the LAN's, which has no business outside.
 *
 * Return: false if there is none.
 */
bool fcn_addr_outside(const struct fcn_net *fn, u8 family,
		      const struct sk_buff *skb, const struct net_device *out,
		      union nf_inet_addr *addr)
{
	memset(addr, 0, sizeof(*addr));
	if (family == NFPROTO_IPV6)
		return fcn_addr6_outside(fn, skb, out, addr);
	return fcn_addr4_outside(fn, skb, out, addr);
}
