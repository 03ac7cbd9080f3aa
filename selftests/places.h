/* SPDX-License-Identifier: GPL-2.0 */
/* For helpers that are several hosts at once: sockets there, and datagrams between two. */
#ifndef SELFTESTS_PLACES_H
#define SELFTESTS_PLACES_H

#include "helper.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>

/* A host: its namespace and its address. */
struct place {
	int ns;
	union endpoint at;
};

/* Reads "NAMESPACE@ADDRESS", where the namespace is one of "ip netns". */
static inline struct place parse_place(const char *text)
{
	const char *at = strchr(text, '@');
	struct place place;
	char path[PATH_MAX];

	if (!at)
		errx(EXIT_USAGE, "not NAMESPACE@ADDRESS: %s", text);
	place.at = parse_endpoint(at + 1);
	snprintf(path, sizeof(path), "/run/netns/%.*s", (int)(at - text), text);
	place.ns = open(path, O_RDONLY | O_CLOEXEC);
	if (place.ns < 0)
		err(EXIT_USAGE, "%s", path);
	return place;
}

/* How long a socket waits for anything. */
static inline void patience(int fd, int seconds)
{
	struct timeval tv = { .tv_sec = seconds };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

/* A socket there; port 0 is any. */
static inline int open_at(const struct place *place, int type, int port)
{
	union endpoint local = place->at;
	int fd;

	if (setns(place->ns, CLONE_NEWNET))
		err(EXIT_USAGE, "setns");
	local.in.sin_port = htons((__u16)port);
	fd = bound_socket(type, 0, &local);
	patience(fd, 5);
	return fd;
}

static inline union endpoint local_of(int fd)
{
	union endpoint e = {};
	socklen_t size = sizeof(e);

	getsockname(fd, &e.sa, &size);
	return e;
}

static inline int same_endpoint(const union endpoint *a, const union endpoint *b)
{
	return same_address(a, b) && a->in.sin_port == b->in.sin_port;
}

/* Sends a number there, which no other datagram has. */
static inline unsigned long say(int fd, const union endpoint *to)
{
	static unsigned long number;

	number++;
	sendto(fd, &number, sizeof(number), 0, &to->sa, endpoint_size(to));
	return number;
}

/* Waits for that number; returns whether it came, and from where. */
static inline int hear(int fd, unsigned long number, union endpoint *from)
{
	unsigned long heard;
	socklen_t size;

	do {
		size = sizeof(*from);
		if (recvfrom(fd, &heard, sizeof(heard), 0, &from->sa, &size) < 0)
			return 0;
	} while (heard != number);
	return 1;
}

/*
 * @fd speaks to @at, which has the address @to, and hears the answer. Returns whether
 * both came; @seen is what @at has seen.
 */
static inline int exchange(int fd, const union endpoint *to, int at, union endpoint *seen)
{
	union endpoint answerer;

	return hear(at, say(fd, to), seen) && hear(fd, say(at, seen), &answerer) &&
	       same_endpoint(&answerer, to);
}

#endif
