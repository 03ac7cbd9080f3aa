/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The owner's wan interfaces.
 */
#ifndef _FULLCONE_NAT_WAN_H
#define _FULLCONE_NAT_WAN_H

#include <linux/if.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/types.h>

struct fcn_conf;
struct fcn_net;
struct net_device;

/* What is counted for each wan interface. */
enum fcn_wan_stat {
	FCN_WAN_OUT,		/* flows mapped */
	FCN_WAN_IN,		/* inbound flows translated */
	FCN_WAN_IN_PASSED,	/* ... that came out on the inside */
	FCN_WAN_IN_REFUSED,	/* inbound flows dropped by us */
	FCN_WAN_OFFERED,	/* order=last: flows that reached the rules ... */
	FCN_WAN_LEFT,		/* ... and that no rule took */
	FCN_WAN_STAT_COUNT,
};

struct fcn_wan_stats {
	u64	value[FCN_WAN_STAT_COUNT];
};

/**
 * struct fcn_wan - an interface in a list of the owner
 * @list:	in fcn_net.wans
 * @name:	fixed at creation; the device may come, go and be renamed
 * @family:	NFPROTO_*: in which of the lists; fixed at creation
 * @ifindex:	of the device of that name while it is up, else 0; written by
 *		the notifier under RTNL, read with READ_ONCE()
 * @stats:	counters
 * @rcu:	for the end
 */
struct fcn_wan {
	struct list_head		list;
	char				name[IFNAMSIZ];
	u8				family;
	int				ifindex;
	struct fcn_wan_stats __percpu	*stats;
	struct rcu_head			rcu;
};

bool fcn_net_names(const struct fcn_net *fn, u8 family,
		   const struct net_device *dev);
struct fcn_wan *fcn_net_wan(const struct fcn_net *fn, u8 family, int ifindex);
void fcn_wans_resolve(struct fcn_net *fn);

int fcn_wans_prepare(const struct fcn_net *fn, const struct fcn_conf *conf,
		     struct list_head *added);
void fcn_wans_replace(struct fcn_net *fn, const struct fcn_conf *conf,
		      struct list_head *added);
void fcn_wans_free(struct list_head *wans);

u64 fcn_wan_stat_read(const struct fcn_wan *wan, enum fcn_wan_stat stat);

static inline void fcn_wan_stat_inc(struct fcn_wan *wan, enum fcn_wan_stat stat)
{
	this_cpu_inc(wan->stats->value[stat]);
}

#endif /* _FULLCONE_NAT_WAN_H */
