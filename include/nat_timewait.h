/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Lifetimes: what keeps a mapping, and for how long.
 *
 * Deadlines are in seconds of ktime_get_seconds(), rounded up; what conntrack
 * says is in jiffies.
 */
#ifndef _FULLCONE_NAT_TIMEWAIT_H
#define _FULLCONE_NAT_TIMEWAIT_H

#include <linux/atomic.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct fcn_net;

/**
 * enum fcn_phase - how far a session has come (RFC 5382, section 5)
 * @FCN_UDP:	UDP
 * @FCN_ICMP:	ICMP query
 * @FCN_OPEN:	TCP, until both sides have sent an ACK
 * @FCN_EST:	TCP, until both sides have sent a FIN
 * @FCN_CLOSE:	TCP, from the second FIN on
 * @FCN_RST:	TCP, from a valid RST until traffic resumes
 */
enum fcn_phase {
	FCN_UDP,
	FCN_ICMP,
	FCN_OPEN,
	FCN_EST,
	FCN_CLOSE,
	FCN_RST,
	FCN_PHASES,
};

/**
 * enum fcn_state - what a mapping does
 * @FCN_ACTIVE:		takes new sessions from either side
 * @FCN_DRAINING:	its deadline has passed, a session still lives: takes
 *			none from outside
 * @FCN_HOLDDOWN:	no session; only its own inside endpoint may have the
 *			port back (RFC 6888, REQ-8)
 * @FCN_DYING:		its address, its device or its owner's wish has gone:
 *			its sessions are being ended
 * @FCN_FREE:		nothing is left of it, the port may go to anyone
 *
 * Readers accept only %FCN_ACTIVE; the clock alone decides by time, so that a
 * late worker never refuses a live mapping.
 */
enum fcn_state {
	FCN_ACTIVE,
	FCN_DRAINING,
	FCN_HOLDDOWN,
	FCN_DYING,
	FCN_FREE,
};

/**
 * struct fcn_timeouts - idle times in seconds, the *_timeout knobs
 * @udp:	UDP
 * @udp_short:	UDP that has only ever spoken to short ports
 * @icmp:	ICMP query
 * @tcp_open:	TCP, opening
 * @tcp_est:	TCP, established or half-closed
 * @tcp_close:	TCP, both FINs seen
 * @tcp_rst:	TCP, after a RST
 */
struct fcn_timeouts {
	u32	udp;
	u32	udp_short;
	u32	icmp;
	u32	tcp_open;
	u32	tcp_est;
	u32	tcp_close;
	u32	tcp_rst;
};

/**
 * struct fcn_life - the lifetime of one mapping, as packets see it
 * @pushed:	deadline set by outbound first packets; any CPU, READ_ONCE()
 * @state:	enum fcn_state; written under fcn_mapping_lock(), read with
 *		READ_ONCE()
 * @closed:	made of a session that was opened from outside: as if its
 *		deadline had passed, until its endpoint speaks; written like
 *		@state
 * @ordinary:	has spoken to other than short ports; only ever set
 */
struct fcn_life {
	u32	pushed;
	u8	state;
	bool	closed;
	bool	ordinary;
};

/**
 * struct fcn_account - what the sweeps found out about one mapping
 * @until:	end of the hold-down
 * @hold:	latest deadline of sessions that are not established, or that
 *		conntrack lost
 * @est:	latest deadline of established sessions, as of the last sweep
 * @est_next:	@est in the making
 * @seen:	established sessions seen in this sweep; with UDP and
 *		udp_refresh_inbound=0 outbound packets of all sessions
 * @before:	@seen of the sweep before, less the sessions that were seen again
 * @sessions:	entries seen in this sweep
 * @strangers:	those that strangers have opened, as of the last sweep
 * @strangers_next: @strangers in the making
 * @gen:	sweep that this is the account of, its lowest bits
 * @used:	a session seen in this sweep counts as use
 * @named:	this sweep saw a masqueraded flow of another endpoint on the
 *		mapping's port
 *
 * All belong to the clock, which runs under fcn_net.mutex; others read them with
 * READ_ONCE(), may be a sweep late, and read nonsense when the mapping is free.
 */
struct fcn_account {
	u32	until;
	u32	hold;
	u32	est;
	u32	est_next;
	u32	seen;
	u32	before;
	u32	sessions;
	u32	strangers;
	u32	strangers_next;
	u8	gen;
	bool	used;
	bool	named;
};

/**
 * struct fcn_tcp_view - what decides conntrack's timeout of a TCP entry
 * @state:	enum tcp_conntrack
 * @rst_last:	the last packet was a RST
 * @ack_last:	the last packet had neither SYN, FIN nor RST
 * @answered:	packets were seen in both directions
 * @retrans:	the limit of retransmissions was reached
 * @unacked:	data is outstanding
 * @mute:	the last window was zero
 */
struct fcn_tcp_view {
	u8	state;
	bool	rst_last;
	bool	ack_last;
	bool	answered;
	bool	retrans;
	bool	unacked;
	bool	mute;
};

/**
 * struct fcn_evidence - what a sweep found out about a mapping
 * @due:	its deadline has passed
 * @used:	a session that counts as use is alive
 * @clean:	a whole sweep that began after it stopped accepting saw nothing
 * @held:	its hold-down is over
 */
struct fcn_evidence {
	bool	due;
	bool	used;
	bool	clean;
	bool	held;
};

/* Pure predicates. */
enum fcn_phase fcn_tcp_phase(const struct fcn_tcp_view *tcp);
u32 fcn_tcp_kernel_timeout(const struct fcn_tcp_view *tcp,
			   const unsigned int *timeouts);
u32 fcn_phase_timeout(const struct fcn_timeouts *t, enum fcn_phase phase,
		      bool ordinary);
u32 fcn_idle(s32 left, u32 kernel, u32 own);
u32 fcn_prolong(s32 left, u32 kernel, u32 own);
bool fcn_overdue(s32 left, u32 kernel, u32 own);
enum fcn_state fcn_next_state(enum fcn_state state,
			      const struct fcn_evidence *seen);
u32 fcn_sweep_rest(u64 cost);

/* One mapping's account during a sweep. */
void fcn_account_begin(struct fcn_account *acc, u32 gen);
void fcn_account_note(struct fcn_account *acc, enum fcn_phase phase,
		      u32 deadline, bool moved);
void fcn_account_settle(struct fcn_account *acc, u32 spoken);
bool fcn_account_admit(const struct fcn_account *acc, atomic_t opened[2],
		       u32 gen, u32 max);
u32 fcn_account_deadline(const struct fcn_account *acc);

/**
 * struct fcn_clock - the worker of a namespace
 * @work:	the next sweep
 * @gen:	number of the current or last sweep
 * @begun:	when it began, seconds
 * @interval:	time from the end of a sweep to the next, ms
 * @entries:	conntrack entries it visited
 * @cost:	time of a processor that it took, microseconds
 * @held:	mappings in hold-down
 * @counted:	it runs, and shares a processor's time with those of other namespaces
 *
 * All but @work are written under fcn_net.mutex, @counted by the worker alone, and when
 * that has been stopped.
 */
struct fcn_clock {
	struct delayed_work	work;
	u32			gen;
	u32			begun;
	u32			interval;
	u32			entries;
	u32			cost;
	u32			held;
	bool			counted;
};

void fcn_clock_init(struct fcn_net *fn);
void fcn_clock_start(struct fcn_net *fn);
void fcn_clock_stop(struct fcn_net *fn);
void fcn_clock_adopt(struct fcn_net *fn);
void fcn_clock_purge(struct fcn_net *fn);
int fcn_clock_selftest(void);

#endif /* _FULLCONE_NAT_TIMEWAIT_H */
