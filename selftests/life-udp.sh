#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A UDP mapping lives 300 s from the last outbound packet (RFC 4787 REQ-5c, REQ-6) and no longer; while one of its sessions
# outlives it, it is draining: strangers are refused, the session goes on, and its inside host can make it active again.
#
# clock: skip
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
life_network

one_packet() {
	zero
	udp_out "$X1" $H1:5000 $A:3000
	expect_leaves "one packet: X1 has an endpoint" $W:5000
	at 60
	expect_state "one packet: the mapping is active though conntrack has forgotten" active udp $H1:5000
	at 297
	expect_open "one packet: a stranger arrives after 297 s" udp $W:5000
	at 312
	expect_state "one packet: after 312 s the port is held down" holddown udp $H1:5000
	expect_closed "one packet: no stranger arrives after 312 s" udp $W:5000
	expect_closed "one packet: not even the one who came before" udp $W:5000 $Z:$((20000 + strangers - 1))
	at 450
	expect_state "one packet: nothing is left of it in the end" none udp $H1:5000
}

stream() {
	local t

	zero
	for ((t = 0; t <= 160; t += 20)); do
		at $t
		udp_out "$X1" $H1:5001 $A:3000
	done
	at 170
	udp_out "$X1" $H1:5001 $A:3000
	expect_leaves "a stream until 170 s: X1 has an endpoint" $W:5001
	at 460
	expect_open "a stream until 170 s: a stranger arrives after 460 s" udp $W:5001
	at 467
	expect_open "a stream until 170 s: a stranger arrives after 467 s" udp $W:5001
	at 485
	expect_closed "a stream until 170 s: no stranger arrives after 485 s" udp $W:5001
}

# With udp_refresh_inbound=0 a peer that goes on sending keeps conntrack's entry and does not keep the mapping.
draining() {
	local t before

	must_knob udp_refresh_inbound 0
	set_sysctl "$R" net.netfilter.nf_conntrack_acct=0
	zero
	udp_out "$X1" $H1:5002 $A:3000
	expect_leaves "draining: X1 has an endpoint" $W:5002
	for ((t = 0; t <= 300; t += 20)); do
		at $t
		udp_in "$SRV" $A:3000 $W:5002
	done
	at 315
	expect_state "draining: after 315 s it is" draining udp $H1:5002
	before=$(stat_of drop_in_draining)
	expect_closed "draining: no stranger arrives" udp $W:5002
	[[ -n $FULLCONE_STANDIN ]] ||
		expect_is "draining: the stranger is counted" $((before + 1)) "$(stat_of drop_in_draining)"
	udp_in "$SRV" $A:3000 $W:5002
	expect_logged "draining: the session's peer still arrives" inside "$sent"

	udp_out "$X1" $H1:5002 $B:3000
	expect_leaves "draining: X1 speaks to somebody new from the same endpoint" $W:5002
	expect_state "draining: then it is active" active udp $H1:5002
	expect_open "draining: and strangers arrive again" udp $W:5002
	at 600
	expect_open "draining: for another 285 s" udp $W:5002
}

one_packet
stream
draining
expect_no_leak "all the time"

finish
