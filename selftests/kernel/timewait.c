// SPDX-License-Identifier: GPL-2.0
/*
 * Tables for the predicates of nat_timewait.c, which includes this file when
 * it is built with FCN_SELFTEST=y.  The module loads if all rows hold.
 */

#define HOUR	3600

static const unsigned int test_timeouts[TCP_CONNTRACK_TIMEOUT_MAX] = {
	[TCP_CONNTRACK_SYN_SENT]	= 120 * HZ,
	[TCP_CONNTRACK_SYN_RECV]	= 60 * HZ,
	[TCP_CONNTRACK_ESTABLISHED]	= 120 * HOUR * HZ,
	[TCP_CONNTRACK_FIN_WAIT]	= 120 * HZ,
	[TCP_CONNTRACK_CLOSE_WAIT]	= 60 * HZ,
	[TCP_CONNTRACK_LAST_ACK]	= 30 * HZ,
	[TCP_CONNTRACK_TIME_WAIT]	= 120 * HZ,
	[TCP_CONNTRACK_CLOSE]		= 10 * HZ,
	[TCP_CONNTRACK_RETRANS]		= 300 * HZ,
	[TCP_CONNTRACK_UNACK]		= 300 * HZ,
};

static const struct {
	const char		*what;
	struct fcn_tcp_view	tcp;
	enum fcn_phase		phase;
	u32			timeout;	/* seconds */
} test_tcp[] = {
	{ "SYN", { .state = TCP_CONNTRACK_SYN_SENT },
	  FCN_OPEN, 120 },
	{ "SYN answered by SYN", { .state = TCP_CONNTRACK_SYN_SENT2,
				   .answered = true },
	  FCN_OPEN, 0 },
	{ "SYN-ACK", { .state = TCP_CONNTRACK_SYN_RECV, .answered = true },
	  FCN_OPEN, 60 },
	{ "established", { .state = TCP_CONNTRACK_ESTABLISHED,
			   .answered = true },
	  FCN_EST, 120 * HOUR },
	{ "picked up, one side seen", { .state = TCP_CONNTRACK_ESTABLISHED },
	  FCN_OPEN, 300 },
	{ "data outstanding", { .state = TCP_CONNTRACK_ESTABLISHED,
				.answered = true, .unacked = true },
	  FCN_EST, 300 },
	{ "peer mute", { .state = TCP_CONNTRACK_ESTABLISHED,
			 .answered = true, .retrans = true },
	  FCN_EST, 300 },
	{ "zero window", { .state = TCP_CONNTRACK_ESTABLISHED,
			   .answered = true, .mute = true },
	  FCN_EST, 300 },
	{ "RST in window, not exact", { .state = TCP_CONNTRACK_ESTABLISHED,
					.answered = true, .rst_last = true },
	  FCN_EST, 10 },
	{ "one FIN", { .state = TCP_CONNTRACK_FIN_WAIT, .answered = true },
	  FCN_EST, 120 },
	{ "one FIN, acknowledged", { .state = TCP_CONNTRACK_CLOSE_WAIT,
				     .answered = true },
	  FCN_EST, 60 },
	{ "retransmissions do not lengthen", {
		.state = TCP_CONNTRACK_CLOSE_WAIT, .answered = true,
		.retrans = true },
	  FCN_EST, 60 },
	{ "both FINs", { .state = TCP_CONNTRACK_LAST_ACK, .answered = true },
	  FCN_CLOSE, 30 },
	{ "last ACK", { .state = TCP_CONNTRACK_TIME_WAIT, .answered = true },
	  FCN_CLOSE, 120 },
	{ "RST", { .state = TCP_CONNTRACK_CLOSE, .answered = true,
		   .rst_last = true },
	  FCN_RST, 10 },
	{ "data after RST", { .state = TCP_CONNTRACK_CLOSE, .answered = true,
			      .ack_last = true },
	  FCN_EST, 10 },
	{ "ignored SYN after RST", { .state = TCP_CONNTRACK_CLOSE,
				     .answered = true },
	  FCN_RST, 10 },
};

static const struct {
	const char	*what;
	s32		left;		/* seconds, as all here */
	u32		kernel;
	u32		own;
	u32		idle;
	u32		prolong;
	bool		overdue;
} test_entries[] = {
	{ "fresh, to be prolonged", 120, 120, 240, 0, 690, false },
	{ "a while old, to be prolonged", 115, 120, 240, 5, 685, false },
	{ "just prolonged", 685, 120, 240, 5, 0, false },
	{ "prolonged, nearly due", 451, 120, 240, 239, 0, false },
	{ "prolonged, due", 450, 120, 240, 240, 0, true },
	{ "prolonged, long due", 121, 120, 240, 569, 0, true },
	{ "CLOSE, fresh", 10, 10, 240, 0, 580, false },
	{ "CLOSE, its last second", 1, 10, 240, 9, 571, false },
	{ "expired", -1, 10, 240, 11, 569, false },
	{ "half-closed", 60, 60, 7440, 0, 7830, false },
	{ "left over from a longer state", 7500, 30, 240, 0, 600, false },
	{ "conntrack's own is long enough", 500, 600, 240, 100, 0, false },
	{ "never prolonged", 100, 120, 0, 20, 0, false },
	{ "never prolonged, timeout was lowered", 500, 120, 0, 0, 0, false },
};

static const struct {
	const char		*what;
	enum fcn_state		state;
	struct fcn_evidence	seen;
	enum fcn_state		next;
} test_states[] = {
	{ "not due", FCN_ACTIVE, { }, FCN_ACTIVE },
	{ "due, in use", FCN_ACTIVE, { .due = true, .used = true },
	  FCN_DRAINING },
	{ "due, no session", FCN_ACTIVE, { .due = true }, FCN_HOLDDOWN },
	{ "never from active to free", FCN_ACTIVE,
	  { .due = true, .clean = true, .held = true }, FCN_HOLDDOWN },
	{ "draining, refreshed", FCN_DRAINING, { .used = true }, FCN_ACTIVE },
	{ "draining, in use", FCN_DRAINING, { .due = true, .used = true },
	  FCN_DRAINING },
	{ "draining, last session gone", FCN_DRAINING,
	  { .due = true, .clean = true }, FCN_HOLDDOWN },
	{ "held down", FCN_HOLDDOWN, { .due = true, .clean = true },
	  FCN_HOLDDOWN },
	{ "hold-down over, sweep not clean", FCN_HOLDDOWN,
	  { .due = true, .held = true }, FCN_HOLDDOWN },
	{ "hold-down over, a session after all", FCN_HOLDDOWN,
	  { .due = true, .used = true, .held = true }, FCN_DRAINING },
	{ "held down, its endpoint is back", FCN_HOLDDOWN,
	  { .clean = true, .held = true }, FCN_ACTIVE },
	{ "hold-down over", FCN_HOLDDOWN,
	  { .due = true, .clean = true, .held = true }, FCN_FREE },
	{ "dying, sessions left", FCN_DYING, { .used = true }, FCN_DYING },
	{ "dying never revives", FCN_DYING, { }, FCN_DYING },
	{ "dying, clean", FCN_DYING, { .clean = true }, FCN_FREE },
};

/* What one sweep after the other does to an account. */
static const struct {
	const char	*what;
	u32		est;		/* sessions seen established */
	u32		closing;	/* sessions seen closing, just moved */
	u32		est_until;
	u32		close_until;
	u32		deadline;	/* expected, seconds */
} test_sweeps[] = {
	{ "two established",		2, 0, 8000, 0,   8000 },
	{ "one closes",			1, 1, 8010, 900, 8010 },
	{ "the other closes",		0, 1, 0,    950, 950 },
	{ "nothing left",		0, 0, 0,    0,   950 },
	{ "a new one",			1, 0, 9000, 0,   9000 },
	{ "lost by conntrack",		0, 0, 0,    0,   9000 },
	{ "still lost",			0, 0, 0,    0,   9000 },
	{ "another closes meanwhile",	0, 1, 0,    990, 9000 },
};

static int test_row(const char *table, const char *row, bool good)
{
	if (good)
		return 0;
	pr_err("selftest: %s: \"%s\" does not hold\n", table, row);
	return 1;
}

/* 5 s; 0.3 % up to 9 s; then no more than 0.5 %; 300 s */
static const struct {
	u32	cost;	/* us */
	u32	rest;	/* ms */
} test_rests[] = {
	{ 0,		5000 },
	{ 14970,	5000 },
	{ 20000,	6680 },
	{ 27000,	9000 },
	{ 45000,	9000 },
	{ 50000,	10000 },
	{ 1000000,	200000 },
	{ 2000000,	300000 },
	{ U32_MAX,	300000 },
};

static int test_account(void)
{
	struct fcn_account acc = {};
	int bad = 0;
	u32 gen, i;

	for (gen = 1; gen <= ARRAY_SIZE(test_sweeps); gen++) {
		const typeof(test_sweeps[0]) *row = &test_sweeps[gen - 1];

		fcn_account_begin(&acc, gen);
		fcn_account_begin(&acc, gen);
		for (i = 0; i < row->est; i++)
			fcn_account_note(&acc, FCN_EST, row->est_until - i,
					 true);
		for (i = 0; i < row->closing; i++)
			fcn_account_note(&acc, FCN_CLOSE, row->close_until,
					 true);
		fcn_account_settle(&acc, 0);
		bad += test_row("sweeps", row->what,
				fcn_account_deadline(&acc) == row->deadline &&
				acc.used == !!(row->est + row->closing));
	}
	return bad;
}

int fcn_clock_selftest(void)
{
	static const struct fcn_timeouts t = { .udp = 300, .udp_short = 30 };
	int i, bad = 0;

	for (i = 0; i < ARRAY_SIZE(test_tcp); i++)
		bad += test_row("tcp", test_tcp[i].what,
				fcn_tcp_phase(&test_tcp[i].tcp) ==
				test_tcp[i].phase &&
				fcn_tcp_kernel_timeout(&test_tcp[i].tcp,
						       test_timeouts) ==
				test_tcp[i].timeout * HZ);

	for (i = 0; i < ARRAY_SIZE(test_entries); i++) {
		s32 left = test_entries[i].left * HZ;
		u32 kernel = test_entries[i].kernel * HZ;
		u32 own = test_entries[i].own * HZ;

		bad += test_row("entries", test_entries[i].what,
				fcn_idle(left, kernel, own) ==
				test_entries[i].idle * HZ &&
				fcn_prolong(left, kernel, own) ==
				test_entries[i].prolong * HZ &&
				fcn_overdue(left, kernel, own) ==
				test_entries[i].overdue);
	}

	for (i = 0; i < ARRAY_SIZE(test_states); i++)
		bad += test_row("states", test_states[i].what,
				fcn_next_state(test_states[i].state,
					       &test_states[i].seen) ==
				test_states[i].next);

	for (i = 0; i < ARRAY_SIZE(test_rests); i++)
		bad += test_row("rests", "after a sweep",
				fcn_sweep_rest(test_rests[i].cost) ==
				test_rests[i].rest);

	bad += test_row("timeouts", "short ports",
			fcn_phase_timeout(&t, FCN_UDP, false) == 30);
	bad += test_row("timeouts", "ordinary ports",
			fcn_phase_timeout(&t, FCN_UDP, true) == 300);
	bad += test_account();

	pr_info("selftest: %zu rows, %d bad\n",
		ARRAY_SIZE(test_tcp) + ARRAY_SIZE(test_entries) +
		ARRAY_SIZE(test_states) + ARRAY_SIZE(test_rests) + 2 +
		ARRAY_SIZE(test_sweeps), bad);
	return bad ? -EINVAL : 0;
}
