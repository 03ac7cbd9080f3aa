// SPDX-License-Identifier: GPL-2.0
/*
 * punch - two peers that meet, and punch a hole through the NATs between them.
 *
 *	punch meet ADDR:PORT
 *	punch udp|tcp ADDR:PORT STUN-ADDR:PORT
 *	punch [-k] [-t SECONDS] udp|tcp ADDR:PORT STUN-ADDR:PORT MEET-ADDR:PORT NAME
 *
 * The peers do what programs do: each learns from a STUN server (RFC 8489) how its
 * one endpoint looks from outside, and swaps that for the other's at a place that
 * both know, "punch meet", over a connection of its own. Then both send to what they
 * were told, from that endpoint, and answer whoever comes, wherever he comes from
 * (RFC 8445's peer-reflexive candidates). With TCP both listen on the endpoint and
 * connect from it, at the same time (RFC 5128, 3.4); either connection will do.
 * Peers of the same NAME belong together.
 *
 * Without a place to meet it stops after the first step. At the meeting place any text
 * can be swapped, "NAME TEXT" in a line.
 *
 * Prints "own ENDPOINT", "peer ENDPOINT", and "through ENDPOINT" when both sides have
 * heard of each other; or "none" after so many seconds (default 8) of trying. Exits 0
 * if it got through, 1 if not, 2 on bad use; with -k it keeps its sockets until it is
 * killed.
 */
#include "helper.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/random.h>

#define NAME_MAX_LEN	100
#define LINE_MAX_LEN	4000
#define GUESTS_MAX	64
#define LINKS_MAX	8
#define AGAIN_MS	250	/* between two attempts */
#define SERVER_MS	20000	/* for the STUN server and the other peer to come */
#define LINGER_MS	2000	/* to answer one who has not heard yet */

/* -- STUN -------------------------------------------------------------------- */

#define STUN_BINDING		0x0001
#define STUN_BINDING_SUCCESS	0x0101
#define STUN_COOKIE		0x2112a442
#define STUN_XOR_MAPPED_ADDRESS	0x0020

struct stun_header {
	__be16	type;
	__be16	length;		/* of what follows */
	__be32	cookie;
	__u8	transaction[12];
};

struct stun_attribute {
	__be16	type;
	__be16	length;		/* without padding to four bytes */
};

struct stun_address {
	__u8	zero, family;	/* 1: IPv4, 2: IPv6 */
	__be16	port;
	__u8	addr[16];	/* IPv4: the first four */
};

static struct stun_header stun_request(void)
{
	struct stun_header request = {
		.type = htons(STUN_BINDING),
		.cookie = htonl(STUN_COOKIE),
	};

	if (getrandom(request.transaction, sizeof(request.transaction), 0) < 0)
		err(EXIT_USAGE, "getrandom");
	return request;
}

/* An address is hidden from NATs that translate wherever they find one. */
static union endpoint stun_unhide(const struct stun_address *hidden,
				  const struct stun_header *header)
{
	/* cookie and transaction */
	const __u8 *key = (const __u8 *)&header->cookie;
	union endpoint e = {};
	__u8 *addr;
	size_t i;

	e.sa.sa_family = hidden->family == 2 ? AF_INET6 : AF_INET;
	e.in.sin_port = hidden->port ^ htons(STUN_COOKIE >> 16);
	addr = hidden->family == 2 ? e.in6.sin6_addr.s6_addr : (__u8 *)&e.in.sin_addr;
	for (i = 0; i < (hidden->family == 2 ? 16 : 4); i++)
		addr[i] = hidden->addr[i] ^ key[i];
	return e;
}

/* Whether @data is the answer to @request; then @own is what it says. */
static int stun_answer(const __u8 *data, size_t len,
		       const struct stun_header *request, union endpoint *own)
{
	const struct stun_header *header = (const void *)data;
	size_t at = sizeof(*header);

	if (len < sizeof(*header) || ntohs(header->type) != STUN_BINDING_SUCCESS ||
	    memcmp(&header->cookie, &request->cookie, 16))
		return 0;
	while (at + sizeof(struct stun_attribute) <= len) {
		const struct stun_attribute *attribute = (const void *)(data + at);
		size_t size = ntohs(attribute->length);

		at += sizeof(*attribute);
		if (at + size > len)
			return 0;
		if (ntohs(attribute->type) == STUN_XOR_MAPPED_ADDRESS && size >= 8) {
			const struct stun_address *hidden = (const void *)(data + at);

			if (hidden->family == 2 && size < 20)
				return 0;
			*own = stun_unhide(hidden, header);
			return 1;
		}
		at += (size + 3) & ~(size_t)3;
	}
	return 0;
}

static union endpoint stun_udp(int fd, const union endpoint *server)
{
	struct stun_header request = stun_request();
	struct pollfd p = { .fd = fd, .events = POLLIN };
	__s64 deadline = now_ms() + SERVER_MS;
	union endpoint own;
	__u8 data[1500];

	while (now_ms() < deadline) {
		ssize_t len;

		if (sendto(fd, &request, sizeof(request), 0, &server->sa,
			   endpoint_size(server)) < 0)
			err(EXIT_USAGE, "sendto %s", endpoint_text(server));
		while (poll(&p, 1, AGAIN_MS) > 0) {
			len = recv(fd, data, sizeof(data), MSG_DONTWAIT);
			if (len > 0 && stun_answer(data, (size_t)len, &request, &own))
				return own;
		}
	}
	errx(EXIT_USAGE, "no STUN server at %s", endpoint_text(server));
}

static void connected_within(int fd, const union endpoint *to, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t size = sizeof(int);
	int error = 0;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (connect(fd, &to->sa, endpoint_size(to)) && errno != EINPROGRESS)
		err(EXIT_USAGE, "connect %s", endpoint_text(to));
	if (poll(&p, 1, ms) <= 0)
		error = ETIMEDOUT;
	else
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error)
		errx(EXIT_USAGE, "connect %s: %s", endpoint_text(to), strerror(error));
	fcntl(fd, F_SETFL, 0);
}

/* Who ends leaves nothing behind that would keep the endpoint from who comes next. */
static int bound_connection(const union endpoint *local)
{
	int fd = bound_socket(SOCK_STREAM, 0, local);
	struct linger at_once = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	return fd;
}

/* Asks over a connection, which stays: it holds the mapping. */
static union endpoint stun_tcp(const union endpoint *local, const union endpoint *server)
{
	int fd = bound_connection(local);
	struct stun_header request = stun_request();
	struct pollfd p = { .fd = fd, .events = POLLIN };
	__s64 deadline = now_ms() + SERVER_MS;
	union endpoint own;
	__u8 data[1500];
	size_t got = 0;

	connected_within(fd, server, SERVER_MS);
	if (send(fd, &request, sizeof(request), MSG_NOSIGNAL) < 0)
		err(EXIT_USAGE, "send %s", endpoint_text(server));
	while (got < sizeof(data) && poll(&p, 1, ms_left(deadline)) > 0) {
		ssize_t len = recv(fd, data + got, sizeof(data) - got, 0);

		if (len <= 0)
			break;
		got += (size_t)len;
		if (stun_answer(data, got, &request, &own))
			return own;
	}
	errx(EXIT_USAGE, "no STUN over TCP at %s", endpoint_text(server));
}

/* -- meeting ----------------------------------------------------------------- */

/* Reads a line, without its end; what comes in more than @room is an error. */
static int read_line(int fd, char *line, size_t room, __s64 deadline)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t len = 0;

	while (len + 1 < room && poll(&p, 1, ms_left(deadline)) > 0 &&
	       recv(fd, line + len, 1, 0) == 1) {
		if (line[len] == '\n') {
			line[len] = '\0';
			return 1;
		}
		len++;
	}
	return 0;
}

struct guest {
	int	fd;
	char	line[LINE_MAX_LEN];	/* "NAME TEXT" */
};

static int same_name(const struct guest *a, const struct guest *b)
{
	size_t len = strcspn(a->line, " ");

	return len == strcspn(b->line, " ") && !memcmp(a->line, b->line, len);
}

static void give_text(const struct guest *to, const struct guest *from)
{
	dprintf(to->fd, "%s\n", strchr(from->line, ' ') + 1);
}

/* The first of a name waits for the second; then each gets the other's text. */
static void meet(const char *at)
{
	union endpoint local = parse_endpoint(at);
	int listener = bound_socket(SOCK_STREAM, 0, &local);
	static struct guest guests[GUESTS_MAX];
	size_t count = 0, i;

	if (listen(listener, GUESTS_MAX))
		err(EXIT_USAGE, "listen");
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct guest *new = &guests[count];

		new->fd = accept(listener, NULL, NULL);
		if (new->fd < 0)
			continue;
		if (!read_line(new->fd, new->line, sizeof(new->line), now_ms() + SERVER_MS) ||
		    !strchr(new->line, ' ')) {
			close(new->fd);
			continue;
		}
		for (i = 0; i < count && !same_name(&guests[i], new);)
			i++;
		if (i < count) {
			give_text(&guests[i], new);
			give_text(new, &guests[i]);
			close(guests[i].fd);
			close(new->fd);
			guests[i] = guests[--count];
		} else if (++count == GUESTS_MAX) {
			errx(EXIT_USAGE, "too many who wait");
		}
	}
}

static union endpoint swap_endpoints(const union endpoint *at, const union endpoint *own,
				     const char *name)
{
	union endpoint any = { .sa.sa_family = at->sa.sa_family };
	int fd = bound_socket(SOCK_STREAM, 0, &any);
	char line[LINE_MAX_LEN];

	connected_within(fd, at, SERVER_MS);
	dprintf(fd, "%s %s\n", name, endpoint_text(own));
	if (!read_line(fd, line, sizeof(line), now_ms() + SERVER_MS))
		errx(EXIT_USAGE, "nobody came to meet us");
	close(fd);
	return parse_endpoint(line);
}

/* -- punching ---------------------------------------------------------------- */

/* What both say: "hole NAME" at first, "seen NAME" to whoever has said so. */
static char hole[NAME_MAX_LEN + 8], seen[NAME_MAX_LEN + 8];

static int is_text(const char *data, ssize_t len, const char *text)
{
	return len == (ssize_t)strlen(text) && !memcmp(data, text, strlen(text));
}

static int tell_peer(const union endpoint *peer)
{
	printf("through %s\n", endpoint_text(peer));
	fflush(stdout);
	return 1;
}

static int tell_link(int fd)
{
	union endpoint peer;
	socklen_t size = sizeof(peer);

	return !getpeername(fd, &peer.sa, &size) && tell_peer(&peer);
}

static int punch_udp(int fd, const union endpoint *peer, __s64 deadline)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	__s64 again = 0;
	int heard = 0;

	while (now_ms() < deadline) {
		union endpoint from;
		socklen_t size = sizeof(from);
		char data[sizeof(hole)];
		ssize_t len;

		if (!heard && now_ms() >= again) {
			/* an ICMP error of an earlier one is no reason to give up */
			sendto(fd, hole, strlen(hole), 0, &peer->sa, endpoint_size(peer));
			again = now_ms() + AGAIN_MS;
		}
		if (poll(&p, 1, heard ? ms_left(deadline) : ms_left(again)) <= 0)
			continue;
		len = recvfrom(fd, data, sizeof(data), MSG_DONTWAIT, &from.sa, &size);
		if (is_text(data, len, hole)) {
			sendto(fd, seen, strlen(seen), 0, &from.sa, size);
			/* from somewhere else than he was thought to be, maybe */
			sendto(fd, hole, strlen(hole), 0, &from.sa, size);
		} else if (is_text(data, len, seen) && !heard) {
			heard = tell_peer(&from);
			deadline = now_ms() + LINGER_MS;
		}
	}
	return heard;
}

/* A connection, or an attempt at one. What a peer says on it fits. */
struct link {
	int	fd;
	int	open;		/* we have said "hole" */
	char	text[4 * sizeof(hole)];
	size_t	len;
};

static struct link links[LINKS_MAX];
static size_t link_count;

static void add_link(int fd, int open)
{
	if (link_count == LINKS_MAX) {
		close(fd);
		return;
	}
	links[link_count++] = (struct link){ .fd = fd, .open = open };
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (open)
		send(fd, hole, strlen(hole), MSG_NOSIGNAL);
}

static void drop_link(size_t i)
{
	close(links[i].fd);
	links[i] = links[--link_count];
}

static int connecting(void)
{
	size_t i;

	for (i = 0; i < link_count; i++)
		if (!links[i].open)
			return 1;
	return 0;
}

static void try_connect(const union endpoint *local, const union endpoint *peer)
{
	int fd = bound_connection(local);

	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (connect(fd, &peer->sa, endpoint_size(peer)) && errno != EINPROGRESS)
		close(fd);	/* he has connected to us: EADDRNOTAVAIL */
	else
		add_link(fd, 0);
}

/* One link can be read or written; returns 1 when the peer is known to hear us. */
static int progress(size_t i)
{
	struct link *link = &links[i];
	socklen_t size = sizeof(int);
	int error = 0;
	ssize_t len;

	if (!link->open) {
		getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &size);
		if (error) {
			drop_link(i);
			return 0;
		}
		link->open = 1;
		send(link->fd, hole, strlen(hole), MSG_NOSIGNAL);
		return 0;
	}
	len = recv(link->fd, link->text + link->len, sizeof(link->text) - 1 - link->len, 0);
	if (len <= 0) {
		if (!len || errno != EAGAIN)
			drop_link(i);
		return 0;
	}
	link->len += (size_t)len;
	link->text[link->len] = '\0';
	if (!strncmp(link->text, hole, strlen(hole)))
		send(link->fd, seen, strlen(seen), MSG_NOSIGNAL);
	return !!strstr(link->text, seen);
}

static int punch_tcp(const union endpoint *local, const union endpoint *peer, __s64 deadline)
{
	int listener = bound_connection(local), heard = 0;
	__s64 again = 0;

	if (listen(listener, LINKS_MAX))
		err(EXIT_USAGE, "listen");
	fcntl(listener, F_SETFL, O_NONBLOCK);
	while (now_ms() < deadline) {
		struct pollfd p[LINKS_MAX + 1] = { { .fd = listener, .events = POLLIN } };
		size_t i, count;
		int fd;

		if (!heard && !connecting() && now_ms() >= again) {
			try_connect(local, peer);
			again = now_ms() + AGAIN_MS;
		}
		count = link_count;
		for (i = 0; i < count; i++)
			p[i + 1] = (struct pollfd){
				.fd = links[i].fd,
				.events = links[i].open ? POLLIN : POLLOUT,
			};
		if (poll(p, count + 1, AGAIN_MS) <= 0)
			continue;
		/* from the end, as one that goes is replaced by the last */
		for (i = count; i-- > 0;)
			if (p[i + 1].revents && progress(i) && !heard &&
			    tell_link(links[i].fd)) {
				heard = 1;
				deadline = now_ms() + LINGER_MS;
			}
		fd = p[0].revents ? accept(listener, NULL, NULL) : -1;
		if (fd >= 0)
			add_link(fd, 1);
	}
	return heard;
}

int main(int argc, char **argv)
{
	union endpoint local, stun, place, own, peer;
	int timeout_ms = 8000, keep = 0, opt, fd = -1, udp, heard;

	while ((opt = getopt(argc, argv, "kt:")) != -1) {
		if (opt == 'k')
			keep = 1;
		else if (opt == 't')
			timeout_ms = atoi(optarg) * 1000;
		else
			return EXIT_USAGE;
	}
	argv += optind;
	argc -= optind;
	if (argc == 2 && !strcmp(argv[0], "meet"))
		meet(argv[1]);
	if ((argc != 3 && argc != 5) || (strcmp(argv[0], "udp") && strcmp(argv[0], "tcp")))
		errx(EXIT_USAGE, "usage: punch [-k] [-t S] udp|tcp ADDR:PORT STUN [MEET NAME]");
	udp = !strcmp(argv[0], "udp");
	local = parse_endpoint(argv[1]);
	stun = parse_endpoint(argv[2]);
	if (argc == 5) {
		if (strlen(argv[4]) > NAME_MAX_LEN || strchr(argv[4], ' '))
			errx(EXIT_USAGE, "not a name: %s", argv[4]);
		place = parse_endpoint(argv[3]);
		snprintf(hole, sizeof(hole), "hole %s\n", argv[4]);
		snprintf(seen, sizeof(seen), "seen %s\n", argv[4]);
	}

	if (udp) {
		fd = bound_socket(SOCK_DGRAM, 0, &local);
		own = stun_udp(fd, &stun);
	} else {
		own = stun_tcp(&local, &stun);
	}
	printf("own %s\n", endpoint_text(&own));
	fflush(stdout);
	if (argc == 3)
		return 0;
	peer = swap_endpoints(&place, &own, argv[4]);
	printf("peer %s\n", endpoint_text(&peer));
	fflush(stdout);
	heard = udp ? punch_udp(fd, &peer, now_ms() + timeout_ms) :
		      punch_tcp(&local, &peer, now_ms() + timeout_ms);
	if (!heard)
		puts("none");
	fflush(stdout);
	if (keep)
		pause();
	return heard ? 0 : EXIT_TIMEOUT;
}
