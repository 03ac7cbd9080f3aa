// SPDX-License-Identifier: GPL-2.0
/*
 * tunpkt - UDP packets out of a tun device, one by one.
 *
 *	tunpkt DEVICE ADDRESS PORT ADDRESS PORT src|dst|none COUNT
 *
 * Each packet is all that happens between two marks, and the first mark of all begins a
 * figure: scripts/lines.c sees them. The port of that end grows with each.
 */
#define _GNU_SOURCE
#include "helper.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>

/* Instructions that do nothing and that nobody else uses; where there are none, nobody counts. */
#ifdef __x86_64__
#define MARK(number)	"nopl " #number "(%%rax)"
#else
#define MARK(number)	""
#endif

static inline void mark_figure(void)
{
	asm volatile(MARK(0x46434e30) ::: "memory");
}

static inline void mark_begin(void)
{
	asm volatile(MARK(0x46434e31) ::: "memory");
}

static inline void mark_end(void)
{
	asm volatile(MARK(0x46434e32) ::: "memory");
}

struct packet {
	struct iphdr	ip;
	struct udphdr	udp;
	char		data[18];
};

int main(int argc, char **argv)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	struct packet p = {
		.ip.version = 4, .ip.ihl = 5, .ip.ttl = 64, .ip.protocol = IPPROTO_UDP,
		.ip.tot_len = htons(sizeof(p)), .udp.len = htons(sizeof(p) - sizeof(p.ip)),
	};
	__u16 src, dst;
	int fd, i, count;

	if (argc != 8)
		errx(2, "usage: tunpkt DEVICE ADDRESS PORT ADDRESS PORT src|dst|none COUNT");
	strncpy(ifr.ifr_name, argv[1], IFNAMSIZ - 1);
	inet_pton(AF_INET, argv[2], &p.ip.saddr);
	src = atoi(argv[3]);
	inet_pton(AF_INET, argv[4], &p.ip.daddr);
	dst = atoi(argv[5]);
	count = atoi(argv[7]);
	fd = open("/dev/net/tun", O_RDWR);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr))
		err(1, "%s", argv[1]);
	mark_figure();
	for (i = 0; i < count; i++) {
		p.udp.source = htons(src + (argv[6][0] == 's' ? i : 0));
		p.udp.dest = htons(dst + (argv[6][0] == 'd' ? i : 0));
		p.ip.id = htons(i);
		p.ip.check = 0;
		p.ip.check = checksum(&p.ip, sizeof(p.ip), 0);
		mark_begin();
		if (write(fd, &p, sizeof(p)) != sizeof(p))
			err(1, "write");
		mark_end();
	}
	return 0;
}
