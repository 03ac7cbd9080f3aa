#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The sweep over conntrack's entries stays below 1 % of a processor: it comes
# every five seconds while it is short, and on a huge table its interval is a
# hundred times its length, up to 30 s. By a clock that counts instructions, as
# on a processor that does 1,000 of them in a microsecond.
#
# clock: skip

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/pktgen-lib.sh
. "$HERE/pktgen-lib.sh"

need_pktgen
need_module
home_network
room 262144
sink
fullcone_on

swept() {
	(($(stat_of sweep_entries) >= $1))
}

# fill NUMBER: so many sessions at least, 50,000 a mapping and server
fill() {
	local n=0 port

	for port in 5000 6000 7000; do
		((n < $1)) || break
		pktgen_send "$port" "$A" 1024 50000 >/dev/null
		((n += 50000))
	done
	wait_for 60 swept "$1" || fail "a sweep sees $1 sessions" "seen: $(stat_of sweep_entries)"
}

report() {
	us=$(stat_of sweep_us)
	entries=$(stat_of sweep_entries)
	interval=$(stat_of sweep_interval_ms)
	note "$entries entries: a sweep takes $us us, $((us * 1000 / entries)) instructions an entry, and comes every $interval ms"
}

fill 40000
report
expect_is "50,000 sessions: every five seconds" 5000 "$interval"
expect "that is less than 1 %" test $((us / 10)) -le "$interval"

fill 140000
report
expect "150,000 sessions: the interval stretches" test "$interval" -gt 5000
# whole milliseconds, then a hundred times that
expect_is "to a hundred times the sweep's length" $((us / 1000))00 "$interval"

finish
