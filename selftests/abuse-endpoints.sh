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

number=20000

abused_network 200000
swallow out "udp dport 3000"

# open FIRST COUNT [PORTS [SETTING]]: X1 sends so many packets, from so many ports if that is less
open() {
	pktgen_run br0 "$2" "dst $A" "src_min $H1" "src_max $H1" "udp_src_min $1" "udp_src_max $(($1 + ${3:-$2}))" \
		"udp_dst_min 3000" "udp_dst_max 3000" "${@:4}" >"$TMP/cost"
	cost=$(<"$TMP/cost")
}

mappings_of_x1() {
	on "$R" grep -cF "proto=udp int=$H1:" /proc/net/fullcone_nat/mappings
}

before
open 1024 $burst
open $((1024 + burst)) $burst
first=$cost
most=$((number - 2 * burst))
stand_by
open $((1024 + 2 * burst)) $most $most "$(spread $most)"
loaded $most "$cost"
noticed "$number endpoints"
expect_lost_nothing "$number endpoints"
open $((1024 + number)) $burst
note "$number endpoints: one of the first cost $first instructions, one of the last $cost"
expect "the last costs at most 1.6 times what the first did" test $((cost * 10)) -le $((first * 16))
expect_is "$number endpoints: all are there" $((number + burst)) "$(mappings_of_x1)"
recovered "$number endpoints" 600

# limited KNOB VALUE COUNTER: X1, which tries 5,000 ports again and again with no rest, has no more than it may, and the others do not
# notice
limited() {
	local refused passed tries=0 most=$2 has

	must_knob "$1" "$2"
	before
	refused=$(stat_of "$3") passed=$(sunk out)
	stand_by
	until ((load_ms >= 5000)); do
		open 1024 50000 5000
		loaded 50000 "$cost"
		((tries += 50000))
	done
	noticed "$1=$2"
	expect_lost_nothing "$1=$2"
	has=$(mappings_of_x1)
	# a second's at once, and so many in each
	[[ $1 == host_max_mappings ]] || most=$(($2 * (2 + length / 100)))
	refused=$(($(stat_of "$3") - refused)) passed=$(($(sunk out) - passed))
	note "$1=$2: a packet cost $cost instructions; of $tries $refused were refused, and $has endpoints opened"
	expect "$1=$2: X1 has $has endpoints" test "$has" -ge 100 -a "$has" -le "$most"
	expect_is "$1=$2: each packet has left or is counted as refused" $tries $((passed + refused))
	recovered "$1=$2" 600
	must_knob "$1" 0
}

limited host_max_mappings 1000 drop_host_max_mappings
limited host_max_rate 100 drop_host_max_rate

finish
