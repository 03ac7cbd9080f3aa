#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Conntrack's table may get another size at any time, while packets make flows and mappings, and while sweeps read it. No mapping
# that is in use is lost by that.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/race-lib.sh
. "$(dirname "$0")/race-lib.sh"

race_network
must_knob udp_timeout 86400

race() {
	local round=0

	while ((round < rounds)); do
		more flows_out 8 flows_in 1 || break
		((++round))
	done
	count rounds "$round"
}

# It is the machine's own root who may do this.
resizer() {
	local n=0 sizes=(512 4096 1024 256 2048)

	trap 'stopped=yes' TERM
	stopped=
	until [[ $stopped ]]; do
		echo "${sizes[n % ${#sizes[@]}]}" >"$hashsize" || complain "refused"
		((++n))
		pause 0.05
	done
	count sizes "$n"
}

# An interface that comes into the list is a reason for a sweep that takes up what is there.
sweeper() {
	local n=0

	until [[ $stopped ]]; do
		echo "wan gone0" >"$knobs/wan"
		echo wan >"$knobs/wan"
		((++n))
		pause 0.05
	done
	count sweeps "$n"
}

first=$(probe "$X2" udp 6000 $A:3000)
e=$(probe "$X1" udp 6000 $A:3000)
expect_other_endpoint "before, X1 has another endpoint than X2" "$first" "$e"
packets
resizer >"$TMP/resizer" 2>&1 &
pids[resizer]=$!
beside sweeper sweeper
run_race race
expect_beside sweeper sweeps
expect_beside resizer sizes
expect_is "X1 has its endpoint after it all" "$e" "$(probe "$X1" udp 6000 $B:3000)"
settled

finish
