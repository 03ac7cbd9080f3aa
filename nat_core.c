// SPDX-License-Identifier: GPL-2.0
/*
 * The module: its life cycle, the state of each namespace, and when its hooks
 * are there.
 */

#include <linux/inetdevice.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <net/addrconf.h>
#include <net/if_inet6.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_nat.h>
#include <net/netfilter/nf_nat_masquerade.h>
#include <net/netns/generic.h>

#include "compat.h"
#include "nat_addr.h"
#include "nat_conf.h"
#include "nat_core.h"
#include "nat_filter.h"
#include "nat_guard.h"
#include "nat_log.h"
#include "nat_mapping.h"
#include "nat_policy.h"
#include "nat_proc.h"
#include "nat_timewait.h"
#include "nat_wan.h"

/* How long the hooks stay at least when the last rule has gone. */
#define FCN_LINGER	(10 * HZ)

/* When static forwards that wait are tried again, the first time and at last. */
#define FCN_RETRY	HZ
#define FCN_RETRY_MAX	(5 * 60 * HZ)

/* Works that run at once. */
#define FCN_WORKERS	4

unsigned int fcn_net_id __read_mostly;

struct workqueue_struct *fcn_workqueue __ro_after_init;

/* Counters. */

#define FCN_STAT_NAME(name)	#name

const char *const fcn_stat_names[] = {
	FCN_STATS(FCN_STAT_NAME),
};

/*
 * On a 32-bit machine the halves may be read before and after a carry: such a sum is
 * wrong once in four thousand million.
 */
u64 fcn_stat_read(const struct fcn_net *fn, enum fcn_stat stat)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(fn->stats, cpu)->value[stat]);
	return sum;
}

/* Starting and stopping in a namespace. */

static const u8 fcn_families[] = {
	NFPROTO_IPV4,
#if IS_ENABLED(CONFIG_IPV6)
	NFPROTO_IPV6,
#endif
};

static int fcn_net_hook(struct fcn_net *fn, u8 family)
{
	int err;

	lockdep_assert_held(&fn->mutex);
	if (fn->hooked[family])
		return 0;
	/* booted with ipv6.disable=1 */
	if (family == NFPROTO_IPV6 && !ipv6_mod_enabled())
		return -EAFNOSUPPORT;
	/* without this nothing is tracked, and packets leave untranslated */
	err = nf_ct_netns_get(fn->net, family);
	if (err)
		return err;
	err = fcn_hooks_register(fn->net, family);
	if (err)
		goto put;
	err = fcn_guard_register(fn->net, family);
	if (err)
		goto unregister;
	WRITE_ONCE(fn->hooked[family], true);
	return 0;

unregister:
	fcn_hooks_unregister(fn->net, family);
put:
	nf_ct_netns_put(fn->net, family);
	return err;
}

/* Does not wait for packets that are with the hooks just now. */
static void fcn_net_close(struct fcn_net *fn, u8 family)
{
	fcn_guard_unregister(fn->net, family);
	fcn_hooks_unregister(fn->net, family);
}

static void fcn_net_unhook(struct fcn_net *fn, u8 family)
{
	if (!fn->hooked[family])
		return;
	fcn_net_close(fn, family);
	synchronize_net();
	nf_ct_netns_put(fn->net, family);
	WRITE_ONCE(fn->hooked[family], false);
}

/* Keeps the hooks for a while. */
static void fcn_net_linger_on(struct fcn_net *fn)
{
	lockdep_assert_held(&fn->mutex);
	fn->lingers = true;
	mod_delayed_work(fcn_workqueue, &fn->linger, FCN_LINGER);
}

/* Do the knobs or a rule want the hooks of a family? */
static bool fcn_net_wants(const struct fcn_net *fn, u8 family)
{
	return fcn_conf_wans(fcn_conf(fn), family)->count || fn->rules[family];
}

/* The hooks go when neither the knobs nor rules want them any more. */
static void fcn_net_release(struct fcn_net *fn)
{
	unsigned int i;

	lockdep_assert_held(&fn->mutex);
	for (i = 0; i < ARRAY_SIZE(fcn_families) && !fn->lingers; i++)
		if (!fcn_net_wants(fn, fcn_families[i]))
			fcn_net_unhook(fn, fcn_families[i]);
}

/* Hooks that nothing wants any more, but mappings that rules have made. */
static bool fcn_net_has_orphans(struct fcn_net *fn, u8 family)
{
	return fn->hooked[family] && !fcn_net_wants(fn, family) &&
	       fcn_mapping_count(&fn->table, family) >
	       fcn_statics_in_force(fn, family);
}

static void fcn_net_linger(struct work_struct *work)
{
	struct fcn_net *fn = container_of(work, struct fcn_net, linger.work);
	bool orphans = false;
	unsigned int i;

	mutex_lock(&fn->mutex);
	for (i = 0; i < ARRAY_SIZE(fcn_families); i++)
		orphans |= fcn_net_has_orphans(fn, fcn_families[i]);
	if (orphans) {
		fcn_net_linger_on(fn);
	} else {
		fn->lingers = false;
		fcn_net_release(fn);
	}
	mutex_unlock(&fn->mutex);
}

/* The last rule has gone so recently that what it left can't be out of date. */
static bool fcn_net_reloads(const struct fcn_net *fn)
{
	/* may have lingered for weeks, in which jiffies come round */
	return fn->lingers && time_in_range(jiffies, fn->ruleless,
					    fn->ruleless + FCN_LINGER);
}

/**
 * fcn_rule_get - there is a rule more in a namespace
 * @net:	the namespace
 * @family:	NFPROTO_*
 *
 * With the first one the hooks come, and flows that were masqueraded before get
 * their ports, unless the firewall is just being reloaded.  Sleeps.
 *
 * Return: 0, or a negative error; then there is no rule more.
 */
int fcn_rule_get(struct net *net, u8 family)
{
	struct fcn_net *fn = fcn_net(net);
	bool fresh;
	int err;

	mutex_lock(&fn->mutex);
	fresh = !fn->hooked[family];
	err = fcn_net_hook(fn, family);
	if (!err) {
		WRITE_ONCE(fn->rules[family], fn->rules[family] + 1);
		if (fn->rules[family] == 1 && (fresh || !fcn_net_reloads(fn)))
			fcn_clock_adopt(fn);
		fcn_proc_own(fn);
	}
	mutex_unlock(&fn->mutex);
	return err;
}
EXPORT_SYMBOL_GPL(fcn_rule_get);

/**
 * fcn_rule_put - there is a rule less in a namespace
 * @net:	the namespace; may be going
 * @family:	NFPROTO_*
 *
 * The last rule may be back in a moment, when a firewall is reloaded: hooks and
 * mappings stay, and go when the mappings have come to their end.  Sleeps.
 */
void fcn_rule_put(struct net *net, u8 family)
{
	struct fcn_net *fn = fcn_net(net);

	mutex_lock(&fn->mutex);
	WRITE_ONCE(fn->rules[family], fn->rules[family] - 1);
	if (!fn->rules[family] && !fn->dead) {
		fn->ruleless = jiffies;
		fcn_net_linger_on(fn);
	}
	mutex_unlock(&fn->mutex);
}
EXPORT_SYMBOL_GPL(fcn_rule_put);

struct fcn_ending {
	bool	(*match)(const struct fcn_mapping *m, void *data);
	void	*data;
	u32	count;
};

static void fcn_net_end_one(struct fcn_mapping *m, void *data)
{
	struct fcn_ending *end = data;

	if (READ_ONCE(m->life.state) < FCN_DYING && end->match(m, end->data)) {
		fcn_mapping_condemn(m);
		end->count++;
	}
}

/**
 * fcn_net_end - end some mappings and their sessions
 * @fn:		namespace; the caller holds its mutex
 * @match:	says which
 * @data:	for @match
 *
 * On return they are gone, but for those that a packet which is being held up
 * somewhere may still use, and those whose port another host's flow from before
 * us is on: they go with later sweeps.  Sleeps.
 *
 * Return: how many there were.
 */
u32 fcn_net_end(struct fcn_net *fn,
		bool (*match)(const struct fcn_mapping *m, void *data),
		void *data)
{
	struct fcn_ending end = { .match = match, .data = data };

	/* packets that have seen the old state of things make no more */
	synchronize_net();
	fcn_mapping_walk(&fn->table, fcn_net_end_one, &end);
	if (end.count)
		fcn_clock_purge(fn);
	return end.count;
}

static bool fcn_net_is_up(const struct fcn_net *fn, int ifindex)
{
	const struct net_device *dev = dev_get_by_index_rcu(fn->net, ifindex);

	return dev && dev->flags & IFF_UP;
}

/*
 * Its device is no wan interface any more and no rule's, or its address not the
 * router's any more.
 */
static bool fcn_net_stale(const struct fcn_mapping *m, void *data)
{
	struct fcn_net *fn = data;
	bool wanted;

	if (m->fixed)
		wanted = dev_get_by_index_rcu(fn->net, m->ifindex);
	else if (m->origin.named)
		wanted = true;
	else if (READ_ONCE(m->ruled))
		wanted = fcn_net_is_up(fn, m->ifindex);
	else
		wanted = fcn_net_wan(fn, fcn_mapping_family(m), m->ifindex);
	return !wanted || (!m->origin.routed &&
			   !fcn_addr_is_local(fn->net, fcn_mapping_family(m),
					      fcn_mapping_ext(m)));
}

/*
 * An address or a device may have come or gone: looking beats knowing.  A hairpin flow
 * takes the address of the mapping that it is sent to, so one that is out of date may
 * make another behind the walk's back: where there was one, it looks again.
 */
static void fcn_net_events(struct work_struct *work)
{
	struct fcn_net *fn = container_of(work, struct fcn_net, events.work);
	unsigned long rest = READ_ONCE(fn->retry);
	bool again;
	u32 stale;

	/* twice as long each time, until something happens */
	WRITE_ONCE(fn->retry, min_t(unsigned long, 2 * rest, FCN_RETRY_MAX));
	mutex_lock(&fn->mutex);
	stale = fcn_net_end(fn, fcn_net_stale, fn);
	again = !fcn_statics_follow(fn);
	mutex_unlock(&fn->mutex);
	if (stale)
		fcn_net_schedule_events(fn->net);
	else if (again)
		queue_delayed_work(fcn_workqueue, &fn->events, rest);
}

/**
 * fcn_net_schedule_events - mappings and static forwards may be out of date
 * @net:	the namespace
 *
 * They are looked at soon, and static forwards that wait then again and again.
 * Any context.
 */
void fcn_net_schedule_events(struct net *net)
{
	struct fcn_net *fn = fcn_net(net);

	if (!atomic_read(&fn->table.count) && !READ_ONCE(fn->statics.count))
		return;
	WRITE_ONCE(fn->retry, FCN_RETRY);
	mod_delayed_work(fcn_workqueue, &fn->events, 0);
}

/**
 * fcn_net_set_conf - put new knobs into force
 * @fn:		namespace; the caller holds its mutex
 * @conf:	the knobs; they belong to @fn afterwards, unless an error is
 *		returned
 *
 * Return: 0, or a negative error; then everything is as it was.
 */
int fcn_net_set_conf(struct fcn_net *fn, struct fcn_conf *conf)
{
	struct fcn_conf *old = rcu_dereference_protected(fn->conf,
							 lockdep_is_held(&fn->mutex));
	LIST_HEAD(added);
	bool adopt;
	int err;

	err = fcn_wans_prepare(fn, conf, &added);
	if (err)
		return err;
	if (conf->wan.count)
		err = fcn_net_hook(fn, NFPROTO_IPV4);
	if (!err && conf->wan6.count)
		err = fcn_net_hook(fn, NFPROTO_IPV6);
	if (err) {
		fcn_wans_free(&added);
		fcn_net_release(fn);
		return err;
	}

	adopt = !list_empty(&added);
	rcu_assign_pointer(fn->conf, conf);
	fcn_wans_replace(fn, conf, &added);
	kfree_rcu(old, rcu);
	/*
	 * New names have no devices yet, so the hooks decide nothing there:
	 * flows from before get their ports first.
	 */
	if (adopt)
		fcn_clock_adopt(fn);
	fcn_wans_resolve(fn);
	if (fcn_net_end(fn, fcn_net_stale, fn))
		fcn_net_schedule_events(fn->net);
	fcn_net_release(fn);
	fcn_proc_own(fn);
	return 0;
}

static int fcn_netdev_event(struct notifier_block *nb, unsigned long event,
			    void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);
	struct net *net = dev_net(dev);
	struct fcn_net *fn = fcn_net(net);

	switch (event) {
	case NETDEV_UP:
	case NETDEV_DOWN:
	case NETDEV_UNREGISTER:
	case NETDEV_CHANGENAME:
		fcn_wans_resolve(fn);
		fcn_net_schedule_events(net);
		break;
	}
	return NOTIFY_DONE;
}

/* Only static forwards wait for an address to come. */
static void fcn_net_address(struct net *net, unsigned long event)
{
	if (event == NETDEV_DOWN || READ_ONCE(fcn_net(net)->statics.count))
		fcn_net_schedule_events(net);
}

static int fcn_inetaddr_event(struct notifier_block *nb, unsigned long event,
			      void *ptr)
{
	const struct in_ifaddr *ifa = ptr;

	fcn_net_address(dev_net(ifa->ifa_dev->dev), event);
	return NOTIFY_DONE;
}

static struct notifier_block fcn_netdev_notifier = {
	.notifier_call	= fcn_netdev_event,
};

static struct notifier_block fcn_inetaddr_notifier = {
	.notifier_call	= fcn_inetaddr_event,
};

#if IS_ENABLED(CONFIG_IPV6)
/* Any context. */
static int fcn_inet6addr_event(struct notifier_block *nb, unsigned long event,
			       void *ptr)
{
	const struct inet6_ifaddr *ifa = ptr;

	fcn_net_address(dev_net(ifa->idev->dev), event);
	return NOTIFY_DONE;
}

static struct notifier_block fcn_inet6addr_notifier = {
	.notifier_call	= fcn_inet6addr_event,
};

static int fcn_inet6addr_register(void)
{
	return register_inet6addr_notifier(&fcn_inet6addr_notifier);
}

static void fcn_inet6addr_unregister(void)
{
	unregister_inet6addr_notifier(&fcn_inet6addr_notifier);
}
#else
static int fcn_inet6addr_register(void)
{
	return 0;
}

static void fcn_inet6addr_unregister(void)
{
}
#endif

/*
 * Nobody writes any more, the hooks go, and rules hear that the namespace is going.  A
 * grace period follows for all that go at once, then comes fcn_net_exit().
 */
static void __net_exit fcn_net_pre_exit(struct net *net)
{
	struct fcn_net *fn = fcn_net(net);
	unsigned int i;

	fcn_sysctl_net_exit(fn);
	fcn_proc_net_exit(fn);
	mutex_lock(&fn->mutex);
	WRITE_ONCE(fn->dead, true);
	mutex_unlock(&fn->mutex);
	cancel_delayed_work_sync(&fn->linger);
	for (i = 0; i < ARRAY_SIZE(fcn_families); i++)
		if (fn->hooked[fcn_families[i]])
			fcn_net_close(fn, fcn_families[i]);
}

/* Flows in progress go on as plain nf_nat connections, if others keep it. */
static void __net_exit fcn_net_exit(struct net *net)
{
	struct fcn_net *fn = fcn_net(net);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fcn_families); i++)
		if (fn->hooked[fcn_families[i]])
			nf_ct_netns_put(net, fcn_families[i]);
	cancel_delayed_work_sync(&fn->events);
	fcn_clock_stop(fn);
	fcn_table_exit(&fn->table);
	fcn_statics_exit(&fn->statics);
	fcn_wans_free(&fn->wans);
	fcn_conf_net_exit(fn);
	free_percpu(fn->stats);
}

/* The namespaces' memory goes next, and mappings count in it until the end. */
static void __net_exit fcn_net_exit_batch(struct list_head *nets)
{
	rcu_barrier();
}

static int __net_init fcn_net_init(struct net *net)
{
	struct fcn_net *fn = fcn_net(net);
	int err;

	fn->net = net;
	mutex_init(&fn->mutex);
	INIT_LIST_HEAD(&fn->wans);
	fcn_statics_init(&fn->statics);
	INIT_DELAYED_WORK(&fn->events, fcn_net_events);
	INIT_DELAYED_WORK(&fn->linger, fcn_net_linger);
	fcn_clock_init(fn);

	fn->stats = alloc_percpu_gfp(struct fcn_stats, GFP_KERNEL_ACCOUNT);
	if (!fn->stats)
		return -ENOMEM;
	err = fcn_table_init(&fn->table, net);
	if (err)
		goto free_stats;
	err = fcn_conf_net_init(fn);
	if (err)
		goto free_table;
	err = fcn_proc_net_init(fn);
	if (!err)
		err = fcn_sysctl_net_init(fn);
	if (!err)
		return 0;

	/* somebody may have written to what was there already */
	fcn_net_pre_exit(net);
	synchronize_net();
	fcn_net_exit(net);
	rcu_barrier();
	return err;

free_table:
	fcn_table_exit(&fn->table);
free_stats:
	free_percpu(fn->stats);
	return err;
}

static struct pernet_operations fcn_net_ops = {
	.init		= fcn_net_init,
	.pre_exit	= fcn_net_pre_exit,
	.exit		= fcn_net_exit,
	.exit_batch	= fcn_net_exit_batch,
	.id		= &fcn_net_id,
	.size		= sizeof(struct fcn_net),
};

static int __init fcn_init(void)
{
	int err;

	err = fcn_clock_selftest();
	if (err)
		return err;
	fcn_conf_init();
	fcn_log_init();
	fcn_workqueue = alloc_workqueue(KBUILD_MODNAME, WQ_UNBOUND, FCN_WORKERS);
	if (!fcn_workqueue)
		return -ENOMEM;
	err = fcn_port_cache_init();
	if (err)
		goto free_workqueue;
	err = fcn_mapping_cache_init();
	if (err)
		goto free_ports;
	err = fcn_filter_cache_init();
	if (err)
		goto free_mappings;
	/* ends the flows we masquerade when their address or device goes */
	err = nf_nat_masquerade_inet_register_notifiers();
	if (err)
		goto free_peers;
	err = register_pernet_subsys(&fcn_net_ops);
	if (err)
		goto unregister_masquerade;
	err = register_netdevice_notifier(&fcn_netdev_notifier);
	if (err)
		goto unregister_pernet;
	err = register_inetaddr_notifier(&fcn_inetaddr_notifier);
	if (err)
		goto unregister_netdev;
	err = fcn_inet6addr_register();
	if (err)
		goto unregister_inetaddr;
	err = fcn_conf_boot(fcn_net(&init_net));
	if (err)
		goto unregister_inet6addr;
	return 0;

unregister_inet6addr:
	fcn_inet6addr_unregister();
unregister_inetaddr:
	unregister_inetaddr_notifier(&fcn_inetaddr_notifier);
unregister_netdev:
	unregister_netdevice_notifier(&fcn_netdev_notifier);
unregister_pernet:
	unregister_pernet_subsys(&fcn_net_ops);
unregister_masquerade:
	nf_nat_masquerade_inet_unregister_notifiers();
free_peers:
	rcu_barrier();
	fcn_filter_cache_exit();
free_mappings:
	fcn_mapping_cache_exit();
free_ports:
	fcn_port_cache_exit();
free_workqueue:
	destroy_workqueue(fcn_workqueue);
	return err;
}

static void __exit fcn_exit(void)
{
	fcn_conf_unboot();
	fcn_inet6addr_unregister();
	unregister_inetaddr_notifier(&fcn_inetaddr_notifier);
	unregister_netdevice_notifier(&fcn_netdev_notifier);
	unregister_pernet_subsys(&fcn_net_ops);
	nf_nat_masquerade_inet_unregister_notifiers();
	rcu_barrier();
	fcn_filter_cache_exit();
	fcn_mapping_cache_exit();
	fcn_port_cache_exit();
	destroy_workqueue(fcn_workqueue);
}

module_init(fcn_init);
module_exit(fcn_exit);

MODULE_DESCRIPTION("Full-cone NAT: endpoint-independent mapping and filtering");
MODULE_LICENSE("GPL");
MODULE_VERSION(FCN_VERSION);
