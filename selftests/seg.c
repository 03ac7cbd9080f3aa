// SPDX-License-Identifier: GPL-2.0
/*
 * seg - sends one handmade IPv4 packet, source and all, with right checksums.
 *
 *	seg [-m MARK] [-l TTL] tcp SRC:PORT DST:PORT FLAGS [SEQ [ACK [LENGTH]]]
 *		FLAGS of "SAFRPU", "-" is none
 *	seg [-m MARK] [-l TTL] udp|udplite SRC:PORT DST:PORT [TEXT]
 *	seg [-m MARK] [-l TTL] NUMBER SRC DST [HEX]
 *		another protocol, HEX is all that follows the IP header
 *
 * Packets carry the socket mark 0x5e9 unless -m says otherwise, so that a rule of
 * the host can drop the resets its own kernel makes for handmade connections and
 * let these through. Exits 0 when sent, 2 otherwise.
 */
#include "helper.h"

#include <netinet/tcp.h>
#include <netinet/udp.h>

static union {
	struct iphdr ip;
	__u8 bytes[4096];
} packet;

static size_t put_tcp(__u16 sport, __u16 dport, int argc, char **argv)
{
	struct tcphdr *tcp = (void *)(packet.bytes + sizeof(packet.ip));
	size_t len = argc > 3 ? strtoul(argv[3], NULL, 0) : 0;

	if (len > 2048)
		errx(EXIT_USAGE, "too long");
	tcp->source = sport;
	tcp->dest = dport;
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
	tcp->check = l4_checksum(&packet.ip, sizeof(*tcp) + len);
	return sizeof(*tcp) + len;
}

static size_t put_udp(__u16 sport, __u16 dport, const char *text)
{
	struct udphdr *udp = (void *)(packet.bytes + sizeof(packet.ip));
	size_t len = sizeof(*udp) + strlen(text);

	udp->source = sport;
	udp->dest = dport;
	udp->len = htons((__u16)len);
	memcpy(udp + 1, text, strlen(text));
	udp->check = l4_checksum(&packet.ip, len);
	if (!udp->check)
		udp->check = 0xffff;
	return len;
}

static size_t put_hex(const char *hex)
{
	__u8 *out = packet.bytes + sizeof(packet.ip);
	size_t len = 0;

	for (; *hex; hex += 2)
		if (sscanf(hex, "%2hhx", out + len++) != 1 || !hex[1])
			errx(EXIT_USAGE, "not hex: %s", hex);
	return len;
}

int main(int argc, char **argv)
{
	struct sockaddr_in src, dst;
	int opt, fd;
	__u32 mark = 0x5e9;
	const char *text;
	size_t len;

	packet.ip.ttl = 64;
	while ((opt = getopt(argc, argv, "+m:l:")) != -1) {
		switch (opt) {
		case 'm':
			mark = (__u32)strtoul(optarg, NULL, 0);
			break;
		case 'l':
			packet.ip.ttl = (__u8)atoi(optarg);
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
	packet.ip.version = 4;
	packet.ip.ihl = sizeof(packet.ip) / 4;
	packet.ip.saddr = src.sin_addr.s_addr;
	packet.ip.daddr = dst.sin_addr.s_addr;
	text = argc > 3 ? argv[3] : "hello";
	if (strlen(text) > 2048)
		errx(EXIT_USAGE, "too long");

	if (!strcmp(argv[0], "tcp")) {
		packet.ip.protocol = IPPROTO_TCP;
		len = put_tcp(src.sin_port, dst.sin_port, argc - 3, argv + 3);
	} else if (!strcmp(argv[0], "udp") || !strcmp(argv[0], "udplite")) {
		/* UDP-Lite whose checksum covers everything looks like UDP. */
		packet.ip.protocol = argv[0][3] ? IPPROTO_UDPLITE : IPPROTO_UDP;
		len = put_udp(src.sin_port, dst.sin_port, text);
	} else {
		packet.ip.protocol = (__u8)atoi(argv[0]);
		len = put_hex(argc > 3 ? argv[3] : "");
	}
	len += sizeof(packet.ip);
	packet.ip.tot_len = htons((__u16)len);

	fd = raw_socket();
	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)))
		err(EXIT_USAGE, "setsockopt");
	dst.sin_port = 0;
	if (sendto(fd, packet.bytes, len, 0, (struct sockaddr *)&dst,
		   sizeof(dst)) != (ssize_t)len)
		err(EXIT_USAGE, "send");
	return 0;
}
