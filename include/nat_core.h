/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The state of a network namespace, and its life cycle.
 */
#ifndef _FULLCONE_NAT_CORE_H
#define _FULLCONE_NAT_CORE_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netfilter.h>
#include <linux/percpu.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "nat_conntrack.h"
#include "nat_mapping.h"
#include "nat_static.h"
#include "nat_timewait.h"

struct ctl_table;
struct ctl_table_header;
struct fcn_conf;
struct proc_dir_entry;

#define FCN_PROC_FILES	4

/* Every counter of a namespace: procfs prints them by these names. */
#define FCN_STATS(X)			\
	X(mappings_created),		\
	X(mappings_adopted),		\
	X(mappings_expired),		\
	X(mappings_ended),		\
	X(flows_out),			\
	X(flows_in),			\
	X(flows_in_passed),		\
	X(flows_hairpin),		\
	X(flows_masqueraded),		\
	X(strays_killed),		\
	X(sessions_unanswered),		\
	X(sessions_prolonged),		\
	X(sessions_ended),		\
	X(drop_no_port),		\
	X(drop_max_mappings),		\
	X(drop_max_total),		\
	X(drop_host_max_mappings),	\
	X(drop_host_max_rate),		\
	X(drop_mapping_max_sessions),	\
	X(drop_no_memory),		\
	X(drop_no_address),		\
	X(drop_out_conflict),		\
	X(drop_in_conflict),		\
	X(drop_in_draining),		\
	X(drop_in_holddown),		\
	X(drop_in_dying),		\
	X(drop_in_filtered),		\
	X(drop_invalid_forwarded),	\
	X(drop_invalid_in),		\
	X(peers_refused)

#define FCN_STAT_ID(name)	FCN_STAT_##name

enum fcn_stat {
	FCN_STATS(FCN_STAT_ID),
	FCN_STAT_COUNT,
};

extern const char *const fcn_stat_names[];

struct fcn_stats {
	u64	value[FCN_STAT_COUNT];
};

/**
 * struct fcn_net - everything about one network namespace
 * @net:	the namespace, which outlives this
 * @mutex:	protects all members up to @table from changes, the mappings'
 *		accounts, and makes one sweep at a time.  RTNL, and
 *		what nf_tables holds while a rule comes, are outside of it
 * @conf:	the knobs; read under RCU
 * @wans:	the interfaces in the knobs `wan` and `wan6`; read under RCU
 * @rules:	rules of the FULLCONENAT target, by NFPROTO_*; read with
 *		READ_ONCE()
 * @hooked:	hooks are registered, by NFPROTO_*; read with READ_ONCE()
 * @lingers:	the last rule of a family has gone, and maybe come back; its
 *		mappings, and so the hooks, have not gone
 * @ruleless:	when it went, jiffies
 * @dead:	the namespace is going: rules, which read it with READ_ONCE(),
 *		decide nothing any more, and are only left to be put
 * @statics:	the static forwards
 * @clock:	the worker
 * @table:	the mappings, with locks of its own
 * @knocks:	what strangers may have left behind; see fcn_ct_knock()
 * @events:	work: an address or a device may have come or gone
 * @retry:	when that is done again if static forwards wait, jiffies from
 *		then; READ_ONCE() and WRITE_ONCE()
 * @linger:	work: after the last rule
 * @refused:	when a limit last refused something, seconds;
 *		READ_ONCE() and WRITE_ONCE()
 * @refused_by:	the counter of that limit, enum fcn_stat
 * @stats:	counters
 * @sysctl:	header of the table of knobs
 * @sysctls:	that table
 * @proc:	our directory in /proc/net
 * @proc_file:	the files in it
 */
struct fcn_net {
	struct net			*net;

	struct mutex			mutex;	/* protects up to @table */
	struct fcn_conf __rcu		*conf;
	struct list_head		wans;
	u32				rules[NFPROTO_NUMPROTO];
	bool				hooked[NFPROTO_NUMPROTO];
	bool				lingers;
	unsigned long			ruleless;
	bool				dead;
	struct fcn_statics		statics;
	struct fcn_clock		clock;

	struct fcn_table		table;
	struct fcn_knocks		knocks;
	struct delayed_work		events;
	unsigned long			retry;
	struct delayed_work		linger;
	u32				refused;
	u32				refused_by;
	struct fcn_stats __percpu	*stats;

	struct ctl_table_header		*sysctl;
	struct ctl_table		*sysctls;
	struct proc_dir_entry		*proc;
	struct proc_dir_entry		*proc_file[FCN_PROC_FILES];
};

int fcn_rule_get(struct net *net, u8 family);
void fcn_rule_put(struct net *net, u8 family);

int fcn_net_set_conf(struct fcn_net *fn, struct fcn_conf *conf);

u32 fcn_net_end(struct fcn_net *fn,
		bool (*match)(const struct fcn_mapping *m, void *data),
		void *data);

void fcn_net_schedule_events(struct net *net);

u64 fcn_stat_read(const struct fcn_net *fn, enum fcn_stat stat);

/*
 * The works of all namespaces: bound to no processor, as a sweep of a large table would
 * hold up others there, and few at once, as most of them wait for conntrack's one mutex.
 */
extern struct workqueue_struct *fcn_workqueue;

extern unsigned int fcn_net_id;

/* The state of a namespace: there from its birth to its end. */
static inline struct fcn_net *fcn_net(const struct net *net)
{
	return net_generic(net, fcn_net_id);
}

/* The knobs, for whoever holds rcu_read_lock() or fcn_net.mutex. */
static inline const struct fcn_conf *fcn_conf(const struct fcn_net *fn)
{
	return rcu_dereference_check(fn->conf, lockdep_is_held(&fn->mutex));
}

static inline void fcn_stat_inc(struct fcn_net *fn, enum fcn_stat stat)
{
	this_cpu_inc(fn->stats->value[stat]);
}

#endif /* _FULLCONE_NAT_CORE_H */
