// SPDX-License-Identifier: GPL-2.0
/*
 * churn - packets without end, from ever other ports to ever other endpoints.
 *
 *	churn [-a FILE] [-c CPU] [-n COUNT] udp|tcp|mixed ADDR:PORTS ADDR:PORTS...
 *
 * Sends UDP datagrams, TCP SYNs or either, written from the IP header on, so that
 * no socket has the port: from a random port of the first endpoint to a random
 * port of a random one of the others. PORTS is 4000 or 4000-4009. With -n it has so
 * many addresses, of which the first endpoint's is the lowest. With -c it stays
 * on this processor, and so does, where the kernel does not steer packets
 * elsewhere, all that is done with them in the same machine. With -a all goes to the
 * address that stands in the file at that time.
 *
 * After some packets it waits until they have been received, and then rests for
 * four times as long, a tenth of a second at most, so that the machine goes on with
 * what else it does. A packet that the kernel does not take is counted and no reason
 * to stop. Prints "ready" before the first one and at SIGTERM "sent N failed M";
 * exits 0 then, 2 on bad use.
 */
#define _GNU_SOURCE
#include "helper.h"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>

#define MAX_TARGETS	64
#define BATCH		8
#define MS		1000000LL
#define LEAST_REST	MS
#define MOST_WAIT	(50 * MS)
#define MOST_REST	(100 * MS)

struct target {
	__u32 addr;
	__u16 first, last;
};

static struct {
	struct iphdr ip;
	union {
		struct udphdr udp;
		struct tcphdr tcp;
	};
} packet;

/* Reads "203.0.113.1:4000-4009", or with one port "203.0.113.1:4000". */
static struct target parse_target(const char *text)
{
	size_t len = strcspn(text, "-");
	struct sockaddr_in sin;
	struct target t;
	char first[64] = "";

	if (len < sizeof(first))
		memcpy(first, text, len);
	sin = parse_endpoint4(first);
	t.addr = sin.sin_addr.s_addr;
	t.first = ntohs(sin.sin_port);
	t.last = t.first;
	if (text[len]) {
		char *end;
		unsigned long port = strtoul(text + len + 1, &end, 10);

		if (end == text + len + 1 || *end || port > 65535)
			errx(EXIT_USAGE, "not a port: %s", text);
		t.last = (__u16)port;
	}
	if (!t.first || t.last < t.first)
		errx(EXIT_USAGE, "no ports: %s", text);
	return t;
}

static __u16 any_port(const struct target *t)
{
	return htons((__u16)(t->first + random() % (t->last - t->first + 1)));
}

static __u16 l4_check(const void *l4, size_t len)
{
	union endpoint src = { .in.sin_addr.s_addr = packet.ip.saddr };
	union endpoint dst = { .in.sin_addr.s_addr = packet.ip.daddr };

	return l4_checksum(&src, &dst, packet.ip.protocol, l4, len);
}

static size_t put_udp(__u16 sport, __u16 dport)
{
	size_t len = sizeof(packet.udp);

	memset(&packet.udp, 0, len);
	packet.udp.source = sport;
	packet.udp.dest = dport;
	packet.udp.len = htons((__u16)len);
	packet.udp.check = l4_check(&packet.udp, len);
	if (!packet.udp.check)
		packet.udp.check = 0xffff;
	return len;
}

static size_t put_tcp(__u16 sport, __u16 dport)
{
	size_t len = sizeof(packet.tcp);

	memset(&packet.tcp, 0, len);
	packet.tcp.source = sport;
	packet.tcp.dest = dport;
	packet.tcp.seq = htonl((__u32)random());
	packet.tcp.doff = sizeof(packet.tcp) / 4;
	packet.tcp.syn = 1;
	packet.tcp.window = htons(64240);
	packet.tcp.check = l4_check(&packet.tcp, len);
	return len;
}

/* Sends one packet from one of @addresses; returns whether the kernel took it. */
static int send_one(int fd, __u8 proto, const struct target *from,
		    __u32 addresses, const struct target *to)
{
	struct sockaddr_in dst = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = to->addr,
	};
	__u16 sport = any_port(from), dport = any_port(to);
	size_t len = sizeof(packet.ip);

	packet.ip.protocol = proto;
	packet.ip.saddr = htonl(ntohl(from->addr) +
				(__u32)random() % addresses);
	packet.ip.daddr = to->addr;
	if (proto == IPPROTO_TCP)
		len += put_tcp(sport, dport);
	else
		len += put_udp(sport, dport);
	packet.ip.tot_len = htons((__u16)len);
	return sendto(fd, &packet, len, MSG_DONTWAIT, (struct sockaddr *)&dst,
		      sizeof(dst)) == (ssize_t)len;
}

static __s64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* Rests for @ns; returns whether SIGTERM has come. */
static int rest(const sigset_t *sigterm, __s64 ns)
{
	struct timespec ts = {
		.tv_sec = ns / (1000 * MS),
		.tv_nsec = ns % (1000 * MS),
	};

	return sigtimedwait(sigterm, NULL, &ts) == SIGTERM;
}

/* How much of what was sent is still on its way to the first receiver. */
static int pending(int fd)
{
	int bytes;

	return ioctl(fd, SIOCOUTQ, &bytes) ? 0 : bytes;
}

/*
 * Waits until what was sent since @begin has been received, as far as anybody is
 * there, and rests; returns whether SIGTERM has come.
 */
static int recover(int fd, const sigset_t *sigterm, __s64 begin)
{
	__s64 took, due;

	do {
		if (rest(sigterm, LEAST_REST))
			return 1;
		took = now_ns() - begin;
	} while (pending(fd) && took < MOST_WAIT);
	due = 4 * took;
	return rest(sigterm, due < MOST_REST ? due : MOST_REST);
}

/* Whoever changes the file may have emptied it just now: then nothing changes. */
static void follow(const char *path, struct target *to, int targets)
{
	char text[INET_ADDRSTRLEN];
	FILE *file = fopen(path, "r");
	struct in_addr addr;
	int i;

	if (!file)
		return;
	if (fgets(text, sizeof(text), file)) {
		text[strcspn(text, "\n")] = '\0';
		if (inet_pton(AF_INET, text, &addr) == 1)
			for (i = 0; i < targets; i++)
				to[i].addr = addr.s_addr;
	}
	fclose(file);
}

static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(EXIT_USAGE, "processor %d", cpu);
}

int main(int argc, char **argv)
{
	static const __u8 protos[] = { IPPROTO_UDP, IPPROTO_TCP };
	struct target from, to[MAX_TARGETS];
	unsigned long sent = 0, failed = 0;
	int opt, fd, i, targets = 0;
	unsigned int first, kinds;
	const char *path = NULL;
	__u32 addresses = 1;
	sigset_t sigterm;
	__s64 begin;

	while ((opt = getopt(argc, argv, "a:c:n:")) != -1) {
		switch (opt) {
		case 'a':
			path = optarg;
			break;
		case 'c':
			stay_on(atoi(optarg));
			break;
		case 'n':
			addresses = (__u32)strtoul(optarg, NULL, 10);
			break;
		default:
			return EXIT_USAGE;
		}
	}
	argc -= optind;
	argv += optind;
	if (argc < 3 || argc - 2 > MAX_TARGETS || !addresses)
		errx(EXIT_USAGE,
		     "usage: churn [-a FILE] [-c CPU] [-n COUNT] udp|tcp|mixed ADDR:PORTS ADDR:PORTS...");

	if (strcmp(argv[0], "udp") && strcmp(argv[0], "tcp") &&
	    strcmp(argv[0], "mixed"))
		errx(EXIT_USAGE, "udp, tcp or mixed, not %s", argv[0]);
	first = !strcmp(argv[0], "tcp");
	kinds = strcmp(argv[0], "mixed") ? 1 : 2;
	from = parse_target(argv[1]);
	for (i = 2; i < argc; i++)
		to[targets++] = parse_target(argv[i]);

	packet.ip.version = 4;
	packet.ip.ihl = sizeof(packet.ip) / 4;
	packet.ip.ttl = 64;
	srandom((unsigned int)getpid());
	fd = raw_socket(AF_INET);
	sigemptyset(&sigterm);
	sigaddset(&sigterm, SIGTERM);
	sigprocmask(SIG_BLOCK, &sigterm, NULL);
	puts("ready");
	fflush(stdout);

	do {
		if (path)
			follow(path, to, targets);
		begin = now_ns();
		for (i = 0; i < BATCH; i++) {
			__u8 proto = protos[first + random() % kinds];

			if (send_one(fd, proto, &from, addresses,
				     &to[random() % targets]))
				sent++;
			else
				failed++;
		}
	} while (!recover(fd, &sigterm, begin));
	printf("sent %lu failed %lu\n", sent, failed);
	return 0;
}
