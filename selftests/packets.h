/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Packets of every kind, made by chance, what they say when they are read, and what spoils
 * them.
 *
 * Inside 10.1.0.0/24 and fd00:1::/64 with the hosts .2 to .9, and .10, who never says
 * anything; nobody there sends from ports 6000 to 6015. The router is 203.0.113.1 and
 * 2001:db8::1 outside, where the hosts .10 to .17 are.
 */
#ifndef SELFTESTS_PACKETS_H
#define SELFTESTS_PACKETS_H

#include "helper.h"

#include <netinet/icmp6.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdbool.h>

#define MAX_PACKET	65535
#define HOSTS		8
#define QUIET_PORT	6000
#define QUIET_PORTS	16

enum side { LAN, WAN };

struct packet {
	size_t	len;
	__u8	data[MAX_PACKET];
};

/* What a packet is, as far as it can be read */
struct parsed {
	int		version;
	union endpoint	src, dst;	/* with ports, or the id of a query in both */
	__u8		proto;
	size_t		l4;		/* where that begins */
	bool		fragment;
	bool		first;		/* or whole */
	bool		ported;		/* the ports are real */
	bool		error;		/* ICMP, and what it quotes is at */
	size_t		quoted;
};

/* -- chance ---------------------------------------------------------------------------- */

static __u64 state;

/* xorshift64*, by Vigna */
static inline __u32 chance(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (__u32)((state * 2685821657736338717ULL) >> 32);
}

static inline __u32 below(__u32 n)
{
	return chance() % n;
}

static inline bool percent(__u32 n)
{
	return below(100) < n;
}

/* -- addresses ------------------------------------------------------------------------- */

static inline union endpoint address(int version, const char *four, const char *six, __u32 last)
{
	union endpoint e = parse_endpoint(version == 4 ? four : six);

	if (version == 4)
		e.in.sin_addr.s_addr |= htonl(last);
	else
		e.in6.sin6_addr.s6_addr[15] = last;
	return e;
}

static inline union endpoint inside_host(int version, __u32 n)
{
	return address(version, "10.1.0.0", "fd00:1::", 2 + n);
}

static inline union endpoint quiet_host(int version)
{
	return inside_host(version, HOSTS);
}

static inline union endpoint outside_host(int version, __u32 n)
{
	return address(version, "203.0.113.0", "2001:db8::", 10 + n);
}

static inline union endpoint router(int version, enum side side)
{
	return side == WAN ? address(version, "203.0.113.0", "2001:db8::", 1) :
			     address(version, "10.1.0.0", "fd00:1::", 1);
}

static inline bool is_inside(const union endpoint *e)
{
	union endpoint net = inside_host(e->sa.sa_family == AF_INET ? 4 : 6, 0);

	if (e->sa.sa_family == AF_INET)
		return !memcmp(&e->in.sin_addr, &net.in.sin_addr, 3);
	return !memcmp(&e->in6.sin6_addr, &net.in6.sin6_addr, 8);
}

/* What the router says to its neighbours, by itself */
static inline bool is_own_business(const struct parsed *pr)
{
	const struct in6_addr *src = &pr->src.in6.sin6_addr, *dst = &pr->dst.in6.sin6_addr;

	return pr->version == 6 && IN6_IS_ADDR_MULTICAST(dst) &&
	       (IN6_IS_ADDR_LINKLOCAL(src) || IN6_IS_ADDR_UNSPECIFIED(src));
}

static inline bool is_router(const union endpoint *e, enum side side)
{
	union endpoint own = router(e->sa.sa_family == AF_INET ? 4 : 6, side), any = own;

	/* of every network the first address is a router's, any one's (RFC 4291, 2.6.1) */
	if (e->sa.sa_family == AF_INET6)
		any.in6.sin6_addr.s6_addr[15] = 0;
	return same_address(e, &own) || same_address(e, &any);
}

static inline union endpoint with_port(union endpoint e, __u16 port)
{
	e.in.sin_port = htons(port);
	return e;
}

/* An inside endpoint that is never heard of, if its port is known */
static inline bool is_quiet(const union endpoint *e, bool ported)
{
	union endpoint quiet = quiet_host(e->sa.sa_family == AF_INET ? 4 : 6);
	__u16 port = ntohs(e->in.sin_port);

	return same_address(e, &quiet) ||
	       (ported && port >= QUIET_PORT && port < QUIET_PORT + QUIET_PORTS);
}

/* Addresses that nobody should use */
static inline union endpoint odd_address(int version)
{
	static const char *const four[] = {
		"0.0.0.0", "255.255.255.255", "224.0.0.1", "239.255.255.250", "127.0.0.1",
		"203.0.113.1", "203.0.113.255", "203.0.113.0", "10.1.0.1", "10.1.0.255", "10.1.0.0",
		"240.0.0.1", "169.254.1.1", "192.0.2.1", "10.1.0.77", "0.1.2.3",
	};
	static const char *const six[] = {
		"::", "::1", "ff02::1", "ff02::2", "ff05::2", "fe80::1", "2001:db8::1", "fd00:1::1",
		"fd00:1::", "::ffff:10.1.0.2", "2002:a01:2::1", "64:ff9b::a01:2", "fec0::1",
		"fd00:1::77", "2001:db8:1::1", "100::1",
	};

	return parse_endpoint(version == 4 ? four[below(16)] : six[below(16)]);
}

/* -- building -------------------------------------------------------------------------- */

/* Begins a packet: an IP header without a length or checksum */
static inline void put_ip(struct packet *p, const union endpoint *src,
			  const union endpoint *dst, __u8 proto)
{
	if (src->sa.sa_family == AF_INET) {
		struct iphdr ip = {
			.version = 4, .ihl = 5, .ttl = 64, .protocol = proto, .id = chance(),
			.saddr = src->in.sin_addr.s_addr, .daddr = dst->in.sin_addr.s_addr,
		};

		memcpy(p->data, &ip, p->len = sizeof(ip));
	} else {
		struct ip6_hdr ip6 = {
			.ip6_flow = htonl(6U << 28), .ip6_nxt = proto, .ip6_hlim = 64,
			.ip6_src = src->in6.sin6_addr, .ip6_dst = dst->in6.sin6_addr,
		};

		memcpy(p->data, &ip6, p->len = sizeof(ip6));
	}
}

static inline void append(struct packet *p, const void *data, size_t len)
{
	if (p->len + len > MAX_PACKET)
		len = MAX_PACKET - p->len;
	memcpy(p->data + p->len, data, len);
	p->len += len;
}

static inline void append_chance(struct packet *p, size_t len)
{
	__u32 word;

	while (len) {
		size_t n = len < sizeof(word) ? len : sizeof(word);

		word = chance();
		append(p, &word, n);
		len -= n;
	}
}

/* The same over and over: what is kept of it takes no room when it is packed. */
static inline void append_same(struct packet *p, size_t len)
{
	__u32 word = chance();

	for (; len >= sizeof(word); len -= sizeof(word))
		append(p, &word, sizeof(word));
	append(p, &word, len);
}

static inline bool is_query(int version, __u8 type)
{
	return version == 4 ? type == ICMP_ECHO || type == ICMP_ECHOREPLY :
			      type == ICMP6_ECHO_REQUEST || type == ICMP6_ECHO_REPLY;
}

static inline bool is_error(int version, __u8 type)
{
	return version == 4 ? type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH ||
				      type == ICMP_REDIRECT || type == ICMP_TIME_EXCEEDED ||
				      type == ICMP_PARAMETERPROB :
			      type < 128;
}

/* Reads @len bytes at @data; returns whether they begin with an IP header. */
static inline bool parse(const __u8 *data, size_t len, struct parsed *pr)
{
	const struct ip6_hdr *ip6 = (const void *)data;
	const struct iphdr *ip = (const void *)data;
	__u16 sport, dport;
	size_t next;

	memset(pr, 0, sizeof(*pr));
	pr->version = len ? data[0] >> 4 : 0;
	pr->first = true;
	if (pr->version == 4 && len >= sizeof(*ip)) {
		pr->src.sa.sa_family = AF_INET;
		pr->dst.sa.sa_family = AF_INET;
		pr->src.in.sin_addr.s_addr = ip->saddr;
		pr->dst.in.sin_addr.s_addr = ip->daddr;
		pr->proto = ip->protocol;
		pr->l4 = ip->ihl * 4;
		pr->fragment = ip->frag_off & htons(0x3fff);
		pr->first = !(ip->frag_off & htons(0x1fff));
	} else if (pr->version == 6 && len >= sizeof(*ip6)) {
		pr->src.sa.sa_family = AF_INET6;
		pr->dst.sa.sa_family = AF_INET6;
		pr->src.in6.sin6_addr = ip6->ip6_src;
		pr->dst.in6.sin6_addr = ip6->ip6_dst;
		pr->proto = ip6->ip6_nxt;
		pr->l4 = sizeof(*ip6);
		/* ipv6_skip_exthdr() reads no more of a header */
		while (pr->first &&
		       pr->l4 + (pr->proto == IPPROTO_FRAGMENT ? 4 : 2) <= len) {
			const __u8 *ext = data + pr->l4;

			switch (pr->proto) {
			case IPPROTO_HOPOPTS:
			case IPPROTO_ROUTING:
			case IPPROTO_DSTOPTS:
				next = (ext[1] + 1) * 8;
				break;
			case IPPROTO_AH:
				next = (ext[1] + 2) * 4;
				break;
			case IPPROTO_FRAGMENT:
				next = 8;
				pr->fragment = true;
				pr->first = !(ext[2] || ext[3] & 0xf8);
				break;
			default:
				next = 0;
			}
			if (!next)
				break;
			pr->proto = ext[0];
			pr->l4 += next;
		}
	} else {
		return false;
	}
	if (!pr->first || pr->l4 + 8 > len)
		return true;

	if (pr->proto == IPPROTO_TCP || pr->proto == IPPROTO_UDP) {
		memcpy(&sport, data + pr->l4, 2);
		memcpy(&dport, data + pr->l4 + 2, 2);
		pr->ported = true;
	} else if (pr->proto == (pr->version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
		pr->error = is_error(pr->version, data[pr->l4]);
		pr->quoted = pr->l4 + 8;
		pr->ported = is_query(pr->version, data[pr->l4]);
		memcpy(&sport, data + pr->l4 + 4, 2);
		dport = sport;
	}
	if (pr->ported) {
		pr->src.in.sin_port = sport;
		pr->dst.in.sin_port = dport;
	}
	return true;
}

/* Lengths and checksums as they should be, as far as the headers can be read */
static inline void make_right(struct packet *p)
{
	struct ip6_hdr *ip6 = (void *)p->data;
	struct iphdr *ip = (void *)p->data;
	struct parsed pr;
	size_t len;
	__u8 *l4;

	if (!parse(p->data, p->len, &pr))
		return;
	if (pr.version == 4) {
		ip->tot_len = htons(p->len);
		ip->check = 0;
		if (ip->ihl >= 5 && pr.l4 <= p->len)
			ip->check = checksum(ip, pr.l4, 0);
	} else {
		ip6->ip6_plen = htons(p->len - sizeof(*ip6));
	}
	if (pr.fragment || pr.l4 + 8 > p->len)
		return;
	l4 = p->data + pr.l4;
	len = p->len - pr.l4;
	switch (pr.proto) {
	case IPPROTO_UDP:
		((struct udphdr *)l4)->len = htons(len);
		((struct udphdr *)l4)->check = 0;
		((struct udphdr *)l4)->check = l4_checksum(&pr.src, &pr.dst, pr.proto, l4, len);
		break;
	case IPPROTO_TCP:
		if (len < sizeof(struct tcphdr))
			break;
		((struct tcphdr *)l4)->check = 0;
		((struct tcphdr *)l4)->check = l4_checksum(&pr.src, &pr.dst, pr.proto, l4, len);
		break;
	case IPPROTO_ICMP:
		memset(l4 + 2, 0, 2);
		((struct icmphdr *)l4)->checksum = checksum(l4, len, 0);
		break;
	case IPPROTO_ICMPV6:
		memset(l4 + 2, 0, 2);
		((struct icmphdr *)l4)->checksum = l4_checksum(&pr.src, &pr.dst, pr.proto, l4, len);
		break;
	}
}

/* How a TCP conversation goes is always the same: what comes later fits what came before. */
#define SEQ_IN		5001	/* the first of what comes to the inside, and of what leaves: */
#define SEQ_OUT		1001

static inline void put_tcp(struct packet *p, __u16 sport, __u16 dport, enum side from)
{
	struct tcphdr tcp = {
		.source = htons(sport), .dest = htons(dport), .doff = 5, .window = htons(64240),
		.seq = htonl(from == LAN ? SEQ_OUT : SEQ_IN), .ack = 1,
		.ack_seq = htonl(from == LAN ? SEQ_IN : SEQ_OUT),
	};

	switch (below(8)) {
	case 0 ... 3:
		tcp.syn = 1;
		tcp.ack = 0;
		tcp.seq = htonl(ntohl(tcp.seq) - 1);
		break;
	case 4:
		tcp.fin = 1;
		break;
	case 5:
		tcp.rst = 1;
		break;
	}
	append(p, &tcp, sizeof(tcp));
	if (!tcp.syn && !tcp.rst)
		append_chance(p, below(64));
}

static inline void put_udp(struct packet *p, __u16 sport, __u16 dport)
{
	struct udphdr udp = { .source = htons(sport), .dest = htons(dport) };

	append(p, &udp, sizeof(udp));
	append_chance(p, below(64));
}

static inline void put_echo(struct packet *p, int version, __u16 id, bool reply)
{
	struct icmphdr icmp = { .un.echo.id = htons(id), .un.echo.sequence = htons(1) };

	if (version == 4)
		icmp.type = reply ? ICMP_ECHOREPLY : ICMP_ECHO;
	else
		icmp.type = reply ? ICMP6_ECHO_REPLY : ICMP6_ECHO_REQUEST;
	append(p, &icmp, sizeof(icmp));
	append_chance(p, below(64));
}

static inline void put_l4(struct packet *p, int version, __u8 proto, __u16 sport, __u16 dport,
			  enum side from)
{
	switch (proto) {
	case IPPROTO_UDP:
		put_udp(p, sport, dport);
		break;
	case IPPROTO_TCP:
		put_tcp(p, sport, dport, from);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		put_echo(p, version, sport, from == WAN && percent(50));
		break;
	default:
		append_chance(p, 8 + below(64));
	}
}

/* -- spoiling -------------------------------------------------------------------------- */

static inline void insert(struct packet *p, size_t at, const void *data, size_t len)
{
	if (at > p->len || p->len + len > MAX_PACKET)
		return;
	memmove(p->data + at + len, p->data + at, p->len - at);
	memcpy(p->data + at, data, len);
	p->len += len;
}

/* Options of an IPv4 header, sensible ones or not */
static inline void add_options(struct packet *p)
{
	static const __u8 kinds[] = { 7, 68, 131, 137, 130, 136, 148, 1, 0 };
	__u8 options[40];
	size_t len = 4 * (1 + below(10)), i;

	for (i = 0; i < len; i++)
		options[i] = percent(50) ? 1 : chance();
	options[0] = kinds[below(sizeof(kinds))];
	options[1] = percent(80) ? len : chance();
	options[2] = percent(80) ? 4 : chance();
	if ((p->data[0] & 15) * 4 + len > 60)
		return;
	insert(p, 20, options, len);
	p->data[0] += len / 4;
}

/* One or more extension headers before what was first */
static inline void add_extensions(struct packet *p)
{
	static const __u8 kinds[] = {
		IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, IPPROTO_AH,
		IPPROTO_NONE, 135, 139, 140,
	};
	struct ip6_hdr *ip6 = (void *)p->data;
	__u8 ext[64];
	int n;

	for (n = 1 + below(4); n; n--) {
		__u8 kind = kinds[below(sizeof(kinds))];
		size_t len = kind == IPPROTO_FRAGMENT ? 8 : 8 * (1 + below(4)), i;

		memset(ext, 0, sizeof(ext));
		ext[0] = ip6->ip6_nxt;
		ext[1] = kind == IPPROTO_FRAGMENT ? 0 :
			 kind == IPPROTO_AH ? len / 4 - 2 : len / 8 - 1;
		if (kind == IPPROTO_HOPOPTS || kind == IPPROTO_DSTOPTS) {
			/* padding over all that is left */
			ext[2] = 1;
			ext[3] = len - 4;
		}
		if (percent(20))
			for (i = 1; i < len; i++)
				ext[i] = chance();
		insert(p, sizeof(*ip6), ext, len);
		ip6->ip6_nxt = kind;
	}
}

static inline void odd_end(struct packet *p, bool src)
{
	union endpoint e = odd_address(p->data[0] >> 4);

	if (e.sa.sa_family == AF_INET)
		memcpy(p->data + (src ? 12 : 16), &e.in.sin_addr, 4);
	else
		memcpy(p->data + (src ? 8 : 24), &e.in6.sin6_addr, 16);
}

/* The sender is the receiver, in all or but for the port */
static inline void land(struct packet *p, size_t l4)
{
	if (p->data[0] >> 4 == 4)
		memcpy(p->data + 12, p->data + 16, 4);
	else
		memcpy(p->data + 8, p->data + 24, 16);
	if (percent(50) && l4 + 4 <= p->len)
		memcpy(p->data + l4, p->data + l4 + 2, 2);
}

static inline void odd_port(struct packet *p, size_t l4)
{
	static const __u16 ports[] = { 0, 0xffff, 1, 53, 1023, 1024 };
	__u16 port = htons(ports[below(6)]);

	if (l4 + 4 <= p->len)
		memcpy(p->data + l4 + 2 * below(2), &port, 2);
}

static inline void odd_tcp(struct packet *p, size_t l4)
{
	struct tcphdr *tcp = (void *)(p->data + l4);

	if (l4 + sizeof(*tcp) > p->len)
		return;
	switch (below(4)) {
	case 0:
		p->data[l4 + 13] = chance();
		break;
	case 1:
		tcp->doff = below(16);
		break;
	case 2:
		tcp->seq = chance();
		tcp->ack_seq = chance();
		break;
	default:
		append_chance(p, 4 * below(10));
		tcp->doff = 5 + below(11);
	}
}

static inline void odd_ip(struct packet *p)
{
	struct ip6_hdr *ip6 = (void *)p->data;
	struct iphdr *ip = (void *)p->data;
	bool four = p->data[0] >> 4 == 4;

	switch (below(6)) {
	case 0:
		p->data[four ? 8 : 7] = below(3);
		break;
	case 1:
		p->data[four ? 9 : 6] = chance();
		break;
	case 2:
		if (four)
			ip->tot_len = htons(percent(50) ? chance() : p->len - 40 + below(80));
		else
			ip6->ip6_plen = htons(percent(50) ? chance() : p->len - 80 + below(80));
		break;
	case 3:
		p->data[0] = chance();
		break;
	case 4:
		if (four)
			ip->frag_off = chance();
		break;
	default:
		p->data[1] = chance();
	}
}

/* Spoils a packet in one of many ways */
static inline void spoil(struct packet *p)
{
	struct parsed pr;

	if (!parse(p->data, p->len, &pr))
		return;
	switch (below(12)) {
	case 0:
		p->data[below(p->len)] ^= 1 << below(8);
		break;
	case 1:
		p->data[below(p->len)] = chance();
		break;
	case 2:
		p->len = 1 + below(p->len);
		break;
	case 3:
		append_chance(p, below(1500));
		break;
	case 4:
		odd_end(p, percent(50));
		break;
	case 5:
		land(p, pr.l4);
		break;
	case 6:
		odd_port(p, pr.l4);
		break;
	case 7 ... 8:
		if (pr.proto == IPPROTO_TCP)
			odd_tcp(p, pr.l4);
		else if (pr.error && pr.quoted < p->len)
			p->data[pr.quoted + below(p->len - pr.quoted)] = chance();
		break;
	case 9:
		odd_ip(p);
		break;
	default:
		if (pr.version == 4)
			add_options(p);
		else
			add_extensions(p);
	}
}

#endif
