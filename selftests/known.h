/* SPDX-License-Identifier: GPL-2.0 */
/* What the fuzzer has seen hosts and endpoints do, by which it judges what comes out. */
#ifndef SELFTESTS_KNOWN_H
#define SELFTESTS_KNOWN_H

#include "packets.h"

#define FRESH_MS	5000	/* no mapping ends so soon */
#define ENDPOINTS	0x100000
#define KNOWN		0x400000

/* An inside endpoint, or a host, that has sent something */
struct opened {
	int		proto;
	union endpoint	inside;
	__s64		last;	/* when that was seen to leave, 0 if never, */
	__u16		ext;	/* and by which port */
};

/* What is known of two hosts, or endpoints */
enum known {
	ASKED,		/* to the first, which is inside, the second has sent something as such, */
	LET_IN,		/* and nothing but the router's guard keeps that out, or has forged that */
	BOUNCED,	/* the first has sent by the router to the second, both outside */
	POSED,		/* the first is inside, and somebody outside has sent as if he were that */
	FORGED,		/* the first is not, and somebody inside has */
	TOLD,		/* the first has told the second of a flow, or as a neighbour: fragments */
};

static __u64 knowledge[KNOWN];	/* hashes */
static struct opened opened[ENDPOINTS];
static struct opened *owners[2][256][65536];	/* by family, protocol, external port */

/* The place of an inside endpoint, whether it has been there or not */
static struct opened *find(int proto, const union endpoint *e)
{
	const __u8 *addr = e->sa.sa_family == AF_INET ? (const __u8 *)&e->in.sin_addr :
							e->in6.sin6_addr.s6_addr;
	size_t len = e->sa.sa_family == AF_INET ? 4 : 16, i;
	__u32 hash = (proto << 16 | e->in.sin_port) * 2654435761U;

	for (i = 0; i < len; i++)
		hash = (hash ^ addr[i]) * 16777619U;
	for (;; hash++) {
		struct opened *o = &opened[hash % ENDPOINTS];

		if (!o->inside.sa.sa_family)
			return o;
		if (o->proto == proto && o->inside.in.sin_port == e->in.sin_port &&
		    same_address(&o->inside, e))
			return o;
	}
}

static __u64 mix(__u64 hash, const union endpoint *e, bool port)
{
	const __u8 *addr = e->sa.sa_family == AF_INET ? (const __u8 *)&e->in.sin_addr :
							e->in6.sin6_addr.s6_addr;
	size_t len = e->sa.sa_family == AF_INET ? 4 : 16, i;

	hash = (hash ^ len ^ (port ? e->in.sin_port : 0)) * 0x100000001b3ULL;
	for (i = 0; i < len; i++)
		hash = (hash ^ addr[i]) * 0x100000001b3ULL;
	return hash;
}

static __u64 knowledge_of(enum known what, int proto, const union endpoint *a,
			  const union endpoint *b, bool ports)
{
	__u64 hash = 0xcbf29ce484222325ULL ^ (what << 16 | proto);

	/* nought is no knowledge */
	return mix(mix(hash, a, ports), b, ports) | 1;
}

/* Where that is, or would be */
static __u64 *place_of(__u64 hash)
{
	__u64 n;

	for (n = hash >> 20;; n++)
		if (!knowledge[n % KNOWN] || knowledge[n % KNOWN] == hash)
			return &knowledge[n % KNOWN];
}

static void remember(__u64 hash)
{
	*place_of(hash) = hash;
}

static bool has_opened(int proto, const union endpoint *e)
{
	return find(proto, e)->inside.sa.sa_family;
}

static struct opened *open_it(int proto, const union endpoint *e)
{
	struct opened *o = find(proto, e);

	o->proto = proto;
	o->inside = *e;
	return o;
}

/* Who was last seen to use an external endpoint: @port, in network order, of the router */
static struct opened **owner_of(__u8 proto, const union endpoint *e, __u16 port)
{
	return &owners[e->sa.sa_family == AF_INET6][proto][ntohs(port)];
}

static bool is_fresh(const struct opened *o)
{
	return o->last && now_ms() + 1 - o->last < FRESH_MS;
}

/* Of what has no ports we know only the host, and of a fragment not even the protocol. */
#define HOST		256	/* added to a protocol */
#define ANY_PROTO	512
#define FRAGMENTS	513

static bool host_has_opened(int proto, const union endpoint *e)
{
	union endpoint host = with_port(*e, 0);

	return has_opened(proto == ANY_PROTO ? proto : HOST + proto, &host) ||
	       has_opened(FRAGMENTS, &host);
}

static void host_speaks(const struct parsed *pr)
{
	union endpoint host = with_port(pr->src, 0);

	open_it(HOST + pr->proto, &host);
	open_it(ANY_PROTO, &host);
	/* the protocol is behind headers that go on in other fragments */
	if (pr->version == 6 && pr->fragment && pr->first &&
	    (pr->proto == IPPROTO_HOPOPTS || pr->proto == IPPROTO_ROUTING ||
	     pr->proto == IPPROTO_DSTOPTS || pr->proto == IPPROTO_AH ||
	     pr->proto == IPPROTO_FRAGMENT))
		open_it(FRAGMENTS, &host);
}

/* @pr has told us that of the hosts, and if it has ports, of the endpoints. */
static void know(enum known what, const struct parsed *pr, const union endpoint *a,
		 const union endpoint *b)
{
	remember(knowledge_of(what, ANY_PROTO, a, b, false));
	if (pr->fragment)
		remember(knowledge_of(what, FRAGMENTS, a, b, false));
	else
		remember(knowledge_of(what, pr->ported ? pr->proto : HOST + pr->proto, a, b,
				      pr->ported));
}

static bool hosts_known(enum known what, const union endpoint *a, const union endpoint *b)
{
	return *place_of(knowledge_of(what, ANY_PROTO, a, b, false));
}

/* Is that known of what @pr is a packet of? What came in fragments may have had any ports. */
static bool is_known(enum known what, const struct parsed *pr, const union endpoint *a,
		     const union endpoint *b)
{
	if (pr->fragment || *place_of(knowledge_of(what, FRAGMENTS, a, b, false)))
		return hosts_known(what, a, b);
	return *place_of(knowledge_of(what, pr->ported ? pr->proto : HOST + pr->proto, a, b,
				      pr->ported));
}

#endif
