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

static void send_echo(int fd, int type, __u16 id, __u16 seq, const char *text,
		      const struct sockaddr_in *dst)
{
	struct echo e = { .hdr.type = (__u8)type };

	e.hdr.un.echo.id = htons(id);
	e.hdr.un.echo.sequence = htons(seq);
	snprintf(e.text, sizeof(e.text), MAGIC "%s", text);
	e.hdr.checksum = checksum(&e, sizeof(e), 0);
	if (sendto(fd, &e, sizeof(e), 0, (const struct sockaddr *)dst,
		   sizeof(*dst)) < 0)
		warn("send to %s", endpoint_text(dst));
}

/*
 * Takes one packet; returns its echo part if it is of that type. Raw sockets
 * deliver the IP header too.
 */
static struct echo *receive(int fd, int type, struct sockaddr_in *peer)
{
	static union {
		struct iphdr ip;
		char bytes[2048];
	} buf;
	socklen_t size = sizeof(*peer);
	ssize_t len = recvfrom(fd, &buf, sizeof(buf) - 1, 0,
			       (struct sockaddr *)peer, &size);
	struct echo *e = (struct echo *)(buf.bytes + buf.ip.ihl * 4);

	if (len < (ssize_t)(buf.ip.ihl * 4 + sizeof(e->hdr)) ||
	    e->hdr.type != type)
		return NULL;
	buf.bytes[len] = '\0';
	peer->sin_port = e->hdr.un.echo.id;
	return e;
}

static int ask(int fd, __u16 id, __u16 seq, const struct sockaddr_in *dst)
{
	__s64 deadline = now_ms() + timeout_ms;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	send_echo(fd, ICMP_ECHO, id, seq, "?", dst);
	while (poll(&p, 1, ms_left(deadline)) > 0) {
		struct sockaddr_in peer;
		struct echo *e = receive(fd, ICMP_ECHOREPLY, &peer);

		if (!e || peer.sin_addr.s_addr != dst->sin_addr.s_addr ||
		    ntohs(peer.sin_port) != id ||
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
	struct pollfd fds[MAX_ADDRS];

	if (count > MAX_ADDRS)
		errx(EXIT_USAGE, "too many addresses");
	for (int i = 0; i < count; i++) {
		struct sockaddr_in local = parse_endpoint(addrs[i]);

		fds[i].fd = bound_socket(SOCK_RAW, IPPROTO_ICMP, &local);
		fds[i].events = POLLIN;
	}
	puts("ready");
	for (;;) {
		if (poll(fds, (nfds_t)count, -1) < 0 && errno != EINTR)
			err(EXIT_USAGE, "poll");
		for (int i = 0; i < count; i++) {
			struct sockaddr_in peer, dst;
			struct echo *e;

			if (!fds[i].revents)
				continue;
			e = receive(fds[i].fd, ICMP_ECHO, &peer);
			if (!e)
				continue;
			printf("icmp %s > %s\n", endpoint_text(&peer),
			       addrs[i]);
			dst = peer;
			dst.sin_port = 0;
			send_echo(fds[i].fd, ICMP_ECHOREPLY,
				  ntohs(peer.sin_port),
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

	struct sockaddr_in local = parse_endpoint(argv[1]);
	__u16 id = ntohs(local.sin_port);
	int fd;

	local.sin_port = 0;
	fd = bound_socket(SOCK_RAW, IPPROTO_ICMP, &local);
	for (int i = 2; i < argc; i++) {
		struct sockaddr_in dst = parse_endpoint(argv[i]);

		all &= ask(fd, id, (__u16)i, &dst);
	}
	return all ? 0 : EXIT_TIMEOUT;
}
