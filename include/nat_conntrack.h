/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Conntrack as we see it: decisions applied to an entry, and
 * what entries say about their mappings.
 */
#ifndef _FULLCONE_NAT_CONNTRACK_H
#define _FULLCONE_NAT_CONNTRACK_H

#include <linux/bitmap.h>
#include <linux/types.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_zones.h>

#include "nat_mapping.h"
#include "nat_timewait.h"

struct fcn_conf;
struct fcn_net;

/**
 * struct fcn_session - what an entry says
 * @out:	mapping of the inside host that opened it, or NULL
 * @in:		mapping it was opened on from outside, or NULL; a hairpinned
 *		session has both
 * @phase:	how far it has come
 * @answered:	packets were seen in both directions
 */
struct fcn_session {
	struct fcn_mapping	*out;
	struct fcn_mapping	*in;
	enum fcn_phase		phase;
	bool			answered;
};

/* The conntrack zone of an entry's original direction. */
static inline u16 fcn_ct_zone_id(const struct nf_conn *ct)
{
	return nf_ct_zone_id(nf_ct_zone(ct), IP_CT_DIR_ORIGINAL);
}

#define FCN_KNOCK_BITS	1024

/**
 * struct fcn_knocks - where somebody has knocked lately when nobody was in
 * @now:	a bit for the ports that have this one's lowest bits; any CPU
 * @before:	@now as it was at @since
 * @since:	when @now began, seconds; under fcn_net.mutex
 */
struct fcn_knocks {
	DECLARE_BITMAP(now, FCN_KNOCK_BITS);
	DECLARE_BITMAP(before, FCN_KNOCK_BITS);
	u32	since;
};

void fcn_ct_knock(struct fcn_net *fn, __be16 port);
void fcn_ct_key(const struct fcn_conf *conf, const struct nf_conn *ct,
		const union nf_inet_addr *ext, struct fcn_key *key);
int fcn_ct_map_out(struct fcn_net *fn, struct nf_conn *ct,
		   const struct fcn_mapping *m, int ifindex);
int fcn_ct_map_in(struct fcn_net *fn, struct nf_conn *ct,
		  const struct fcn_mapping *m);
int fcn_ct_keep_source(struct fcn_net *fn, struct nf_conn *ct);
void fcn_ct_keep_destination(struct nf_conn *ct);
int fcn_ct_divert(struct nf_conn *ct, const struct fcn_mapping *to);

u32 fcn_ct_buckets(void);
void fcn_ct_bucket(u32 bucket,
		   void (*visit)(const struct nf_conn *ct, void *data),
		   void *data);
struct fcn_mapping *fcn_ct_mapping_in(struct fcn_table *table,
				      const struct nf_conn *ct);
bool fcn_ct_session(struct fcn_table *table, const struct nf_conn *ct,
		    struct fcn_session *s);
void fcn_ct_end(struct fcn_net *fn);
u32 fcn_ct_sweep(struct fcn_net *fn, u32 gen, u32 now, u32 since, bool adopt);

#endif /* _FULLCONE_NAT_CONNTRACK_H */
