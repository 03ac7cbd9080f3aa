#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Hosts that choose their addresses and ports so that they are alike do not make packets dearer: a mapping among 20,000 of the same
# port, or of addresses and ports in step, is found for what it costs to find the only one.
#
# clock: skip
# only: hostile

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/pktgen-lib.sh
. "$HERE/pktgen-lib.sh"
# shellcheck source=selftests/abuse-lib.sh
. "$HERE/abuse-lib.sh"

hosts=20000
abused_network 200000
swallow out "udp dport 3000-5000"

# map FIRST COUNT PORT STEP [SETTING]: so many hosts of 10.0.0.0/8 open an endpoint at that port, or at one that is as much higher
map() {
	pktgen_run br0 "$2" "dst $A" "src_min $(address "$1")" "src_max $(address $(($1 + $2)))" \
		"udp_src_min $3" "udp_src_max $(($3 + $2 * $4))" "udp_dst_min 3000" "udp_dst_max 3000" \
		"${@:5}" >"$TMP/cost"
	cost=$(<"$TMP/cost")
}

address() {
	echo "10.$(($1 >> 16)).$(($1 >> 8 & 255)).$(($1 & 255))"
}

# peers_of HOST PORT FIRST COUNT
peers_of() {
	pktgen_run br0 "$4" "dst $A" "src_min $1" "src_max $1" "udp_src_min $2" "udp_src_max $2" \
		"udp_dst_min $3" "udp_dst_max $(($3 + $4))"
}

peers_at() {
	peers_of "$host" "$port" "$@"
}

new_peer() {
	host=$1 port=$2
	bursts "$3" peers_at
}

# alike WHAT STEP
alike() {
	local what=$1 alone among last

	before
	map 1 1 5000 0
	alone=$(new_peer "$(address 1)" 5000 3000)
	stand_by
	map 2 $((hosts - 1)) $((5000 + $2)) "$2" "$(spread $hosts)"
	loaded $hosts "$cost"
	noticed "$what"
	expect_lost_nothing "$what"
	expect "$what: all are there" test "$(stat_of mappings)" -ge $hosts
	last=$((5000 + (hosts - 1) * $2))
	among=$(new_peer "$(address $hosts)" $last 3000)
	note "$what: a new peer cost $alone instructions with one mapping, $among with $hosts"
	expect "$what: a new peer costs what it did, within 5 %" within 5 "$alone" "$among"
	recovered "$what" 600
}

alike "the same port everywhere" 0
alike "addresses and ports in step" 1

finish
