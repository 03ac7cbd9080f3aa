// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/net/fullcone_nat.
 *
 *	mappings	a line for each mapping; takes commands
 *	sessions	a line for each session, read from conntrack
 *	stats		counters
 *	status		for a person whose NAT is not full cone
 *
 * A reader of mappings or sessions resumes at the port or bucket where it
 * stopped, and holds no lock for longer than a line or a bucket.
 */

#include <linux/inet.h>
#include <linux/inetdevice.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <net/netfilter/nf_conntrack.h>

#include "nat_addr.h"
#include "nat_conf.h"
#include "nat_conntrack.h"
#include "nat_core.h"
#include "nat_log.h"
#include "nat_proc.h"
#include "nat_wan.h"

#define FCN_COMMAND_MAX	128

/* seconds for which a refusal is told: who looks has to log in first */
#define FCN_REFUSED_NOW	60

static const char *const fcn_state_names[] = {
	[FCN_ACTIVE]	= "active",
	[FCN_DRAINING]	= "draining",
	[FCN_HOLDDOWN]	= "holddown",
};

static const char *const fcn_phase_names[] = {
	[FCN_UDP]	= "udp",
	[FCN_ICMP]	= "icmp",
	[FCN_OPEN]	= "open",
	[FCN_EST]	= "est",
	[FCN_CLOSE]	= "close",
	[FCN_RST]	= "rst",
};

/*
 * A million lines may be asked for, so nothing here reads a format but for IPv6, or
 * counts a literal's letters, as seq_puts() of older kernels does.
 */
#define fcn_put(seq, literal)	seq_write(seq, literal, sizeof(literal) - 1)

/* Writes an octet in decimal; returns where it ends. */
static char *fcn_put_octet(char *to, u8 octet)
{
	if (octet >= 100)
		*to++ = '0' + octet / 100;
	if (octet >= 10)
		*to++ = '0' + octet / 10 % 10;
	*to++ = '0' + octet % 10;
	return to;
}

static void fcn_show_endpoint(struct seq_file *seq, u8 family,
			      const union nf_inet_addr *addr, __be16 port)
{
	char text[sizeof("255.255.255.255:")], *end = text;
	const u8 *octet = (const u8 *)&addr->ip;
	int i;

	if (family == NFPROTO_IPV6) {
		seq_printf(seq, "[%pI6c]:%u", &addr->in6, ntohs(port));
		return;
	}
	for (i = 0; i < 4; i++) {
		end = fcn_put_octet(end, octet[i]);
		*end++ = i < 3 ? '.' : ':';
	}
	seq_write(seq, text, end - text);
	seq_put_decimal_ull(seq, NULL, ntohs(port));
}

static void fcn_show_ends(struct seq_file *seq, const struct fcn_mapping *m)
{
	const u8 family = fcn_mapping_family(m);

	fcn_put(seq, "proto=");
	seq_puts(seq, fcn_proto_name(fcn_mapping_proto(m)));
	fcn_put(seq, " int=");
	fcn_show_endpoint(seq, family, &m->addr, m->port);
	fcn_put(seq, " ext=");
	fcn_show_endpoint(seq, family, fcn_mapping_ext(m), m->ext_port);
}

/* mappings */

/*
 * A position is a pool's id and a port: it stays true while other mappings
 * come and go.
 */
#define FCN_POS_SHIFT	17	/* one more than a port needs, for the end */

static struct fcn_mapping *fcn_mappings_seek(struct fcn_net *fn, loff_t *pos)
{
	u32 id = *pos >> FCN_POS_SHIFT;
	u32 port = *pos & ((1 << FCN_POS_SHIFT) - 1);
	struct fcn_mapping *m;
	struct fcn_pool *pool;

	list_for_each_entry_rcu(pool, &fn->table.pools.list, list) {
		if (pool->id < id)
			continue;
		if (pool->id > id)
			port = 0;
		m = fcn_pool_next(pool, &port);
		if (m) {
			*pos = ((loff_t)pool->id << FCN_POS_SHIFT) + port;
			return m;
		}
	}
	return NULL;
}

static void *fcn_mappings_start(struct seq_file *seq, loff_t *pos)
	__acquires(RCU)
{
	rcu_read_lock();
	return fcn_mappings_seek(fcn_net(seq_file_net(seq)), pos);
}

static void *fcn_mappings_next(struct seq_file *seq, void *v, loff_t *pos)
{
	++*pos;
	return fcn_mappings_seek(fcn_net(seq_file_net(seq)), pos);
}

static void fcn_mappings_stop(struct seq_file *seq, void *v)
	__releases(RCU)
{
	rcu_read_unlock();
}

static int fcn_mappings_show(struct seq_file *seq, void *v)
{
	const struct fcn_mapping *m = v;
	u8 state = READ_ONCE(m->life.state);
	u32 now = (u32)ktime_get_seconds(), end, sessions;
	struct net_device *dev;

	if (state == FCN_HOLDDOWN)
		end = READ_ONCE(m->account.until);
	else
		end = max(READ_ONCE(m->life.pushed),
			  fcn_account_deadline(&m->account));
	sessions = READ_ONCE(m->account.sessions);
	smp_rmb();	/* pairs with fcn_mapping_part() */
	if (state >= FCN_DYING || READ_ONCE(m->life.state) == FCN_FREE)
		return SEQ_SKIP;
	if (READ_ONCE(m->fixed))
		end = 0;
	dev = dev_get_by_index_rcu(seq_file_net(seq), m->ifindex);

	fcn_show_ends(seq, m);
	fcn_put(seq, " dev=");
	seq_puts(seq, dev ? dev->name : "-");
	fcn_put(seq, " state=");
	seq_puts(seq, READ_ONCE(m->fixed) ? "static" : fcn_state_names[state]);
	fcn_put(seq, " sessions=");
	seq_put_decimal_ull(seq, NULL, sessions);
	fcn_put(seq, " expires=");
	seq_put_decimal_ull(seq, NULL, end > now ? end - now : 0);
	fcn_put(seq, " age=");
	seq_put_decimal_ull(seq, NULL, now - m->created);
	if (m->zone)
		seq_put_decimal_ull(seq, " zone=", m->zone);
	seq_putc(seq, '\n');
	return 0;
}

static const struct seq_operations fcn_mappings_ops = {
	.start	= fcn_mappings_start,
	.next	= fcn_mappings_next,
	.stop	= fcn_mappings_stop,
	.show	= fcn_mappings_show,
};

static bool fcn_is_of(const struct fcn_mapping *m, void *data)
{
	const struct fcn_key *inside = data;

	return fcn_mapping_family(m) == inside->family &&
	       fcn_mapping_proto(m) == inside->proto &&
	       m->port == inside->port &&
	       nf_inet_addr_cmp(&m->addr, &inside->addr);
}

static bool fcn_is_anything(const struct fcn_mapping *m, void *data)
{
	return true;
}

/* Splits "192.168.1.2:5000" behind the address. */
static int fcn_parse_port(char *text, __be16 *port)
{
	char *number = text ? strrchr(text, ':') : NULL;
	u16 value;

	if (!number)
		return -EINVAL;
	*number++ = '\0';
	if (kstrtou16(number, 10, &value))
		return -EINVAL;
	*port = htons(value);
	return 0;
}

/* "192.168.1.2" or "[fd00::2]" */
static int fcn_parse_address(char *text, u8 *family, union nf_inet_addr *addr)
{
	size_t len = strlen(text);
	bool bracketed = len > 2 && *text == '[' && text[len - 1] == ']';

	if (bracketed) {
		text[len - 1] = '\0';
		text++;
	}
	if (fcn_addr_parse(text, family, addr))
		return -EINVAL;
	return bracketed == (*family == NFPROTO_IPV6) ? 0 : -EINVAL;
}

/* "udp 192.168.1.2:5000", and maybe more words, to which @text points then. */
static int fcn_parse_inside(char **text, struct fcn_key *key)
{
	static const u8 protos[] = { IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP };
	char *name = strsep(text, " "), *inside = strsep(text, " ");
	size_t i;

	for (i = 0; i < ARRAY_SIZE(protos); i++)
		if (!strcmp(name, fcn_proto_name(protos[i])))
			break;
	if (i == ARRAY_SIZE(protos) || fcn_parse_port(inside, &key->port) ||
	    fcn_parse_address(inside, &key->family, &key->addr))
		return -EINVAL;
	key->proto = protos[i];
	if (key->proto == IPPROTO_ICMP && key->family == NFPROTO_IPV6)
		key->proto = IPPROTO_ICMPV6;
	return 0;
}

/*
 * "udp 192.168.1.2:5000 203.0.113.1:5000", likewise IPv6, or an interface for the
 * external address.
 */
static int fcn_parse_static(char *text, struct fcn_static *wish)
{
	int err = fcn_parse_inside(&text, &wish->key);
	u8 family;

	/* inbound ICMP queries are the router's */
	if (err || fcn_is_icmp(wish->key.proto) || !wish->key.port ||
	    !fcn_addr_is_host(wish->key.family, &wish->key.addr))
		return -EINVAL;
	if (fcn_parse_port(text, &wish->port) || !wish->port)
		return -EINVAL;
	if (!fcn_parse_address(text, &family, &wish->addr))
		return family == wish->key.family &&
		       fcn_addr_is_host(family, &wish->addr) ? 0 : -EINVAL;
	if (*text == '[' || !dev_valid_name(text))
		return -EINVAL;
	strscpy(wish->dev, text, sizeof(wish->dev));
	return 0;
}

static int fcn_command_add(struct fcn_net *fn, char *text)
{
	struct fcn_static wish = {};
	int err = fcn_parse_static(text, &wish);

	if (err)
		return err;
	mutex_lock(&fn->mutex);
	err = fcn_static_add(fn, &wish);
	mutex_unlock(&fn->mutex);
	return err;
}

static int fcn_command_del(struct fcn_net *fn, char *text)
{
	struct fcn_key inside = {};
	u32 count;

	if (fcn_parse_inside(&text, &inside) || text)
		return -EINVAL;
	mutex_lock(&fn->mutex);
	count = fcn_static_del(fn, &inside);
	count += fcn_net_end(fn, fcn_is_of, &inside);
	mutex_unlock(&fn->mutex);
	return count ? 0 : -ENOENT;
}

static void fcn_command_flush(struct fcn_net *fn)
{
	mutex_lock(&fn->mutex);
	fcn_static_del(fn, NULL);
	fcn_net_end(fn, fcn_is_anything, NULL);
	mutex_unlock(&fn->mutex);
}

static int fcn_command(struct fcn_net *fn, char *text)
{
	char *verb = strsep(&text, " ");

	if (!strcmp(verb, "add") && text)
		return fcn_command_add(fn, text);
	if (!strcmp(verb, "del") && text)
		return fcn_command_del(fn, text);
	if (strcmp(verb, "flush") || text)
		return -EINVAL;
	fcn_command_flush(fn);
	return 0;
}

/* One command a write.  @buf is the kernel's copy, with a NUL behind @size. */
static int fcn_mappings_write(struct file *file, char *buf, size_t size)
{
	struct net *net = seq_file_net(file->private_data);
	int err;

	if (!file_ns_capable(file, net->user_ns, CAP_NET_ADMIN) ||
	    !ns_capable(net->user_ns, CAP_NET_ADMIN))
		return -EPERM;
	if (size >= FCN_COMMAND_MAX || strlen(buf) != size)
		return -EINVAL;
	err = fcn_command(fcn_net(net), strim(buf));
	return err ?: size;
}

/* sessions */

struct fcn_sessions_page {
	struct seq_file	*seq;
	struct fcn_net	*fn;
};

static void fcn_show_session(struct seq_file *seq, const struct nf_conn *ct,
			     const struct fcn_session *s,
			     const struct fcn_mapping *m)
{
	bool in = m != s->out;
	const struct nf_conntrack_tuple *tuple;

	/* how the inside sees its peer */
	tuple = &ct->tuplehash[in ? IP_CT_DIR_REPLY :
				    IP_CT_DIR_ORIGINAL].tuple;
	fcn_show_ends(seq, m);
	fcn_put(seq, " peer=");
	fcn_show_endpoint(seq, nf_ct_l3num(ct), &tuple->dst.u3,
			  fcn_is_icmp(nf_ct_protonum(ct)) ? 0 :
							    tuple->dst.u.all);
	seq_printf(seq, " dir=%s phase=%s\n", in ? "in" : "out",
		   fcn_phase_names[s->phase]);
}

static void fcn_sessions_visit(const struct nf_conn *ct, void *data)
{
	struct fcn_sessions_page *page = data;
	struct fcn_session s;

	if (!net_eq(nf_ct_net(ct), page->fn->net) || nf_ct_is_expired(ct) ||
	    !fcn_ct_session(&page->fn->table, ct, &s))
		return;
	if (s.out)
		fcn_show_session(page->seq, ct, &s, s.out);
	if (s.in && s.in != s.out)
		fcn_show_session(page->seq, ct, &s, s.in);
}

/* A position is a bucket, and a record is all that is in it. */
static void *fcn_sessions_start(struct seq_file *seq, loff_t *pos)
{
	return *pos < fcn_ct_buckets() ? pos : NULL;
}

static void *fcn_sessions_next(struct seq_file *seq, void *v, loff_t *pos)
{
	++*pos;
	cond_resched();
	return fcn_sessions_start(seq, pos);
}

static void fcn_sessions_stop(struct seq_file *seq, void *v)
{
}

static int fcn_sessions_show(struct seq_file *seq, void *v)
{
	struct fcn_sessions_page page = {
		.seq	= seq,
		.fn	= fcn_net(seq_file_net(seq)),
	};
	loff_t *pos = v;

	rcu_read_lock();
	fcn_ct_bucket(*pos, fcn_sessions_visit, &page);
	rcu_read_unlock();
	return 0;
}

static const struct seq_operations fcn_sessions_ops = {
	.start	= fcn_sessions_start,
	.next	= fcn_sessions_next,
	.stop	= fcn_sessions_stop,
	.show	= fcn_sessions_show,
};

/* stats */

static int fcn_stats_show(struct seq_file *seq, void *v)
{
	struct fcn_net *fn = fcn_net(seq_file_single_net(seq));
	int i;

	seq_printf(seq, "mappings %d\n", atomic_read(&fn->table.count));
	seq_printf(seq, "mappings_held_down %u\n", READ_ONCE(fn->clock.held));
	seq_printf(seq, "peers %d\n", atomic_read(&fn->table.peers.count));
	for (i = 0; i < FCN_STAT_COUNT; i++)
		seq_printf(seq, "%s %llu\n", fcn_stat_names[i],
			   fcn_stat_read(fn, i));
	seq_printf(seq, "sweeps %u\n", READ_ONCE(fn->clock.gen));
	seq_printf(seq, "sweep_entries %u\n", READ_ONCE(fn->clock.entries));
	seq_printf(seq, "sweep_us %u\n", READ_ONCE(fn->clock.cost));
	seq_printf(seq, "sweep_interval_ms %u\n",
		   READ_ONCE(fn->clock.interval));
	return 0;
}

/* status */

static void fcn_status_address(struct seq_file *seq,
			       const struct net_device *dev, u8 family)
{
	union nf_inet_addr addr;

	if (!fcn_addr_of(dev, family, &addr)) {
		seq_puts(seq, " address=none");
		return;
	}
	seq_printf(seq, family == NFPROTO_IPV6 ? " address=%pI6c private=%d" :
						 " address=%pI4 private=%d",
		   &addr, fcn_addr_is_private(family, &addr));
}

static void fcn_status_wan(struct seq_file *seq, const struct fcn_net *fn,
			   const struct fcn_wan *wan)
{
	struct net_device *dev = dev_get_by_name_rcu(fn->net, wan->name);
	u64 in, passed, offered, left;

	seq_printf(seq, "wan%s=%s", wan->family == NFPROTO_IPV6 ? "6" : "",
		   wan->name);
	if (!dev) {
		seq_puts(seq, " exists=0");
	} else {
		seq_printf(seq, " exists=1 up=%d", !!(dev->flags & IFF_UP));
		fcn_status_address(seq, dev, wan->family);
	}

	/* the later count first: the difference is never below zero */
	passed = fcn_wan_stat_read(wan, FCN_WAN_IN_PASSED);
	in = fcn_wan_stat_read(wan, FCN_WAN_IN);
	left = fcn_wan_stat_read(wan, FCN_WAN_LEFT);
	offered = fcn_wan_stat_read(wan, FCN_WAN_OFFERED);
	seq_printf(seq, " mapped=%llu in=%llu in_refused=%llu in_unconfirmed=%llu by_rules=%llu\n",
		   fcn_wan_stat_read(wan, FCN_WAN_OUT), in,
		   fcn_wan_stat_read(wan, FCN_WAN_IN_REFUSED),
		   in > passed ? in - passed : 0,
		   offered > left ? offered - left : 0);
}

static int fcn_status_show(struct seq_file *seq, void *v)
{
	struct fcn_net *fn = fcn_net(seq_file_single_net(seq));
	const struct fcn_conf *conf;
	struct fcn_wan *wan;
	u32 refused = READ_ONCE(fn->refused), statics, in_force;

	mutex_lock(&fn->mutex);
	statics = fn->statics.count;
	in_force = fcn_statics_in_force(fn, NFPROTO_IPV4) +
		   fcn_statics_in_force(fn, NFPROTO_IPV6);
	mutex_unlock(&fn->mutex);

	rcu_read_lock();
	conf = fcn_conf(fn);
	seq_printf(seq, "active=%d order=%s rules=%u forwarding=%d\n",
		   READ_ONCE(fn->hooked[NFPROTO_IPV4]),
		   conf->order_last ? "last" : "first",
		   READ_ONCE(fn->rules[NFPROTO_IPV4]),
		   !!IPV4_DEVCONF_ALL(fn->net, FORWARDING));
#if IS_ENABLED(CONFIG_IPV6)
	if (READ_ONCE(fn->hooked[NFPROTO_IPV6]))
		seq_printf(seq, "active6=1 rules6=%u forwarding6=%d\n",
			   READ_ONCE(fn->rules[NFPROTO_IPV6]),
			   !!fn->net->ipv6.devconf_all->forwarding);
#endif
	list_for_each_entry_rcu(wan, &fn->wans, list)
		fcn_status_wan(seq, fn, wan);
	seq_printf(seq, "mappings=%d max_mappings=%u refusing=%s\n",
		   atomic_read(&fn->table.count), conf->max_mappings,
		   refused && (u32)ktime_get_seconds() - refused <
		   FCN_REFUSED_NOW ?
		   fcn_stat_names[READ_ONCE(fn->refused_by)] : "none");
	rcu_read_unlock();
	seq_printf(seq, "static=%u waiting=%u\n", statics, statics - in_force);
	return 0;
}

/* The directory. */

/**
 * fcn_proc_own - give the files to the root of the namespace
 * @fn:		namespace
 *
 * A user namespace that is made together with the network namespace gets its
 * root only later, so this is done again with every change of a knob.
 */
void fcn_proc_own(struct fcn_net *fn)
{
	kuid_t uid = make_kuid(fn->net->user_ns, 0);
	kgid_t gid = make_kgid(fn->net->user_ns, 0);
	size_t i;

	if (!fn->proc || !uid_valid(uid) || !gid_valid(gid))
		return;
	for (i = 0; i < ARRAY_SIZE(fn->proc_file); i++)
		proc_set_user(fn->proc_file[i], uid, gid);
}

int fcn_proc_net_init(struct fcn_net *fn)
{
	struct proc_dir_entry **file = fn->proc_file;
	struct net *net = fn->net;
	size_t i;

	if (!IS_ENABLED(CONFIG_PROC_FS))
		return 0;

	fn->proc = proc_net_mkdir(net, "fullcone_nat", net->proc_net);
	if (!fn->proc)
		return -ENOMEM;

	file[0] = proc_create_net_data_write("mappings", 0640, fn->proc,
					     &fcn_mappings_ops,
					     fcn_mappings_write,
					     sizeof(struct seq_net_private),
					     NULL);
	file[1] = proc_create_net("sessions", 0440, fn->proc,
				  &fcn_sessions_ops,
				  sizeof(struct seq_net_private));
	file[2] = proc_create_net_single("stats", 0440, fn->proc,
					 fcn_stats_show, NULL);
	file[3] = proc_create_net_single("status", 0440, fn->proc,
					 fcn_status_show, NULL);
	for (i = 0; i < ARRAY_SIZE(fn->proc_file); i++) {
		if (!file[i])
			return -ENOMEM;
	}
	fcn_proc_own(fn);
	return 0;
}

void fcn_proc_net_exit(struct fcn_net *fn)
{
	proc_remove(fn->proc);
}
