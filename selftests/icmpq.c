// SPDX-License-Identifier: GPL-2.0
/*
 * icmpq - ICMP echo with chosen query ids.
 *
 *	icmpq [-t SECONDS] ask ADDR:ID DST...
 *		sends one echo request with that id to each DST and prints one line
 *		for each: the text in the answer, or "none"
 *	icmpq serve ADDR...
 *		answers echo requests to these addresses with the text "addr:id" of
 *		the sender and tells each as "icmp ADDR:ID > ADDR"; the kernel must
 *		not answer as well (net.ipv4.icmp_echo_ignore_all=1)
 *
 * An answer that does not come from icmpq has no text and is printed as "reply".
 * serve prints "ready" and runs until killed; ask exits 0 when all answered, 1
 * otherwise, 2 on bad use.
 */
#include "helper.h"

#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>

#define MAX_ADDRS	16
#define MAGIC		"icmpq "

struct echo {
	struct icmphdr hdr;
	char text[64];
};

static int timeout_ms = 10000;

/* ICMPv6 has the same messages with other numbers. */
static int request(const union endpoint *e)
{
	return e->sa.sa_family == AF_INET6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
}

static int reply(const union endpoint *e)
{
	return e->sa.sa_family == AF_INET6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY;
}

static int echo_socket(const union endpoint *local)
{
	return bound_socket(SOCK_RAW, local->sa.sa_family == AF_INET6 ?
			    IPPROTO_ICMPV6 : IPPROTO_ICMP, local);
}

/* ICMPv6's checksum is the kernel's affair. */
static void send_echo(int fd, int type, __u16 id, __u16 seq, const char *text,
		      const union endpoint *dst)
{
	struct echo e = { .hdr.type = (__u8)type };

	e.hdr.un.echo.id = htons(id);
	e.hdr.un.echo.sequence = htons(seq);
	snprintf(e.text, sizeof(e.text), MAGIC "%s", text);
	e.hdr.checksum = checksum(&e, sizeof(e), 0);
	if (sendto(fd, &e, sizeof(e), 0, &dst->sa, endpoint_size(dst)) < 0)
		warn("send to %s", endpoint_text(dst));
}

/*
 * Takes one packet; returns its echo part if it is of that type. Raw sockets
 * deliver the IPv4 header too.
 */
static struct echo *receive(int fd, int type, union endpoint *peer)
{
	static union {
		struct iphdr ip;
		char bytes[2048];
	} buf;
	socklen_t size = sizeof(*peer);
	ssize_t len = recvfrom(fd, &buf, sizeof(buf) - 1, 0, &peer->sa, &size);
	size_t skip = peer->sa.sa_family == AF_INET6 ? 0 : buf.ip.ihl * 4u;
	struct echo *e = (struct echo *)(buf.bytes + skip);

	if (len < (ssize_t)(skip + sizeof(e->hdr)) || e->hdr.type != type)
		return NULL;
	buf.bytes[len] = '\0';
	peer->in.sin_port = e->hdr.un.echo.id;
	return e;
}

static int ask(int fd, __u16 id, __u16 seq, const union endpoint *dst)
{
	__s64 deadline = now_ms() + timeout_ms;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	send_echo(fd, request(dst), id, seq, "?", dst);
	while (poll(&p, 1, ms_left(deadline)) > 0) {
		union endpoint peer;
		struct echo *e = receive(fd, reply(dst), &peer);

		if (!e || !same_address(&peer, dst) ||
		    ntohs(peer.in.sin_port) != id ||
		    ntohs(e->hdr.un.echo.sequence) != seq)
			continue;
		if (!strncmp(e->text, MAGIC, strlen(MAGIC)) &&
		    strcmp(e->text, MAGIC "?"))
			puts(e->text + strlen(MAGIC));
		else
			puts("reply");
		return 1;
	}
	puts("none");
	return 0;
}

static void serve(int count, char **addrs)
{
	union endpoint local[MAX_ADDRS];
	struct pollfd fds[MAX_ADDRS];

	if (count > MAX_ADDRS)
		errx(EXIT_USAGE, "too many addresses");
	for (int i = 0; i < count; i++) {
		local[i] = parse_endpoint(addrs[i]);
		fds[i].fd = echo_socket(&local[i]);
		fds[i].events = POLLIN;
	}
	puts("ready");
	for (;;) {
		if (poll(fds, (nfds_t)count, -1) < 0 && errno != EINTR)
			err(EXIT_USAGE, "poll");
		for (int i = 0; i < count; i++) {
			union endpoint peer, dst;
			struct echo *e;

			if (!fds[i].revents)
				continue;
			e = receive(fds[i].fd, request(&local[i]), &peer);
			if (!e)
				continue;
			printf("icmp %s > %s\n", endpoint_text(&peer),
			       addrs[i]);
			dst = peer;
			dst.in.sin_port = 0;
			send_echo(fds[i].fd, reply(&dst),
				  ntohs(peer.in.sin_port),
				  ntohs(e->hdr.un.echo.sequence),
				  endpoint_text(&peer), &dst);
		}
	}
}

int main(int argc, char **argv)
{
	int opt, all = 1;

	while ((opt = getopt(argc, argv, "t:")) != -1) {
		if (opt != 't')
			return EXIT_USAGE;
		timeout_ms = (int)(atof(optarg) * 1000);
	}
	argc -= optind;
	argv += optind;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc >= 2 && !strcmp(argv[0], "serve"))
		serve(argc - 1, argv + 1);
	if (argc < 3 || strcmp(argv[0], "ask"))
		errx(EXIT_USAGE,
		     "usage: icmpq [-t SECONDS] ask ADDR:ID DST... | serve ADDR...");

	union endpoint local = parse_endpoint(argv[1]);
	__u16 id = ntohs(local.in.sin_port);
	int fd;

	local.in.sin_port = 0;
	fd = echo_socket(&local);
	for (int i = 2; i < argc; i++) {
		union endpoint dst = parse_endpoint(argv[i]);

		all &= ask(fd, id, (__u16)i, &dst);
	}
	return all ? 0 : EXIT_TIMEOUT;
}
