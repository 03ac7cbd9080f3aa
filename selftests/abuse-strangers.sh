#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Any number of strangers may come to one endpoint, with whatever source: the last costs what the first did, no mapping is made for
# them, and other hosts lose nothing as long as conntrack has room. mapping_max_sessions keeps that room free. Half a minute after
# the last one nothing is left of them.
#
# FULLCONE_STRANGERS says how many: 20,000 by default, a million in "scripts/check --hostile".
#
# clock: skip
# only: hostile

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/pktgen-lib.sh
. "$HERE/pktgen-lib.sh"
# shellcheck source=selftests/abuse-lib.sh
. "$HERE/abuse-lib.sh"

strangers=${FULLCONE_STRANGERS:-20000}
last=0

abused_network $((strangers + 20000))
swallow in "ip daddr $H1 udp dport 5000"
swallow out "ip saddr $W udp sport 5000"

# come COUNT [SETTING]: new ones, each with an address of his own, to X1's endpoint; sets $cost to what one cost
come() {
	pktgen_run wan "$1" "dst $W" "src_min $(address $((last + 1)))" "src_max $(address $((last + $1 + 1)))" \
		"udp_src_min 7000" "udp_src_max 7000" "udp_dst_min 5000" "udp_dst_max 5000" \
		"${@:2}" >"$TMP/cost"
	((last += $1))
	cost=$(<"$TMP/cost")
}

# address N: the so-manieth of 20.0.0.0/8
address() {
	echo "20.$(($1 >> 16)).$(($1 >> 8 & 255)).$(($1 & 255))"
}

has_endpoint() {
	[[ $(ext_of udp "$H1:5000") == "$W:5000" ]]
}

# X1's endpoint; nobody answers
open() {
	seg "$X1" udp $H1:5000 $A:3000 hello
	expect "X1 has an endpoint" wait_for 10 has_endpoint
}

before
open
come $burst
come $burst
first=$cost
stand_by
come $((strangers - 2 * burst)) "$(spread "$strangers")"
loaded $((strangers - 2 * burst)) "$cost"
noticed "$strangers strangers"
expect_lost_nothing "$strangers strangers"
come $burst
note "one of the first strangers cost $first instructions, one of the last $cost"
expect "$strangers strangers: the last costs what the first did, within 10 %" within 10 "$first" "$cost"
expect_is "each has come in" $((strangers + burst)) "$(sunk in)"
# unanswered they last 30 s: of a million the first may be gone
least=$strangers
((length <= 2500)) || least=$((strangers * 2500 / length))
expect "each has a session: of $held entries of conntrack $least" test "$held" -ge $((entries_before + least))
expect "X1 has its endpoint" has_endpoint
recovered "$strangers strangers" 120

must_knob mapping_max_sessions 1000
echo 4096 >/proc/sys/net/netfilter/nf_conntrack_max
before
open
stand_by
refused=$(stat_of drop_mapping_max_sessions)
come "$strangers" "$(spread "$strangers")"
loaded "$strangers" "$cost"
noticed "mapping_max_sessions=1000"
expect_lost_nothing "mapping_max_sessions=1000"
come $burst
note "mapping_max_sessions=1000, in a table of 4,096: a stranger cost $cost instructions"
expect "mapping_max_sessions=1000: the others were refused" \
	test $(($(stat_of drop_mapping_max_sessions) - refused)) -ge $((strangers - 2100))
recovered "mapping_max_sessions=1000" 120

finish
