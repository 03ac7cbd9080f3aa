// SPDX-License-Identifier: GPL-2.0
/*
 * within - runs a command in a network namespace.
 *
 *	within NAME COMMAND [ARG...]
 *
 * NAME is one of "ip netns". What nsenter does, linked statically: tests start it
 * for nearly every command, and where everything is emulated that is most of what
 * they cost. Exits as COMMAND does, 127 if that can't be run.
 */
#define _GNU_SOURCE
#include "helper.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>

int main(int argc, char **argv)
{
	char path[PATH_MAX];
	int fd;

	if (argc < 3)
		errx(127, "usage: within NAME COMMAND [ARG...]");
	snprintf(path, sizeof(path), "/run/netns/%s", argv[1]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err(127, "%s", path);
	execvp(argv[2], argv + 2);
	err(127, "%s", argv[2]);
}
