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
 * the first round. At SIGUSR1 it begins to count anew, and prints "anew"; at SIGTERM it
 * prints how many of each were sent and lost since, how often the old endpoint was
 * another for somebody, how many kB more the kernel had at most (SUnreclaim,
 * VmallocUsed and Percpu of /proc/meminfo, after each round), and how many ms there were
 * at most from the end of a round to that of the next:
 *
 *	old=N/N peer=N/N guest=N/N fresh=N/N moved=N memory=N slowest=N
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
static long memory_before, memory_most;
static __s64 last_round, slowest;

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

/* What the kernel has for itself, kB. */
static long memory(void)
{
	static const char *const kinds[] = { "SUnreclaim:", "VmallocUsed:", "Percpu:" };
	static int meminfo = -1;
	char text[8192];
	const char *at;
	unsigned int i;
	long sum = 0;
	ssize_t len;

	if (meminfo < 0)
		meminfo = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	len = pread(meminfo, text, sizeof(text) - 1, 0);
	if (len < 0)
		err(EXIT_USAGE, "/proc/meminfo");
	text[len] = '\0';
	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		at = strstr(text, kinds[i]);
		if (at)
			sum += atol(at + strlen(kinds[i]));
	}
	return sum;
}

static void look_at_memory(void)
{
	long now = memory();

	if (now > memory_most)
		memory_most = now;
}

static void round_ends(void)
{
	__s64 now = now_ms();

	if (now - last_round > slowest)
		slowest = now - last_round;
	last_round = now;
}

static void forget(struct count *c)
{
	c->sent = 0;
	c->lost = 0;
}

static void begin_anew(void)
{
	forget(&old);
	forget(&peer);
	forget(&guest);
	forget(&fresh);
	memory_before = memory();
	memory_most = memory_before;
	last_round = now_ms();
	slowest = 0;
	puts("anew");
	fflush(stdout);
}

static void tell(const struct count *c)
{
	printf("%s=%lu/%lu ", c->name, c->sent, c->lost);
}

int main(int argc, char **argv)
{
	const struct timespec rest = { .tv_nsec = 100000000 };
	sigset_t signals;
	union endpoint outside = {}, seen;
	unsigned int round;
	int opt, fd, fixed, other, told;

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
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	memory_before = memory();
	last_round = now_ms();

	fd = socket_of(&host);
	fixed = socket_of(&server);
	for (round = 0; ; round++) {
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
		look_at_memory();
		round_ends();
		told = sigtimedwait(&signals, NULL, &rest);
		if (told == SIGTERM)
			break;
		if (told == SIGUSR1)
			begin_anew();
	}
	look_at_memory();
	tell(&old);
	tell(&peer);
	tell(&guest);
	tell(&fresh);
	printf("moved=%lu memory=%ld slowest=%lld\n", moved, memory_most - memory_before,
	       (long long)slowest);
	return 0;
}
