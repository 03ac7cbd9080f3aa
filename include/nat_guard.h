/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guard: what conntrack calls INVALID stops at a wan interface.
 */
#ifndef _FULLCONE_NAT_GUARD_H
#define _FULLCONE_NAT_GUARD_H

#include <linux/types.h>

struct net;

int fcn_guard_register(struct net *net, u8 family);
void fcn_guard_unregister(struct net *net, u8 family);

#endif /* _FULLCONE_NAT_GUARD_H */
