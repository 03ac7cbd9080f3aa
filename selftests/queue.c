// SPDX-License-Identifier: GPL-2.0
/*
 * queue - takes packets that a rule has sent to user space, and gives them back.
 *
 *	queue [-r|-k] [-m MARK] NUMBER
 *
 * Everything that comes to the queue of that number goes back, with its payload written
 * anew:
 *	(no option) at once
 *	-r	out of order: each waits for the next, at most 50 ms, and goes behind it
 *	-k	when a SIGUSR1 comes, the newest first, and from then on at once
 *	-m	with that mark
 * It prints "ready", then a line "hook N" for each packet, by the kernel's numbers (0 is
 * prerouting, 2 forward, 4 postrouting). Runs until killed; exits 2 on bad use.
 */
#include "helper.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#define MAX_HELD	256
#define MAX_PACKET	2048

struct held {
	__be32 id;
	size_t size;
	__u8 packet[MAX_PACKET];
};

/* A message to the kernel, as it grows */
struct message {
	struct nlmsghdr head;
	struct nfgenmsg gen;
	__u8 attributes[MAX_PACKET + 256];
};

static struct held held[MAX_HELD];
static unsigned int held_count;
static int fd, marks;
static __u16 number;
static __u32 mark;

static void begin(struct message *m, __u16 type, __u16 flags)
{
	memset(m, 0, sizeof(*m));
	m->head.nlmsg_len = NLMSG_LENGTH(sizeof(m->gen));
	m->head.nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | type;
	m->head.nlmsg_flags = NLM_F_REQUEST | flags;
	m->gen.version = NFNETLINK_V0;
	m->gen.res_id = htons(number);
}

static void put(struct message *m, __u16 type, const void *data, size_t size)
{
	struct nlattr *attr = (void *)((__u8 *)m + m->head.nlmsg_len);

	attr->nla_type = type;
	attr->nla_len = (__u16)(NLA_HDRLEN + size);
	memcpy((__u8 *)attr + NLA_HDRLEN, data, size);
	m->head.nlmsg_len += NLA_ALIGN(attr->nla_len);
}

static void tell(const struct message *m)
{
	if (send(fd, m, m->head.nlmsg_len, 0) < 0)
		err(EXIT_USAGE, "send");
}

/* Sends it and waits for the kernel's word. */
static void configure(struct message *m)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
	} answer;

	tell(m);
	if (recv(fd, &answer, sizeof(answer), 0) < 0)
		err(EXIT_USAGE, "recv");
	if (answer.head.nlmsg_type != NLMSG_ERROR || answer.error.error)
		errx(EXIT_USAGE, "queue %u: the kernel refuses", number);
}

static void bind_queue(void)
{
	const struct nfqnl_msg_config_cmd cmd = { .command = NFQNL_CFG_CMD_BIND };
	const struct nfqnl_msg_config_params params = {
		.copy_range = htonl(MAX_PACKET),
		.copy_mode = NFQNL_COPY_PACKET,
	};
	struct message m;

	begin(&m, NFQNL_MSG_CONFIG, NLM_F_ACK);
	put(&m, NFQA_CFG_CMD, &cmd, sizeof(cmd));
	configure(&m);
	begin(&m, NFQNL_MSG_CONFIG, NLM_F_ACK);
	put(&m, NFQA_CFG_PARAMS, &params, sizeof(params));
	configure(&m);
}

/* The newest first */
static void give_back(void)
{
	struct nfqnl_msg_verdict_hdr verdict = { .verdict = htonl(NF_ACCEPT) };
	const __be32 new_mark = htonl(mark);
	const struct held *h;
	struct message m;

	while (held_count) {
		h = &held[--held_count];
		verdict.id = h->id;
		begin(&m, NFQNL_MSG_VERDICT, 0);
		put(&m, NFQA_VERDICT_HDR, &verdict, sizeof(verdict));
		if (marks)
			put(&m, NFQA_MARK, &new_mark, sizeof(new_mark));
		put(&m, NFQA_PAYLOAD, h->packet, h->size);
		tell(&m);
	}
}

static void take(const struct nlmsghdr *head)
{
	const __u8 *end = (const __u8 *)head + head->nlmsg_len;
	const __u8 *p = (const __u8 *)NLMSG_DATA(head) + NLMSG_ALIGN(sizeof(struct nfgenmsg));
	struct held *h = &held[held_count];

	if (head->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET))
		return;
	if (held_count == MAX_HELD)
		errx(EXIT_USAGE, "too many packets");
	h->size = 0;
	while (end - p >= NLA_HDRLEN) {
		const struct nlattr *attr = (const void *)p;
		const void *data = p + NLA_HDRLEN;
		size_t size = attr->nla_len - NLA_HDRLEN;

		if ((attr->nla_type & NLA_TYPE_MASK) == NFQA_PACKET_HDR) {
			const struct nfqnl_msg_packet_hdr *packet = data;

			h->id = packet->packet_id;
			printf("hook %u\n", packet->hook);
		} else if ((attr->nla_type & NLA_TYPE_MASK) == NFQA_PAYLOAD) {
			h->size = size < MAX_PACKET ? size : MAX_PACKET;
			memcpy(h->packet, data, h->size);
		}
		p += NLA_ALIGN(attr->nla_len);
	}
	held_count++;
}

/* Becomes readable when a SIGUSR1 comes, and remains so. */
static int usr1_fd(void)
{
	sigset_t set;
	int signals;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, 0);
	if (signals < 0)
		err(EXIT_USAGE, "signalfd");
	return signals;
}

int main(int argc, char **argv)
{
	union {
		struct nlmsghdr head;
		__u8 bytes[8192];
	} in;
	int option, reorder = 0, keep = 0, signals;
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };

	while ((option = getopt(argc, argv, "rkm:")) != -1) {
		if (option == 'r')
			reorder = 1;
		else if (option == 'k')
			keep = 1;
		else if (option == 'm')
			marks = 1, mark = (__u32)strtoul(optarg, NULL, 0);
		else
			return EXIT_USAGE;
	}
	if (optind != argc - 1)
		errx(EXIT_USAGE, "usage: queue [-r|-k] [-m MARK] NUMBER");
	number = (__u16)strtoul(argv[optind], NULL, 0);
	fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
	if (fd < 0)
		err(EXIT_USAGE, "socket");
	bind_queue();
	signals = usr1_fd();
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");

	fds[0].fd = fd;
	fds[1].fd = signals;
	for (;;) {
		poll(fds, 2, 50);
		if (fds[0].revents) {
			if (recv(fd, &in, sizeof(in), 0) < 0)
				err(EXIT_USAGE, "recv");
			take(&in.head);
		}
		if (keep ? fds[1].revents : !reorder || !fds[0].revents || held_count > 1)
			give_back();
	}
}
