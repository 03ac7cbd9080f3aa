// SPDX-License-Identifier: GPL-2.0
/*
 * reflect - tells every client which endpoint it comes from.
 *
 *	reflect [-q] ADDR:PORT...
 *
 * Serves UDP and TCP on each endpoint. Every datagram and every connection is
 * answered with the text "addr:port" of the peer, and told on standard output as
 * "udp PEER > LOCAL text". TCP connections stay open until the peer closes; each
 * further piece of data is told and answered likewise. -q never answers (TCP still
 * accepts). Prints "ready" once all sockets are bound. Runs until killed; exits 2
 * when a socket can't be bound.
 */
#include "helper.h"

#include <poll.h>

#define MAX_SOCKETS	1024

static struct pollfd fds[MAX_SOCKETS];
static enum { UDP, LISTENER, STREAM } kind[MAX_SOCKETS];
static nfds_t nfds;
static int quiet;

static void add(int fd, int what)
{
	if (nfds == MAX_SOCKETS)
		errx(EXIT_USAGE, "too many sockets");
	fds[nfds].fd = fd;
	fds[nfds].events = POLLIN;
	kind[nfds++] = what;
}

static void drop(nfds_t i)
{
	close(fds[i].fd);
	fds[i] = fds[--nfds];
	kind[i] = kind[nfds];
}

static void tell(const char *proto, int fd, const union endpoint *peer,
		 const char *text, ssize_t len)
{
	union endpoint local;
	socklen_t size = sizeof(local);

	getsockname(fd, &local.sa, &size);
	printf("%s %s > %s %.*s\n", proto, endpoint_text(peer),
	       endpoint_text(&local), (int)len, text);
}

/* Returns whether the socket is still of use. */
static int serve(nfds_t i)
{
	union endpoint peer;
	socklen_t size = sizeof(peer);
	int fd = fds[i].fd;
	const char *text;
	char data[2048];
	ssize_t len;

	if (kind[i] == LISTENER) {
		fd = accept(fd, &peer.sa, &size);
		if (fd < 0)
			return 1;
		tell("tcp", fd, &peer, "open", 4);
		text = endpoint_text(&peer);
		if (!quiet)
			send(fd, text, strlen(text), MSG_NOSIGNAL);
		add(fd, STREAM);
		return 1;
	}

	len = recvfrom(fd, data, sizeof(data), 0, &peer.sa,
		       &size);
	if (kind[i] == UDP) {
		if (len < 0)
			return 1;
		tell("udp", fd, &peer, data, len);
		text = endpoint_text(&peer);
		if (!quiet)
			sendto(fd, text, strlen(text), 0,
			       &peer.sa, size);
		return 1;
	}

	size = sizeof(peer);
	if (getpeername(fd, &peer.sa, &size))
		return 0;
	if (len <= 0) {
		tell("tcp", fd, &peer, len ? "reset" : "close", 5);
		return 0;
	}
	tell("tcp", fd, &peer, data, len);
	text = endpoint_text(&peer);
	if (!quiet)
		send(fd, text, strlen(text), MSG_NOSIGNAL);
	return 1;
}

int main(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "q")) != -1) {
		if (opt != 'q')
			return EXIT_USAGE;
		quiet = 1;
	}
	if (optind == argc)
		errx(EXIT_USAGE, "usage: reflect [-q] ADDR:PORT...");

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (; optind < argc; optind++) {
		union endpoint local = parse_endpoint(argv[optind]);
		int listener = bound_socket(SOCK_STREAM, 0, &local);

		if (listen(listener, 64))
			err(EXIT_USAGE, "listen %s", argv[optind]);
		add(listener, LISTENER);
		add(bound_socket(SOCK_DGRAM, 0, &local), UDP);
	}
	puts("ready");

	for (;;) {
		if (poll(fds, nfds, -1) < 0 && errno != EINTR)
			err(EXIT_USAGE, "poll");
		for (nfds_t i = nfds; i-- > 0; )
			if (fds[i].revents && !serve(i))
				drop(i);
	}
}
