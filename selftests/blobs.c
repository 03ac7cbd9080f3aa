// SPDX-License-Identifier: GPL-2.0
/*
 * blobs - hand the kernel rules without a plugin in between.
 *
 *	blobs -o [WRONG]
 *	blobs [-s SEED] COUNT
 *
 * -o puts two rules into the legacy nat table of its network namespace, laid out
 * as by the packages that had the target first (revision 0):
 *	-A PREROUTING -i wan -j FULLCONENAT
 *	-A POSTROUTING -o wan -j FULLCONENAT --to-source 203.0.113.1 --persistent
 *				--to-ports 40000-60000 --random-fully
 * WRONG makes of the second what a plugin would not: "ports" and "addresses" in a
 * reversed range, no "port", an "address" that no host has, "flags" that mean
 * nothing, two "ranges".
 *
 * Else it hands over rules whose target data is rubbish.  It replaces that table
 * COUNT times by one with a FULLCONENAT rule in PREROUTING and one in
 * POSTROUTING.  Names, hooks and sizes fit (else x_tables refuses before the
 * target is asked) in most of them; revision and data are random: any bytes, or a
 * valid rule with some bytes changed.  At the end the table is empty again.
 * Prints
 *	taken N, refused M
 * and exits 0 if the kernel is still there, whatever it took; 1 if something
 * else than EINVAL and its like came back, 2 on bad use.
 */
#include "helper.h"

#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter_ipv4/ip_tables.h>

#include "../include/xt_FULLCONENAT.h"

static const int hooks[] = {
	NF_INET_PRE_ROUTING, NF_INET_LOCAL_IN, NF_INET_LOCAL_OUT,
	NF_INET_POST_ROUTING,
};

static unsigned char table[4096];
static size_t used;
static int fd;

static unsigned int below(unsigned int n)
{
	return (unsigned int)random() % n;
}

/* A rule without matches; returns where its target's data go. */
static void *add(const char *name, unsigned int revision, size_t size,
		 const char *in, const char *out)
{
	struct ipt_entry *e = (void *)(table + used);
	struct xt_entry_target *t = (void *)e->elems;

	e->target_offset = sizeof(*e);
	e->next_offset = sizeof(*e) + XT_ALIGN(sizeof(*t) + size);
	strcpy(e->ip.iniface, in);
	memset(e->ip.iniface_mask, *in ? 0xff : 0, strlen(in) + 1);
	strcpy(e->ip.outiface, out);
	memset(e->ip.outiface_mask, *out ? 0xff : 0, strlen(out) + 1);
	t->u.target_size = XT_ALIGN(sizeof(*t) + size);
	strcpy(t->u.user.name, name);
	t->u.user.revision = revision;
	used += e->next_offset;
	return t->data;
}

static void add_accept(void)
{
	*(int *)add(XT_STANDARD_TARGET, 0, sizeof(int), "", "") = -NF_ACCEPT - 1;
}

/* A rule that makes sense, with some of its bytes changed afterwards. */
static void nearly_valid(void *data, unsigned int revision, size_t size)
{
	struct xt_fullconenat_tginfo v1 = { .filter = below(4) };
	struct nf_nat_ipv4_multi_range_compat v0 = { .rangesize = 1 };
	unsigned int i;

	v1.range.flags = below(32);
	v1.range.min_addr.ip = htonl(0xcb007101);
	v1.range.max_addr.ip = htonl(0xcb007101 + below(4));
	v1.range.min_proto.all = htons(1024 + below(30000));
	v1.range.max_proto.all = htons(32768 + below(30000));
	v0.range[0].flags = v1.range.flags;
	v0.range[0].min_ip = v1.range.min_addr.ip;
	v0.range[0].max_ip = v1.range.max_addr.ip;
	v0.range[0].min = v1.range.min_proto;
	v0.range[0].max = v1.range.max_proto;
	if (revision)
		memcpy(data, &v1, size < sizeof(v1) ? size : sizeof(v1));
	else
		memcpy(data, &v0, size < sizeof(v0) ? size : sizeof(v0));
	for (i = below(4); i; i--)
		((unsigned char *)data)[below(size)] = random();
}

static void add_random(const char *in, const char *out)
{
	unsigned int revision = below(16) ? below(2) : below(256);
	size_t size = revision ? sizeof(struct xt_fullconenat_tginfo) :
		      sizeof(struct nf_nat_ipv4_multi_range_compat), i;
	unsigned char *data;

	if (!below(32))
		size = 8 * (1 + below(16));
	data = add("FULLCONENAT", revision, size, in, out);
	if (below(4)) {
		nearly_valid(data, revision, size);
		return;
	}
	for (i = 0; i < size; i++)
		data[i] = random();
}

/* One of the two rules of the option -o; see there. */
static void add_old(int hook, const char *wrong)
{
	struct nf_nat_ipv4_multi_range_compat mr = { .rangesize = 1 };
	struct nf_nat_ipv4_range *range = &mr.range[0];
	int out = hook == NF_INET_POST_ROUTING;

	if (out) {
		/* MAP_IPS, PROTO_SPECIFIED, PERSISTENT, PROTO_RANDOM_FULLY */
		range->flags = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 4;
		range->min_ip = htonl(0xcb007101);
		range->max_ip = htonl(0xcb007101);
		range->min.all = htons(strcmp(wrong, "port") ? 40000 : 0);
		range->max.all = htons(strcmp(wrong, "port") ? 60000 : 0);
		if (!strcmp(wrong, "ports"))
			range->max.all = htons(39999);
		else if (!strcmp(wrong, "addresses"))
			range->max_ip = htonl(0xcb007100);
		else if (!strcmp(wrong, "address"))
			range->max_ip = htonl(0xe0000001);
		else if (!strcmp(wrong, "flags"))
			range->flags |= 1 << 5;
		else if (!strcmp(wrong, "ranges"))
			mr.rangesize = 2;
	}
	memcpy(add("FULLCONENAT", 0, sizeof(mr), out ? "" : "wan",
		   out ? "wan" : ""), &mr, sizeof(mr));
}

enum rules { NONE, OLD, RANDOM };

static void add_rule(enum rules rules, const char *wrong, int hook)
{
	int pre = hook == NF_INET_PRE_ROUTING, post = hook == NF_INET_POST_ROUTING;

	if (rules == OLD && (pre || post))
		add_old(hook, wrong);
	/* now and then where it has no business */
	if (rules == RANDOM && (pre || post || !below(64)))
		add_random(post ? "" : "wan", post ? "wan" : "");
}

/* Puts the table into force: 0, or errno. */
static int replace(enum rules rules, const char *wrong)
{
	static struct xt_counters counters[16];
	union {
		struct ipt_replace r;
		unsigned char space[sizeof(struct ipt_replace) + sizeof(table)];
	} u;
	struct ipt_getinfo info = { .name = "nat" };
	socklen_t len = sizeof(info);
	struct ipt_replace *r = &u.r;
	unsigned int i;

	if (getsockopt(fd, IPPROTO_IP, IPT_SO_GET_INFO, &info, &len))
		err(1, "nat table");
	memset(&u, 0, sizeof(u));
	memset(table, 0, sizeof(table));
	used = 0;
	strcpy(r->name, "nat");
	for (i = 0; i < sizeof(hooks) / sizeof(*hooks); i++) {
		r->valid_hooks |= 1 << hooks[i];
		r->hook_entry[hooks[i]] = used;
		add_rule(rules, wrong, hooks[i]);
		r->underflow[hooks[i]] = used;
		add_accept();
	}
	strcpy(add(XT_ERROR_TARGET, 0, XT_FUNCTION_MAXNAMELEN, "", ""), "ERROR");

	r->num_entries = 0;
	for (i = 0; i < used; i += ((struct ipt_entry *)(table + i))->next_offset)
		r->num_entries++;
	r->size = used;
	r->num_counters = info.num_entries;
	r->counters = counters;
	memcpy(r->entries, table, used);
	return setsockopt(fd, IPPROTO_IP, IPT_SO_SET_REPLACE, r, sizeof(*r) + used) ?
	       errno : 0;
}

int main(int argc, char **argv)
{
	unsigned int taken = 0, refused = 0;
	int opt, error, old = 0;
	long i;

	while ((opt = getopt(argc, argv, "os:")) != -1) {
		if (opt == 'o')
			old = 1;
		else if (opt == 's')
			srandom(strtoul(optarg, NULL, 0));
		else
			return EXIT_USAGE;
	}
	if (old ? optind < argc - 1 : optind != argc - 1)
		return EXIT_USAGE;

	fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	if (fd < 0)
		err(1, "socket");
	if (old) {
		error = replace(OLD, optind < argc ? argv[optind] : "");
		if (error)
			errx(1, "old rules: %s", strerror(error));
		return 0;
	}
	for (i = strtol(argv[optind], NULL, 0); i > 0; i--) {
		error = replace(RANDOM, "");
		switch (error) {
		case 0:
			taken++;
			break;
		case EINVAL:
		case ENOENT:
		case EPROTONOSUPPORT:
			refused++;
			break;
		default:
			errx(1, "replace: %s", strerror(error));
		}
	}
	error = replace(NONE, "");
	if (error)
		errx(1, "empty table: %s", strerror(error));
	printf("taken %u, refused %u\n", taken, refused);
	return 0;
}
