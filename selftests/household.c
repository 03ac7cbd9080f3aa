// SPDX-License-Identifier: GPL-2.0
/*
 * household - what a household does on the net, day for day.
 *
 *	household [-s SEED] DAYS CONSOLE PHONE PHONE LAPTOP SERVER STRANGER
 *
 * Each of the six is NAMESPACE@ADDRESS, and this one process is all of them: it
 * has sockets in every namespace, sends from one and looks what arrives at the
 * other, as fast as that goes, and sleeps until the next thing happens. Days
 * begin at midnight, when this starts:
 *
 *	console	16 to 21, a keepalive from port 3074 every 290 s; and 8 to 20
 *		every ten minutes a peer-to-peer client at port 6881 that speaks to
 *		several peers, answers strangers or does not, and takes connections
 *	phones	wake every hour or two at night, three times an hour from 7 to 21:
 *		a name, datagrams and a connection that is closed, reset, cut off or
 *		kept; now and then a call: two servers, and a burst of a stranger's
 *	laptop	as a phone, on the morning of the first day; then never again
 *
 * From 21 to midnight all is silent. It stops three times a day, prints a line and
 * goes on when it reads one:
 *
 *	busy DAY	at 18; before that a line for each endpoint that was used
 *			since midnight: "used PROTO ADDR:PORT LEFT", how many
 *			seconds it may yet have a mapping, or had if below zero
 *	quiet DAY sent=N lost=N calls=N failed=N strangers=N moved=N
 *			at midnight; moved: endpoints that others saw change though
 *			they were in use
 *	load DAY	right after that, with 40 datagram sessions
 *
 * Exits 0 after the last, 2 on bad use.
 */
#define _GNU_SOURCE
#include "places.h"

#include <linux/tcp.h>

#define HOUR		3600
#define DAY		(24 * HOUR)
#define MAX_CALLS	64
#define MAX_USES	20000
#define LOAD		40
#define LOAD_PORT	20000

/* What the rules give a mapping, seconds */
#define KEEP_SHORT	30
#define KEEP_UDP	300
#define KEEP_CLOSED	240
#define KEEP_EST	7440

enum place_name { CONSOLE, PHONE1, PHONE2, LAPTOP, SERVER, STRANGER, PLACES };

static struct place places[PLACES];

enum ending { CLOSED, RESET, CUT, KEPT, ENDINGS };

static struct use {
	union endpoint at;
	const char *proto;
	__s64 until;
	__s64 cut_until;	/* a connection was cut off there */
} uses[MAX_USES];
static unsigned int nuses;

static struct call {
	int near, far;
	__s64 until;
	enum ending how;
	const struct use *used;
	__s64 kept_until;	/* its mapping, while it is open */
} calls[MAX_CALLS];
static unsigned int ncalls;

static struct {
	unsigned long sent, lost, calls, failed, strangers, moved;
} did;

static __s64 midnight;
static int server, other_server, resolver, listener;

static __s64 now_s(void)
{
	return now_ms() / 1000;
}

/* Seconds since this day began. */
static __s64 clock_s(void)
{
	return now_s() - midnight;
}

static int between(int from, int to)
{
	return clock_s() >= (__s64)from * HOUR && clock_s() < (__s64)to * HOUR;
}

static int one_of(int n)
{
	return (int)(random() % n);
}

static void sleep_until(__s64 when)
{
	struct timespec ts = { .tv_sec = when };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) ==
	       EINTR)
		;
}

/* -- sockets ------------------------------------------------------------- */

static int socket_at(enum place_name place, int type, int port)
{
	return open_at(&places[place], type, port);
}

static int listen_at(enum place_name place, int port)
{
	int fd = socket_at(place, SOCK_STREAM, port);

	if (listen(fd, 16))
		err(EXIT_USAGE, "listen");
	return fd;
}

/* That inside endpoint has just been used, and has so many seconds from now on. */
static struct use *use(const char *proto, int fd, int limit)
{
	union endpoint at = local_of(fd);
	unsigned int i;

	for (i = 0; i < nuses; i++)
		if (uses[i].proto == proto && same_endpoint(&uses[i].at, &at))
			break;
	if (i == MAX_USES)
		errx(EXIT_USAGE, "too many endpoints");
	if (i == nuses)
		uses[nuses++] = (struct use){ .at = at, .proto = proto };
	uses[i].until = now_s() + limit;
	return &uses[i];
}

/* -- datagrams ----------------------------------------------------------- */

/* A datagram and its answer, counted. */
static void converse(int fd, const union endpoint *to, int at, union endpoint *seen)
{
	did.sent++;
	did.lost += !exchange(fd, to, at, seen);
}

/* An inside socket asks a server; returns what that has seen. */
static union endpoint ask(int fd, int whom, int limit)
{
	union endpoint to = local_of(whom), seen = {};

	converse(fd, &to, whom, &seen);
	use("udp", fd, limit);
	return seen;
}

/* Somebody new speaks to the endpoint of an inside socket, and is answered. */
static void visit(int fd, const union endpoint *outside)
{
	int guest = socket_at(STRANGER, SOCK_DGRAM, 0);
	union endpoint seen;

	did.strangers++;
	converse(guest, outside, fd, &seen);
	use("udp", fd, KEEP_UDP);
	close(guest);
}

/* Somebody new speaks to what may be an endpoint, and nobody answers. */
static void knock(const union endpoint *outside)
{
	int guest = socket_at(STRANGER, SOCK_DGRAM, 0);

	if (outside->sa.sa_family)
		say(guest, outside);
	close(guest);
}

/* -- connections --------------------------------------------------------- */

/* Nothing is sent: a host that has lost its line, or whose address has gone. */
static void cut(int fd)
{
	int on = TCP_REPAIR_ON;

	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)))
		err(EXIT_USAGE, "TCP_REPAIR");
	close(fd);
}

static void hang_up(unsigned int i)
{
	struct call *call = &calls[i];
	struct linger now = { .l_onoff = 1 };
	struct use *used;

	used = use("tcp", call->near, call->how == CUT ? KEEP_EST : KEEP_CLOSED);
	switch (call->how) {
	case CUT:
		used->cut_until = used->until;
		cut(call->near);
		cut(call->far);
		break;
	case RESET:
		setsockopt(call->near, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(call->near);
		close(call->far);
		break;
	default:
		close(call->near);
		close(call->far);
	}
	*call = calls[--ncalls];
}

static void hang_up_due(void)
{
	unsigned int i;

	for (i = ncalls; i-- > 0; )
		if (calls[i].until <= now_s())
			hang_up(i);
}

/* Data both ways. */
static int talk(int near, int far)
{
	char text[256] = "";

	return send(near, text, sizeof(text), MSG_NOSIGNAL) > 0 &&
	       recv(far, text, sizeof(text), MSG_WAITALL) > 0 &&
	       send(far, text, sizeof(text), MSG_NOSIGNAL) > 0 &&
	       recv(near, text, sizeof(text), MSG_WAITALL) > 0;
}

/*
 * @caller connects to @callee, which has the address @to; @near is the one that is
 * inside.
 */
static int call(int caller, const union endpoint *to, int callee, int inside_calls,
		union endpoint *seen)
{
	socklen_t size = sizeof(*seen);
	int far = -1;

	did.calls++;
	if (!connect(caller, &to->sa, endpoint_size(to)))
		far = accept(callee, &seen->sa, &size);
	if (far >= 0)
		patience(far, 5);
	if (far < 0 || ncalls == MAX_CALLS || !talk(caller, far)) {
		did.failed++;
		close(caller);
		close(far);
		return 0;
	}
	calls[ncalls++] = (struct call){
		.near = inside_calls ? caller : far,
		.far = inside_calls ? far : caller,
		.until = now_s() + 1 + one_of(60),
		.how = (enum ending)one_of(ENDINGS),
	};
	if (calls[ncalls - 1].how == KEPT)
		calls[ncalls - 1].until = now_s() + one_of(4 * HOUR);
	calls[ncalls - 1].used = use("tcp", calls[ncalls - 1].near, KEEP_EST);
	calls[ncalls - 1].kept_until = calls[ncalls - 1].used->until;
	return 1;
}

static void browse(enum place_name who, int port)
{
	union endpoint to = local_of(listener), seen;

	call(socket_at(who, SOCK_STREAM, port), &to, listener, 1, &seen);
}

/* -- who does what ------------------------------------------------------- */

static void console(void)
{
	static int fd = -1;
	static union endpoint before;
	static __s64 last;
	union endpoint seen;

	if (fd < 0)
		fd = socket_at(CONSOLE, SOCK_DGRAM, 3074);
	seen = ask(fd, server, KEEP_UDP);
	if (now_s() - last < KEEP_UDP && clock_s() > 16 * HOUR + KEEP_UDP &&
	    !same_endpoint(&seen, &before))
		did.moved++;
	before = seen;
	last = now_s();
	if (!one_of(4))
		visit(fd, &seen);
}

static void peer_to_peer(void)
{
	static int fd = -1, door;
	union endpoint seen = {}, peer;
	static union endpoint before;
	int i, other;

	if (fd < 0) {
		fd = socket_at(CONSOLE, SOCK_DGRAM, 6881);
		door = listen_at(CONSOLE, 6881);
	}
	knock(&before);
	for (i = 1 + one_of(3); i > 0; i--) {
		other = socket_at(STRANGER, SOCK_DGRAM, 10000 + one_of(50));
		peer = local_of(other);
		converse(fd, &peer, other, &seen);
		use("udp", fd, KEEP_UDP);
		close(other);
	}
	for (i = one_of(4); i > 0; i--)
		visit(fd, &seen);
	knock(&seen);
	before = seen;

	if (one_of(3))
		return;
	/* strangers get in where it has connected from */
	other = listen_at(STRANGER, 0);
	peer = local_of(other);
	if (call(socket_at(CONSOLE, SOCK_STREAM, 6881), &peer, other, 1, &seen))
		call(socket_at(STRANGER, SOCK_STREAM, 0), &seen, door, 0, &peer);
	close(other);
}

/* Two servers are asked where one is, and then a stranger sends much at once. */
static void video_call(enum place_name who)
{
	int fd = socket_at(who, SOCK_DGRAM, 0);
	int guest = socket_at(STRANGER, SOCK_DGRAM, 0);
	union endpoint seen = ask(fd, server, KEEP_UDP);
	union endpoint again = ask(fd, other_server, KEEP_UDP);
	int i;

	did.moved += !same_endpoint(&seen, &again);
	for (i = 0; i < 30; i++)
		converse(guest, &seen, fd, &again);
	use("udp", fd, KEEP_UDP);
	close(guest);
	close(fd);
}

static void phone(enum place_name who)
{
	int fd = socket_at(who, SOCK_DGRAM, 0);

	ask(fd, resolver, KEEP_SHORT);
	close(fd);
	fd = socket_at(who, SOCK_DGRAM, 0);
	ask(fd, server, KEEP_UDP);
	ask(fd, server, KEEP_UDP);
	close(fd);
	browse(who, 0);
	if (!one_of(10))
		video_call(who);
}

/* -- days ---------------------------------------------------------------- */

/* Tells, and waits until it may go on. */
static void stop_for_line(void)
{
	char line[16];

	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		exit(EXIT_USAGE);
}

/* An open connection keeps a mapping, whatever has ended since at the same endpoint. */
static __s64 until_of(const struct use *u)
{
	__s64 until = u->until > u->cut_until ? u->until : u->cut_until;
	const struct call *c;

	for (c = calls; c < calls + ncalls; c++)
		if (c->used == u && c->kept_until > until)
			until = c->kept_until;
	return until;
}

static void tell_busy(int day)
{
	const struct use *u;

	for (u = uses; u < uses + nuses; u++)
		printf("used %s %s %lld\n", u->proto, endpoint_text(&u->at),
		       until_of(u) - now_s());
	printf("busy %d\n", day);
	stop_for_line();
}

static void tell_quiet(int day)
{
	printf("quiet %d sent=%lu lost=%lu calls=%lu failed=%lu strangers=%lu moved=%lu\n",
	       day, did.sent, did.lost, did.calls, did.failed, did.strangers,
	       did.moved);
	memset(&did, 0, sizeof(did));
	stop_for_line();
}

static void tell_load(int day)
{
	int fds[LOAD], i;

	for (i = 0; i < LOAD; i++) {
		fds[i] = socket_at(PHONE1, SOCK_DGRAM, LOAD_PORT + i);
		ask(fds[i], server, KEEP_UDP);
	}
	printf("load %d\n", day);
	stop_for_line();
	for (i = 0; i < LOAD; i++)
		close(fds[i]);
	nuses = 0;
}

/* What somebody does between two hours of the day, every so many seconds or a bit less often. */
struct actor {
	void (*act)(enum place_name who);
	enum place_name who;
	int from, to, every, odd;
	int last_day;
	__s64 due;
};

static void act_console(enum place_name who)
{
	(void)who;
	console();
}

static void act_peer(enum place_name who)
{
	(void)who;
	peer_to_peer();
}

static struct actor actors[] = {
	{ act_console, CONSOLE, 16, 21, 290, 0, INT_MAX, 0 },
	{ act_peer, CONSOLE, 8, 20, 480, 240, INT_MAX, 0 },
	{ phone, PHONE1, 7, 21, 900, 600, INT_MAX, 0 },
	{ phone, PHONE2, 7, 21, 900, 600, INT_MAX, 0 },
	{ phone, PHONE1, 0, 7, HOUR, HOUR, INT_MAX, 0 },
	{ phone, PHONE2, 0, 7, HOUR, HOUR, INT_MAX, 0 },
	{ phone, LAPTOP, 7, 12, 600, 300, 1, 0 },
	{},
};

/* Lets all act until that hour of the day. */
static void live_until(int day, int hour)
{
	const __s64 end = midnight + hour * HOUR;

	for (;;) {
		struct actor *next = NULL, *a;

		for (a = actors; a->act; a++)
			if (day <= a->last_day && (!next || a->due < next->due))
				next = a;
		if (!next || next->due >= end)
			break;
		sleep_until(next->due);
		hang_up_due();
		if (between(next->from, next->to))
			next->act(next->who);
		next->due = now_s() + next->every;
		if (next->odd)
			next->due += one_of(next->odd);
		if (!between(next->from, next->to))
			next->due = midnight + next->from * HOUR +
				    (clock_s() < next->from * HOUR ? 0 : DAY);
	}
	sleep_until(end);
}

static void live(int day)
{
	live_until(day, 18);
	tell_busy(day);
	live_until(day, 21);
	while (ncalls)
		hang_up(ncalls - 1);
	sleep_until(midnight + DAY);
	tell_quiet(day);
	tell_load(day);
}

int main(int argc, char **argv)
{
	int opt, days, day, i;
	unsigned int seed = 1;
	struct actor *a;

	while ((opt = getopt(argc, argv, "s:")) != -1) {
		if (opt != 's')
			return EXIT_USAGE;
		seed = (unsigned int)atoi(optarg);
	}
	argc -= optind;
	argv += optind;
	if (argc != 1 + PLACES)
		errx(EXIT_USAGE,
		     "usage: household [-s SEED] DAYS CONSOLE PHONE PHONE LAPTOP SERVER STRANGER");
	days = atoi(argv[0]);
	for (i = 0; i < PLACES; i++)
		places[i] = parse_place(argv[1 + i]);

	srandom(seed);
	server = socket_at(SERVER, SOCK_DGRAM, 3544);
	other_server = socket_at(SERVER, SOCK_DGRAM, 3478);
	resolver = socket_at(SERVER, SOCK_DGRAM, 53);
	listener = listen_at(SERVER, 443);
	for (day = 1; day <= days; day++) {
		midnight = now_s();
		for (a = actors; a->act; a++)
			a->due = midnight + a->from * HOUR + one_of(a->every);
		live(day);
	}
	return 0;
}
