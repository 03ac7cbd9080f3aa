/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Static forwards.
 */
#ifndef _FULLCONE_NAT_STATIC_H
#define _FULLCONE_NAT_STATIC_H

#include <linux/if.h>
#include <linux/list.h>
#include <linux/types.h>

#include "nat_mapping.h"

struct fcn_net;

#define FCN_STATICS_MAX	1024	/* bounds every walk over them */

/**
 * struct fcn_static - an external port that the owner has given to a host
 * @list:	in fcn_statics.list
 * @key:	inside endpoint; and the external address that it was last in force
 *		on, or zero
 * @port:	external port, network order
 * @addr:	external address, if it follows no interface
 * @dev:	the interface whose address it follows, or empty
 */
struct fcn_static {
	struct list_head	list;
	struct fcn_key		key;
	__be16			port;
	union nf_inet_addr	addr;
	char			dev[IFNAMSIZ];
};

/**
 * struct fcn_statics - the static forwards of a namespace
 * @list:	all of them
 * @count:	how many there are; read with READ_ONCE()
 * @kept:	their ports, which nobody else gets on any address; read under
 *		RCU, NULL before the first
 *
 * All are changed under fcn_net.mutex.
 */
struct fcn_statics {
	struct list_head		list;
	u32				count;
	struct fcn_kept_ports __rcu	*kept;
};

void fcn_statics_init(struct fcn_statics *statics);
void fcn_statics_exit(struct fcn_statics *statics);

int fcn_static_add(struct fcn_net *fn, const struct fcn_static *wish);
u32 fcn_static_del(struct fcn_net *fn, const struct fcn_key *inside);
bool fcn_statics_follow(struct fcn_net *fn);
u32 fcn_statics_in_force(struct fcn_net *fn, u8 family);
const unsigned long *fcn_statics_kept(const struct fcn_statics *statics,
				      u8 proto);

#endif /* _FULLCONE_NAT_STATIC_H */
