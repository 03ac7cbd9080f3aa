// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin of qemu: how many lines of 64 bytes of its data the kernel touches between
 * two marks, which are instructions of selftests/tunpkt. Writes a line for each, and an
 * empty one where a figure begins, into the file "out=".
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/types.h>

#include "lines.h"

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

#define KERNEL	0xffff800000000000ULL
#define BITS	14

static FILE *out;
static bool counting;
static unsigned int touched, generation;
static struct {
	__u64	line;
	unsigned int	generation;
} seen[1 << BITS];

static void figure(unsigned int cpu, void *data)
{
	fputc('\n', out);
	fflush(out);
}

static void begin(unsigned int cpu, void *data)
{
	generation++;
	touched = 0;
	counting = true;
}

static void end(unsigned int cpu, void *data)
{
	counting = false;
	fprintf(out, "%u\n", touched);
	fflush(out);
}

static void memory(unsigned int cpu, __u32 info, __u64 addr, void *data)
{
	__u64 line = addr / 64;
	unsigned int i;

	if (!counting || addr < KERNEL)
		return;
	i = line * 0x9e3779b97f4a7c15 >> (64 - BITS);
	while (seen[i].generation == generation) {
		if (seen[i].line == line)
			return;
		i = (i + 1) % (1 << BITS);
	}
	seen[i].line = line;
	seen[i].generation = generation;
	touched++;
}

static void translate(__u64 id, struct qemu_plugin_tb *tb)
{
	static void (*const act[])(unsigned int cpu, void *data) = { figure, begin, end };
	static const __u8 mark[] = { 0x0f, 0x1f, 0x80 };
	struct qemu_plugin_insn *insn;
	const __u8 *code;
	__u32 n;
	size_t i;

	for (i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		insn = qemu_plugin_tb_get_insn(tb, i);
		code = qemu_plugin_insn_data(insn);
		if (qemu_plugin_insn_size(insn) == 7 && !memcmp(code, mark, sizeof(mark))) {
			memcpy(&n, code + 3, sizeof(n));
			n -= 0x46434e30;
			if (n < 3)
				qemu_plugin_register_vcpu_insn_exec_cb(insn, act[n], NO_REGS, NULL);
		}
		qemu_plugin_register_vcpu_mem_cb(insn, memory, NO_REGS, READ_AND_WRITE, NULL);
	}
}

__attribute__((visibility("default")))
int qemu_plugin_install(__u64 id, const struct qemu_info *info, int argc, char **argv)
{
	if (argc != 1 || strncmp(argv[0], "out=", 4))
		return -1;
	out = fopen(argv[0] + 4, "w");
	if (!out)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	return 0;
}
