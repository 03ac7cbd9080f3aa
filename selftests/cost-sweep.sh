#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The sweep over conntrack's entries takes little of a processor: it comes every five
# seconds while it is short, and less often when it is long, so that it takes 0.3 %;
# when that would be more than nine seconds, 0.5 %. By a clock that counts
# instructions, as on a processor that does 1,000 of them in a microsecond.
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
# none ends, however much time the clock skips while a program is read from the disk
set_sysctl "$R" net.netfilter.nf_conntrack_udp_timeout=1000000

swept() {
	(($(stat_of sweep_entries) >= $1))
}

# fill PORT NUMBER TOTAL: X1:PORT has so many more sessions, and a sweep has seen TOTAL
# at least, as a few may be dropped
fill() {
	pktgen_send "$1" "$A" 1024 "$2" >/dev/null
	wait_for 60 swept "$3" || fail "a sweep sees $3 sessions" "seen: $(stat_of sweep_entries)"
	# of one sweep: a process for each may have another come between
	read -r entries us interval < <(on "$R" cat /proc/net/fullcone_nat/stats | awk '
		/^sweep_(entries|us|interval_ms) / { v[$1] = $2 }
		END { print v["sweep_entries"], v["sweep_us"], v["sweep_interval_ms"] }')
	note "$entries entries: a sweep takes $us us, $((us * 1000 / entries)) instructions an entry, and comes every $interval ms"
}

# at_most TENTHS: of a percent of a processor
at_most() {
	expect "that is at most 0.$1 % of a processor" test $((us * 100 / interval)) -le $(($1 * 100))
}

fill 5000 10000 10000
expect_is "10,000 sessions: every five seconds" 5000 "$interval"
at_most 3

fill 6000 30000 40000
expect "40,000 sessions: no entry is missed" test "$interval" -le 9000
at_most 3

fill 7000 50000 85000
fill 8000 50000 130000
fill 9000 50000 180000
expect "180,000 sessions: the interval stretches" test "$interval" -gt 9000
at_most 5

finish
