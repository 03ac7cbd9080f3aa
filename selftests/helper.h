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

/* Reads "203.0.113.1:5000", or with no port "203.0.113.1". */
static inline struct sockaddr_in parse_endpoint(const char *text)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	char addr[INET_ADDRSTRLEN] = "";
	const char *colon = strchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);

	if (len < sizeof(addr))
		memcpy(addr, text, len);
	if (inet_pton(AF_INET, addr, &sin.sin_addr) != 1)
		errx(EXIT_USAGE, "not an address or endpoint: %s", text);
	if (colon) {
		char *end;
		unsigned long port = strtoul(colon + 1, &end, 10);

		if (end == colon + 1 || *end || port > 65535)
			errx(EXIT_USAGE, "not a port: %s", text);
		sin.sin_port = htons((__u16)port);
	}
	return sin;
}

/* "203.0.113.1:5000"; four buffers in turn: one printf may use several. */
static inline const char *endpoint_text(const struct sockaddr_in *sin)
{
	static char text[4][32];
	static unsigned int turn;
	char addr[INET_ADDRSTRLEN];
	char *out = text[turn++ % 4];

	inet_ntop(AF_INET, &sin->sin_addr, addr, sizeof(addr));
	snprintf(out, sizeof(text[0]), "%s:%u", addr, ntohs(sin->sin_port));
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
			       const struct sockaddr_in *local)
{
	int fd = socket(AF_INET, type, protocol), one = 1;

	if (fd < 0)
		err(EXIT_USAGE, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)local, sizeof(*local)))
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

/* The checksum of TCP or UDP over the @len bytes that follow the IP header. */
static inline __u16 l4_checksum(const struct iphdr *ip, size_t len)
{
	struct {
		__u32 src, dst;
		__u8 zero, proto;
		__u16 len;
	} pseudo = {
		.src = ip->saddr,
		.dst = ip->daddr,
		.proto = ip->protocol,
		.len = htons((__u16)len),
	};

	return checksum(ip + 1, len,
			(__u16)~ntohs(checksum(&pseudo, sizeof(pseudo), 0)));
}

/* A socket for packets that are written from the IP header on. */
static inline int raw_socket(void)
{
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW), one = 1;

	if (fd < 0)
		err(EXIT_USAGE, "socket");
	if (setsockopt(fd, SOL_IP, IP_HDRINCL, &one, sizeof(one)))
		err(EXIT_USAGE, "setsockopt");
	return fd;
}

#endif
