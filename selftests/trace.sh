#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The tracepoints as those use them who look into kernels: perf and bpftrace.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_module
home_network
fullcone_on
reflectors

need_tracepoints

with_perf() {
	on "$X1" perf record -q -a -e 'fullcone_nat:*' -o "$TMP/perf" \
		"$HERE/probe" udp $LAN.2:5000 $A:3000 >"$TMP/perf-probe"
	expect_is "perf record: X1's flow is mapped" $W:5000 "$(cat "$TMP/perf-probe")"
	perf script -i "$TMP/perf" -F event,trace >"$TMP/perf-events" 2>"$TMP/perf-errors"
	expect_match "perf script: the event is there, with its endpoints" \
		"fullcone_nat:mapping_create: .*proto=udp int=$LAN.2:5000 ext=$W:5000" "$(cat "$TMP/perf-events")"
}

with_bpftrace() {
	launch bpftrace "$R" bpftrace -B none -e '
		tracepoint:fullcone_nat:mapping_create {
			printf("port %d of %d\n", args->ext_port, args->int_port);
		}'
	# it compiles first
	expect "bpftrace: it attaches" wait_for 300 grep -q Attaching "$TMP/bpftrace"
	# attached a moment after it says so
	mapped_once() {
		((++port))
		probe "$X1" udp "$port" "$A:3000" >/dev/null
		grep -q "^port $port of $port$" "$TMP/bpftrace"
	}
	port=5100
	expect "bpftrace: a mapping is seen with its ports" wait_for 30 mapped_once
	stop bpftrace
}

if command -v perf >/dev/null; then
	with_perf
else
	skip "perf" "is not installed"
fi
if [[ ! -d /sys/fs/bpf ]]; then
	skip "bpftrace" "needs bpf()"
elif command -v bpftrace >/dev/null; then
	with_bpftrace
else
	skip "bpftrace" "is not installed"
fi

finish
