// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz - hostile packets at a router, and what comes out of it.
 *
 *	fuzz [-v] [-a] [-o] [-g] [-w FILE] SEED COUNT LAN WAN
 *	fuzz [-v] [-a] [-o] [-g] -r FILE LAN WAN
 *
 * LAN and WAN are the names of two tun devices, which it makes and waits for to be up: all
 * that is inside the router and all that is outside. COUNT packets go in on either side, of
 * both families: conversations of every kind between a few hosts, answers to what came out,
 * strangers, scans, errors about what was seen, small ones and such as a network card puts
 * together; half of them spoilt in some way, or cut into fragments that overlap, repeat,
 * contradict each other or miss. After each it looks at what has come out by then:
 *
 *	- nothing leaves on WAN with another source than the router's own, but for the answers
 *	  to what was sent to an inside address as such and let in, and what belongs to a flow
 *	  of somebody who has forged his address; with -g the guard is off, and messages for
 *	  neighbours may
 *	- no error that leaves quotes an inside address, but to who has sent to that
 *	- no external endpoint is of two inside endpoints, and (without -a) no inside endpoint
 *	  has two external ones
 *	- what comes in from outside goes to an endpoint that has spoken, by its own external
 *	  one; with -o no firewall keeps out what is sent to an inside address as such
 *	- nothing that comes in goes to a host or a port that never sends anything
 *	- what comes back to the inside by the router's address comes from that, too
 *	- the kernel has not died, warned or found a bad page (looked at once in a while)
 *
 * The first that is not so ends it with status 1: it prints the seed, the packet's number,
 * and both packets in hex. The same seed gives the same packets as long as the router gives
 * the same ports, which after a conflict it does not: -w writes all that is sent to a file,
 * and -r sends that again. -v prints each packet. At the end "sent N", what came out, and
 * how much of that was of each kind; what a device does not take has not come as far as
 * the router, and is only "refused". Status 2 is bad use.
 * Who is where says packets.h.
 */
#define _GNU_SOURCE
#include "known.h"
#include "packets.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#define RING		1024
#define KEPT		192	/* bytes of a packet that the ring keeps */
#define PORTS		48
#define TAINT_EVERY	100	/* packets */
#define TAINTS		0x2a0	/* bad page, died, warned */

static struct {
	size_t	len;
	__u8	data[KEPT];
} ring[2][RING];
static unsigned int ringed[2];

/* What stands before each packet in a file */
struct record {
	__u32			len;
	__u8			side;
	__u8			unused;
	struct virtio_net_hdr	header;
};

static unsigned long sent, refused, seed, out[2], errors_out, mapped, inbound, hairpins, fragments;
static unsigned long scans, impostors, tainted;
static FILE *written;
static int tun[2];
static bool verbose, apdm, open_router, unguarded;
static struct packet cause, result;
static const char *const side_names[] = { "lan", "wan" };
static enum side cause_side;

/* -- conversations --------------------------------------------------------------------- */

static __u8 some_proto(int version)
{
	static const __u8 rare[] = {
		IPPROTO_SCTP, IPPROTO_DCCP, IPPROTO_UDPLITE, IPPROTO_GRE, IPPROTO_ESP, IPPROTO_AH,
		IPPROTO_IPIP, IPPROTO_IPV6, IPPROTO_IGMP, IPPROTO_NONE, IPPROTO_RAW, 253,
	};

	switch (below(16)) {
	case 0 ... 6:
		return IPPROTO_UDP;
	case 7 ... 12:
		return IPPROTO_TCP;
	case 13 ... 14:
		return version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	default:
		return rare[below(sizeof(rare))];
	}
}

/* Ports that are in use, so that conversations and conflicts come about */
static __u16 some_port(void)
{
	return percent(3) ? below(65536) : 5000 + below(PORTS);
}

static int some_version(void)
{
	return percent(50) ? 4 : 6;
}

static enum side speak(struct packet *p, const union endpoint *src, __u16 sport,
		       const union endpoint *dst, __u16 dport, enum side from)
{
	int version = src->sa.sa_family == AF_INET ? 4 : 6;
	__u8 proto = some_proto(version);

	put_ip(p, src, dst, proto);
	put_l4(p, version, proto, sport, dport, from);
	return from;
}

static enum side from_inside(struct packet *p)
{
	int version = some_version();
	union endpoint src = inside_host(version, below(HOSTS));
	union endpoint dst = outside_host(version, below(HOSTS));
	__u16 sport = some_port();

	return speak(p, &src, sport, &dst, 3000 + below(8), LAN);
}

/*
 * Somebody outside, at a port that is mapped more likely than not, or whose like nobody
 * inside uses; or he knows the inside addresses
 */
static enum side from_stranger(struct packet *p)
{
	int version = some_version();
	union endpoint src = outside_host(version, below(HOSTS));
	union endpoint dst = percent(85) ? router(version, WAN) :
					   inside_host(version, below(HOSTS + 1));
	__u16 sport = 3000 + below(8);
	__u16 dport = percent(20) ? QUIET_PORT + below(QUIET_PORTS) : some_port();

	return speak(p, &src, sport, &dst, dport, WAN);
}

static enum side hairpin(struct packet *p)
{
	int version = some_version();
	union endpoint src = inside_host(version, below(HOSTS));
	union endpoint dst = router(version, WAN);
	__u16 sport = some_port();

	return speak(p, &src, sport, &dst, some_port(), LAN);
}

/* A packet that has come out on @side, or none */
static bool seen(enum side side, struct packet *p, struct parsed *pr)
{
	unsigned int n = ringed[side] < RING ? ringed[side] : RING;

	if (!n)
		return false;
	n = below(n);
	p->len = ring[side][n].len;
	memcpy(p->data, ring[side][n].data, p->len);
	return parse(p->data, p->len, pr);
}

/* The answer to something that came out */
static enum side answer(struct packet *p)
{
	static struct packet question;
	enum side side = percent(70) ? WAN : LAN;
	const struct tcphdr *tcp;
	struct parsed pr;

	if (!seen(side, &question, &pr) || pr.fragment || !pr.ported)
		return from_inside(p);
	put_ip(p, &pr.dst, &pr.src, pr.proto);
	switch (pr.proto) {
	case IPPROTO_TCP:
		put_tcp(p, ntohs(pr.dst.in.sin_port), ntohs(pr.src.in.sin_port), side);
		tcp = (void *)(question.data + pr.l4);
		if (tcp->syn && percent(80)) {
			size_t l4 = pr.version == 4 ? sizeof(struct iphdr) : sizeof(struct ip6_hdr);
			struct tcphdr *own = (void *)(p->data + l4);

			p->len = l4 + sizeof(*own);
			own->syn = 1;
			own->ack = 1;
			own->fin = 0;
			own->rst = 0;
			own->seq = htonl((side == WAN ? SEQ_IN : SEQ_OUT) - 1);
			own->ack_seq = htonl(ntohl(tcp->seq) + 1);
		}
		break;
	case IPPROTO_UDP:
		put_udp(p, ntohs(pr.dst.in.sin_port), ntohs(pr.src.in.sin_port));
		break;
	default:
		put_echo(p, pr.version, ntohs(pr.src.in.sin_port), true);
	}
	return side;
}

/* An error about something that came out, by whom it was for or by somebody between */
static enum side error_about(struct packet *p)
{
	static const __u8 four[] = {
		ICMP_DEST_UNREACH, ICMP_TIME_EXCEEDED, ICMP_PARAMETERPROB, ICMP_REDIRECT,
		ICMP_SOURCE_QUENCH,
	};
	static struct packet subject;
	enum side side = percent(70) ? WAN : LAN;
	struct icmphdr icmp = { .code = below(6) };
	union endpoint by;
	struct parsed pr;
	size_t len;

	if (!seen(side, &subject, &pr))
		return from_inside(p);
	by = percent(50) ? pr.dst : side == WAN ? outside_host(pr.version, below(HOSTS)) :
						  inside_host(pr.version, below(HOSTS));
	icmp.type = pr.version == 4 ? four[below(5)] : 1 + below(4);
	if (percent(20))
		icmp.un.frag.mtu = htons(below(1600));
	put_ip(p, &by, &pr.src, pr.version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	append(p, &icmp, sizeof(icmp));
	len = percent(50) ? subject.len : below(subject.len + 1);
	append(p, subject.data, len);
	if (percent(10))
		append_chance(p, below(200));
	return side;
}

/* One that any of them might be */
static enum side make(struct packet *p)
{
	enum side side;

	switch (below(20)) {
	case 0 ... 6:
		side = from_inside(p);
		break;
	case 7 ... 12:
		side = answer(p);
		break;
	case 13 ... 15:
		side = from_stranger(p);
		break;
	case 16:
		side = hairpin(p);
		break;
	default:
		side = error_about(p);
	}
	make_right(p);
	return side;
}

/* -- what comes out -------------------------------------------------------------------- */

static void hex(const char *what, const __u8 *data, size_t len)
{
	size_t i;

	printf("# %s, %zu bytes: ", what, len);
	for (i = 0; i < len; i++)
		printf("%02x", data[i]);
	puts("");
}

static void wrong_by(const char *what)
{
	printf("not ok: %s\n# seed %lu packet %lu\n", what, seed, sent);
	hex(cause_side == LAN ? "from inside" : "from outside", cause.data, cause.len);
}

static void wrong(const char *what, enum side side)
{
	wrong_by(what);
	hex(side == LAN ? "came out inside" : "came out outside", result.data, result.len);
	exit(1);
}

/*
 * @inside has left by @port of the router: also by other ports before, if that is long ago,
 * and nobody else by this.
 */
static void leaves(__u8 proto, const union endpoint *inside, __u16 port, enum side side)
{
	struct opened **owner = owner_of(proto, inside, port);
	struct opened *o = open_it(proto, inside);

	if (*owner && *owner != o && is_fresh(*owner) && (*owner)->ext == port) {
		printf("# that of %s\n", endpoint_text(&(*owner)->inside));
		wrong("an external endpoint is of two inside endpoints", side);
	}
	if (!apdm && is_fresh(o) && o->ext != port) {
		printf("# and port %u\n", ntohs(o->ext));
		wrong("an inside endpoint has two external ones", side);
	}
	o->ext = port;
	o->last = now_ms() + 1;
	*owner = o;
	mapped++;
}

/* What the error @pr in @p is about. Conntrack does not look at the version in there. */
static bool quote_of(const struct packet *p, const struct parsed *pr, struct parsed *quote)
{
	static struct packet copy;

	copy.len = p->len - pr->quoted;
	if (!copy.len)
		return false;
	memcpy(copy.data, p->data + pr->quoted, copy.len);
	copy.data[0] = pr->version << 4 | (copy.data[0] & 0xf);
	return parse(copy.data, copy.len, quote);
}

/*
 * What an error quotes went to the router, as far as its receiver knows, and what he sent
 * came from himself.
 */
static void look_at_quote(const struct parsed *in, bool readable, const struct parsed *pr)
{
	struct parsed quote;

	errors_out++;
	if (!quote_of(&result, pr, &quote))
		return;
	/*
	 * Who is outside learns nothing from what he has sent himself, and what the router tells
	 * an inside host takes the route that he himself has given.
	 */
	if (readable && same_address(&quote.src, &in->src) && same_address(&quote.dst, &in->dst) &&
	    (cause_side == WAN || (in->version == 4 && in->l4 > sizeof(struct iphdr))))
		return;
	if ((is_inside(&quote.dst) && !hosts_known(ASKED, &quote.dst, &quote.src)) ||
	    (is_inside(&quote.src) && !hosts_known(ASKED, &quote.src, &quote.dst)))
		wrong("an error that leaves quotes an inside address", WAN);
}

static bool is_link_local(const struct parsed *pr)
{
	return pr->version == 6 && IN6_IS_ADDR_LINKLOCAL(&pr->src.in6.sin6_addr);
}

/* The router itself speaks. */
static bool is_by_router(const struct parsed *pr)
{
	return is_router(&pr->src, LAN) || is_router(&pr->src, WAN) || is_link_local(pr);
}

/* Conntrack leaves these alone. */
static bool is_for_neighbours(const struct packet *p, const struct parsed *pr)
{
	__u8 type = p->data[pr->l4];

	return pr->version == 6 && pr->proto == IPPROTO_ICMPV6 && pr->l4 < p->len &&
	       ((type >= 130 && type <= 137) || type == 143);
}

/*
 * @p belongs to a flow that somebody has opened to an inside address as such, or inside with
 * a forged one: conntrack does not translate it. Errors about that may come from anybody.
 */
static bool is_let_in(const struct packet *p, const struct parsed *pr,
		      const union endpoint *inside, const union endpoint *other)
{
	struct parsed quote;

	if (!pr->error)
		return is_known(LET_IN, pr, inside, other);
	return quote_of(p, pr, &quote) && (hosts_known(LET_IN, &quote.dst, &quote.src) ||
					   hosts_known(LET_IN, &quote.src, &quote.dst));
}

/*
 * Who is inside and sends with an address that belongs outside can have flows that lead
 * back outside; only filters of source addresses help against that. What comes in for
 * them keeps its source. So does the answer to what somebody outside has sent by the
 * router to somebody else there.
 */
static bool keeps_source(const struct parsed *in, const struct parsed *pr)
{
	struct parsed quote;

	if (!same_address(&pr->src, &in->src))
		return false;
	if (pr->error && quote_of(&result, pr, &quote) &&
	    hosts_known(BOUNCED, &quote.src, &quote.dst))
		return true;
	return hosts_known(FORGED, &pr->dst, &pr->dst) ||
	       is_known(BOUNCED, pr, &pr->dst, &pr->src) ||
	       (pr->error && hosts_known(FORGED, &pr->src, &pr->src)) ||
	       (cause_side == WAN && same_address(&pr->dst, &in->dst));
}

static bool may_leave(const struct parsed *in, bool readable, const struct parsed *pr)
{
	if (is_router(&pr->src, WAN) || is_link_local(pr))
		return true;
	/* the router tells him by the address that it has where he is in truth */
	if (readable && cause_side == LAN && !is_inside(&in->src) && pr->error &&
	    is_router(&pr->src, LAN))
		return true;
	/* who has forged an inside address outside gets it back there */
	if (is_inside(&pr->src) && readable && cause_side == WAN && keeps_source(in, pr))
		return true;
	if (unguarded && is_for_neighbours(&result, pr))
		return true;
	if (!pr->first && hosts_known(TOLD, &pr->src, &pr->dst))
		return true;
	if (is_inside(&pr->src))
		return is_let_in(&result, pr, &pr->src, &pr->dst);
	return readable && keeps_source(in, pr);
}

/*
 * It gets a mapping: what seems to be the router's own is masqueraded, and so is IPv4 in IPv6,
 * and a flow of somebody outside that leads back there, also if its packets come from inside.
 */
static bool has_mapping(const struct parsed *in)
{
	return !is_router(&in->src, LAN) && !is_router(&in->src, WAN) &&
	       !is_known(POSED, in, &in->src, &in->dst) &&
	       !(in->version == 6 && IN6_IS_ADDR_V4MAPPED(&in->src.in6.sin6_addr));
}

static void outside(const struct parsed *in, bool readable, const struct parsed *pr)
{
	if (pr->error)
		look_at_quote(in, readable, pr);
	if (!may_leave(in, readable, pr))
		wrong("what leaves has not the router's address", WAN);
	/* the rest of it is in other fragments */
	if (pr->fragment && pr->first && (pr->error || is_for_neighbours(&result, pr)))
		know(TOLD, pr, &pr->src, &pr->dst);
	if (!is_router(&pr->src, WAN) || cause_side != LAN || !readable || !has_mapping(in))
		return;
	/* the router answers who has forged an address */
	if (!is_inside(&in->src) && !same_address(&in->dst, &pr->dst))
		return;
	if (pr->ported && !pr->fragment && in->ported && !in->fragment && in->proto == pr->proto)
		leaves(pr->proto, &in->src, pr->src.in.sin_port, WAN);
}

static void from_outside(const struct parsed *in, const struct parsed *pr)
{
	struct opened *owner, *o;

	/* to one who has forged an inside address, say */
	if (is_by_router(pr))
		return;
	if (same_address(&in->dst, &pr->dst)) {
		if (!is_let_in(&cause, in, &in->dst, &in->src))
			wrong("what is sent to an inside address as such gets in", LAN);
		return;
	}
	/* the answer to who has sent by the router with an inside address, from outside */
	if (is_known(BOUNCED, pr, &pr->dst, &pr->src))
		return;
	if (is_quiet(&pr->dst, pr->ported))
		wrong("who never speaks hears from outside", LAN);
	if (pr->error || pr->fragment || in->fragment || !pr->ported || !in->ported) {
		/* what it is about may have left in fragments */
		bool vague = pr->error || pr->fragment || in->fragment;

		if (!host_has_opened(vague ? ANY_PROTO : pr->proto, &pr->dst) &&
		    !(vague && hosts_known(POSED, &pr->dst, &pr->dst)))
			wrong("a host that has not spoken hears from outside", LAN);
		return;
	}
	inbound++;
	owner = *owner_of(in->proto, &in->dst, in->dst.in.sin_port);
	o = find(pr->proto, &pr->dst);
	if (!has_opened(pr->proto, &pr->dst))
		wrong("an endpoint that has not spoken hears from outside", LAN);
	/* what has left in fragments has left by we know not which port */
	if (owner != o && ((o->last && !apdm) || (owner && is_fresh(owner))))
		wrong("a packet is for another than whose endpoint it was sent to", LAN);
}

static void from_router_inside(const struct parsed *in, const struct parsed *pr)
{
	if (!is_router(&in->dst, WAN) || (is_by_router(pr) && !is_router(&pr->src, WAN)) ||
	    pr->fragment || in->fragment)
		return;
	/* an error may be about a flow of somebody outside who has forged an inside address */
	if (pr->error)
		return;
	/* and this may be of that flow, or of one to him whose address is forged */
	if (same_address(&pr->src, &in->src) &&
	    (!is_inside(&in->src) || is_known(POSED, in, &in->src, &in->dst))) {
		from_outside(in, pr);
		return;
	}
	if (!is_router(&pr->src, WAN))
		wrong("a hairpin's source is not an external one", LAN);
	if (is_quiet(&pr->dst, pr->ported) && !same_address(&pr->dst, &in->src))
		wrong("who never speaks is reached by a hairpin", LAN);
	if (!pr->ported || !in->ported || in->proto != pr->proto ||
	    same_address(&pr->dst, &in->src))
		return;
	hairpins++;
	if (!has_opened(pr->proto, &pr->dst))
		wrong("an endpoint that has not spoken is reached by a hairpin", LAN);
	if (has_mapping(in))
		leaves(pr->proto, &in->src, pr->src.in.sin_port, LAN);
}

/* As it is received: what is behind its length is cut off. */
static bool parse_received(const struct packet *p, struct parsed *pr)
{
	const struct ip6_hdr *ip6 = (const void *)p->data;
	const struct iphdr *ip = (const void *)p->data;
	size_t len = p->len;

	if (len >= sizeof(*ip) && ip->version == 4 && ntohs(ip->tot_len) < len)
		len = ntohs(ip->tot_len);
	else if (len >= sizeof(*ip6) && ip->version == 6 &&
		 (ip6->ip6_plen || ip6->ip6_nxt != IPPROTO_HOPOPTS) &&
		 sizeof(*ip6) + ntohs(ip6->ip6_plen) < len)
		len = sizeof(*ip6) + ntohs(ip6->ip6_plen);
	return parse(p->data, len, pr);
}

static void came_out(enum side side)
{
	unsigned int slot = ringed[side] % RING;
	struct parsed in, pr;
	bool readable = parse_received(&cause, &in);

	if (!parse(result.data, result.len, &pr))
		wrong("what comes out is no IP packet", side);
	if (is_own_business(&pr))
		return;
	out[side]++;
	if (verbose)
		hex(side == LAN ? "  out inside" : "  out outside", result.data, result.len);
	ring[side][slot].len = result.len < KEPT ? result.len : KEPT;
	memcpy(ring[side][slot].data, result.data, ring[side][slot].len);
	ringed[side]++;
	fragments += pr.fragment;
	if (side == WAN)
		outside(&in, readable, &pr);
	else if (cause_side == WAN && readable)
		from_outside(&in, &pr);
	else if (readable)
		from_router_inside(&in, &pr);
}

/* All that has come out by now */
static void look(void)
{
	struct pollfd fds[] = {
		{ .fd = tun[LAN], .events = POLLIN },
		{ .fd = tun[WAN], .events = POLLIN },
	};
	struct virtio_net_hdr header;
	struct iovec parts[] = { { &header, sizeof(header) }, { result.data, MAX_PACKET } };
	ssize_t got;
	int side;

	while (poll(fds, 2, 0) > 0) {
		for (side = LAN; side <= WAN; side++) {
			if (!fds[side].revents)
				continue;
			got = readv(tun[side], parts, 2);
			if (got < (ssize_t)sizeof(header))
				err(EXIT_USAGE, "%s", side_names[side]);
			result.len = got - sizeof(header);
			came_out(side);
		}
	}
}

/*
 * Whoever is inside and sends something hears of it, also if it leaves later, with other
 * fragments. And who is it in truth?
 */
static void speaks(void)
{
	struct parsed pr;
	bool forged;

	if (!parse_received(&cause, &pr))
		return;
	forged = (cause_side == LAN) != is_inside(&pr.src);
	impostors += cause_side == LAN && (forged || is_router(&pr.src, LAN));
	scans += cause_side == WAN && pr.ported && is_quiet(&pr.dst, true);
	if (cause_side == LAN) {
		host_speaks(&pr);
		if (pr.ported)
			open_it(pr.proto, &pr.src);
	}
	if (forged)
		know(cause_side == LAN ? FORGED : POSED, &pr, &pr.src, &pr.src);
	if (forged && cause_side == WAN)
		know(POSED, &pr, &pr.src, &pr.dst);
	if (cause_side == LAN && !forged) {
		/* what comes from outside in the name of either belongs to it */
		if (is_inside(&pr.dst)) {
			know(LET_IN, &pr, &pr.dst, &pr.src);
			know(LET_IN, &pr, &pr.src, &pr.dst);
		}
		return;
	}
	if (cause_side == LAN)
		know(LET_IN, &pr, &pr.dst, &pr.src);
	if (is_inside(&pr.dst)) {
		know(ASKED, &pr, &pr.dst, &pr.src);
		if (cause_side == LAN || open_router || is_router(&pr.dst, LAN))
			know(LET_IN, &pr, &pr.dst, &pr.src);
	} else if (cause_side == WAN && !is_router(&pr.dst, WAN)) {
		know(BOUNCED, &pr, &pr.src, &pr.dst);
	}
}

/* -- sending --------------------------------------------------------------------------- */

static unsigned long taint(void)
{
	FILE *file = fopen("/proc/sys/kernel/tainted", "r");
	unsigned long bits = 0;

	if (!file || fscanf(file, "%lu", &bits) != 1)
		err(EXIT_USAGE, "tainted");
	fclose(file);
	return bits & TAINTS;
}

/* The packet at fault is this or one of those since the last look. */
static void look_at_kernel(void)
{
	if (taint() == tainted)
		return;
	wrong_by("the kernel complains");
	exit(1);
}

/*
 * Before it is sent. It is in the file when this ends, not before: a write for each takes a
 * tenth of the time, and if the machine dies, the file is gone, too.
 */
static void record(enum side from, const struct virtio_net_hdr *header)
{
	struct record head = { .len = cause.len, .side = from, .header = *header };

	if (!written)
		return;
	if (fwrite(&head, sizeof(head), 1, written) != 1 ||
	    fwrite(cause.data, 1, cause.len, written) != cause.len)
		err(EXIT_USAGE, "can't write what is sent");
}

/* Of those who never speak somebody has to see to it. */
static bool is_unspeakable(const struct packet *p, enum side from)
{
	struct parsed pr;

	return parse(p->data, p->len, &pr) && is_quiet(&pr.src, from == LAN && pr.ported);
}

static void send_with(const struct packet *p, enum side from,
		      const struct virtio_net_hdr *header)
{
	struct iovec parts[] = { { (void *)header, sizeof(*header) }, { (void *)p->data, p->len } };

	if (is_unspeakable(p, from))
		return;
	if (p != &cause) {
		memcpy(cause.data, p->data, p->len);
		cause.len = p->len;
	}
	cause_side = from;
	if (verbose) {
		printf("# packet %lu\n", sent + 1);
		hex(from == LAN ? "from inside" : "from outside", cause.data, cause.len);
	}
	record(from, header);
	/* what a device does not take at all has not come as far as the router */
	if (writev(tun[from], parts, 2) < 0) {
		if (errno != EINVAL && errno != EIO)
			err(EXIT_USAGE, "%s", side_names[from]);
		if (++refused > 1000 + 10 * sent)
			errx(EXIT_USAGE, "%s takes nothing", side_names[from]);
		return;
	}
	sent++;
	speaks();
	look();
	if (sent % TAINT_EVERY == 0)
		look_at_kernel();
}

static void send_plain(const struct packet *p, enum side side)
{
	static const struct virtio_net_hdr plain;

	send_with(p, side, &plain);
}

/* A piece whose data, from @at on, are not what others say they are: it may be the ports. */
static void contradict(struct packet *piece, size_t at, bool first)
{
	__u16 port = htons(some_port());
	int n;

	if (first && percent(50)) {
		memcpy(piece->data + at + 2 * below(2), &port, sizeof(port));
		return;
	}
	for (n = 1 + below(8); n; n--)
		piece->data[at + below(piece->len - at)] = chance();
}

/* One piece of @p: @len bytes from @at, counted from where its payload begins */
static void send_piece(const struct packet *p, enum side from, size_t header, size_t at,
		       size_t len, __u32 id, bool contradicts)
{
	static struct packet piece;
	bool last = header + at + len == p->len;
	size_t data;

	memcpy(piece.data, p->data, header);
	piece.len = header;
	if (p->data[0] >> 4 == 4) {
		struct iphdr *ip = (void *)piece.data;

		ip->frag_off = htons(at / 8 | (last ? 0 : 0x2000));
	} else {
		struct ip6_hdr *ip6 = (void *)piece.data;
		struct ip6_frag frag = {
			.ip6f_nxt = ip6->ip6_nxt, .ip6f_offlg = htons(at | !last), .ip6f_ident = id,
		};

		ip6->ip6_nxt = IPPROTO_FRAGMENT;
		append(&piece, &frag, sizeof(frag));
	}
	data = piece.len;
	append(&piece, p->data + header + at, len);
	if (contradicts)
		contradict(&piece, data, !at);
	make_right(&piece);
	send_plain(&piece, from);
}

/*
 * In pieces: in order or not; now and then one is sent twice, the same or not, is missing,
 * or has a part of the next, the same or not. Each has all options of the header.
 */
static void send_pieces(const struct packet *p, enum side side)
{
	bool four = p->data[0] >> 4 == 4;
	size_t header = four ? (p->data[0] & 15) * 4 : 40, all, at, pieces[16], n = 0, i;
	size_t step = 8 * (1 + below(40));
	__u32 id = chance();

	if (is_unspeakable(p, side))
		return;
	if (p->len <= header + 8 || header < 20) {
		send_plain(p, side);
		return;
	}
	all = p->len - header;
	for (at = 0; at < all && n < 16; at += step)
		pieces[n++] = at;
	if (percent(50)) {
		for (i = n - 1; i; i--) {
			size_t j = below(i + 1), tmp = pieces[i];

			pieces[i] = pieces[j];
			pieces[j] = tmp;
		}
	}
	for (i = 0; i < n; i++) {
		size_t len = pieces[i] + step < all ? step : all - pieces[i];
		bool longer = percent(5) && pieces[i] + len < all;

		if (percent(5))
			continue;
		if (longer)
			len = pieces[i] + len + 8 < all ? len + 8 : all - pieces[i];
		send_piece(p, side, header, pieces[i], len, id, longer && percent(50));
		if (percent(10))
			send_piece(p, side, header, pieces[i], len, id, percent(50));
	}
}

/*
 * What no network card would say of a packet. The checksum is written to where this says,
 * which may be anywhere but over addresses and ports.
 */
static void spoil_offload(struct virtio_net_hdr *header, size_t l4, size_t len)
{
	static const __u8 types[] = {
		VIRTIO_NET_HDR_GSO_NONE, VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_UDP,
		VIRTIO_NET_HDR_GSO_TCPV6, VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN,
		5,	/* of UDP's segments, which old headers don't have */
		0x7f,
	};

	switch (below(6)) {
	case 0:
		header->hdr_len = below(percent(50) ? 100 : 65536);
		break;
	case 1:
		header->gso_size = below(percent(50) ? 3 : 65536);
		break;
	case 2:
		header->csum_start = l4 + below(len - l4 + 10);
		break;
	case 3:
		header->csum_offset = 4 + below(40);
		break;
	case 4:
		header->gso_type = types[below(sizeof(types))];
		break;
	default:
		header->flags = below(4);
	}
}

/*
 * As a network card hands over what it has put together, checksums left to others. Half of
 * it is spoilt, or what the card says of it.
 */
static void send_big(struct packet *p, enum side side)
{
	struct virtio_net_hdr header = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };
	union {
		struct tcphdr *tcp;
		struct udphdr *udp;
	} l4;
	/* checksums of this have the pseudo header's share alone */
	static const __u8 nothing[MAX_PACKET];
	struct parsed pr;

	append_same(p, below(percent(20) ? MAX_PACKET : 6000));
	if (percent(30))
		spoil(p);
	make_right(p);
	if (!parse(p->data, p->len, &pr) || !pr.ported || pr.fragment ||
	    (pr.proto != IPPROTO_TCP && pr.proto != IPPROTO_UDP)) {
		send_plain(p, side);
		return;
	}
	l4.tcp = (void *)(p->data + pr.l4);
	header.csum_start = pr.l4;
	if (pr.proto == IPPROTO_TCP) {
		header.csum_offset = offsetof(struct tcphdr, check);
		header.gso_type = pr.version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 :
						    VIRTIO_NET_HDR_GSO_TCPV6;
		header.hdr_len = pr.l4 + sizeof(*l4.tcp);
		header.gso_size = 200 + below(1300);
		l4.tcp->syn = 0;
		l4.tcp->rst = 0;
		l4.tcp->fin = 0;
		l4.tcp->ack = 1;
		l4.tcp->check = ~l4_checksum(&pr.src, &pr.dst, pr.proto, nothing, p->len - pr.l4);
	} else {
		header.csum_offset = offsetof(struct udphdr, check);
		l4.udp->check = ~l4_checksum(&pr.src, &pr.dst, pr.proto, nothing, p->len - pr.l4);
	}
	if (percent(30))
		spoil_offload(&header, pr.l4, p->len);
	send_with(p, side, &header);
}

static void one(void)
{
	static struct packet p;
	enum side side = make(&p);
	int n;

	if (percent(3)) {
		send_big(&p, side);
		return;
	}
	if (percent(50)) {
		for (n = 1 + below(3); n; n--)
			spoil(&p);
		if (percent(70))
			make_right(&p);
	}
	if (percent(5)) {
		append_chance(&p, below(2000));
		make_right(&p);
		send_pieces(&p, side);
		return;
	}
	send_plain(&p, side);
}

/* -- beginning and end ----------------------------------------------------------------- */

static int make_tun(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr))
		err(EXIT_USAGE, "%s", name);
	return fd;
}

/* Whoever made it has to give it addresses and say that it is up. */
static void wait_until_up(const char *name)
{
	struct ifreq ifr = {};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	while (!ioctl(fd, SIOCGIFFLAGS, &ifr) && !(ifr.ifr_flags & IFF_UP))
		usleep(10000);
	close(fd);
}

/* What was written to the file once, with all that is looked at */
static void send_again(FILE *file)
{
	static struct packet p;
	struct record head;

	while (fread(&head, sizeof(head), 1, file) == 1) {
		p.len = head.len;
		if (head.len > MAX_PACKET || head.side > WAN ||
		    fread(p.data, 1, p.len, file) != p.len)
			errx(EXIT_USAGE, "no file of ours, or it breaks off");
		send_with(&p, head.side, &head.header);
	}
}

static FILE *open_file(const char *name, const char *mode)
{
	FILE *file = fopen(name, mode);

	if (!file)
		err(EXIT_USAGE, "%s", name);
	return file;
}

int main(int argc, char **argv)
{
	FILE *again = NULL;
	unsigned long count = 0;
	int opt;

	while ((opt = getopt(argc, argv, "vaogw:r:")) != -1) {
		if (opt == 'v')
			verbose = true;
		else if (opt == 'a')
			apdm = true;
		else if (opt == 'o')
			open_router = true;
		else if (opt == 'g')
			unguarded = true;
		else if (opt == 'w')
			written = open_file(optarg, "w");
		else if (opt == 'r')
			again = open_file(optarg, "r");
		else
			return EXIT_USAGE;
	}
	argv += optind;
	if (argc - optind != (again ? 2 : 4))
		errx(EXIT_USAGE, "usage: fuzz [-v] [-a] [-o] [-g] [-w FILE] SEED COUNT LAN WAN");
	if (!again) {
		seed = strtoul(argv[0], NULL, 0);
		count = strtoul(argv[1], NULL, 0);
		argv += 2;
	}
	if (count > ENDPOINTS / 4)
		errx(EXIT_USAGE, "no more than %u at once", ENDPOINTS / 4);
	/* never nought, which it would remain */
	state = seed * 0x9e3779b97f4a7c15ULL + 1;
	tainted = taint();
	tun[LAN] = make_tun(argv[0]);
	tun[WAN] = make_tun(argv[1]);
	puts("ready");
	fflush(stdout);
	wait_until_up(argv[0]);
	wait_until_up(argv[1]);
	if (again)
		send_again(again);
	while (sent < count)
		one();
	look_at_kernel();
	printf("sent %lu\nrefused %lu\nout %lu\nin %lu\nerrors %lu\n", sent, refused,
	       out[WAN], out[LAN], errors_out);
	printf("mapped %lu\ninbound %lu\nhairpins %lu\nfragments %lu\nscans %lu\nimpostors %lu\n",
	       mapped, inbound, hairpins, fragments, scans, impostors);
	return 0;
}
