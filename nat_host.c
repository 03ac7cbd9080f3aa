// SPDX-License-Identifier: GPL-2.0
/*
 * Quotas of inside hosts: how many mappings one may have, and how many it may
 * make in a second (RFC 6888, REQ-4).
 *
 * Owns the hosts.  There is one for each inside address and protocol that has
 * mappings which were made while a quota was set; without quotas there is none,
 * and nothing is locked.
 *
 * A mapping counts while its endpoint may use it: the ports that are only held
 * back after it are nobody's.
 */

#include <linux/jiffies.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>

#include "nat_conf.h"
#include "nat_host.h"
#include "nat_mapping.h"

static const struct rhashtable_params fcn_host_params = {
	.head_offset		= offsetof(struct fcn_host, node),
	.key_offset		= offsetof(struct fcn_host, key),
	.key_len		= sizeof(struct fcn_host_key),
	.automatic_shrinking	= true,
};

int fcn_hosts_init(struct fcn_hosts *hosts)
{
	spin_lock_init(&hosts->lock);
	return rhashtable_init(&hosts->table, &fcn_host_params);
}

/* All mappings are freed, so all hosts are. */
void fcn_hosts_exit(struct fcn_hosts *hosts)
{
	rhashtable_destroy(&hosts->table);
}

/* A bucket that holds what may be made in one second, and is full at first. */
static bool fcn_host_spend(struct fcn_host *host, u32 rate)
{
	u32 now = (u32)jiffies, since = min_t(u32, now - host->stamp, HZ);

	host->stamp = now;
	host->credit = min(host->credit + since * rate, rate * HZ);
	if (host->credit < HZ)
		return false;
	host->credit -= HZ;
	return true;
}

/* Lock held: a host without mappings, or ERR_PTR(). */
static struct fcn_host *fcn_host_create(struct fcn_hosts *hosts,
					const struct fcn_host_key *key,
					u32 rate)
{
	struct fcn_host *host;
	int err;

	lockdep_assert_held(&hosts->lock);
	host = kzalloc(sizeof(*host), GFP_ATOMIC | __GFP_NOWARN);
	if (!host)
		return ERR_PTR(-ENOMEM);
	host->key = *key;
	host->hosts = hosts;
	host->credit = rate * HZ;
	host->stamp = (u32)jiffies;
	err = rhashtable_insert_fast(&hosts->table, &host->node,
				     fcn_host_params);
	if (err) {
		kfree(host);
		return ERR_PTR(err);
	}
	return host;
}

/* Lock held: one that a refused mapping would have been the first of goes. */
static void fcn_host_put(struct fcn_host *host)
{
	lockdep_assert_held(&host->hosts->lock);
	if (host->members)
		return;
	rhashtable_remove_fast(&host->hosts->table, &host->node,
			       fcn_host_params);
	/* found under the lock only, so nobody has it */
	kfree(host);
}

static int fcn_host_admit(struct fcn_host *host, const struct fcn_conf *conf)
{
	if (conf->host_max_mappings && host->charged >= conf->host_max_mappings)
		return -EMFILE;
	if (conf->host_max_rate && !fcn_host_spend(host, conf->host_max_rate))
		return -ETIME;
	return 0;
}

/* There are quotas: see fcn_host_join(). */
struct fcn_host *fcn_host_add(struct fcn_hosts *hosts,
			      const struct fcn_conf *conf,
			      const struct fcn_key *key, bool force)
{
	const struct fcn_host_key host_key = {
		.addr	= key->addr,
		.zone	= key->zone,
		.family	= key->family,
		.proto	= key->proto,
	};
	struct fcn_host *host;
	int err;

	spin_lock_bh(&hosts->lock);
	host = rhashtable_lookup_fast(&hosts->table, &host_key,
				      fcn_host_params);
	if (!host)
		host = fcn_host_create(hosts, &host_key, conf->host_max_rate);
	if (IS_ERR(host))
		goto unlock;
	err = force ? 0 : fcn_host_admit(host, conf);
	if (err) {
		fcn_host_put(host);
		host = ERR_PTR(err);
		goto unlock;
	}
	host->members++;
	host->charged++;
unlock:
	spin_unlock_bh(&hosts->lock);
	return host;
}

/**
 * fcn_host_leave - a mapping has gone
 * @host:	its host; not to be used any more
 * @charged:	the mapping still counted
 */
void fcn_host_leave(struct fcn_host *host, bool charged)
{
	struct fcn_hosts *hosts = host->hosts;

	spin_lock_bh(&hosts->lock);
	host->charged -= charged;
	host->members--;
	fcn_host_put(host);
	spin_unlock_bh(&hosts->lock);
}

/**
 * fcn_host_charge - a mapping that was held back is used again
 * @host:	its host
 * @max:	host_max_mappings, 0 is no limit
 *
 * Return: false if it would be one too many.
 */
bool fcn_host_charge(struct fcn_host *host, u32 max)
{
	bool room;

	spin_lock_bh(&host->hosts->lock);
	room = !max || host->charged < max;
	host->charged += room;
	spin_unlock_bh(&host->hosts->lock);
	return room;
}

/**
 * fcn_host_discharge - a mapping is not to be used any more
 * @host:	its host
 */
void fcn_host_discharge(struct fcn_host *host)
{
	spin_lock_bh(&host->hosts->lock);
	host->charged--;
	spin_unlock_bh(&host->hosts->lock);
}
