#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A port that can't be preserved is replaced by one that nobody can guess (RFC 7857,
# section 9; RFC 6056): for 1,000 conflicting endpoints no sequence, no favourite part of
# the range, parity kept. The bounds are wide: an honest die misses them once in a
# thousand million times.
#
# shellcheck disable=SC2016 # awk's dollars

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/pktgen-lib.sh
. "$HERE/pktgen-lib.sh"

need_pktgen
need_module
home_network
room 65536
sink
fullcone_on
must_knob max_mappings 10000

pktgen_ports $LAN.2 10000 1000 >/dev/null
pktgen_ports $LAN.3 10000 1000 >/dev/null

# "inside external" of that host, in the order of inside ports
on "$R" sed -n "s/^proto=udp int=$LAN.3:\([0-9]*\) ext=$W:\([0-9]*\) .*/\1 \2/p" \
	/proc/net/fullcone_nat/mappings | sort -n >"$TMP/seen"

# figure NAME PROGRAM: of those lines, by awk
figure() {
	awk "$1" "$TMP/seen"
}

expect_is "every endpoint has a port" 1000 "$(figure 'END { print NR }')"
expect_is "each another" 1000 "$(figure '!seen[$2]++ { n++ } END { print n + 0 }')"
expect_is "none is preserved: the first host has those" 0 "$(figure '$1 == $2 { n++ } END { print n + 0 }')"
expect_is "parity is kept" 1000 "$(figure '$1 % 2 == $2 % 2 { n++ } END { print n + 0 }')"
near=$(figure 'NR > 1 && ($2 - last) ^ 2 <= 32 ^ 2 { n++ } { last = $2 } END { print n + 0 }')
expect "neighbours inside are none outside ($near of 999 within 32)" test "$near" -le 15
chi=$(figure '{ n[int(($2 - 1024) / 4032)]++ } END { for (i = 0; i < 16; i++) c += (n[i] - 62.5) ^ 2 / 62.5; print int(c) }')
expect "no part of the range is preferred (chi-square $chi with 15 degrees of freedom)" test "$chi" -le 75

finish
