/* SPDX-License-Identifier: GPL-2.0 */
/*
 * /proc/net/fullcone_nat.
 */
#ifndef _FULLCONE_NAT_PROC_H
#define _FULLCONE_NAT_PROC_H

struct fcn_net;

int fcn_proc_net_init(struct fcn_net *fn);
void fcn_proc_net_exit(struct fcn_net *fn);
void fcn_proc_own(struct fcn_net *fn);

#endif /* _FULLCONE_NAT_PROC_H */
