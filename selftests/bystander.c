// SPDX-License-Identifier: GPL-2.0
/*
 * bystander - what a host notices of what others do.
 *
 *	bystander [-t SECONDS] HOST SERVER STRANGER
 *
 * Each of the three is NAMESPACE@ADDRESS, and this one process is all of them. Ten
 * times a second a datagram is sent and answered
 *
 *	old	between a socket of the host and one of the server, always the same
 *	peer	between that socket of the host and a new one of the server
 *	guest	between a new socket of the stranger and the host's old endpoint
 *	fresh	between a new socket of the host and the server; once a second
 *
 * and what has not come after -t seconds (default 2) is lost. Prints "ready" after
 * the first round, and at SIGTERM how many of each were sent and lost, and how often the
 * old endpoint was another for somebody:
 *
 *	old=N/N peer=N/N guest=N/N fresh=N/N moved=N
 *
 * Exits 0 then, 2 on bad use or when the first round is lost.
 */
#define _GNU_SOURCE
#include "places.h"

#include <signal.h>

struct count {
	const char *name;
	unsigned long sent, lost;
};

static struct count old = { .name = "old" };
static struct count peer = { .name = "peer" };
static struct count guest = { .name = "guest" };
static struct count fresh = { .name = "fresh" };

static struct place host, server, stranger;
static int seconds = 2;
static unsigned long moved;

static int socket_of(const struct place *place)
{
	int fd = open_at(place, SOCK_DGRAM, 0);

	patience(fd, seconds);
	return fd;
}

static int counted(struct count *c, int came)
{
	c->sent++;
	c->lost += !came;
	return came;
}

/* From @fd to the socket @at; what that sees should be @known, where that is known. */
static void meet(struct count *c, int fd, int at, union endpoint *known)
{
	union endpoint to = local_of(at), seen = {};

	if (!counted(c, exchange(fd, &to, at, &seen)) || !known)
		return;
	if (known->sa.sa_family)
		moved += !same_endpoint(known, &seen);
	else
		*known = seen;
}

static void tell(const struct count *c)
{
	printf("%s=%lu/%lu ", c->name, c->sent, c->lost);
}

int main(int argc, char **argv)
{
	const struct timespec rest = { .tv_nsec = 100000000 };
	sigset_t sigterm;
	union endpoint outside = {}, seen;
	unsigned int round;
	int opt, fd, fixed, other;

	while ((opt = getopt(argc, argv, "t:")) != -1) {
		if (opt != 't')
			return EXIT_USAGE;
		seconds = atoi(optarg);
	}
	argc -= optind;
	argv += optind;
	if (argc != 3)
		errx(EXIT_USAGE, "usage: bystander [-t SECONDS] HOST SERVER STRANGER");
	host = parse_place(argv[0]);
	server = parse_place(argv[1]);
	stranger = parse_place(argv[2]);
	sigemptyset(&sigterm);
	sigaddset(&sigterm, SIGTERM);
	sigprocmask(SIG_BLOCK, &sigterm, NULL);

	fd = socket_of(&host);
	fixed = socket_of(&server);
	for (round = 0; !round || sigtimedwait(&sigterm, NULL, &rest) != SIGTERM; round++) {
		meet(&old, fd, fixed, &outside);

		other = socket_of(&server);
		meet(&peer, fd, other, &outside);
		close(other);

		other = socket_of(&stranger);
		counted(&guest, exchange(other, &outside, fd, &seen));
		close(other);

		if (round % 10 == 0) {
			other = socket_of(&host);
			meet(&fresh, other, fixed, NULL);
			close(other);
		}
		if (!round) {
			if (old.lost + peer.lost + guest.lost + fresh.lost)
				errx(EXIT_USAGE, "lost before anything has begun");
			puts("ready");
			fflush(stdout);
		}
	}
	tell(&old);
	tell(&peer);
	tell(&guest);
	tell(&fresh);
	printf("moved=%lu\n", moved);
	return 0;
}
