// SPDX-License-Identifier: GPL-2.0
/*
 * probe - one local endpoint that asks reflectors how they see it.
 *
 *	probe [-k] [-t SECONDS] [-p TEXT] udp|tcp ADDR:PORT [DST:PORT...]
 *
 * Sends TEXT (or connects) from the one endpoint to each destination in turn and
 * prints one line for each: the answer, or
 *	none		nothing came within -t seconds (default 10)
 *	refused		a TCP reset
 *	icmp T/C	an ICMP error of that type and code
 * -k then keeps all sockets, listens on the same endpoint, answers everyone as
 * reflect does and tells each on standard output as "from ADDR:PORT text", until
 * killed. It prints "ready" when it listens. With no destination -k is a plain
 * listener. Exits 0 when every destination answered, 1 otherwise, 2 on bad use.
 */
#include "helper.h"

#include <fcntl.h>
#include <linux/errqueue.h>
#include <netinet/ip_icmp.h>
#include <poll.h>

#define MAX_SOCKETS	256

static struct pollfd fds[MAX_SOCKETS];
static nfds_t nfds;
static const char *greeting = "hello";
static int timeout_ms = 10000;

static void add(int fd)
{
	if (nfds == MAX_SOCKETS)
		errx(EXIT_USAGE, "too many sockets");
	fds[nfds].fd = fd;
	fds[nfds++].events = POLLIN;
}

static void tell_from(const union endpoint *peer, const char *text,
		      ssize_t len)
{
	printf("from %s %.*s\n", endpoint_text(peer), (int)len, text);
}

/* Takes one ICMP error off the socket and names it; returns whether one was. */
static int icmp_error(int fd)
{
	char control[512], data[512];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;

	if (recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return 0;
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		struct sock_extended_err ee;

		if ((c->cmsg_level != SOL_IP || c->cmsg_type != IP_RECVERR) &&
		    (c->cmsg_level != SOL_IPV6 || c->cmsg_type != IPV6_RECVERR))
			continue;
		memcpy(&ee, CMSG_DATA(c), sizeof(ee));
		if (ee.ee_origin != SO_EE_ORIGIN_ICMP &&
		    ee.ee_origin != SO_EE_ORIGIN_ICMP6)
			continue;
		printf("icmp %u/%u\n", ee.ee_type, ee.ee_code);
		return 1;
	}
	return 0;
}

static void want_errors(int fd, int family)
{
	int one = 1;

	if (family == AF_INET6)
		setsockopt(fd, SOL_IPV6, IPV6_RECVERR, &one, sizeof(one));
	else
		setsockopt(fd, SOL_IP, IP_RECVERR, &one, sizeof(one));
}

static int ask_udp(int fd, const union endpoint *dst)
{
	__s64 deadline = now_ms() + timeout_ms;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (sendto(fd, greeting, strlen(greeting), 0,
		   &dst->sa, endpoint_size(dst)) < 0) {
		if (!icmp_error(fd))
			printf("error %s\n", strerror(errno));
		return 0;
	}
	while (poll(&p, 1, ms_left(deadline)) > 0) {
		union endpoint peer;
		socklen_t size = sizeof(peer);
		char data[2048];
		ssize_t len;

		if ((p.revents & POLLERR) && icmp_error(fd))
			return 0;
		len = recvfrom(fd, data, sizeof(data), MSG_DONTWAIT,
			       &peer.sa, &size);
		if (len < 0)
			continue;
		if (same_address(&peer, dst) &&
		    peer.in.sin_port == dst->in.sin_port) {
			printf("%.*s\n", (int)len, data);
			return 1;
		}
		tell_from(&peer, data, len);
	}
	puts("none");
	return 0;
}

static int ask_tcp(int fd, const union endpoint *dst)
{
	__s64 deadline = now_ms() + timeout_ms;
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t size = sizeof(int);
	char data[2048];
	ssize_t len;
	int error = 0;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (connect(fd, &dst->sa, endpoint_size(dst)) &&
	    errno != EINPROGRESS)
		error = errno;
	else if (poll(&p, 1, ms_left(deadline)) > 0)
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	else
		error = ETIMEDOUT;

	if (!error) {
		p.events = POLLIN;
		if (poll(&p, 1, ms_left(deadline)) <= 0) {
			error = ETIMEDOUT;
		} else {
			len = recv(fd, data, sizeof(data), 0);
			if (len > 0) {
				printf("%.*s\n", (int)len, data);
				return 1;
			}
			error = len ? errno : ECONNRESET;
		}
	}
	if (error == ECONNREFUSED || error == ECONNRESET)
		puts("refused");
	else if (error == ETIMEDOUT)
		puts("none");
	else if (!icmp_error(fd))
		printf("error %s\n", strerror(error));
	return 0;
}

/* Takes a connection in on the listener; returns its socket, -1 for none. */
static int take_connection(int listener, union endpoint *peer)
{
	socklen_t size = sizeof(*peer);
	int fd = accept(listener, &peer->sa, &size);

	if (fd >= 0) {
		add(fd);
		tell_from(peer, "open", 4);
	}
	return fd;
}

/* Takes what has come on one socket; returns its length, below 1 if nothing. */
static ssize_t take_data(int fd, union endpoint *peer)
{
	socklen_t size = sizeof(*peer);
	char data[2048];
	ssize_t len;

	len = recvfrom(fd, data, sizeof(data), MSG_DONTWAIT,
		       &peer->sa, &size);
	if (!size) {	/* TCP */
		size = sizeof(*peer);
		if (getpeername(fd, &peer->sa, &size))
			return -1;
	}
	if (len > 0)
		tell_from(peer, data, len);
	return len;
}

static void answer(int fd, int type, const union endpoint *peer)
{
	const char *text = endpoint_text(peer);

	if (type == SOCK_STREAM)
		send(fd, text, strlen(text), MSG_NOSIGNAL);
	else
		sendto(fd, text, strlen(text), 0, &peer->sa,
		       endpoint_size(peer));
}

/*
 * Answers and tells everyone who comes, for ever. fds[0] is the UDP socket or the
 * TCP listener.
 */
static void serve(int type)
{
	puts("ready");
	for (;;) {
		if (poll(fds, nfds, -1) < 0 && errno != EINTR)
			err(EXIT_USAGE, "poll");
		for (nfds_t i = nfds; i-- > 0; ) {
			int listener = type == SOCK_STREAM && i == 0;
			union endpoint peer;
			int fd = fds[i].fd;

			if (!fds[i].revents)
				continue;
			if (listener)
				fd = take_connection(fd, &peer);
			if (listener ? fd >= 0 : take_data(fd, &peer) > 0) {
				answer(fd, type, &peer);
			} else if (type == SOCK_DGRAM) {
				icmp_error(fd);
			} else if (!listener) {
				close(fd);
				fds[i] = fds[--nfds];
			}
		}
	}
}

int main(int argc, char **argv)
{
	int opt, type, fd, keep = 0, all = 1;
	union endpoint local;

	while ((opt = getopt(argc, argv, "kt:p:")) != -1) {
		switch (opt) {
		case 'k':
			keep = 1;
			break;
		case 't':
			timeout_ms = (int)(atof(optarg) * 1000);
			break;
		case 'p':
			greeting = optarg;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	if (argc - optind < 2)
		errx(EXIT_USAGE,
		     "usage: probe [-k] [-t SECONDS] [-p TEXT] udp|tcp ADDR:PORT [DST:PORT...]");

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(argv[optind], "udp"))
		type = SOCK_DGRAM;
	else if (!strcmp(argv[optind], "tcp"))
		type = SOCK_STREAM;
	else
		errx(EXIT_USAGE, "udp or tcp, not %s", argv[optind]);
	local = parse_endpoint(argv[optind + 1]);

	fd = bound_socket(type, 0, &local);
	if (type == SOCK_DGRAM)
		want_errors(fd, local.sa.sa_family);
	add(fd);
	for (int i = optind + 2; i < argc; i++) {
		union endpoint dst = parse_endpoint(argv[i]);

		if (type == SOCK_DGRAM) {
			all &= ask_udp(fd, &dst);
			continue;
		}
		fd = bound_socket(type, 0, &local);
		want_errors(fd, local.sa.sa_family);
		if (ask_tcp(fd, &dst)) {
			add(fd);
		} else {
			close(fd);
			all = 0;
		}
	}
	if (keep) {
		if (type == SOCK_STREAM && listen(fds[0].fd, 64))
			err(EXIT_USAGE, "listen %s", argv[optind + 1]);
		serve(type);
	}
	return all ? 0 : EXIT_TIMEOUT;
}
