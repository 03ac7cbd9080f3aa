// SPDX-License-Identifier: GPL-2.0
/*
 * Static forwards: external ports that the owner has given to inside hosts.
 *
 * Owns what the owner has said.  While its external address is there, each is
 * in force as a mapping that is never due and lets everybody in; it comes back
 * with the address, and moves along if it follows an interface.
 *
 * Their ports are kept from all others on every address, so that a host which
 * is quick can't take one when a line is redialled.
 */

#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "nat_addr.h"
#include "nat_conf.h"
#include "nat_core.h"
#include "nat_static.h"
#include "nat_wan.h"

struct fcn_kept_ports {
	DECLARE_BITMAP(udp, FCN_PORTS);
	DECLARE_BITMAP(tcp, FCN_PORTS);
};

void fcn_statics_init(struct fcn_statics *statics)
{
	INIT_LIST_HEAD(&statics->list);
}

/* Nobody writes any more, and no packet looks at the ports. */
void fcn_statics_exit(struct fcn_statics *statics)
{
	struct fcn_static *s, *next;

	list_for_each_entry_safe(s, next, &statics->list, list)
		kfree(s);
	INIT_LIST_HEAD(&statics->list);
	WRITE_ONCE(statics->count, 0);
	kvfree(rcu_dereference_protected(statics->kept, true));
}

static unsigned long *fcn_kept_bits(struct fcn_kept_ports *kept, u8 proto)
{
	return proto == IPPROTO_UDP ? kept->udp : kept->tcp;
}

/**
 * fcn_statics_kept - the ports that only static forwards may have
 * @statics:	of the namespace
 * @proto:	IPPROTO_*
 *
 * Under rcu_read_lock().
 *
 * Return: a bit for each port, or NULL if there are none.
 */
const unsigned long *fcn_statics_kept(const struct fcn_statics *statics,
				      u8 proto)
{
	struct fcn_kept_ports *kept = rcu_dereference(statics->kept);

	if (likely(!kept) || (proto != IPPROTO_UDP && proto != IPPROTO_TCP))
		return NULL;
	return fcn_kept_bits(kept, proto);
}

static int fcn_statics_prepare(struct fcn_net *fn)
{
	struct fcn_kept_ports *kept;

	if (rcu_access_pointer(fn->statics.kept))
		return 0;
	kept = kvzalloc(sizeof(*kept), GFP_KERNEL_ACCOUNT);
	if (!kept)
		return -ENOMEM;
	rcu_assign_pointer(fn->statics.kept, kept);
	return 0;
}

/* A port is kept as long as any static forward has it. */
static void fcn_statics_keep(struct fcn_net *fn, u8 proto, __be16 port)
{
	struct fcn_kept_ports *kept;
	struct fcn_static *s;
	bool wanted = false;

	kept = rcu_dereference_protected(fn->statics.kept,
					 lockdep_is_held(&fn->mutex));
	list_for_each_entry(s, &fn->statics.list, list)
		wanted |= s->key.proto == proto && s->port == port;
	if (wanted)
		set_bit(ntohs(port), fcn_kept_bits(kept, proto));
	else
		clear_bit(ntohs(port), fcn_kept_bits(kept, proto));
}

/*
 * The external address that it should be on now, and its device, or NULL.  Under
 * RCU.
 */
static struct net_device *fcn_static_dev(const struct fcn_net *fn,
					 const struct fcn_static *s,
					 union nf_inet_addr *addr)
{
	struct net_device *dev;

	if (!*s->dev) {
		*addr = s->addr;
		return fcn_addr_dev(fn->net, s->key.family, addr);
	}
	dev = dev_get_by_name_rcu(fn->net, s->dev);
	return dev && dev->flags & IFF_UP &&
	       fcn_addr_of(dev, s->key.family, addr) ? dev : NULL;
}

/* Its mapping if it is in force, or NULL.  Under RCU. */
static struct fcn_mapping *fcn_static_mapping(struct fcn_net *fn,
					      const struct fcn_static *s)
{
	struct fcn_mapping *m = fcn_mapping_find(&fn->table, &s->key);

	return m && m->fixed && m->ext_port == s->port ? m : NULL;
}

/*
 * Puts it into force where its address is now, and ends it where that was.
 * Returns 0, -EADDRNOTAVAIL when there is no address, or what
 * fcn_mapping_fix() returns.
 */
static int fcn_static_establish(struct fcn_net *fn, struct fcn_static *s)
{
	struct net_device *dev;
	struct fcn_mapping *m;
	union nf_inet_addr addr = {};
	int err = 0;

	lockdep_assert_held(&fn->mutex);
	rcu_read_lock();
	dev = fcn_static_dev(fn, s, &addr);
	m = fcn_static_mapping(fn, s);
	if (m && (!dev || nf_inet_addr_cmp(&s->key.ext, &addr)))
		goto unlock;
	if (m)
		fcn_mapping_condemn(m);
	s->key.ext = addr;
	err = dev ? fcn_mapping_fix(fn, &s->key, s->port, dev) :
		    -EADDRNOTAVAIL;
	if (err)	/* what is there is not its own */
		memset(&s->key.ext, 0, sizeof(s->key.ext));
unlock:
	rcu_read_unlock();
	return err;
}

/**
 * fcn_statics_follow - addresses have changed
 * @fn:		namespace; the caller holds its mutex
 *
 * Sleeps.
 *
 * Return: false if one should be tried again soon: its address may be there, but
 * its port taken, or a limit reached.
 */
bool fcn_statics_follow(struct fcn_net *fn)
{
	struct fcn_static *s;
	bool done = true;
	int err;

	if (!fn->statics.count)
		return true;
	list_for_each_entry(s, &fn->statics.list, list) {
		err = fcn_static_establish(fn, s);
		/* an IPv6 address may be there and not be used yet (DAD) */
		done &= !err || (err == -EADDRNOTAVAIL &&
				 s->key.family != NFPROTO_IPV6);
	}
	fcn_clock_purge(fn);
	return done;
}

/**
 * fcn_statics_in_force - how many static forwards are in force
 * @fn:		namespace; the caller holds its mutex
 * @family:	NFPROTO_*
 */
u32 fcn_statics_in_force(struct fcn_net *fn, u8 family)
{
	struct fcn_static *s;
	u32 count = 0;

	rcu_read_lock();
	list_for_each_entry(s, &fn->statics.list, list)
		count += s->key.family == family &&
			 fcn_static_mapping(fn, s);
	rcu_read_unlock();
	return count;
}

static bool fcn_static_is_of(const struct fcn_static *s,
			     const struct fcn_key *inside)
{
	return s->key.family == inside->family &&
	       s->key.proto == inside->proto && s->key.port == inside->port &&
	       nf_inet_addr_cmp(&s->key.addr, &inside->addr);
}

/* Does what has been said already leave room for this? */
static int fcn_static_conflict(const struct fcn_net *fn,
			       const struct fcn_static *wish)
{
	const struct fcn_static *s;

	list_for_each_entry(s, &fn->statics.list, list) {
		if (strcmp(s->dev, wish->dev) ||
		    s->key.family != wish->key.family ||
		    !nf_inet_addr_cmp(&s->addr, &wish->addr))
			continue;
		if (fcn_static_is_of(s, &wish->key))
			return -EEXIST;
		if (s->key.proto == wish->key.proto && s->port == wish->port)
			return -EADDRINUSE;
	}
	return 0;
}

/**
 * fcn_static_add - give an external port to an inside endpoint
 * @fn:		namespace; the caller holds its mutex
 * @wish:	what is wanted
 *
 * A mapping that the endpoint has on that address becomes static if it has this
 * port; otherwise it ends, with its sessions.  One that follows an interface
 * without an address waits for that.  With mapping=apdm, flows that the endpoint
 * opens itself have ports of their own all the same.  Sleeps.
 *
 * Return: 0; -EINVAL if the inside address is the router's, -EADDRNOTAVAIL if
 * the external one is not, -EADDRINUSE if another has the port, -EEXIST if the
 * endpoint has a static port there, -EDQUOT (max_mappings or
 * %FCN_STATICS_MAX), -ENFILE (max_total), -ENOMEM.  After an error everything is
 * as it was.
 */
int fcn_static_add(struct fcn_net *fn, const struct fcn_static *wish)
{
	struct fcn_static *s;
	int err;

	lockdep_assert_held(&fn->mutex);
	rcu_read_lock();
	if (fcn_addr_is_local(fn->net, wish->key.family, &wish->key.addr))
		err = -EINVAL;
	else
		err = fcn_static_conflict(fn, wish);
	rcu_read_unlock();
	if (err)
		return err;
	if (fn->statics.count >= FCN_STATICS_MAX)
		return -EDQUOT;
	err = fcn_statics_prepare(fn);
	if (err)
		return err;
	s = kmemdup(wish, sizeof(*wish), GFP_KERNEL_ACCOUNT);
	if (!s)
		return -ENOMEM;

	err = fcn_static_establish(fn, s);
	if (err && (err != -EADDRNOTAVAIL || !*s->dev)) {
		kfree(s);
		return err;
	}
	list_add_tail(&s->list, &fn->statics.list);
	WRITE_ONCE(fn->statics.count, fn->statics.count + 1);
	fcn_statics_keep(fn, s->key.proto, s->port);
	fcn_clock_purge(fn);
	/* nothing tells when an IPv6 address that is there may be used (DAD) */
	if (err && s->key.family == NFPROTO_IPV6)
		fcn_net_schedule_events(fn->net);
	return 0;
}

/**
 * fcn_static_del - take static forwards back
 * @fn:		namespace; the caller holds its mutex
 * @inside:	of this endpoint, on every address; NULL for all there are
 *
 * Their mappings are left to the caller.
 *
 * Return: how many there were.
 */
u32 fcn_static_del(struct fcn_net *fn, const struct fcn_key *inside)
{
	struct fcn_static *s, *next;
	u32 count = 0;

	lockdep_assert_held(&fn->mutex);
	list_for_each_entry_safe(s, next, &fn->statics.list, list) {
		if (inside && !fcn_static_is_of(s, inside))
			continue;
		list_del(&s->list);
		WRITE_ONCE(fn->statics.count, fn->statics.count - 1);
		fcn_statics_keep(fn, s->key.proto, s->port);
		kfree(s);
		count++;
	}
	return count;
}
