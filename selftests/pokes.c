// SPDX-License-Identifier: GPL-2.0
/*
 * pokes - reads and writes the module's files in every way that a program can.
 *
 *	pokes [-b] [-n NUMBER] SEED COUNT PATH...
 *
 * Takes a file at random, of those that are given and those below the directories
 * that are given, so many times, and makes something of a random kind with it:
 * reads in pieces, with jumps, by two descriptors, a child, sendfile() or readv(),
 * into memory that is not there; writes what is right, nearly right or nonsense,
 * at any offset; mmap(), poll(), ioctl(), ftruncate(). Before that it reads each
 * file, then writes to each, in turn. What must hold:
 *
 *  - a call that fails does so with an errno that fits;
 *  - a knob takes a value or keeps the old one; the value that it took reads as one
 *    that it takes again and that reads the same;
 *  - a command that is refused leaves the static forwards alone;
 *  - where nothing changes meanwhile, pieces give the text that one read gives;
 *  - what is read in order has whole lines;
 *  - each file has been read, and written to if its mode allows it, when there have
 *    been two pokes for each.
 *
 * Each poke draws from numbers of its own and puts the knob back to the value that
 * it had at the beginning, so -n does one of them again without the others. With
 * -b others may write, too: then values may change at any time, and what was read
 * must be one that the knob takes.
 *
 * Prints "ready", for each thing that went wrong "seed S number N: FILE: ..."; at the
 * end "count NAME NUMBER" for what was done. Exits 1 if anything went wrong, 2 on
 * bad use.
 */
#define _GNU_SOURCE
#include "helper.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define FILES_MAX	256
#define TEXT_MAX	(1024 * 1024)
#define WHOLE_MAX	(4 * TEXT_MAX)
#define COMPLAINTS_MAX	20
#define HANGS_AFTER	600	/* seconds */

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

struct file {
	char		path[256];
	const char	*name;
	int		knob;
	int		writable;
	unsigned long	reads, writes;
	char		first[2048];	/* value of a knob at the beginning */
};

static struct file files[FILES_MAX];
static size_t file_count;
static struct file *file;
static unsigned long seed, number;
static int others_write;
static unsigned int complaints;
static unsigned long reads, compared, writes, taken, refused;

static char text[TEXT_MAX + 1], before[WHOLE_MAX], after[WHOLE_MAX], pieces[WHOLE_MAX];
static char *edge;		/* behind these two pages there is nothing */
static long page;

/* -- chance ------------------------------------------------------------------ */

static __u64 state;

static __u64 draw(void)
{
	__u64 z = state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static size_t below(size_t n)
{
	return draw() % n;
}

static int one_in(size_t n)
{
	return !below(n);
}

static size_t any_size(void)
{
	static const size_t sizes[] = {
		0, 1, 2, 3, 7, 63, 127, 128, 1023, 1024, 1025, 4095, 4096, 4097,
		65535, 65536, 65537, TEXT_MAX,
	};

	return one_in(3) ? below(300) : sizes[below(ARRAY_SIZE(sizes))];
}

static off_t any_offset(void)
{
	static const off_t offsets[] = {
		0, 1, 4095, 4096, 4097, 65535, 65536, INT_MAX - 1, INT_MAX,
		(off_t)INT_MAX + 1, UINT_MAX, (off_t)UINT_MAX + 1, 1LL << 40,
		LLONG_MAX - 4096, LLONG_MAX - 1, LLONG_MAX, -1, LLONG_MIN,
	};

	return one_in(2) ? (off_t)below(600) : offsets[below(ARRAY_SIZE(offsets))];
}

/* -- verdicts ---------------------------------------------------------------- */

static void complain(const char *format, ...)
{
	va_list args;

	printf("seed %lu number %lu: %s: ", seed, number, file->path);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	if (++complaints == COMPLAINTS_MAX)
		exit(EXIT_TIMEOUT);
}

static void too_late(int sig)
{
	char line[400];
	int len;

	(void)sig;
	len = snprintf(line, sizeof(line), "seed %lu number %lu: %s: hangs\n", seed, number,
		       file->path);
	if (write(1, line, (size_t)len) != len)
		_exit(EXIT_USAGE);
	_exit(EXIT_TIMEOUT);
}

/* What a call may say that fails. */
static void check_errno(const char *call)
{
	static const int fitting[] = {
		EINVAL, E2BIG, EACCES, EPERM, EFAULT, EBADF, EIO, ESPIPE, ENODEV,
		ENOTTY, ENOENT, EEXIST, EADDRINUSE, EADDRNOTAVAIL, EDQUOT, ENFILE,
		EAFNOSUPPORT, EOVERFLOW, EOPNOTSUPP, ENXIO, EFBIG,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fitting); i++)
		if (errno == fitting[i])
			return;
	complain("%s: %s", call, strerror(errno));
}

static ssize_t check(const char *call, ssize_t ret)
{
	if (ret < 0)
		check_errno(call);
	return ret;
}

/* -- reading ----------------------------------------------------------------- */

static int open_file(const struct file *f, int flags)
{
	int fd = open(f->path, flags | O_CLOEXEC);

	if (fd < 0)
		check_errno("open");
	return fd;
}

/* All of it into @buf, ended by a NUL; the length, or -1. */
static ssize_t whole(const struct file *f, char *buf)
{
	int fd = open_file(f, O_RDONLY);
	ssize_t n, len = 0;

	if (fd < 0)
		return -1;
	while ((n = read(fd, buf + len, WHOLE_MAX - 1 - (size_t)len)) > 0) {
		len += n;
		/* one read has all of a knob; the next might have the end of a longer value */
		if (f->knob)
			break;
	}
	if (n < 0)
		complain("read: %s", strerror(errno));
	close(fd);
	buf[len] = '\0';
	return n < 0 ? -1 : len;
}

/* A line of "mappings" or "sessions" has each of its fields once, in order. */
static int line_is_whole(const char *line, const char *end)
{
	static const char *const fields[2][8] = {
		{ "proto=", " int=", " ext=", " dev=", " state=", " sessions=", " expires=",
		  " age=" },
		{ "proto=", " int=", " ext=", " peer=", " dir=", " phase=" },
	};
	const char *const *field = fields[!strcmp(file->name, "sessions")];
	size_t i;

	for (i = 0; i < 8 && field[i]; i++) {
		size_t len = strlen(field[i]);

		if ((size_t)(end - line) <= len || memcmp(line, field[i], len))
			return 0;
		for (line += len; line < end && *line != ' ';)
			line++;
	}
	return line == end || (end - line > 6 && !memcmp(line, " zone=", 6));
}

/* @buf has been read in order from the beginning to the end, or to somewhere. */
static void check_lines(const char *buf, ssize_t len, int to_end)
{
	const char *line = buf, *end;

	if (memchr(buf, '\0', (size_t)len))
		complain("there is a NUL in it");
	if (to_end && len && buf[len - 1] != '\n')
		complain("the last line has no end");
	if (strcmp(file->name, "mappings") && strcmp(file->name, "sessions"))
		return;
	while ((end = memchr(line, '\n', (size_t)(buf + len - line)))) {
		if (!line_is_whole(line, end))
			complain("not a line: \"%.*s\"", (int)(end - line), line);
		line = end + 1;
	}
}

/* One piece into @to, not more than @room; what read() would return. */
static ssize_t read_piece(int fd, char *to, size_t room)
{
	size_t size = any_size(), first;
	int pipes[2], status;
	struct iovec iov[2];
	ssize_t n;
	pid_t pid;

	if (!size)
		check("read of nothing", read(fd, to, 0));
	size = size ? size : 1;
	size = size < room ? size : room;
	switch (below(6)) {
	case 0:
		first = below(size) + 1;
		iov[0] = (struct iovec){ to, first };
		iov[1] = (struct iovec){ to + first, size - first };
		return readv(fd, iov, 2);
	case 1:
		if (pipe(pipes))
			err(EXIT_USAGE, "pipe");
		size = size < 4096 ? size : 4096;
		n = one_in(2) ? sendfile(pipes[1], fd, NULL, size) :
				splice(fd, NULL, pipes[1], NULL, size, 0);
		if (n > 0 && read(pipes[0], to, (size_t)n) != n)
			complain("what was spliced is not there");
		close(pipes[0]);
		close(pipes[1]);
		/* not every file can be spliced */
		return n < 0 && errno == EINVAL ? read(fd, to, size) : n;
	case 2:
		/* it has the same position; its memory is its own */
		if (pipe(pipes))
			err(EXIT_USAGE, "pipe");
		pid = fork();
		if (pid < 0)
			err(EXIT_USAGE, "fork");
		size = size < 4096 ? size : 4096;
		if (!pid) {
			n = read(fd, to, size);
			_exit(n < 0 || write(pipes[1], to, (size_t)n) != n);
		}
		close(pipes[1]);
		waitpid(pid, &status, 0);
		n = read(pipes[0], to, size);
		close(pipes[0]);
		if (status)
			complain("a child can't read");
		return status ? -1 : n;
	default:
		return read(fd, to, size);
	}
}

/* In pieces by two descriptors that share a position, with distractions. */
static ssize_t in_pieces(char *buf, int *to_end)
{
	int fd = open_file(file, O_RDONLY), twin, other;
	ssize_t n = 1, len = 0;
	size_t left = 1 + below(200);

	*to_end = 0;
	if (fd < 0)
		return -1;
	twin = dup(fd);
	other = open_file(file, O_RDONLY);
	while (left-- && len < WHOLE_MAX - 1) {
		n = read_piece(one_in(2) ? fd : twin, buf + len, WHOLE_MAX - 1 - (size_t)len);
		if (n < 0)
			complain("a piece: %s", strerror(errno));
		if (n <= 0)
			break;
		len += n;
		if (one_in(4))
			check("pread of another", pread(other, text, any_size(), any_offset()));
		/* seq_file: to where it is already */
		if (one_in(8) && lseek(fd, len, SEEK_SET) != len)
			complain("lseek to where it is: %s", strerror(errno));
	}
	*to_end = !n;
	close(fd);
	close(twin);
	close(other);
	return len;
}

/* Where nothing has changed meanwhile, the pieces are the text. */
static void poke_pieces(void)
{
	ssize_t old, new, len;
	int to_end;

	old = whole(file, before);
	len = in_pieces(pieces, &to_end);
	new = whole(file, after);
	if (old < 0 || new < 0 || len < 0)
		return;
	file->reads++;
	check_lines(before, old, 1);
	check_lines(pieces, len, to_end);
	if (old != new || memcmp(before, after, (size_t)old))
		return;
	compared++;
	if (len > old || memcmp(before, pieces, (size_t)len) || (to_end && len != old))
		complain("%zd bytes in pieces%s are not the %zd at once: \"%.*s\"", len,
			 to_end ? " to the end" : "", old, (int)(len < 200 ? len : 200), pieces);
}

/* At any offset: the text from there on. */
static void poke_offsets(void)
{
	ssize_t old, new, n[8];
	off_t at[8];
	char *part = pieces;
	size_t i, room, size[8];
	int fd;

	fd = open_file(file, O_RDONLY);
	if (fd < 0)
		return;
	old = whole(file, before);
	for (i = 0; i < ARRAY_SIZE(n); i++) {
		at[i] = any_offset();
		size[i] = any_size();
		room = WHOLE_MAX / ARRAY_SIZE(n);
		size[i] = size[i] < room ? size[i] : room;
		part = pieces + i * room;
		if (one_in(3)) {
			n[i] = lseek(fd, at[i], SEEK_SET);
			n[i] = n[i] < 0 ? -1 : read(fd, part, size[i]);
		} else {
			n[i] = pread(fd, part, size[i], at[i]);
		}
		file->reads += check("read there", n[i]) > 0;
	}
	new = whole(file, after);
	close(fd);
	if (old < 0 || old != new || memcmp(before, after, (size_t)old))
		return;
	compared++;
	for (i = 0; i < ARRAY_SIZE(n); i++) {
		ssize_t there = at[i] < old ? old - at[i] : 0;

		part = pieces + i * (WHOLE_MAX / ARRAY_SIZE(n));
		if (n[i] < 0)
			continue;
		if (n[i] > there || (there && size[i] && !n[i]))
			complain("%zd bytes at %lld of %zd", n[i], (long long)at[i], old);
		else if (n[i] && memcmp(part, before + at[i], (size_t)n[i]))
			complain("another text at %lld", (long long)at[i]);
	}
}

/* Into memory that ends, or is not there. */
static void poke_memory(void)
{
	int fd = open_file(file, O_RDONLY);
	size_t room = below(64);
	ssize_t n;

	if (fd < 0)
		return;
	n = check("read at the edge", read(fd, edge - room, 4096));
	if (n > (ssize_t)room)
		complain("read %zd bytes into %zu", n, room);
	n = read(fd, one_in(2) ? NULL : (char *)-4096, 1 + below(4096));
	if (n > 0)
		complain("read %zd bytes into nothing", n);
	check("read into nothing", n);
	close(fd);
}

/* What makes no sense with such a file has no consequence. */
static void poke_oddities(void)
{
	int fd = open_file(file, O_RDONLY | (one_in(2) ? O_NONBLOCK : 0));
	struct pollfd pfd = { .fd = fd, .events = POLLIN | POLLPRI };
	char buf[64];
	void *map;

	if (fd < 0)
		return;
	map = mmap(NULL, (size_t)page, PROT_READ, one_in(2) ? MAP_SHARED : MAP_PRIVATE, fd,
		   (off_t)below(3) * page);
	if (map != MAP_FAILED) {
		complain("can be mapped");
		munmap(map, (size_t)page);
	} else {
		check_errno("mmap");
	}
	check("poll", poll(&pfd, 1, 0));
	check("ioctl", ioctl(fd, (unsigned long)(__u32)draw(), buf));
	check("ioctl", ioctl(fd, FIONREAD, buf));
	check("lseek", lseek(fd, any_offset(), (int)below(5)));
	check("ftruncate", ftruncate(fd, any_offset()));
	check("fallocate", fallocate(fd, 0, 0, 4096));
	check("write to what is open for reading", write(fd, "x", 1));
	check("preadv2", preadv2(fd, &(struct iovec){ buf, sizeof(buf) }, 1, any_offset(),
				 (int)below(64)));
	close(fd);
}

/* -- texts ------------------------------------------------------------------- */

static const char *const commands[] = {
	"add udp 192.168.1.3:7000 203.0.113.1:7000",
	"add udp 192.168.1.3:7000 203.0.113.1:7003",
	"add tcp 192.168.1.3:7001 wan:7001",
	"add udp 192.168.1.4:7002 gone0:7002",
	"add udp [fd00::3]:7000 [2001:db8::1]:7000",
	"del udp 192.168.1.3:7000",
	"del tcp 192.168.1.3:7001",
	"del icmp 192.168.1.2:1",
	"del udp [fd00::3]:7000",
	"flush",
};

static const struct {
	const char *name;
	const char *values;	/* between bars */
} valid[] = {
	{ "wan", "|wan|wan other|eth0,wan|wan wan" },
	{ "wan6", "|wan|other" },
	{ "order", "first|last" },
	{ "exempt_mark", "0/0|0x10/0xf0|1|4294967295/4294967295|010/010" },
	{ "inside", "|10.0.0.0/8 192.168.1.0/24|fd00::/8|192.168.1.2|::/0 0.0.0.0/0" },
	{ "protocols", "|udp|tcp icmp|icmp,udp,tcp" },
	{ "mapping", "eim|apdm" },
	{ "filter_udp", "eif|adf|apdf" },
	{ "filter_tcp", "eif|adf|apdf" },
	{ "ports", "1024-65535|2000-3000,4000|1-65535|65535|4000 2000-3000" },
	{ "icmp_ids", "0-65535|0,65535 7-9|0" },
	{ "reserved_ports", "|5000 6000-6001|1-1023,65535" },
	{ "udp_short_ports", "|53 123|1,65535" },
	{ "reject", "host-unreach|admin-prohib|drop" },
};

static size_t put(char *to, const char *from)
{
	size_t len = strlen(from);

	memcpy(to, from, len);
	return len;
}

/* What the file takes, or would if it were for numbers. */
static size_t valid_text(char *to)
{
	static const char numbers[] = "0|1|2|60|120|240|300|4096|7440|65536|604800|1000000";
	const char *values = numbers, *end;
	size_t i, n = 1;

	if (!strcmp(file->name, "mappings"))
		return put(to, commands[below(ARRAY_SIZE(commands))]);
	for (i = 0; i < ARRAY_SIZE(valid); i++)
		if (!strcmp(valid[i].name, file->name))
			values = valid[i].values;
	for (i = 0; values[i]; i++)
		n += values[i] == '|';
	for (n = below(n); n; n--)
		values = strchr(values, '|') + 1;
	end = strchr(values, '|');
	n = end ? (size_t)(end - values) : strlen(values);
	memcpy(to, values, n);
	return n;
}

/* Near the ends of what a number can be, in some way of writing it. */
static size_t number_text(char *to)
{
	static const char *const formats[] = {
		"%llu", "%#llx", "%#llo", "-%llu", "+%llu", "%llu.0", "0%llu", "%llu%%",
		"%llX", "%llu-%llu", "%llu/%llu",
	};
	static const unsigned int bits[] = { 7, 8, 15, 16, 31, 32, 63, 64 };
	unsigned int n = bits[below(ARRAY_SIZE(bits))];
	unsigned long long value = (n < 64 ? 1ULL << n : 0) - 1 + below(3);

	/* one more than all is written by hand */
	if (n == 64 && one_in(2))
		return put(to, one_in(2) ? "18446744073709551616" : "18446744073709551617");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
	return (size_t)sprintf(to, formats[below(ARRAY_SIZE(formats))], value, value + below(3));
#pragma GCC diagnostic pop
}

static size_t strange_text(char *to)
{
	static const char *const texts[] = {
		"%s%s%s%n", "%p %x %llx", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x92\xa9", "\xff\xfe",
		"        ", "\t\n\n ", ",,,,", "/", "-", "--", ".", "..", "../../etc/passwd", ":",
		"add", "del", "flush flush", "add udp", "add udp :", "add udp []:1 []:1",
		"add udp 192.168.1.3:7000 203.0.113.1:7000 x", "del udp 192.168.1.3:99999",
		"add udp [[fd00::3]]:7000 [2001:db8::1]:7000", "add  udp 192.168.1.3:1 wan:1",
		"0-0", "65535-0", "1-65536", "0.0.0.0/0", "::/129", "1.2.3.4/-1", "wan\\0", "true",
		"1e3", "NaN", "0x", "'1'", "$(reboot)", "\033[2J",
	};

	return put(to, texts[below(ARRAY_SIZE(texts))]);
}

/* Something to write into text[]: right, nearly right, or nonsense. */
static size_t any_text(void)
{
	size_t len, i, n;

	switch (below(10)) {
	case 0:
		len = number_text(text);
		break;
	case 1:
		len = strange_text(text);
		break;
	case 2:
		len = any_size();
		for (i = 0; i < len; i++)
			text[i] = (char)draw();
		return len;
	case 3:
		/* of one kind, maybe far too long */
		len = any_size();
		memset(text, "0 ,a-\n/:"[below(8)], len);
		break;
	case 4:
		/* many of them */
		for (len = 0, n = below(120); n; n--) {
			len += one_in(4) ? number_text(text + len) : valid_text(text + len);
			text[len++] = one_in(2) ? ' ' : ',';
		}
		break;
	default:
		len = valid_text(text);
		break;
	}
	/* damage */
	switch (below(12)) {
	case 0:
		len = below(len + 1);
		break;
	case 1:
		if (len)
			text[below(len)] = '\0';
		break;
	case 2:
		if (len)
			text[below(len)] = (char)draw();
		break;
	case 3:
		for (n = any_size(); n && len < TEXT_MAX; n--)
			text[len++] = ' ';
		break;
	case 4:
		len += len < TEXT_MAX - 64 ? strange_text(text + len) : 0;
		break;
	default:
		break;
	}
	if (len < TEXT_MAX && !one_in(3))
		text[len++] = '\n';
	return len;
}

/* -- writing ----------------------------------------------------------------- */

/* The number of static forwards, from the "status" beside "mappings"; -1 if none. */
static long statics(void)
{
	struct file status = *file;
	char *at;

	strcpy(strrchr(status.path, '/'), "/status");
	if (strcmp(file->name, "mappings") || whole(&status, pieces) < 0)
		return -1;
	at = strstr(pieces, "\nstatic=");
	return at ? atol(at + strlen("\nstatic=")) : -1;
}

/* In one of the ways there are; sets *pos to where it began. */
static ssize_t write_text(int fd, size_t len, off_t *pos)
{
	size_t first = below(len + 1), n;
	struct iovec iov[2] = { { text, first }, { text + first, len - first } };
	off_t where = any_offset();
	int pipes[2];
	ssize_t ret;

	*pos = 0;
	switch (below(10)) {
	case 0:
		*pos = where;
		return pwrite(fd, text, len, where);
	case 1:
		if (lseek(fd, where, SEEK_SET) >= 0)
			*pos = where;
		return write(fd, text, len);
	case 2:
		/* one value for a knob, several commands for "mappings" */
		if (!file->knob)
			return write(fd, text, len);
		return writev(fd, iov, 2);
	case 3:
		if (len > 4096)
			return write(fd, text, len);
		if (pipe(pipes))
			err(EXIT_USAGE, "pipe");
		if (write(pipes[1], text, len) != (ssize_t)len)
			err(EXIT_USAGE, "write to a pipe");
		ret = len ? splice(pipes[0], NULL, fd, NULL, len, 0) : 0;
		close(pipes[0]);
		close(pipes[1]);
		return ret;
	case 4:
		/* the memory ends before the text does */
		n = below(64);
		n = n < len ? n : len;
		memcpy(edge - n, text, n);
		return write(fd, edge - n, len);
	default:
		return write(fd, text, len);
	}
}

/* A value that a knob has must be one that it takes, and that reads the same. */
static void write_back(int fd, const char *value, size_t len)
{
	ssize_t n = pwrite(fd, value, len, 0);

	if (n < 0 && others_write && errno == E2BIG)
		return;		/* "ports" and "reserved_ports" are one to the other */
	if (n != (ssize_t)len) {
		complain("does not take what it has, \"%.*s\": %s", (int)len, value,
			 n < 0 ? strerror(errno) : "only a part");
		return;
	}
	n = whole(file, pieces);
	if (!others_write && (n != (ssize_t)len || memcmp(value, pieces, len)))
		complain("is \"%.*s\", and when that is written \"%.*s\"", (int)len, value,
			 (int)n, pieces);
}

static void put_back(int fd)
{
	size_t len = strlen(file->first);

	if (pwrite(fd, file->first, len, 0) != (ssize_t)len &&
	    !(others_write && errno == E2BIG))
		complain("does not take its first value: %s", strerror(errno));
}

static void poke_write(void)
{
	static const int flags[] = { O_WRONLY, O_RDWR, O_WRONLY | O_TRUNC, O_WRONLY | O_APPEND };
	int fd = open_file(file, flags[below(ARRAY_SIZE(flags))]);
	long had = statics(), has;
	ssize_t old, new, n;
	size_t len;
	off_t pos;

	if (fd < 0) {
		refused++;
		return;
	}
	old = whole(file, before);
	len = any_text();
	errno = 0;
	n = check("write", write_text(fd, len, &pos));
	writes++;
	file->writes += !!n;
	taken += n > 0;
	refused += n < 0;
	if (n > 0 && (size_t)n != len)
		complain("of %zu bytes it took %zd", len, n);
	if (file->knob && n > 0 && pos)
		complain("takes a value at offset %lld", (long long)pos);
	if (file->knob) {
		new = whole(file, after);
		check_lines(after, new, 1);
		if (n <= 0 && !others_write &&
		    (old != new || memcmp(before, after, (size_t)old)))
			complain("%s and is \"%s\", was \"%s\"",
				 n ? "refused a value" : "was told nothing", after, before);
		if (n > 0 || others_write)
			write_back(fd, after, (size_t)new);
		put_back(fd);
	} else if (had >= 0 && !others_write) {
		has = statics();
		if (n <= 0 && has != had)
			complain("refused \"%.100s\": static=%ld, was %ld", text, has, had);
		if (n > 0 && has != had + 1 && has > had)
			complain("took \"%.100s\": static=%ld, was %ld", text, has, had);
	}
	close(fd);
}

/* A writer and a reader whose descriptors are older than the value. */
static void poke_old_descriptor(void)
{
	int reader = open_file(file, O_RDONLY), writer = open_file(file, O_WRONLY);
	size_t len;
	ssize_t n;

	if (reader >= 0 && writer >= 0) {
		check("read", read(reader, pieces, 1 + below(20)));
		len = valid_text(text);
		file->writes += !!check("write", pwrite(writer, text, len, 0));
		n = check("read", read(reader, pieces, 1 + below(4096)));
		if (n > 0 && memchr(pieces, '\0', (size_t)n))
			complain("the rest of an old value has a NUL");
		if (file->knob)
			put_back(writer);
	}
	if (reader >= 0)
		close(reader);
	if (writer >= 0)
		close(writer);
}

/* -- all of it --------------------------------------------------------------- */

static void add_file(const char *path)
{
	struct file *f = &files[file_count];
	struct stat st;

	if (file_count == FILES_MAX || strlen(path) >= sizeof(f->path))
		errx(EXIT_USAGE, "too much: %s", path);
	strcpy(f->path, path);
	f->name = strrchr(f->path, '/') ? strrchr(f->path, '/') + 1 : f->path;
	f->knob = !strncmp(path, "/proc/sys/", 10);
	f->writable = !stat(path, &st) && st.st_mode & 0222;
	file = f;
	if (f->knob) {
		ssize_t len = whole(f, before);

		if (len < 0 || (size_t)len >= sizeof(f->first))
			errx(EXIT_USAGE, "can't read %s", path);
		memcpy(f->first, before, (size_t)len + 1);
	}
	file_count++;
}

static int no_dots(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* In the order of their names, so that a number means the same every time. */
static void add_path(const char *path)
{
	struct dirent **entries;
	char below_it[512];
	struct stat st;
	int i, n;

	if (stat(path, &st))
		err(EXIT_USAGE, "%s", path);
	if (!S_ISDIR(st.st_mode)) {
		add_file(path);
		return;
	}
	n = scandir(path, &entries, no_dots, alphasort);
	for (i = 0; i < n; i++) {
		snprintf(below_it, sizeof(below_it), "%s/%s", path, entries[i]->d_name);
		add_path(below_it);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

static void poke(void)
{
	state = (__u64)seed << 32 ^ number;
	alarm(HANGS_AFTER);
	if (number <= file_count) {
		file = &files[number - 1];
		poke_pieces();
		reads++;
		return;
	}
	if (number <= 2 * file_count) {
		file = &files[number - 1 - file_count];
		/* some of what is written is nothing */
		do {
			poke_write();
		} while (file->writable && !file->writes);
		return;
	}
	/* rather one that can be written to */
	do {
		file = &files[below(file_count)];
	} while (!file->writable && !one_in(4));
	switch (below(10)) {
	case 0:
	case 1:
		poke_pieces();
		break;
	case 2:
		poke_offsets();
		break;
	case 3:
		poke_memory();
		break;
	case 4:
		poke_oddities();
		break;
	case 5:
		poke_old_descriptor();
		break;
	default:
		poke_write();
		return;
	}
	reads++;
}

static void check_all_poked(void)
{
	for (file = files; file < files + file_count; file++) {
		if (!file->reads)
			complain("has not been read");
		if (file->writable && !file->writes)
			complain("has not been written to");
	}
}

static unsigned long parse_number(const char *word)
{
	char *rest;
	unsigned long value = strtoul(word, &rest, 10);

	if (!*word || *rest)
		errx(EXIT_USAGE, "not a number: %s", word);
	return value;
}

int main(int argc, char **argv)
{
	unsigned long first = 1, last;
	const char *only = NULL;
	int option;

	while ((option = getopt(argc, argv, "bn:")) != -1) {
		if (option == 'b')
			others_write = 1;
		else if (option == 'n')
			only = optarg;
		else
			return EXIT_USAGE;
	}
	if (argc - optind < 3)
		errx(EXIT_USAGE, "usage: pokes [-b] [-n NUMBER] SEED COUNT PATH...");
	seed = parse_number(argv[optind]);
	last = parse_number(argv[optind + 1]);
	for (option = optind + 2; option < argc; option++)
		add_path(argv[option]);
	if (!file_count)
		errx(EXIT_USAGE, "no files");
	if (only) {
		first = parse_number(only);
		last = first;
	}

	page = sysconf(_SC_PAGESIZE);
	edge = mmap(NULL, (size_t)page * 3, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	if (edge == MAP_FAILED || munmap(edge + 2 * page, (size_t)page))
		err(EXIT_USAGE, "mmap");
	edge += 2 * page;
	signal(SIGALRM, too_late);
	signal(SIGPIPE, SIG_IGN);
	puts("ready");
	fflush(stdout);

	for (number = first; number <= last; number++)
		poke();
	if (last + 1 - first >= 2 * file_count)
		check_all_poked();
	printf("count files %zu\n", file_count);
	printf("count pokes %lu\ncount reads %lu\ncount compared %lu\n", last + 1 - first, reads,
	       compared);
	printf("count writes %lu\ncount taken %lu\ncount refused %lu\n", writes, taken, refused);
	return complaints ? EXIT_TIMEOUT : 0;
}
