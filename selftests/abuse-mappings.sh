#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# When hosts have filled the table of mappings, nobody who is in it loses anything: neither a packet nor his endpoint, to old peers,
# new ones, or strangers. Only new endpoints are refused, and have their room when the others have been idle for too long. A port
# range that is used up is the same.
#
# clock: skip
# only: hostile

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/pktgen-lib.sh
. "$HERE/pktgen-lib.sh"
# shellcheck source=selftests/abuse-lib.sh
. "$HERE/abuse-lib.sh"

abused_network 200000
reflectors
swallow out "udp dport 3000"

may_again() {
	[[ $(PROBE_TIMEOUT=1 probe "$X2" udp 6000 "$A:3001") == "$W:"* ]]
}

# filled WHAT COUNTER: X1 tries 6,000 endpoints, and goes on trying until the bystander has asked for new ones in vain
filled() {
	local what=$1 counter=$2 n

	before
	stand_by
	for ((n = 0; n < 20; n++)); do
		pktgen_ports "$H1" $((10000 + n * 300)) 300 >/dev/null
		pause 0.5
		# the table stays as full
		loaded 1 500000000
	done
	expect "$what: new ones are refused" test "$(stat_of "$counter")" -gt 0
	expect_is "$what: the status file says so" "$counter" "$(field refusing "$(on "$R" cat /proc/net/fullcone_nat/status)")"
	noticed "$what"
	expect_lost_nothing "$what" old peer guest
	recovered "$what" 900 may_again
}

must_knob max_mappings 2000
filled "max_mappings=2000" drop_max_mappings
must_knob max_mappings 60000
must_knob ports 20000-21999
filled "2,000 ports" drop_no_port

# searched WHAT: sets $flow to what a new flow costs whose port is within the range; few, so that there is room for them
searched() {
	local burst=6

	flow=$(bursts 20600 new_flows)
	note "2,000 ports, $1: a new mapping costs $flow instructions"
}

nearly_full() {
	flush_state
	wait_for 60 mappings_at_most 0 || bail_out "a flush leaves mappings"
	pktgen_ports "$H1" 20000 1980 >/dev/null
}

# twice, as slabs grow the first time
nearly_full
flush_state
wait_for 60 mappings_at_most 0 || bail_out "a flush leaves mappings"
searched "none taken"
empty=$flow
nearly_full
searched "99 % taken"
expect_is "2,000 ports, 99 % taken: each new mapping has got a port" 1998 "$(stat_of mappings)"
expect "which costs at most twice what it does in an empty range" test "$flow" -le $((empty * 2))

finish
