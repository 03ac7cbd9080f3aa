#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Conntrack's table can be emptied, wholly or in part, at any time, while packets make flows and mappings and while sweeps read
# it. Mappings outlive that.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/race-lib.sh
. "$(dirname "$0")/race-lib.sh"

race_network
must_knob udp_timeout 86400

race() {
	local round=0

	while ((round < rounds)); do
		# it fails if there is nothing to delete
		case $((round % 4)) in
		0 | 2) conntrack -F ;;
		1) conntrack -D -p udp -s "$LAN.2" ;;
		3) conntrack -D -d "$W" ;;
		esac >"$TMP/conntrack" 2>&1 || ((round % 2)) || complain "$(<"$TMP/conntrack")"
		more flows_out 8 flows_in 1 || break
		((++round))
	done
	count rounds "$round"
}

# An interface that comes into the list is a reason for a sweep that takes up what is there.
sweeper() {
	local n=0 port=2000

	until [[ $stopped ]]; do
		echo "wan gone0" >"$knobs/wan"
		echo wan >"$knobs/wan"
		echo "del udp $LAN.2:$port" >"$state/mappings"
		((port = port < 2063 ? port + 1 : 2000))
		((++n))
		pause 0.05
	done 2>>"$TMP/refused"
	count sweeps "$n"
}

# X2 was first, so that X1's endpoint does not come again by itself.
first=$(probe "$X2" udp 6000 $A:3000)
e=$(probe "$X1" udp 6000 $A:3000)
expect_other_endpoint "before, X1 has another endpoint than X2" "$first" "$e"
packets
beside sweeper sweeper
run_race race
expect_beside sweeper sweeps
expect_is "the sweeper was not refused but for want of the mapping" "" \
	"$(grep -v 'write error: No such file or directory$' "$TMP/refused" | head -n 20)"
expect_is "X1 has its endpoint after it all" "$e" "$(probe "$X1" udp 6000 $B:3000)"
settled

finish
