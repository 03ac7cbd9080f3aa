// SPDX-License-Identifier: GPL-2.0
/*
 * seg - sends one handmade packet, source and all, with right checksums.
 *
 *	seg [-m MARK] [-l TTL] tcp SRC:PORT DST:PORT FLAGS [SEQ [ACK [LENGTH]]]
 *		FLAGS of "SAFRPU", "-" is none
 *	seg [-m MARK] [-l TTL] udp|udplite SRC:PORT DST:PORT [TEXT]
 *	seg [-m MARK] [-l TTL] NUMBER SRC DST [HEX]
 *		another protocol, HEX is all that follows the IP header
 * Both ends are IPv4, or both IPv6, [2001:db8::1]:5000.
 *
 * Packets carry the socket mark 0x5e9 unless -m says otherwise, so that a rule of
 * the host can drop the resets its own kernel makes for handmade connections and
 * let these through. Exits 0 when sent, 2 otherwise.
 */
#include "helper.h"

#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

static union endpoint src, dst;
static __u8 ttl = 64;

/* What follows the IP header */
static union {
	struct tcphdr tcp;
	struct udphdr udp;
	__u8 bytes[4096];
} l4;

static size_t put_tcp(int argc, char **argv)
{
	struct tcphdr *tcp = &l4.tcp;
	size_t len = argc > 3 ? strtoul(argv[3], NULL, 0) : 0;

	if (len > 2048)
		errx(EXIT_USAGE, "too long");
	tcp->source = src.in.sin_port;
	tcp->dest = dst.in.sin_port;
	tcp->seq = htonl(argc > 1 ? (__u32)strtoul(argv[1], NULL, 0) : 1000);
	tcp->ack_seq = htonl(argc > 2 ? (__u32)strtoul(argv[2], NULL, 0) : 0);
	tcp->doff = sizeof(*tcp) / 4;
	tcp->window = htons(64240);
	for (const char *f = argv[0]; *f; f++) {
		switch (*f) {
		case 'S':
			tcp->syn = 1;
			break;
		case 'A':
			tcp->ack = 1;
			break;
		case 'F':
			tcp->fin = 1;
			break;
		case 'R':
			tcp->rst = 1;
			break;
		case 'P':
			tcp->psh = 1;
			break;
		case 'U':
			tcp->urg = 1;
			break;
		case '-':
			break;
		default:
			errx(EXIT_USAGE, "no TCP flag: %c", *f);
		}
	}
	memset(tcp + 1, 'x', len);
	tcp->check = l4_checksum(&src, &dst, IPPROTO_TCP, tcp,
				 sizeof(*tcp) + len);
	return sizeof(*tcp) + len;
}

static size_t put_udp(__u8 proto, const char *text)
{
	struct udphdr *udp = &l4.udp;
	size_t len = sizeof(*udp) + strlen(text);

	udp->source = src.in.sin_port;
	udp->dest = dst.in.sin_port;
	udp->len = htons((__u16)len);
	memcpy(udp + 1, text, strlen(text));
	udp->check = l4_checksum(&src, &dst, proto, udp, len);
	if (!udp->check)
		udp->check = 0xffff;
	return len;
}

static size_t put_hex(const char *hex)
{
	__u8 *out = l4.bytes;
	size_t len = 0;

	for (; *hex; hex += 2)
		if (sscanf(hex, "%2hhx", out + len++) != 1 || !hex[1])
			errx(EXIT_USAGE, "not hex: %s", hex);
	return len;
}

/* Puts the IP header before what is in @l4. Returns the length of the whole. */
static size_t put_ip(__u8 proto, size_t len, __u8 *packet)
{
	struct ip6_hdr *ip6 = (void *)packet;
	struct iphdr *ip = (void *)packet;

	if (src.sa.sa_family == AF_INET6) {
		ip6->ip6_vfc = 6 << 4;
		ip6->ip6_plen = htons((__u16)len);
		ip6->ip6_nxt = proto;
		ip6->ip6_hlim = ttl;
		ip6->ip6_src = src.in6.sin6_addr;
		ip6->ip6_dst = dst.in6.sin6_addr;
		memcpy(ip6 + 1, l4.bytes, len);
		return sizeof(*ip6) + len;
	}
	ip->version = 4;
	ip->ihl = sizeof(*ip) / 4;
	ip->ttl = ttl;
	ip->protocol = proto;
	ip->saddr = src.in.sin_addr.s_addr;
	ip->daddr = dst.in.sin_addr.s_addr;
	ip->tot_len = htons((__u16)(sizeof(*ip) + len));
	memcpy(ip + 1, l4.bytes, len);
	return sizeof(*ip) + len;
}

int main(int argc, char **argv)
{
	static __u8 packet[sizeof(struct ip6_hdr) + sizeof(l4)];
	__u32 mark = 0x5e9;
	const char *text;
	__u8 proto;
	int opt, fd;
	size_t len;

	while ((opt = getopt(argc, argv, "+m:l:")) != -1) {
		switch (opt) {
		case 'm':
			mark = (__u32)strtoul(optarg, NULL, 0);
			break;
		case 'l':
			ttl = (__u8)atoi(optarg);
			break;
		default:
			return EXIT_USAGE;
		}
	}
	argc -= optind;
	argv += optind;
	if (argc < 3 || (!strcmp(argv[0], "tcp") && argc < 4))
		errx(EXIT_USAGE,
		     "usage: seg [-m MARK] [-l TTL] tcp|udp|udplite|NUMBER SRC[:PORT] DST[:PORT] ...");

	src = parse_endpoint(argv[1]);
	dst = parse_endpoint(argv[2]);
	if (src.sa.sa_family != dst.sa.sa_family)
		errx(EXIT_USAGE, "%s and %s are of two families", argv[1], argv[2]);
	text = argc > 3 ? argv[3] : "hello";
	if (strlen(text) > 2048)
		errx(EXIT_USAGE, "too long");

	if (!strcmp(argv[0], "tcp")) {
		proto = IPPROTO_TCP;
		len = put_tcp(argc - 3, argv + 3);
	} else if (!strcmp(argv[0], "udp") || !strcmp(argv[0], "udplite")) {
		/* UDP-Lite whose checksum covers everything looks like UDP. */
		proto = argv[0][3] ? IPPROTO_UDPLITE : IPPROTO_UDP;
		len = put_udp(proto, text);
	} else {
		proto = (__u8)atoi(argv[0]);
		len = put_hex(argc > 3 ? argv[3] : "");
	}
	len = put_ip(proto, len, packet);

	fd = raw_socket(src.sa.sa_family);
	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)))
		err(EXIT_USAGE, "setsockopt");
	dst.in.sin_port = 0;
	if (sendto(fd, packet, len, 0, &dst.sa, endpoint_size(&dst)) !=
	    (ssize_t)len)
		err(EXIT_USAGE, "send");
	return 0;
}
