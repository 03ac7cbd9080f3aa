// SPDX-License-Identifier: GPL-2.0
/*
 * sniff - the tests' eyes on the wire.
 *
 *	sniff [-x] [-n COUNT] [-t SECONDS] INTERFACE [FILTER...]
 *
 * Prints each matching IPv4 or IPv6 packet that enters or leaves the interface as a
 * line, ICMPv6 as ICMP with its own numbers:
 *	udp 203.0.113.1:5000 > 203.0.113.10:3000 len=5 hello
 *	tcp 203.0.113.1:5000 > 203.0.113.10:3000 SA seq=1 ack=2 len=0
 *	icmp 203.0.113.1 > 203.0.113.10 8/0 id=77 seq=1 len=64
 *	icmp 203.0.113.30 > 203.0.113.1 3/3 (udp 203.0.113.1:5000 > 203.0.113.30:3000)
 *	47 203.0.113.1 > 203.0.113.10 len=20
 *	frag 203.0.113.1 > 203.0.113.10 proto=17 offset=1480 len=20
 * Behind an ICMP error, and after the packet that it quotes, is " badsum" if a checksum
 * of either header is wrong, and with -x the last twelve bytes in hex.
 * "frag" is a fragment that is not the first. IPv6 has brackets, [2001:db8::1]:5000.
 * FILTER: udp, tcp, icmp, a protocol
 * number, src=ADDR[:PORT], dst=ADDR[:PORT], flags=FLAGS (exactly these of SAFRPU);
 * several must all match. The first line is "ready". Ends with 0 after COUNT
 * packets (default 1; 0 is no limit) and with 1 after SECONDS (default 0, no
 * limit) without them.
 */
#include "helper.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <ctype.h>
#include <poll.h>

static int want_proto = -1;
static union endpoint want_src, want_dst;
static const char *want_flags;
static int show_tail;

static __u8 packet[65536];

static const char *flags_text(const struct tcphdr *tcp)
{
	static char text[8];
	char *t = text;

	if (tcp->syn)
		*t++ = 'S';
	if (tcp->fin)
		*t++ = 'F';
	if (tcp->rst)
		*t++ = 'R';
	if (tcp->psh)
		*t++ = 'P';
	if (tcp->ack)
		*t++ = 'A';
	if (tcp->urg)
		*t++ = 'U';
	if (t == text)
		*t++ = '-';
	*t = '\0';
	return text;
}

static int same_flags(const char *a, const char *b)
{
	return strlen(a) == strlen(b) && strspn(a, b) == strlen(a);
}

static int endpoint_matches(const union endpoint *want, const union endpoint *is)
{
	return (!want->sa.sa_family || same_address(want, is)) &&
	       (!want->in.sin_port || want->in.sin_port == is->in.sin_port);
}

/* What the IP header says; @len is that of @l4, as far as it was captured. */
struct view {
	union endpoint src, dst;
	const __u8 *l4;
	size_t len;
	unsigned int offset;	/* of a fragment, bytes */
	__u8 proto;
	int badsum;		/* of the IPv4 header */
};

static int view_ipv4(const __u8 *data, size_t len, struct view *v)
{
	const struct iphdr *ip = (const struct iphdr *)data;
	size_t hlen = ip->ihl * 4u;

	if (len < sizeof(*ip) || ip->ihl < 5 || len < hlen)
		return 0;
	if (ntohs(ip->tot_len) >= hlen && ntohs(ip->tot_len) < len)
		len = ntohs(ip->tot_len);
	v->src.sa.sa_family = AF_INET;
	v->dst.sa.sa_family = AF_INET;
	v->src.in.sin_addr.s_addr = ip->saddr;
	v->dst.in.sin_addr.s_addr = ip->daddr;
	v->proto = ip->protocol;
	v->offset = (ntohs(ip->frag_off) & IP_OFFMASK) * 8u;
	v->badsum = checksum(ip, hlen, 0);
	v->l4 = data + hlen;
	v->len = len - hlen;
	return 1;
}

static int view_ipv6(const __u8 *data, size_t len, struct view *v)
{
	const struct ip6_hdr *ip = (const struct ip6_hdr *)data;
	const struct ip6_frag *frag = (const struct ip6_frag *)(ip + 1);

	if (len < sizeof(*ip))
		return 0;
	if (sizeof(*ip) + ntohs(ip->ip6_plen) < len)
		len = sizeof(*ip) + ntohs(ip->ip6_plen);
	v->src.sa.sa_family = AF_INET6;
	v->dst.sa.sa_family = AF_INET6;
	v->src.in6.sin6_addr = ip->ip6_src;
	v->dst.in6.sin6_addr = ip->ip6_dst;
	v->proto = ip->ip6_nxt;
	v->l4 = data + sizeof(*ip);
	v->len = len - sizeof(*ip);
	if (v->proto == IPPROTO_FRAGMENT && v->len >= sizeof(*frag)) {
		v->proto = frag->ip6f_nxt;
		v->offset = ntohs(frag->ip6f_offlg & IP6F_OFF_MASK);
		v->l4 += sizeof(*frag);
		v->len -= sizeof(*frag);
	}
	return 1;
}

static int is_icmp(int proto)
{
	return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

static int is_error(const struct view *v, int type)
{
	if (v->proto == IPPROTO_ICMPV6)
		return type < 128;
	return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH ||
	       type == ICMP_REDIRECT || type == ICMP_TIME_EXCEEDED ||
	       type == ICMP_PARAMETERPROB;
}

static int view_packet(const __u8 *data, size_t len, struct view *v)
{
	int known;

	memset(v, 0, sizeof(*v));
	known = len && (*data >> 4 == 6 ? view_ipv6(data, len, v) :
			*data >> 4 == 4 && view_ipv4(data, len, v));
	if (known && !v->offset && v->len >= 4 &&
	    (v->proto == IPPROTO_TCP || v->proto == IPPROTO_UDP)) {
		memcpy(&v->src.in.sin_port, v->l4, 2);
		memcpy(&v->dst.in.sin_port, v->l4 + 2, 2);
	}
	/* a query's id is as good as a port */
	if (known && !v->offset && v->len >= 8 && is_icmp(v->proto) &&
	    !is_error(v, *v->l4))
		memcpy(&v->src.in.sin_port, v->l4 + 4, 2);
	return known;
}

static void print_payload(const __u8 *data, size_t len)
{
	printf(" len=%zu", len);
	if (len)
		putchar(' ');
	for (size_t i = 0; i < len && i < 48; i++)
		putchar(isgraph(data[i]) ? data[i] : '.');
}

static const char *proto_name(int proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return "icmp";
	default:
		return "other";
	}
}

static int is_bad_icmp(const struct view *v)
{
	return v->proto == IPPROTO_ICMP ? checksum(v->l4, v->len, 0) :
	       l4_checksum(&v->src, &v->dst, v->proto, v->l4, v->len);
}

/* An error's own packet, and what it quotes. */
static void print_quoted(const struct view *v, const struct view *inner)
{
	printf(" (%s %s > %s)%s", proto_name(inner->proto),
	       endpoint_text(&inner->src), endpoint_text(&inner->dst),
	       v->badsum || inner->badsum || is_bad_icmp(v) ? " badsum" : "");
	if (!show_tail || v->len < 12)
		return;
	putchar(' ');
	for (size_t i = v->len - 12; i < v->len; i++)
		printf("%02x", v->l4[i]);
}

static void print_icmp(const struct view *v)
{
	const struct icmphdr *icmp = (const struct icmphdr *)v->l4;
	struct view inner;

	printf("icmp %s > %s %u/%u", address_text(&v->src),
	       address_text(&v->dst), icmp->type, icmp->code);
	if (!is_error(v, icmp->type))
		printf(" id=%u seq=%u len=%zu", ntohs(icmp->un.echo.id),
		       ntohs(icmp->un.echo.sequence), v->len);
	else if (view_packet(v->l4 + sizeof(*icmp), v->len - sizeof(*icmp),
			     &inner))
		print_quoted(v, &inner);
}

/* Prints the packet if it matches; returns whether it did. */
static int look(size_t len)
{
	const struct tcphdr *tcp;
	struct view v;

	if (!view_packet(packet, len, &v))
		return 0;
	tcp = (const struct tcphdr *)v.l4;
	if ((want_proto >= 0 && v.proto != want_proto &&
	     !(is_icmp(want_proto) && is_icmp(v.proto))) ||
	    !endpoint_matches(&want_src, &v.src) ||
	    !endpoint_matches(&want_dst, &v.dst))
		return 0;

	if (v.offset) {
		if (want_flags)
			return 0;
		printf("frag %s > %s proto=%u offset=%u len=%zu\n",
		       address_text(&v.src), address_text(&v.dst), v.proto,
		       v.offset, v.len);
		return 1;
	}
	if (want_flags && (v.proto != IPPROTO_TCP || v.len < sizeof(*tcp) ||
			   !same_flags(want_flags, flags_text(tcp))))
		return 0;

	if (v.proto == IPPROTO_UDP && v.len >= sizeof(struct udphdr)) {
		printf("udp %s > %s", endpoint_text(&v.src),
		       endpoint_text(&v.dst));
		print_payload(v.l4 + sizeof(struct udphdr),
			      v.len - sizeof(struct udphdr));
	} else if (v.proto == IPPROTO_TCP && v.len >= sizeof(*tcp)) {
		printf("tcp %s > %s %s seq=%u ack=%u len=%zu",
		       endpoint_text(&v.src), endpoint_text(&v.dst),
		       flags_text(tcp), ntohl(tcp->seq), ntohl(tcp->ack_seq),
		       v.len - tcp->doff * 4u);
	} else if (is_icmp(v.proto) && v.len >= sizeof(struct icmphdr)) {
		print_icmp(&v);
	} else {
		printf("%u %s > %s", v.proto, address_text(&v.src),
		       address_text(&v.dst));
		print_payload(v.l4, v.len);
	}
	putchar('\n');
	return 1;
}

static void parse_filter(const char *word)
{
	if (!strcmp(word, "udp"))
		want_proto = IPPROTO_UDP;
	else if (!strcmp(word, "tcp"))
		want_proto = IPPROTO_TCP;
	else if (!strcmp(word, "icmp"))
		want_proto = IPPROTO_ICMP;
	else if (!strncmp(word, "src=", 4))
		want_src = parse_endpoint(word + 4);
	else if (!strncmp(word, "dst=", 4))
		want_dst = parse_endpoint(word + 4);
	else if (!strncmp(word, "flags=", 6))
		want_flags = word + 6;
	else if (isdigit((unsigned char)*word))
		want_proto = atoi(word);
	else
		errx(EXIT_USAGE, "no such filter: %s", word);
}

int main(int argc, char **argv)
{
	struct sockaddr_ll ll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
	};
	unsigned long count = 1, seen = 0;
	int opt, fd, size = 8 << 20;
	__s64 deadline = 0;

	while ((opt = getopt(argc, argv, "+xn:t:")) != -1) {
		switch (opt) {
		case 'x':
			show_tail = 1;
			break;
		case 'n':
			count = strtoul(optarg, NULL, 0);
			break;
		case 't':
			deadline = now_ms() + (__s64)(atof(optarg) * 1000);
			break;
		default:
			return EXIT_USAGE;
		}
	}
	if (optind == argc)
		errx(EXIT_USAGE,
		     "usage: sniff [-x] [-n COUNT] [-t SECONDS] INTERFACE [FILTER...]");
	ll.sll_ifindex = (int)if_nametoindex(argv[optind]);
	if (!ll.sll_ifindex)
		err(EXIT_USAGE, "%s", argv[optind]);
	while (++optind < argc)
		parse_filter(argv[optind]);

	/*
	 * Protocol 0 until bind() names the interface: nothing of other interfaces
	 * gets in. ETH_P_ALL sees both directions.
	 */
	fd = socket(AF_PACKET, SOCK_DGRAM, 0);
	if (fd < 0)
		err(EXIT_USAGE, "socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&ll, sizeof(ll)))
		err(EXIT_USAGE, "bind");
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");

	while (!count || seen < count) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		struct sockaddr_ll from;
		socklen_t fromlen = sizeof(from);
		ssize_t len;

		if (poll(&p, 1, deadline ? ms_left(deadline) : -1) == 0)
			return EXIT_TIMEOUT;
		len = recvfrom(fd, packet, sizeof(packet), MSG_DONTWAIT,
			       (struct sockaddr *)&from, &fromlen);
		if (len > 0 && (from.sll_protocol == htons(ETH_P_IP) ||
				from.sll_protocol == htons(ETH_P_IPV6)) &&
		    look((size_t)len))
			seen++;
	}
	return 0;
}
