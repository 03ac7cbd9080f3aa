/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Filtering: which strangers may open a session on a mapping.
 */
#ifndef _FULLCONE_NAT_FILTER_H
#define _FULLCONE_NAT_FILTER_H

#include <linux/atomic.h>
#include <linux/netfilter.h>
#include <linux/rhashtable-types.h>
#include <linux/types.h>

struct fcn_conf;
struct fcn_mapping;
struct fcn_net;

/**
 * enum fcn_filter - who may open a session from outside (RFC 4787, section 5)
 * @FCN_EIF:	anybody: full cone
 * @FCN_ADF:	who has an address that the inside endpoint has spoken to:
 *		restricted cone
 * @FCN_APDF:	who has an endpoint that it has spoken to: port-restricted cone
 */
enum fcn_filter {
	FCN_EIF,
	FCN_ADF,
	FCN_APDF,
};

/**
 * struct fcn_peers - whom the mappings of a namespace have spoken to
 * @table:	by mapping and address, under RCU
 * @count:	peers, those that wait for a grace period included
 * @room:	how many the namespaces that have such a limit may have together; 0 is none.
 *		Fixed
 *
 * Only what mappings with another filter than %FCN_EIF have sent is noted.
 */
struct fcn_peers {
	struct rhashtable	table;
	atomic_t		count;
	u32			room;
};

int fcn_filter_cache_init(void);
void fcn_filter_cache_exit(void);
int fcn_peers_init(struct fcn_peers *peers, u32 room);
void fcn_peers_exit(struct fcn_peers *peers);

enum fcn_filter fcn_filter_before(const struct fcn_net *fn,
				  const struct fcn_conf *conf, u8 family,
				  u8 proto, bool ruled);
void fcn_filter_note(struct fcn_net *fn, const struct fcn_conf *conf,
		     struct fcn_mapping *m, const union nf_inet_addr *addr,
		     __be16 port, u32 deadline);
void fcn_filter_refresh(struct fcn_mapping *m, const union nf_inet_addr *addr,
			__be16 port, u32 deadline);
bool fcn_filter_admits(const struct fcn_mapping *m,
		       const union nf_inet_addr *addr, __be16 port);
void fcn_filter_forget(struct fcn_mapping *m, u32 now);

#endif /* _FULLCONE_NAT_FILTER_H */
