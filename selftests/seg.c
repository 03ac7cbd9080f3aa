// SPDX-License-Identifier: GPL-2.0
/*
 * seg - sends one handmade packet, source and all, with right checksums.
 *
 *	seg [OPTION...] tcp SRC:PORT DST:PORT FLAGS [SEQ [ACK [LENGTH]]]
 *		FLAGS of "SAFRPU", "-" is none
 *	seg [OPTION...] udp|udplite SRC:PORT DST:PORT [TEXT]
 *	seg [OPTION...] query|answer SRC:ID DST
 *		ICMP or ICMPv6 echo, and its answer
 *	seg [OPTION...] error SRC DST TYPE/CODE udp|tcp|icmp FROM:PORT TO:PORT [HOW...]
 *		an ICMP or ICMPv6 error about a packet from FROM to TO; of icmp the port of
 *		FROM is the id of an echo request. It quotes eight bytes of what follows the
 *		IP header, or more if HOW says so:
 *		full	32 bytes, so all of the TCP or UDP header
 *		options	the quoted IPv4 header has eight bytes of options
 *		objects	an extension object follows (RFC 4884, as routers with MPLS do)
 *		mtu=N	the MTU in "too big"
 *		badsum	the checksum of the error is wrong
 *		badip	that of the quoted IPv4 header is
 *		badl4	that of the quoted TCP or UDP header is, and that of all is right
 *	seg [OPTION...] NUMBER SRC DST [HEX]
 *		another protocol, HEX is all that follows the IP header
 * Both ends are IPv4, or both IPv6, [2001:db8::1]:5000. Options:
 *	-m MARK	the socket mark, see below
 *	-l TTL
 *	-f SIZE	in fragments of so many bytes, a multiple of 8
 *	-r	the last of them first
 *	-1	only the first of them
 *
 * Packets carry the socket mark 0x5e9 unless -m says otherwise, so that a rule of
 * the host can drop the resets its own kernel makes for handmade connections and
 * let these through. Exits 0 when sent, 2 otherwise.
 */
#include "helper.h"

#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
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

/* How an error is out of the ordinary */
static struct {
	int full, options, objects, badsum, badip, badl4;
	__u32 mtu;
} how;

static void parse_how(int argc, char **argv)
{
	for (; argc; argc--, argv++) {
		if (!strcmp(*argv, "full"))
			how.full = 1;
		else if (!strcmp(*argv, "options"))
			how.options = 1;
		else if (!strcmp(*argv, "objects"))
			how.objects = 1;
		else if (!strcmp(*argv, "badsum"))
			how.badsum = 1;
		else if (!strcmp(*argv, "badip"))
			how.badip = 1;
		else if (!strcmp(*argv, "badl4"))
			how.badl4 = 1;
		else if (!strncmp(*argv, "mtu=", 4))
			how.mtu = (__u32)strtoul(*argv + 4, NULL, 0);
		else
			errx(EXIT_USAGE, "no such thing: %s", *argv);
	}
}

/* What follows the quoted IP header: the beginning of a packet of 32 bytes. */
static size_t quote_l4(__u8 proto, const union endpoint *from,
		       const union endpoint *to, __u8 *out)
{
	static __u8 whole[32];
	struct tcphdr *tcp = (void *)whole;
	struct udphdr *udp = (void *)whole;
	struct icmphdr *icmp = (void *)whole;

	memset(whole, 'x', sizeof(whole));
	switch (proto) {
	case IPPROTO_TCP:
		memset(tcp, 0, sizeof(*tcp));
		tcp->source = from->in.sin_port;
		tcp->dest = to->in.sin_port;
		tcp->doff = sizeof(*tcp) / 4;
		tcp->ack = 1;
		tcp->check = l4_checksum(from, to, proto, tcp, sizeof(whole));
		tcp->check ^= how.badl4;
		break;
	case IPPROTO_UDP:
		udp->source = from->in.sin_port;
		udp->dest = to->in.sin_port;
		udp->len = htons(sizeof(whole));
		udp->check = 0;
		udp->check = l4_checksum(from, to, proto, udp, sizeof(whole));
		udp->check ^= how.badl4;
		break;
	default:
		icmp->type = proto == IPPROTO_ICMP ? ICMP_ECHO : 128;
		icmp->code = 0;
		icmp->un.echo.id = from->in.sin_port;
		icmp->un.echo.sequence = htons(1);
		icmp->checksum = 0;
		icmp->checksum = proto == IPPROTO_ICMP ?
				 checksum(icmp, sizeof(whole), 0) :
				 l4_checksum(from, to, proto, icmp, sizeof(whole));
	}
	memcpy(out, whole, how.full ? sizeof(whole) : 8);
	return how.full ? sizeof(whole) : 8;
}

/* The quoted packet; returns the length of what is quoted. */
static size_t quote(__u8 proto, const union endpoint *from,
		    const union endpoint *to, __u8 *out)
{
	struct iphdr *ip = (void *)out;
	struct ip6_hdr *ip6 = (void *)out;
	size_t hlen = sizeof(*ip) + (how.options ? 8 : 0);

	if (from->sa.sa_family == AF_INET6) {
		ip6->ip6_vfc = 6 << 4;
		ip6->ip6_plen = htons(32);
		ip6->ip6_nxt = proto;
		ip6->ip6_hlim = 60;
		ip6->ip6_src = from->in6.sin6_addr;
		ip6->ip6_dst = to->in6.sin6_addr;
		return sizeof(*ip6) + quote_l4(proto, from, to, out + sizeof(*ip6));
	}
	ip->version = 4;
	ip->ihl = (__u8)(hlen / 4);
	ip->tot_len = htons((__u16)(hlen + 32));
	ip->ttl = 60;
	ip->protocol = proto;
	ip->saddr = from->in.sin_addr.s_addr;
	ip->daddr = to->in.sin_addr.s_addr;
	memset(ip + 1, 1, hlen - sizeof(*ip));	/* no operation, eight times */
	ip->check = checksum(ip, hlen, 0);
	ip->check ^= how.badip;
	return hlen + quote_l4(proto, from, to, out + hlen);
}

static __u8 inner_proto(const char *name, int family)
{
	if (!strcmp(name, "udp"))
		return IPPROTO_UDP;
	if (!strcmp(name, "tcp"))
		return IPPROTO_TCP;
	if (!strcmp(name, "icmp"))
		return family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	errx(EXIT_USAGE, "udp, tcp or icmp, not %s", name);
}

static __u8 icmp_proto(void)
{
	return src.sa.sa_family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
}

/* Fills in the checksum of the ICMP message of that length in @l4. */
static void finish_icmp(size_t len)
{
	struct icmphdr *icmp = (void *)l4.bytes;
	__u8 proto = icmp_proto();

	icmp->checksum = proto == IPPROTO_ICMP ? checksum(icmp, len, 0) :
			 l4_checksum(&src, &dst, proto, icmp, len);
	icmp->checksum ^= how.badsum;
}

static size_t put_echo(int answer)
{
	static const __u8 types[2][2] = {
		{ ICMP_ECHO, ICMP_ECHOREPLY }, { 128, 129 },
	};
	struct icmphdr *icmp = (void *)l4.bytes;

	icmp->type = types[src.sa.sa_family == AF_INET6][answer];
	icmp->un.echo.id = src.in.sin_port;
	icmp->un.echo.sequence = htons(1);
	finish_icmp(sizeof(*icmp));
	return sizeof(*icmp);
}

/* argv: TYPE/CODE PROTO FROM TO HOW... */
static size_t put_error(int argc, char **argv)
{
	static const __u8 objects[] = {
		0x20, 0, 0, 0,			/* version 2, checksum to come */
		0, 8, 1, 1,			/* an MPLS label stack */
		0xca, 0xfe, 0xe1, 0x40,
	};
	struct icmphdr *icmp = (void *)l4.bytes;
	union endpoint from, to;
	unsigned int type, code;
	size_t len;

	if (argc < 4 || sscanf(argv[0], "%u/%u", &type, &code) != 2)
		errx(EXIT_USAGE,
		     "usage: seg error SRC DST TYPE/CODE udp|tcp|icmp FROM TO [HOW...]");
	from = parse_endpoint(argv[2]);
	to = parse_endpoint(argv[3]);
	parse_how(argc - 4, argv + 4);
	icmp->type = (__u8)type;
	icmp->code = (__u8)code;
	len = quote(inner_proto(argv[1], src.sa.sa_family), &from, &to, (__u8 *)(icmp + 1));
	if (how.objects) {
		__u8 *at = (__u8 *)(icmp + 1) + 128;
		__u16 sum;

		/* the quoted packet is padded to 128 bytes, and says so */
		icmp->un.gateway = htonl(128 / 4 << 16);
		memcpy(at, objects, sizeof(objects));
		sum = checksum(objects, sizeof(objects), 0);
		memcpy(at + 2, &sum, sizeof(sum));
		len = 128 + sizeof(objects);
	} else if (how.mtu) {
		icmp->un.gateway = htonl(how.mtu);
	}
	len += sizeof(*icmp);
	finish_icmp(len);
	return len;
}

/* A part of what is in @l4; all of it, or a fragment */
struct part {
	size_t offset, len;
	int more;
	__u32 id;	/* 0: no fragment */
};

/* Puts the IP header before a part. Returns the length of the whole. */
static size_t put_ipv4(__u8 proto, const struct part *part, __u8 *packet)
{
	struct iphdr *ip = (void *)packet;

	ip->version = 4;
	ip->ihl = sizeof(*ip) / 4;
	ip->ttl = ttl;
	ip->protocol = proto;
	ip->id = htons((__u16)part->id);
	ip->frag_off = htons((__u16)(part->offset / 8 |
				     (part->more ? IP_MF : 0)));
	ip->saddr = src.in.sin_addr.s_addr;
	ip->daddr = dst.in.sin_addr.s_addr;
	ip->tot_len = htons((__u16)(sizeof(*ip) + part->len));
	memcpy(ip + 1, l4.bytes + part->offset, part->len);
	return sizeof(*ip) + part->len;
}

static size_t put_ipv6(__u8 proto, const struct part *part, __u8 *packet)
{
	struct ip6_hdr *ip6 = (void *)packet;
	struct ip6_frag *frag = (void *)(ip6 + 1);
	size_t extra = part->id ? sizeof(*frag) : 0;

	ip6->ip6_vfc = 6 << 4;
	ip6->ip6_plen = htons((__u16)(extra + part->len));
	ip6->ip6_nxt = part->id ? IPPROTO_FRAGMENT : proto;
	ip6->ip6_hlim = ttl;
	ip6->ip6_src = src.in6.sin6_addr;
	ip6->ip6_dst = dst.in6.sin6_addr;
	if (part->id) {
		frag->ip6f_nxt = proto;
		frag->ip6f_reserved = 0;
		frag->ip6f_offlg = htons((__u16)part->offset);
		if (part->more)
			frag->ip6f_offlg |= IP6F_MORE_FRAG;
		frag->ip6f_ident = part->id;
	}
	memcpy((__u8 *)frag + extra, l4.bytes + part->offset, part->len);
	return sizeof(*ip6) + extra + part->len;
}

static void send_part(int fd, __u8 proto, const struct part *part)
{
	static __u8 packet[sizeof(struct ip6_hdr) + sizeof(struct ip6_frag) +
			   sizeof(l4)];
	union endpoint to = dst;
	size_t len;

	memset(packet, 0, sizeof(struct ip6_hdr) + sizeof(struct ip6_frag));
	len = src.sa.sa_family == AF_INET6 ? put_ipv6(proto, part, packet) :
					     put_ipv4(proto, part, packet);
	to.in.sin_port = 0;
	if (sendto(fd, packet, len, 0, &to.sa, endpoint_size(&to)) !=
	    (ssize_t)len)
		err(EXIT_USAGE, "send");
}

/* Fragments of @size bytes: in order, from the last on, or only the first */
static void send_fragments(int fd, __u8 proto, size_t len, size_t size,
			   int reversed, int first)
{
	size_t count = (len + size - 1) / size;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (first)
		count = 1;
	for (size_t n = 0; n < count; n++) {
		size_t i = reversed ? count - 1 - n : n;
		struct part part = {
			.offset = i * size,
			.len = i * size + size < len ? size : len - i * size,
			.more = i * size + size < len,
			.id = (__u32)now.tv_nsec | 1,
		};

		send_part(fd, proto, &part);
	}
}

int main(int argc, char **argv)
{
	int opt, fd, reversed = 0, first = 0;
	size_t len, size = 0;
	__u32 mark = 0x5e9;
	const char *text;
	__u8 proto;

	while ((opt = getopt(argc, argv, "+m:l:f:r1")) != -1) {
		switch (opt) {
		case 'f':
			size = strtoul(optarg, NULL, 0);
			if (!size || size % 8)
				errx(EXIT_USAGE, "not a multiple of 8: %s", optarg);
			break;
		case 'r':
			reversed = 1;
			break;
		case '1':
			first = 1;
			break;
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
		     "usage: seg [OPTION...] tcp|udp|udplite|query|answer|error|NUMBER SRC[:PORT] DST[:PORT] ...");

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
	} else if (!strcmp(argv[0], "error")) {
		proto = icmp_proto();
		len = put_error(argc - 3, argv + 3);
	} else if (!strcmp(argv[0], "query") || !strcmp(argv[0], "answer")) {
		proto = icmp_proto();
		len = put_echo(argv[0][0] == 'a');
	} else {
		proto = (__u8)atoi(argv[0]);
		len = put_hex(argc > 3 ? argv[3] : "");
	}
	fd = raw_socket(src.sa.sa_family);
	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)))
		err(EXIT_USAGE, "setsockopt");
	if (size)
		send_fragments(fd, proto, len, size, reversed, first);
	else
		send_part(fd, proto, &(struct part){ .len = len });
	return 0;
}
