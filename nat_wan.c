// SPDX-License-Identifier: GPL-2.0
/*
 * The owner's wan interfaces.
 *
 * Owns the list behind the knobs `wan` and `wan6`: names that stay while devices come and
 * go, the device that has such a name now, and what is counted for each.
 */

#include <linux/netdevice.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "nat_conf.h"
#include "nat_core.h"
#include "nat_wan.h"

u64 fcn_wan_stat_read(const struct fcn_wan *wan, enum fcn_wan_stat stat)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(wan->stats, cpu)->value[stat]);
	return sum;
}

/**
 * fcn_net_wan - is this device one of the owner's wan interfaces?
 * @fn:		namespace
 * @family:	NFPROTO_*: for which packets
 * @ifindex:	the device; 0 is none
 *
 * Return: the interface, valid until rcu_read_unlock(), or NULL.
 */
struct fcn_wan *fcn_net_wan(const struct fcn_net *fn, u8 family, int ifindex)
{
	struct fcn_wan *wan;

	/* at most FCN_WANS_MAX of each family */
	list_for_each_entry_rcu(wan, &fn->wans, list)
		if (READ_ONCE(wan->ifindex) == ifindex && ifindex &&
		    wan->family == family)
			return wan;
	return NULL;
}

/**
 * fcn_wans_resolve - find the devices of the names in the list, if they are up
 * @fn:		namespace
 *
 * The lock is for the notifier and a writer of `wan`: whoever looks last writes
 * last.
 */
void fcn_wans_resolve(struct fcn_net *fn)
{
	static DEFINE_SPINLOCK(resolve_lock);
	struct net_device *dev;
	struct fcn_wan *wan;

	spin_lock(&resolve_lock);
	rcu_read_lock();
	list_for_each_entry_rcu(wan, &fn->wans, list) {
		dev = dev_get_by_name_rcu(fn->net, wan->name);
		WRITE_ONCE(wan->ifindex,
			   dev && dev->flags & IFF_UP ? dev->ifindex : 0);
	}
	rcu_read_unlock();
	spin_unlock(&resolve_lock);
}

static void fcn_wan_free_rcu(struct rcu_head *head)
{
	struct fcn_wan *wan = container_of(head, struct fcn_wan, rcu);

	free_percpu(wan->stats);
	kfree(wan);
}

static struct fcn_wan *fcn_wan_create(u8 family, const char *name)
{
	struct fcn_wan *wan = kzalloc(sizeof(*wan), GFP_KERNEL_ACCOUNT);

	if (!wan)
		return NULL;
	wan->stats = alloc_percpu_gfp(struct fcn_wan_stats, GFP_KERNEL_ACCOUNT);
	if (!wan->stats) {
		kfree(wan);
		return NULL;
	}
	wan->family = family;
	strscpy(wan->name, name, sizeof(wan->name));
	return wan;
}

static bool fcn_conf_names(const struct fcn_conf *conf,
			   const struct fcn_wan *wan)
{
	const struct fcn_names *names = fcn_conf_wans(conf, wan->family);
	u32 i;

	for (i = 0; i < names->count; i++)
		if (!strcmp(names->name[i], wan->name))
			return true;
	return false;
}

static bool fcn_wans_have(const struct fcn_net *fn, u8 family, const char *name)
{
	struct fcn_wan *wan;

	list_for_each_entry(wan, &fn->wans, list)
		if (wan->family == family && !strcmp(wan->name, name))
			return true;
	return false;
}

/**
 * fcn_net_names - is this device in the owner's list of wan interfaces?
 * @fn:		namespace; the caller holds its mutex
 * @family:	NFPROTO_*: for which packets
 * @dev:	the device, which the list may call by another of its names
 *
 * Under rcu_read_lock().  Unlike fcn_net_wan() it knows those that have just come
 * into the list.
 */
bool fcn_net_names(const struct fcn_net *fn, u8 family,
		   const struct net_device *dev)
{
	struct fcn_wan *wan;

	list_for_each_entry(wan, &fn->wans, list)
		if (wan->family == family &&
		    dev_get_by_name_rcu(fn->net, wan->name) == dev)
			return true;
	return false;
}

/**
 * fcn_wans_free - free a list of interfaces
 * @wans:	the list; packets may still look at it
 */
void fcn_wans_free(struct list_head *wans)
{
	struct fcn_wan *wan, *next;

	list_for_each_entry_safe(wan, next, wans, list) {
		list_del_rcu(&wan->list);
		call_rcu(&wan->rcu, fcn_wan_free_rcu);
	}
}

static int fcn_wans_prepare_of(const struct fcn_net *fn, u8 family,
			       const struct fcn_names *names,
			       struct list_head *added)
{
	struct fcn_wan *wan;
	u32 i;

	for (i = 0; i < names->count; i++) {
		if (fcn_wans_have(fn, family, names->name[i]))
			continue;
		wan = fcn_wan_create(family, names->name[i]);
		if (!wan)
			return -ENOMEM;
		list_add_tail(&wan->list, added);
	}
	return 0;
}

/**
 * fcn_wans_prepare - make the interfaces that are not there yet
 * @fn:		namespace; the caller holds its mutex
 * @conf:	knobs that name them
 * @added:	takes those that are new
 *
 * Return: 0, or -ENOMEM; then @added is empty.
 */
int fcn_wans_prepare(const struct fcn_net *fn, const struct fcn_conf *conf,
		     struct list_head *added)
{
	int err;

	err = fcn_wans_prepare_of(fn, NFPROTO_IPV4, &conf->wan, added);
	if (!err)
		err = fcn_wans_prepare_of(fn, NFPROTO_IPV6, &conf->wan6, added);
	if (err)
		fcn_wans_free(added);
	return err;
}

/**
 * fcn_wans_replace - put a new list of interfaces into force
 * @fn:		namespace; the caller holds its mutex
 * @conf:	knobs that name them
 * @added:	from fcn_wans_prepare(); empty afterwards
 *
 * Those that stay keep their counters.
 */
void fcn_wans_replace(struct fcn_net *fn, const struct fcn_conf *conf,
		      struct list_head *added)
{
	struct fcn_wan *wan, *next;

	list_for_each_entry_safe(wan, next, &fn->wans, list) {
		if (fcn_conf_names(conf, wan))
			continue;
		list_del_rcu(&wan->list);
		call_rcu(&wan->rcu, fcn_wan_free_rcu);
	}
	list_for_each_entry_safe(wan, next, added, list) {
		list_del(&wan->list);
		list_add_tail_rcu(&wan->list, &fn->wans);
	}
}
