/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which flow is ours, in which direction, and what becomes of it.
 */
#ifndef _FULLCONE_NAT_POLICY_H
#define _FULLCONE_NAT_POLICY_H

struct net;

int fcn_hooks_register(struct net *net);
void fcn_hooks_unregister(struct net *net);

#endif /* _FULLCONE_NAT_POLICY_H */
