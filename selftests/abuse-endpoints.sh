#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A host may open endpoints as fast as it can: with 20,000 of them in the table the next costs what one costs whose port is taken,
# and other hosts lose nothing. With host_max_mappings or host_max_rate it has no more than that, which costs the others nothing, either.
#
# clock: skip
# only: hostile

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/pktgen-lib.sh
. "$HERE/pktgen-lib.sh"
# shellcheck source=selftests/abuse-lib.sh
. "$HERE/abuse-lib.sh"

number=20000 tries=5000

abused_network 200000
swallow out "udp dport 3000"

open() {
	pktgen_ports "$H1" "$1" "$2" >"$TMP/cost"
	cost=$(<"$TMP/cost")
}

mappings_of_x1() {
	on "$R" grep -cF "proto=udp int=$H1:" /proc/net/fullcone_nat/mappings
}

forget() {
	flush_state
	expect "a flush leaves nothing" wait_for 60 mappings_are 0
}

stand_by
before
open 1024 $burst
open $((1024 + burst)) $burst
first=$cost
open $((1024 + 2 * burst)) $((number - 3 * burst))
open $((1024 + number - burst)) $burst
note "$number endpoints: one of the first cost $first instructions, one of the last $cost"
expect "the last costs at most 1.6 times what the first did" test $((cost * 10)) -le $((first * 16))
note_memory "$number endpoints"
expect_is "$number endpoints: all are there" "$number" "$(mappings_of_x1)"
noticed "$number endpoints"
expect_lost_nothing "$number endpoints"
recovered "$number endpoints: they end" 600 mappings_at_most 100

# limited KNOB VALUE COUNTER MOST: X1 has at most so many, and the others do not notice
limited() {
	forget
	must_knob "$1" "$2"
	refused=$(stat_of "$3")
	stand_by
	before
	open 1024 $tries
	note "$1=$2: of $tries endpoints one cost $cost instructions"
	note_memory "$1=$2"
	expect "$1=$2: X1 has $(mappings_of_x1)" test "$(mappings_of_x1)" -ge 100 -a "$(mappings_of_x1)" -le "$4"
	expect "$1=$2: the others are counted" test $(($(stat_of "$3") - refused)) -ge $((tries - $4))
	noticed "$1=$2"
	expect_lost_nothing "$1=$2"
	must_knob "$1" 0
}

limited host_max_mappings 1000 drop_host_max_mappings 1000
limited host_max_rate 100 drop_host_max_rate 400

finish
