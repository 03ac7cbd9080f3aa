// SPDX-License-Identifier: GPL-2.0
/*
 * scan - a port scan of a whole address.
 *
 *	scan ADDR:PORT ADDR
 *
 * Sends from the first endpoint to every port of the second address a datagram and
 * then a SYN, written from the IP header on, so that no socket has the port. Prints a
 * line for each port that answers,
 *
 *	udp PORT
 *	tcp PORT FLAGS		FLAGS in the order FSRPA
 *	icmp TYPE/CODE PORT	an error from that address, about a packet to that port
 *
 * in the order of arrival, and at the end "sent N failed M". Exits 0, 2 on bad use.
 */
#include "helper.h"

#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

#define PORTS		65535
/* so many packets, and then a rest in which what answers may do so */
#define BATCH		64
#define REST_NS		1000000
#define LINGER_MS	3000

static struct {
	struct iphdr ip;
	union {
		struct {
			struct udphdr udp;
			char text[4];
		};
		struct tcphdr tcp;
	};
} packet;

static union endpoint from, to;
static int out, udp, tcp, icmp;

static int receiver(int protocol)
{
	int fd = socket(AF_INET, SOCK_RAW, protocol);

	if (fd < 0)
		err(EXIT_USAGE, "socket");
	return fd;
}

static int send_to_port(__u8 proto, unsigned int port)
{
	size_t len = sizeof(packet.tcp);
	__u16 *check = proto == IPPROTO_UDP ? &packet.udp.check : &packet.tcp.check;

	memset(&packet.tcp, 0, sizeof(packet.tcp));
	/* both have the ports in the same place */
	packet.udp.source = from.in.sin_port;
	packet.udp.dest = htons((__u16)port);
	if (proto == IPPROTO_UDP) {
		len = sizeof(packet.udp) + sizeof(packet.text);
		packet.udp.len = htons((__u16)len);
	} else {
		packet.tcp.seq = htonl(port);
		packet.tcp.doff = sizeof(packet.tcp) / 4;
		packet.tcp.syn = 1;
		packet.tcp.window = htons(64240);
	}
	packet.ip.protocol = proto;
	packet.ip.tot_len = htons((__u16)(sizeof(packet.ip) + len));
	*check = l4_checksum(&from, &to, proto, &packet.udp, len);
	len += sizeof(packet.ip);
	return sendto(out, &packet, len, 0, &to.sa, endpoint_size(&to)) == (ssize_t)len;
}

/* An error quotes the packet that it is about. */
static void tell_icmp(const struct icmphdr *ih)
{
	const struct iphdr *quoted = (const void *)(ih + 1);
	const struct udphdr *uh = (const void *)((const char *)quoted + quoted->ihl * 4);

	printf("icmp %u/%u %u\n", ih->type, ih->code, ntohs(uh->dest));
}

static void tell_tcp(const struct tcphdr *th)
{
	printf("tcp %u %s%s%s%s%s\n", ntohs(th->source), th->fin ? "F" : "",
	       th->syn ? "S" : "", th->rst ? "R" : "", th->psh ? "P" : "",
	       th->ack ? "A" : "");
}

/* Tells all that has come on a socket. */
static void drain(int fd, __u8 proto)
{
	unsigned char data[2048];
	const struct iphdr *ip = (const void *)data;

	while (recv(fd, data, sizeof(data), MSG_DONTWAIT) > 0) {
		const void *l4 = data + ip->ihl * 4;
		const struct udphdr *uh = l4;

		if (ip->saddr != to.in.sin_addr.s_addr)
			continue;
		if (proto == IPPROTO_ICMP)
			tell_icmp(l4);
		else if (uh->dest != from.in.sin_port)
			continue;
		else if (proto == IPPROTO_UDP)
			printf("udp %u\n", ntohs(uh->source));
		else
			tell_tcp(l4);
	}
}

static void rest(long ns)
{
	struct timespec ts = { .tv_nsec = ns };

	nanosleep(&ts, NULL);
	drain(udp, IPPROTO_UDP);
	drain(tcp, IPPROTO_TCP);
	drain(icmp, IPPROTO_ICMP);
}

int main(int argc, char **argv)
{
	static const __u8 protos[] = { IPPROTO_UDP, IPPROTO_TCP };
	unsigned long sent = 0, failed = 0;
	unsigned int i, port;
	__s64 end;

	if (argc != 3)
		errx(EXIT_USAGE, "usage: scan ADDR:PORT ADDR");
	from.in = parse_endpoint4(argv[1]);
	to.in = parse_endpoint4(argv[2]);
	out = raw_socket(AF_INET);
	udp = receiver(IPPROTO_UDP);
	tcp = receiver(IPPROTO_TCP);
	icmp = receiver(IPPROTO_ICMP);

	packet.ip.version = 4;
	packet.ip.ihl = sizeof(packet.ip) / 4;
	packet.ip.ttl = 64;
	packet.ip.saddr = from.in.sin_addr.s_addr;
	packet.ip.daddr = to.in.sin_addr.s_addr;
	for (i = 0; i < sizeof(protos); i++) {
		for (port = 1; port <= PORTS; port++) {
			if (send_to_port(protos[i], port))
				sent++;
			else
				failed++;
			if (port % BATCH == 0)
				rest(REST_NS);
		}
	}
	for (end = now_ms() + LINGER_MS; now_ms() < end; )
		rest(100 * REST_NS);
	printf("sent %lu failed %lu\n", sent, failed);
	return 0;
}
