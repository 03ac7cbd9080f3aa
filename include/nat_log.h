/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is told of mappings, by tracepoints and in the kernel's log.
 */
#ifndef _FULLCONE_NAT_LOG_H
#define _FULLCONE_NAT_LOG_H

#include <linux/netfilter.h>
#include <linux/types.h>

#include "nat_core.h"

struct nf_conntrack_man;

#define FCN_LIMIT_NAME	32	/* the name of a counter of refusals, with NUL */

void fcn_log_init(void);
const char *fcn_proto_name(u8 proto);
void fcn_log_sockaddr(void *to, u8 family, const union nf_inet_addr *addr,
		      __be16 port);
void fcn_log_create(const struct fcn_net *fn, const struct fcn_mapping *m);
void fcn_log_expire(const struct fcn_net *fn, const struct fcn_mapping *m);
void fcn_log_free(const struct fcn_net *fn, const struct fcn_mapping *m);
void fcn_log_refuse(struct fcn_net *fn, u8 proto,
		    const struct nf_conntrack_man *inside, enum fcn_stat limit);

#endif /* _FULLCONE_NAT_LOG_H */
