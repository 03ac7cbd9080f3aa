/* SPDX-License-Identifier: GPL-2.0 */
/* What the small test helpers share: endpoints as text, and giving up. */
#ifndef SELFTESTS_HELPER_H
#define SELFTESTS_HELPER_H

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Exit codes of all helpers; EXIT_USAGE also means that the kernel refused. */
#define EXIT_TIMEOUT	1
#define EXIT_USAGE	2

/* An endpoint of either family. The port is in.sin_port in both. */
union endpoint {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static inline socklen_t endpoint_size(const union endpoint *e)
{
	return e->sa.sa_family == AF_INET6 ? sizeof(e->in6) : sizeof(e->in);
}

static inline int same_address(const union endpoint *a, const union endpoint *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return 0;
	if (a->sa.sa_family == AF_INET6)
		return !memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr,
			       sizeof(a->in6.sin6_addr));
	return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
}

/*
 * Reads "203.0.113.1:5000" or "[2001:db8::1]:5000", or with no port "203.0.113.1",
 * "[2001:db8::1]" or "2001:db8::1".
 */
static inline union endpoint parse_endpoint(const char *text)
{
	union endpoint e = {};
	char addr[INET6_ADDRSTRLEN] = "";
	const char *begin = text, *end, *port = NULL;

	if (*text == '[') {
		begin = text + 1;
		end = strchr(text, ']');
		if (!end || (end[1] && end[1] != ':'))
			errx(EXIT_USAGE, "not an endpoint: %s", text);
		port = end[1] ? end + 2 : NULL;
	} else {
		end = strchr(text, ':');
		if (end && strchr(end + 1, ':'))
			end = NULL;
		port = end ? end + 1 : NULL;
		end = end ? end : text + strlen(text);
	}
	if ((size_t)(end - begin) < sizeof(addr))
		memcpy(addr, begin, (size_t)(end - begin));
	if (inet_pton(AF_INET, addr, &e.in.sin_addr) == 1)
		e.sa.sa_family = AF_INET;
	else if (inet_pton(AF_INET6, addr, &e.in6.sin6_addr) == 1)
		e.sa.sa_family = AF_INET6;
	else
		errx(EXIT_USAGE, "not an address or endpoint: %s", text);
	if (port) {
		char *rest;
		unsigned long number = strtoul(port, &rest, 10);

		if (rest == port || *rest || number > 65535)
			errx(EXIT_USAGE, "not a port: %s", text);
		e.in.sin_port = htons((__u16)number);
	}
	return e;
}

/* For helpers that know only IPv4. */
static inline struct sockaddr_in parse_endpoint4(const char *text)
{
	union endpoint e = parse_endpoint(text);

	if (e.sa.sa_family != AF_INET)
		errx(EXIT_USAGE, "not an IPv4 address: %s", text);
	return e.in;
}

/* "203.0.113.1" or "[2001:db8::1]"; four buffers in turn: one printf may use several. */
static inline const char *address_text(const union endpoint *e)
{
	static char text[4][INET6_ADDRSTRLEN + 2];
	static unsigned int turn;
	char addr[INET6_ADDRSTRLEN];
	char *out = text[turn++ % 4];

	if (e->sa.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &e->in6.sin6_addr, addr, sizeof(addr));
		snprintf(out, sizeof(text[0]), "[%s]", addr);
	} else {
		inet_ntop(AF_INET, &e->in.sin_addr, out, sizeof(text[0]));
	}
	return out;
}

/* "203.0.113.1:5000" or "[2001:db8::1]:5000", likewise */
static inline const char *endpoint_text(const union endpoint *e)
{
	static char text[4][64];
	static unsigned int turn;
	char *out = text[turn++ % 4];

	snprintf(out, sizeof(text[0]), "%s:%u", address_text(e), ntohs(e->in.sin_port));
	return out;
}

static inline __s64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* Milliseconds until @deadline, for poll(): never negative. */
static inline int ms_left(__s64 deadline)
{
	__s64 left = deadline - now_ms();

	return left > 0 ? (int)left : 0;
}

/* A socket bound to @local that shares its port with others of the same test. */
static inline int bound_socket(int type, int protocol,
			       const union endpoint *local)
{
	int fd = socket(local->sa.sa_family, type, protocol), one = 1;

	if (fd < 0)
		err(EXIT_USAGE, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (bind(fd, &local->sa, endpoint_size(local)))
		err(EXIT_USAGE, "bind %s", endpoint_text(local));
	return fd;
}

/* The Internet checksum over @len bytes, added to what @sum already holds. */
static inline __u16 checksum(const void *data, size_t len, __u32 sum)
{
	const __u8 *p = data;

	for (; len > 1; len -= 2, p += 2)
		sum += (__u32)(p[0] << 8 | p[1]);
	if (len)
		sum += (__u32)(p[0] << 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((__u16)~sum);
}

/* The checksum of TCP or UDP over the @len bytes of @l4. */
static inline __u16 l4_checksum(const union endpoint *src,
				const union endpoint *dst, __u8 proto,
				const void *l4, size_t len)
{
	struct {
		struct in6_addr src, dst;
		__u32 len;
		__u8 zero[3], proto;
	} pseudo6 = {
		.src = src->in6.sin6_addr,
		.dst = dst->in6.sin6_addr,
		.len = htonl((__u32)len),
		.proto = proto,
	};
	struct {
		struct in_addr src, dst;
		__u8 zero, proto;
		__u16 len;
	} pseudo4 = {
		.src = src->in.sin_addr,
		.dst = dst->in.sin_addr,
		.proto = proto,
		.len = htons((__u16)len),
	};
	__u16 sum = src->sa.sa_family == AF_INET6 ?
		    checksum(&pseudo6, sizeof(pseudo6), 0) :
		    checksum(&pseudo4, sizeof(pseudo4), 0);

	return checksum(l4, len, (__u16)~ntohs(sum));
}

/* A socket for packets that are written from the IP header on. */
static inline int raw_socket(int family)
{
	int fd = socket(family, SOCK_RAW, IPPROTO_RAW), one = 1;

	if (fd < 0)
		err(EXIT_USAGE, "socket");
	/* in IPv6 it goes without saying */
	if (family == AF_INET &&
	    setsockopt(fd, SOL_IP, IP_HDRINCL, &one, sizeof(one)))
		err(EXIT_USAGE, "setsockopt");
	return fd;
}

#endif
