// SPDX-License-Identifier: GPL-2.0
/*
 * failnth - does one thing again and again, with one allocation after the other failing:
 * the first, then the second, until it has been done without reaching the one that would
 * have failed. Each time it is done or it is not, and nothing is in between.
 *
 *	failnth load FILE [PARAMETERS]	load a module, which is not loaded, and remove it
 *	failnth namespace		make a network namespace that has our files
 *	failnth write FILE TEXT UNDO [STATE]
 *					write TEXT, then UNDO, which has the file, or another
 *					that tells the state, read as before; what is behind
 *					" expires=" in a line is not compared
 *	failnth read FILE		read it to its end
 *
 * Prints "N allocations: D done, R refused", and in other lines what is wrong; the exit
 * status is 1 then. Needs a kernel with failslab, told to fail allocations that may wait,
 * too (Documentation/fault-injection/fault-injection.rst).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "helper.h"

/* More than any of these things has; a bound, should the kernel not count down. */
#define MAX_NTH 100000
#define STATE_MAX 1000000

#define OUR_FILES "/proc/thread-self/net/fullcone_nat/status"

/* What has become of a thing that was tried, and whether an allocation did fail. */
struct outcome {
	bool done;
	bool failed;
};

static bool wrong;

static void complain(unsigned int nth, const char *what)
{
	printf("allocation %u: %s\n", nth, what);
	wrong = true;
}

/* Open all the time: to open it would be one of the things that may fail. */
static int nth_file;

static void open_nth(void)
{
	nth_file = open("/proc/thread-self/fail-nth", O_RDWR);
	if (nth_file < 0)
		err(EXIT_USAGE, "fail-nth");
}

/* Of this thread the @nth allocation from now on fails; 0: none. */
static void fail_nth(unsigned int nth)
{
	char text[16];

	if (pwrite(nth_file, text, (size_t)snprintf(text, sizeof(text), "%u", nth), 0) < 0)
		err(EXIT_USAGE, "fail-nth: %u", nth);
}

/* Returns whether it came so far, and ends it; errno stays. */
static bool has_failed(void)
{
	char text[16] = "";
	int error = errno;
	bool failed;

	if (pread(nth_file, text, sizeof(text) - 1, 0) < 0)
		err(EXIT_USAGE, "fail-nth");
	failed = atoi(text) == 0;
	fail_nth(0);
	errno = error;
	return failed;
}

/* Loading */

static const char *module_file, *module_parameters;

static struct outcome load(unsigned int nth)
{
	int fd = open(module_file, O_RDONLY | O_CLOEXEC);
	struct outcome it;

	if (fd < 0)
		err(EXIT_USAGE, "%s", module_file);
	fail_nth(nth);
	it.done = !syscall(SYS_finit_module, fd, module_parameters, 0);
	it.failed = has_failed();
	if (!it.done && errno != ENOMEM)
		complain(nth, strerror(errno));
	close(fd);

	if (it.done != !access(OUR_FILES, F_OK))
		complain(nth, it.done ? "done, and it is not there" : "refused, and it is there");
	while (it.done && syscall(SYS_delete_module, "fullcone_nat", O_NONBLOCK))
		if (errno != EAGAIN && errno != EBUSY)
			err(EXIT_USAGE, "can't remove it");
	return it;
}

/* A namespace: of a process of its own, which ends with it. */

enum { IS_DONE = 1, HAS_FAILED = 2, IS_BARE = 4 };

static struct outcome unshare_net(unsigned int nth)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		err(EXIT_USAGE, "fork");
	if (!child) {
		open_nth();
		fail_nth(nth);
		status = unshare(CLONE_NEWNET) ? 0 : IS_DONE;
		if (has_failed())
			status |= HAS_FAILED;
		if ((status & IS_DONE) && access(OUR_FILES, F_OK))
			status |= IS_BARE;
		_exit(status);
	}
	if (waitpid(child, &status, 0) < 0 || !WIFEXITED(status))
		errx(EXIT_USAGE, "the process in the namespace did not come to its end");
	status = WEXITSTATUS(status);
	if (status & IS_BARE)
		complain(nth, "there is a namespace, and it lacks our files");
	return (struct outcome){ status & IS_DONE, status & HAS_FAILED };
}

/* Files */

static const char *file, *state_file, *text, *undo;
static char before[STATE_MAX], after[STATE_MAX];

/* What is told of the state, without what changes by itself. */
static void state(char *out)
{
	FILE *in = fopen(state_file, "r");
	char line[4096], *end;
	size_t used = 0;

	if (!in)
		err(EXIT_USAGE, "%s", state_file);
	while (fgets(line, sizeof(line), in)) {
		end = strstr(line, " expires=");
		if (end)
			strcpy(end, "\n");
		if (used + strlen(line) < STATE_MAX)
			used += (size_t)sprintf(out + used, "%s", line);
	}
	out[used] = '\0';
	fclose(in);
}

static bool put(const char *what)
{
	int fd = open(file, O_WRONLY);
	bool done;

	if (fd < 0)
		return false;
	done = write(fd, what, strlen(what)) == (ssize_t)strlen(what);
	close(fd);
	return done;
}

static struct outcome put_text(unsigned int nth)
{
	static char now[STATE_MAX];
	struct outcome it;

	fail_nth(nth);
	it.done = put(text);
	it.failed = has_failed();
	if (!it.done && errno != ENOMEM)
		complain(nth, strerror(errno));

	state(now);
	if (strcmp(now, it.done ? after : before))
		complain(nth, it.done ? "done, and it does not read like that" :
			 "refused, and it does not read as before");
	if (it.done && !put(undo))
		err(EXIT_USAGE, "%s does not take \"%s\"", file, undo);
	return it;
}

static void learn_states(void)
{
	static char again[STATE_MAX];

	state(before);
	if (!put(text))
		err(EXIT_USAGE, "%s does not take \"%s\"", file, text);
	state(after);
	if (!put(undo))
		err(EXIT_USAGE, "%s does not take \"%s\"", file, undo);
	state(again);
	if (strcmp(before, again) || !strcmp(before, after))
		errx(EXIT_USAGE, "\"%s\" and \"%s\" do not lead there and back", text, undo);
}

static struct outcome get(unsigned int nth)
{
	struct outcome it;
	char buffer[4096];
	ssize_t n = 1;
	int fd;

	fail_nth(nth);
	fd = open(file, O_RDONLY);
	while (fd >= 0 && n > 0)
		n = read(fd, buffer, sizeof(buffer));
	it.done = fd >= 0 && !n;
	it.failed = has_failed();
	/* procfs says so where there is no memory for an inode */
	if (!it.done && errno != ENOMEM && errno != ENOENT)
		complain(nth, strerror(errno));
	if (fd >= 0)
		close(fd);
	return it;
}

/* Until nothing is left that could fail. */
static void in_turn(struct outcome (*act)(unsigned int nth))
{
	unsigned int nth = 0, done = 0, refused = 0;
	struct outcome it;

	for (;;) {
		it = act(++nth);
		if (!it.failed || nth == MAX_NTH)
			break;
		if (it.done)
			done++;
		else
			refused++;
	}
	if (!it.done)
		complain(nth, "refused though no allocation has failed");
	printf("%u allocations: %u done, %u refused\n", nth - 1, done, refused);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	open_nth();
	if (argc >= 3 && !strcmp(argv[1], "load")) {
		module_file = argv[2];
		module_parameters = argc > 3 ? argv[3] : "";
		in_turn(load);
	} else if (argc == 2 && !strcmp(argv[1], "namespace")) {
		in_turn(unshare_net);
	} else if ((argc == 5 || argc == 6) && !strcmp(argv[1], "write")) {
		file = argv[2];
		state_file = argc == 6 ? argv[5] : file;
		text = argv[3];
		undo = argv[4];
		learn_states();
		in_turn(put_text);
	} else if (argc == 3 && !strcmp(argv[1], "read")) {
		file = argv[2];
		in_turn(get);
	} else {
		errx(EXIT_USAGE, "usage: failnth load|namespace|write|read ...");
	}
	return wrong;
}
