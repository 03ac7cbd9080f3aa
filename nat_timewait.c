// SPDX-License-Identifier: GPL-2.0
/*
 * Lifetimes.
 *
 * The first half are predicates on plain values: in which phase a session is,
 * how long it has been idle, what it gives its mapping, what becomes of the
 * mapping.  They call nothing and are tested by tables (selftests/kernel/timewait.c).
 *
 * The second half is the clock, one worker for each namespace that has
 * mappings.  It runs a sweep over the namespace's conntrack entries every
 * FCN_SWEEP_MS and settles each mapping's account afterwards:
 *
 *	ACTIVE    deadline passed, a session lives   -> DRAINING
 *	ACTIVE    deadline passed, none does         -> HOLDDOWN
 *	DRAINING  last session gone                  -> HOLDDOWN
 *	both      its endpoint speaks again          -> ACTIVE
 *	HOLDDOWN  hold-down over, a whole sweep clean -> free
 *	DYING     a whole sweep clean                -> free
 *
 * How often, and how wrong that makes a deadline: the shortest entry that
 * matters is TCP's CLOSE, 10 s, so a sweep every 5 s sees every entry at least
 * once after its last packet.  An entry tells when that was, so deadlines are
 * exact to the second; they are acted upon up to one interval late.  How long the
 * clock rests after a longer sweep fcn_sweep_rest() says.  After more than 9 s a
 * CLOSE entry may be missed, whose session counts as lost by conntrack: every
 * error is on the long side.
 */

#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/netdevice.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>

#include "nat_conf.h"
#include "nat_conntrack.h"
#include "nat_core.h"
#include "nat_filter.h"
#include "nat_log.h"
#include "nat_timewait.h"

/* Rests between two sweeps, ms: the usual one, one that misses no entry, the longest. */
#define FCN_SWEEP_MS		5000
#define FCN_SWEEP_SEES_MS	9000
#define FCN_SWEEP_MAX_MS	(300 * MSEC_PER_SEC)

/* A sweep's length times this is a rest: 0.3 % of a processor, and 0.5 %. */
#define FCN_SWEEP_EASY		334
#define FCN_SWEEP_HARD		200

/*
 * A prolonged entry gets this much more than its due, and is deleted when it
 * is due: so what is left of it never looks like a timeout of conntrack's own.
 * Longer than any rest between two sweeps.
 */
#define FCN_PROLONG_MARGIN	(330 * HZ)

/* Passes of a purge; each deletes what the one before may have missed. */
#define FCN_PURGE_PASSES	3

/**
 * fcn_tcp_phase - phase of a TCP session (RFC 5382, section 5; RFC 7857, 2)
 * @tcp:	what conntrack knows
 *
 * A repeated FIN of one side counts as the second FIN with conntrack, so
 * %FCN_CLOSE means no more than "may be closed"; traffic renews it.
 */
enum fcn_phase fcn_tcp_phase(const struct fcn_tcp_view *tcp)
{
	switch (tcp->state) {
	case TCP_CONNTRACK_ESTABLISHED:
		/* picked up in the middle, and only one side seen so far */
		return tcp->answered ? FCN_EST : FCN_OPEN;
	case TCP_CONNTRACK_FIN_WAIT:
	case TCP_CONNTRACK_CLOSE_WAIT:
		return FCN_EST;
	case TCP_CONNTRACK_LAST_ACK:
	case TCP_CONNTRACK_TIME_WAIT:
		return FCN_CLOSE;
	case TCP_CONNTRACK_CLOSE:
		return tcp->ack_last ? FCN_EST : FCN_RST;
	default:
		return FCN_OPEN;
	}
}

/**
 * fcn_tcp_kernel_timeout - the timeout conntrack gave an entry last
 * @tcp:	what conntrack knows
 * @timeouts:	by state, jiffies
 *
 * Follows the end of nf_conntrack_tcp_packet().
 *
 * Return: jiffies.
 */
u32 fcn_tcp_kernel_timeout(const struct fcn_tcp_view *tcp,
			   const unsigned int *timeouts)
{
	u32 timeout = timeouts[tcp->state];

	if (tcp->retrans && timeout > timeouts[TCP_CONNTRACK_RETRANS])
		return timeouts[TCP_CONNTRACK_RETRANS];
	if (tcp->rst_last)
		return timeouts[TCP_CONNTRACK_CLOSE];
	if (tcp->unacked)
		timeout = min(timeout, timeouts[TCP_CONNTRACK_UNACK]);
	else if (tcp->mute)
		timeout = min(timeout, timeouts[TCP_CONNTRACK_RETRANS]);
	if (!tcp->answered && tcp->state == TCP_CONNTRACK_ESTABLISHED)
		timeout = min(timeout, timeouts[TCP_CONNTRACK_UNACK]);
	return timeout;
}

/**
 * fcn_phase_timeout - how long a session may be idle
 * @t:		the knobs
 * @phase:	its phase
 * @ordinary:	its mapping has spoken to other than short ports
 *
 * Return: seconds.
 */
u32 fcn_phase_timeout(const struct fcn_timeouts *t, enum fcn_phase phase,
		      bool ordinary)
{
	switch (phase) {
	case FCN_UDP:
		return ordinary ? t->udp : min(t->udp, t->udp_short);
	case FCN_ICMP:
		return t->icmp;
	case FCN_EST:
		return t->tcp_est;
	case FCN_CLOSE:
		return t->tcp_close;
	case FCN_RST:
		return t->tcp_rst;
	default:
		return t->tcp_open;
	}
}

/* What a prolonged entry is given from its last packet on. */
static u32 fcn_prolonged(u32 kernel, u32 own)
{
	return own + kernel + FCN_PROLONG_MARGIN;
}

/**
 * fcn_idle - for how long an entry has seen no packet
 * @left:	what is left of its timeout, jiffies
 * @kernel:	the timeout conntrack gives it, jiffies
 * @own:	the idle time its phase may last, jiffies; 0 for entries that
 *		are never prolonged
 *
 * More left than conntrack ever gives means that we prolonged it.
 *
 * Return: jiffies; 0 if the numbers fit nothing we know.
 */
u32 fcn_idle(s32 left, u32 kernel, u32 own)
{
	s32 given = kernel;

	if (left > (s32)kernel && own)
		given = fcn_prolonged(kernel, own);
	return given > left ? given - left : 0;
}

/**
 * fcn_prolong - should conntrack keep an entry for longer?
 * @left:	what is left of its timeout, jiffies
 * @kernel:	the timeout conntrack gives it, jiffies
 * @own:	the idle time its phase may last, jiffies
 *
 * Return: what should be left, jiffies, or 0 when it is well as it is.
 */
u32 fcn_prolong(s32 left, u32 kernel, u32 own)
{
	u32 idle = fcn_idle(left, kernel, own);

	if (own <= kernel || idle >= own)
		return 0;
	if (left > (s32)kernel && idle)
		return 0;
	return fcn_prolonged(kernel, own) - idle;
}

/**
 * fcn_overdue - has a prolonged entry had its time?
 * @left:	what is left of its timeout, jiffies
 * @kernel:	the timeout conntrack gives it, jiffies
 * @own:	the idle time its phase may last, jiffies
 */
bool fcn_overdue(s32 left, u32 kernel, u32 own)
{
	return own && left > (s32)kernel &&
	       fcn_idle(left, kernel, own) >= own;
}

/**
 * fcn_next_state - what becomes of a mapping after a sweep
 * @state:	what it does
 * @seen:	what the sweep found out
 */
enum fcn_state fcn_next_state(enum fcn_state state,
			      const struct fcn_evidence *seen)
{
	if (state >= FCN_DYING)
		return seen->clean ? FCN_FREE : FCN_DYING;
	if (!seen->due)
		return FCN_ACTIVE;
	if (seen->used)
		return FCN_DRAINING;
	if (state == FCN_HOLDDOWN && seen->clean && seen->held)
		return FCN_FREE;
	return FCN_HOLDDOWN;
}

/**
 * fcn_sweep_rest - how long the clock rests after a sweep
 * @cost:	what the sweep took, and those that share with it, microseconds
 *
 * It takes no more than 0.3 % of a processor as long as no entry is missed for that,
 * and no more than 0.5 % of one in any case; but a rest has its bounds.
 *
 * Return: ms.
 */
u32 fcn_sweep_rest(u64 cost)
{
	u64 easy = div_u64(cost * FCN_SWEEP_EASY, USEC_PER_MSEC);
	u64 hard = div_u64(cost * FCN_SWEEP_HARD, USEC_PER_MSEC);
	u64 rest = max(min_t(u64, easy, FCN_SWEEP_SEES_MS), hard);

	return clamp_t(u64, rest, FCN_SWEEP_MS, FCN_SWEEP_MAX_MS);
}

/**
 * fcn_account_begin - begin a mapping's account for a sweep
 * @acc:	the account
 * @gen:	the sweep; a second call for it changes nothing
 */
void fcn_account_begin(struct fcn_account *acc, u32 gen)
{
	if (acc->gen == (u8)gen)
		return;
	acc->gen = gen;
	acc->before = acc->seen;
	acc->seen = 0;
	acc->est_next = 0;
	acc->strangers_next = 0;
	acc->used = false;
	acc->named = false;
	WRITE_ONCE(acc->sessions, 0);
}

/* One of the sessions that were established in the sweep before is accounted for. */
static void fcn_account_found(struct fcn_account *acc)
{
	acc->before -= acc->before > 0;
}

/**
 * fcn_account_note - put a session that counts as use on the account
 * @acc:	the account
 * @phase:	of the session
 * @deadline:	what the session gives its mapping, seconds
 * @moved:	it has seen a packet since the sweep before
 */
void fcn_account_note(struct fcn_account *acc, enum fcn_phase phase,
		      u32 deadline, bool moved)
{
	acc->used = true;
	if (phase == FCN_EST) {
		acc->seen++;
		fcn_account_found(acc);
		acc->est_next = max(acc->est_next, deadline);
		return;
	}
	if (moved && (phase == FCN_CLOSE || phase == FCN_RST))
		fcn_account_found(acc);
	if (acc->hold < deadline)
		WRITE_ONCE(acc->hold, deadline);
}

/**
 * fcn_account_settle - close the account of a sweep
 * @acc:	the account
 * @spoken:	of UDP: deadline if the packet counters show that the inside has
 *		spoken, seconds; 0 of other protocols
 *
 * Established sessions that are gone without having been seen closing were
 * lost by conntrack (early drop, flush): their ends may still speak, so their
 * deadline stays.  One that is lost between the very sweeps between which
 * another is established goes unnoticed.
 */
void fcn_account_settle(struct fcn_account *acc, u32 spoken)
{
	u32 hold = acc->hold;

	if (spoken && acc->seen != acc->before)
		hold = max(hold, spoken);
	else if (!spoken && acc->before)
		hold = max(hold, acc->est);
	WRITE_ONCE(acc->hold, hold);
	WRITE_ONCE(acc->est, acc->est_next);
	WRITE_ONCE(acc->strangers, acc->strangers_next);
}

/**
 * fcn_account_admit - may a stranger open one more session?
 * @acc:	of the mapping
 * @opened:	fcn_extra.opened of the mapping
 * @gen:	the sweep that has begun last
 * @max:	sessions of strangers at most
 *
 * Conntrack does not tell when a session ends, or that a firewall has dropped its
 * first packet: such count until the next sweep.  Those that are opened while a
 * sweep is under way may count twice until then.  A packet that somebody holds
 * up on its way from here into the table for a whole sweep is not counted before
 * the next.
 */
bool fcn_account_admit(const struct fcn_account *acc, atomic_t opened[2],
		       u32 gen, u32 max)
{
	u32 before = READ_ONCE(acc->strangers) + atomic_read(&opened[!(gen & 1)]);

	if (before + atomic_inc_return(&opened[gen & 1]) <= max)
		return true;
	atomic_dec(&opened[gen & 1]);
	return false;
}

/**
 * fcn_account_deadline - until when its sessions keep a mapping
 * @acc:	the account
 *
 * Return: seconds.
 */
u32 fcn_account_deadline(const struct fcn_account *acc)
{
	return max(READ_ONCE(acc->hold), READ_ONCE(acc->est));
}

/* The clock. */

struct fcn_settlement {
	struct fcn_net	*fn;
	u32		now;
	u32		spoken[2]; /* deadlines of UDP heard now, short and ordinary */
	u32		slack;	/* how far deadlines may be wrong, seconds */
	u32		held;	/* mappings in hold-down afterwards */
	u32		entered; /* those of them that have just come in */
	u32		dying;	/* mappings that are not gone afterwards */
};

static void fcn_clock_enter(struct fcn_settlement *st, struct fcn_mapping *m,
			    enum fcn_state state)
{
	struct fcn_net *fn = st->fn;
	const struct fcn_conf *conf = fcn_conf(fn);
	bool active = m->life.state == FCN_ACTIVE, ended;

	switch (state) {
	case FCN_ACTIVE:
		fcn_mapping_resume(m);
		break;
	case FCN_DRAINING:
	case FCN_HOLDDOWN:
		if (!fcn_mapping_stop(m, state, st->now))
			break;
		if (active)
			fcn_log_expire(fn, m);
		/* RFC 6888, REQ-8: only so many ports are held back */
		if (state == FCN_HOLDDOWN)
			WRITE_ONCE(m->account.until, st->now +
				   (fn->clock.held + st->entered++ <
				    conf->port_holddown_max ?
				    conf->port_holddown : 0));
		break;
	case FCN_FREE:
		ended = m->life.state == FCN_DYING;
		if (fcn_mapping_retire(m))
			fcn_stat_inc(fn, ended ? FCN_STAT_mappings_ended :
						 FCN_STAT_mappings_expired);
		break;
	default:
		break;
	}
}

/* How long a mapping lives whose endpoint has just been heard; 0 if not UDP. */
static u32 fcn_clock_spoken(const struct fcn_settlement *st,
			    const struct fcn_mapping *m)
{
	return fcn_mapping_proto(m) == IPPROTO_UDP ?
	       st->spoken[m->life.ordinary] : 0;
}

static void fcn_clock_settle(struct fcn_mapping *m, void *data)
{
	struct fcn_settlement *st = data;
	struct fcn_account *acc = &m->account;
	const u32 gen = st->fn->clock.gen;
	struct fcn_extra *extra;
	struct fcn_evidence seen;
	enum fcn_state state, next;
	u32 end;

	fcn_account_begin(acc, gen);
	fcn_account_settle(acc, fcn_clock_spoken(st, m));

	extra = rcu_dereference(m->extra);
	if (unlikely(extra)) {
		/* what was opened before this sweep began it has seen */
		atomic_set(&extra->opened[!(gen & 1)], 0);
		fcn_filter_forget(m, st->now - min(st->slack, st->now));
	}

	state = READ_ONCE(m->life.state);
	end = fcn_account_deadline(acc);
	/* a packet that may revive it has done so itself */
	if (state == FCN_ACTIVE)
		end = max(end, READ_ONCE(m->life.pushed));
	seen.due = !m->fixed && (READ_ONCE(m->life.closed) ||
				 end + st->slack <= st->now);
	seen.used = acc->used;
	seen.clean = !acc->sessions && !acc->named;
	seen.held = acc->until <= st->now;

	next = fcn_next_state(state, &seen);
	if (next != state)
		fcn_clock_enter(st, m, next);
	state = READ_ONCE(m->life.state);
	st->held += state == FCN_HOLDDOWN;
	st->dying += state == FCN_DYING;
}

/*
 * A sweep goes through all of the machine's conntrack table, and anybody may make
 * namespaces: all but the first share what the first has for itself.
 */
static atomic_t fcn_clocks = ATOMIC_INIT(0);

/* In the worker, with the namespace's mutex, or when it has been stopped. */
static void fcn_clock_count(struct fcn_net *fn, bool runs)
{
	if (fn->clock.counted == runs || net_eq(fn->net, &init_net))
		return;
	fn->clock.counted = runs;
	atomic_add(runs ? 1 : -1, &fcn_clocks);
}

static u32 fcn_clock_sharers(const struct fcn_net *fn)
{
	return fn->clock.counted ? atomic_read(&fcn_clocks) : 1;
}

/*
 * What it has taken, microseconds: not to wait for conntrack's mutex, which others may
 * hold for long.  The scheduler has accounted for all but the last tick.
 */
static u32 fcn_clock_cost(ktime_t start, u64 ran)
{
	u64 own = current->se.sum_exec_runtime - ran + TICK_NSEC;

	return min_t(u64, ktime_us_delta(ktime_get(), start),
		     div_u64(own, NSEC_PER_USEC));
}

/*
 * A whole sweep: the sessions of dying mappings go, then it looks at all entries, then
 * at all mappings.  Process context.
 */
static void fcn_clock_sweep(struct fcn_net *fn, bool adopt)
{
	struct fcn_clock *clock = &fn->clock;
	struct fcn_settlement st = { .fn = fn };
	const u64 ran = current->se.sum_exec_runtime;
	const ktime_t start = ktime_get();
	u32 since, ordinary;

	lockdep_assert_held(&fn->mutex);
	st.now = (u32)ktime_get_seconds();
	since = st.now - clock->begun;
	WRITE_ONCE(clock->begun, st.now);
	WRITE_ONCE(clock->gen, clock->gen + 1);

	for (ordinary = 0; ordinary < ARRAY_SIZE(st.spoken); ordinary++)
		st.spoken[ordinary] = st.now + 1 +
				      fcn_phase_timeout(&fcn_conf(fn)->timeouts,
							FCN_UDP, ordinary);

	/* entries have lived through more than they can tell of */
	if (clock->interval > FCN_SWEEP_SEES_MS)
		st.slack = clock->interval / MSEC_PER_SEC;

	if (fn->table.dying)
		fcn_ct_end(fn);
	WRITE_ONCE(clock->entries,
		   fcn_ct_sweep(fn, clock->gen, st.now, since, adopt));
	fcn_mapping_walk(&fn->table, fcn_clock_settle, &st);
	fn->table.dying = st.dying;
	WRITE_ONCE(clock->held, st.held);
	fcn_pools_trim(&fn->table.pools);

	WRITE_ONCE(clock->cost, fcn_clock_cost(start, ran));
	WRITE_ONCE(clock->interval,
		   fcn_sweep_rest((u64)clock->cost * fcn_clock_sharers(fn)));
}

static void fcn_clock_rearm(struct fcn_net *fn)
{
	queue_delayed_work(fcn_workqueue, &fn->clock.work,
			   msecs_to_jiffies(READ_ONCE(fn->clock.interval)));
}

static void fcn_clock_work(struct work_struct *work)
{
	struct fcn_net *fn = container_of(work, struct fcn_net,
					  clock.work.work);
	bool again;

	mutex_lock(&fn->mutex);
	fcn_clock_count(fn, true);
	fcn_clock_sweep(fn, false);
	/* whoever adds a first mapping after this look arms the clock again */
	again = atomic_read(&fn->table.count);
	fcn_clock_count(fn, again);
	mutex_unlock(&fn->mutex);

	if (again)
		fcn_clock_rearm(fn);
}

void fcn_clock_init(struct fcn_net *fn)
{
	fn->clock.interval = FCN_SWEEP_MS;
	INIT_DELAYED_WORK(&fn->clock.work, fcn_clock_work);
}

/**
 * fcn_clock_start - there is a mapping: let the clock run
 * @fn:		namespace
 *
 * Any context; nothing happens if it runs already.
 */
void fcn_clock_start(struct fcn_net *fn)
{
	fcn_clock_rearm(fn);
}

/**
 * fcn_clock_stop - stop the clock for good
 * @fn:		namespace; its hooks are gone, so that nothing starts it again
 */
void fcn_clock_stop(struct fcn_net *fn)
{
	cancel_delayed_work_sync(&fn->clock.work);
	fcn_clock_count(fn, false);
}

/**
 * fcn_clock_adopt - make mappings of the flows that are there already
 * @fn:		namespace; the caller holds its mutex
 *
 * The same sweep that adopts a flow gives its mapping a deadline.
 */
void fcn_clock_adopt(struct fcn_net *fn)
{
	fcn_clock_sweep(fn, true);
}

/**
 * fcn_clock_purge - end the sessions of dying mappings, then the mappings
 * @fn:		namespace; the caller holds its mutex
 *
 * A sweep deletes first, finds nothing left and frees.  Sleeps, if there are any.
 */
void fcn_clock_purge(struct fcn_net *fn)
{
	int pass;

	lockdep_assert_held(&fn->mutex);
	if (!fn->table.dying)
		return;
	synchronize_net();	/* packets that have just used one confirm */
	for (pass = 0; pass < FCN_PURGE_PASSES && fn->table.dying; pass++)
		fcn_clock_sweep(fn, false);
}

#ifdef FCN_SELFTEST
#include "selftests/kernel/timewait.c"
#else
int fcn_clock_selftest(void)
{
	return 0;
}
#endif
