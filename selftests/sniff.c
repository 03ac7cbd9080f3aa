// SPDX-License-Identifier: GPL-2.0
/*
 * sniff - the tests' eyes on the wire.
 *
 *	sniff [-n COUNT] [-t SECONDS] INTERFACE [FILTER...]
 *
 * Prints each matching IPv4 packet that enters or leaves the interface as a line:
 *	udp 203.0.113.1:5000 > 203.0.113.10:3000 len=5 hello
 *	tcp 203.0.113.1:5000 > 203.0.113.10:3000 SA seq=1 ack=2 len=0
 *	icmp 203.0.113.1 > 203.0.113.10 8/0 id=77 seq=1 len=64
 *	icmp 203.0.113.30 > 203.0.113.1 3/3 (udp 203.0.113.1:5000 > 203.0.113.30:3000)
 *	47 203.0.113.1 > 203.0.113.10 len=20
 *	frag 203.0.113.1 > 203.0.113.10 proto=17 offset=1480 len=20
 * "frag" is a fragment that is not the first. FILTER: udp, tcp, icmp, a protocol
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
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <ctype.h>
#include <poll.h>

static int want_proto = -1;
static struct sockaddr_in want_src, want_dst;
static const char *want_flags;

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

static int endpoint_matches(const struct sockaddr_in *want,
			    const struct sockaddr_in *is)
{
	return (!want->sin_addr.s_addr ||
		want->sin_addr.s_addr == is->sin_addr.s_addr) &&
	       (!want->sin_port || want->sin_port == is->sin_port);
}

/*
 * Fills in addresses and ports of the IPv4 packet at @data; returns where its
 * payload begins, 0 for none.
 */
static size_t endpoints(const __u8 *data, size_t len, struct sockaddr_in *src,
			struct sockaddr_in *dst)
{
	const struct iphdr *ip = (const struct iphdr *)data;
	size_t hlen;

	memset(src, 0, sizeof(*src));
	memset(dst, 0, sizeof(*dst));
	if (len < sizeof(*ip) || ip->version != 4 || ip->ihl < 5 ||
	    len < ip->ihl * 4u)
		return 0;
	hlen = ip->ihl * 4u;
	src->sin_addr.s_addr = ip->saddr;
	dst->sin_addr.s_addr = ip->daddr;
	if ((ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_UDP) &&
	    len >= hlen + 4 && !(ntohs(ip->frag_off) & IP_OFFMASK)) {
		memcpy(&src->sin_port, data + hlen, 2);
		memcpy(&dst->sin_port, data + hlen + 2, 2);
	}
	return hlen;
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
		return "icmp";
	default:
		return "other";
	}
}

static void print_icmp(const __u8 *l4, size_t len, const char *src,
		       const char *dst)
{
	const struct icmphdr *icmp = (const struct icmphdr *)l4;
	struct sockaddr_in isrc, idst;
	const struct iphdr *inner;

	printf("icmp %s > %s %u/%u", src, dst, icmp->type, icmp->code);
	switch (icmp->type) {
	case ICMP_DEST_UNREACH:
	case ICMP_SOURCE_QUENCH:
	case ICMP_REDIRECT:
	case ICMP_TIME_EXCEEDED:
	case ICMP_PARAMETERPROB:
		inner = (const struct iphdr *)(icmp + 1);
		if (!endpoints((const __u8 *)inner, len - sizeof(*icmp), &isrc,
			       &idst))
			break;
		printf(" (%s %s > %s)", proto_name(inner->protocol),
		       endpoint_text(&isrc), endpoint_text(&idst));
		break;
	default:
		printf(" id=%u seq=%u len=%zu", ntohs(icmp->un.echo.id),
		       ntohs(icmp->un.echo.sequence), len);
	}
}

/* Prints the packet if it matches; returns whether it did. */
static int look(size_t len)
{
	const struct iphdr *ip = (const struct iphdr *)packet;
	char src_addr[INET_ADDRSTRLEN], dst_addr[INET_ADDRSTRLEN];
	struct sockaddr_in src, dst;
	size_t hlen = endpoints(packet, len, &src, &dst);
	const struct tcphdr *tcp = (const struct tcphdr *)(packet + hlen);

	if (!hlen || (want_proto >= 0 && ip->protocol != want_proto) ||
	    !endpoint_matches(&want_src, &src) ||
	    !endpoint_matches(&want_dst, &dst))
		return 0;
	if (ntohs(ip->tot_len) >= hlen && ntohs(ip->tot_len) < len)
		len = ntohs(ip->tot_len);
	len -= hlen;
	inet_ntop(AF_INET, &src.sin_addr, src_addr, sizeof(src_addr));
	inet_ntop(AF_INET, &dst.sin_addr, dst_addr, sizeof(dst_addr));

	if (ntohs(ip->frag_off) & IP_OFFMASK) {
		if (want_flags)
			return 0;
		printf("frag %s > %s proto=%u offset=%u len=%zu\n", src_addr,
		       dst_addr, ip->protocol,
		       (ntohs(ip->frag_off) & IP_OFFMASK) * 8, len);
		return 1;
	}
	if (want_flags && (ip->protocol != IPPROTO_TCP || len < sizeof(*tcp) ||
			   !same_flags(want_flags, flags_text(tcp))))
		return 0;

	if (ip->protocol == IPPROTO_UDP && len >= sizeof(struct udphdr)) {
		printf("udp %s > %s", endpoint_text(&src), endpoint_text(&dst));
		print_payload(packet + hlen + sizeof(struct udphdr),
			      len - sizeof(struct udphdr));
	} else if (ip->protocol == IPPROTO_TCP && len >= sizeof(*tcp)) {
		printf("tcp %s > %s %s seq=%u ack=%u len=%zu",
		       endpoint_text(&src), endpoint_text(&dst), flags_text(tcp),
		       ntohl(tcp->seq), ntohl(tcp->ack_seq),
		       len - tcp->doff * 4u);
	} else if (ip->protocol == IPPROTO_ICMP &&
		   len >= sizeof(struct icmphdr)) {
		print_icmp(packet + hlen, len, src_addr, dst_addr);
	} else {
		printf("%u %s > %s", ip->protocol, src_addr, dst_addr);
		print_payload(packet + hlen, len);
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

	while ((opt = getopt(argc, argv, "+n:t:")) != -1) {
		switch (opt) {
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
		     "usage: sniff [-n COUNT] [-t SECONDS] INTERFACE [FILTER...]");
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
		if (len > 0 && from.sll_protocol == htons(ETH_P_IP) &&
		    look((size_t)len))
			seen++;
	}
	return 0;
}
