#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The mapping of an ICMP query id lives 60 s from the last query (RFC 5508 REQ-2), also where conntrack forgets earlier; its
# id is then held back for another two minutes.
#
# clock: skip
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
life_network

if [[ $FULLCONE_FAMILY == 6 ]]; then
	request=128/0 other="[fd00::5]"
else
	request=8/0 other=$LAN.5
fi

# query NS ID: sends one to A, who does not answer; $id is the id it has outside, empty if it did not leave
query() {
	local seen
	seen=$(times_logged outside "^icmp $W > $A $request ")
	PROBE_TIMEOUT=0.1 probe "$1" icmp "$2" $A >/dev/null
	wait_for 10 logged_times outside "^icmp $W > $A $request " $((seen + 1))
	re "^icmp $W > $A $request id=([0-9]+) .*"
	id=$(sed -nE "s,$regex,\1,p" "$TMP/outside" | sed -n "$((seen + 1))p")
}

# expect_other DESCRIPTION NOT-EXPECTED SEEN: an id, and not that one
expect_other() {
	expect_other_endpoint "$1" "$W:$2" "$W:$3"
}

zero
query "$X1" 77
expect_is "X1's id is kept" 77 "$id"
query "$X2" 77
second=$id
expect_other "X2's same id becomes another" 77 "$second"
at 20
query "$X2" 77
expect_is "X2 shows the same after 20 s" "$second" "$id"

at 57
expect_state "X1: the mapping is active after 57 s" active icmp $H1:77
at 72
expect_state "X1: the id is held down after 72 s" holddown icmp $H1:77
expect_state "X2, who asked again, still has its mapping after 72 s" active icmp $H2:77
at 92
expect_state "X2: its id is held down 72 s after its last query" holddown icmp $H2:77
query "$X2" 77
expect_is "X2 itself gets its id back from hold-down" "$second" "$id"
expect_state "X2: then it is active" active icmp $H2:77
at 170
add_address "$X3" eth0 "$other"
query "$X3" "$other:77"
expect_other "nobody else gets X1's id after 170 s" 77 "$id"
expect_state "X1: the id is held down until the end" holddown icmp $H1:77
at 195
expect_state "X1: after 195 s nothing is left" none icmp $H1:77
query "$X3" 77
expect_is "X3 gets it" 77 "$id"

finish
