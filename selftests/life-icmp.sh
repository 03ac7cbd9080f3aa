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
	request=128/0 other="[fd00::5]" codes=(1/1 1/3 1/4)
else
	request=8/0 other=$LAN.5 codes=(3/1 3/2 3/3)
fi

# error CODE: a router on the way has something to say of X1's query
error() {
	on "$SRV" "$HERE/seg" error "$B" "$W" "$1" icmp "$W:77" "$A:0" || bail_out "can't send an error"
	expect_logged "X1's query: an error $1 arrives" inside "^icmp $B > $H1 $1 \\(icmp $H1:77 > $A:0\\)\$"
}

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
# errors neither end the query (RFC 5508, REQ-6) nor, as the rest shows, keep it
at 10
error "${codes[0]}"
at 12
seg "$SRV" answer "$A:77" "$W"
expect_logged "X1's query: after that the answer arrives" inside "^icmp $A > $H1 [0-9/]+ id=77 "
at 20
query "$X2" 77
expect_is "X2 shows the same after 20 s" "$second" "$id"
error "${codes[1]}"
at 28
error "${codes[2]}"

at 57
expect_state "X1: the mapping is active after 57 s" active icmp $H1:77
at 76
expect_state "X2, who asked again, still has its mapping after 76 s" active icmp $H2:77
at 84
expect_state "X1: 72 s after the answer the id is held down" holddown icmp $H1:77
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
at 207
expect_state "X1: after 207 s nothing is left" none icmp $H1:77
query "$X3" 77
expect_is "X3 gets it" 77 "$id"

finish
