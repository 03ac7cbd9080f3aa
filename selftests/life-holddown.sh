#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A port whose mapping has ended is kept from everybody else for another two minutes (RFC 6888 REQ-8), so that nobody gets
# what was meant for another; the endpoint that had it may have it back at once. How long, and for how many ports at most,
# is for the owner to say.
#
# clock: skip
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
life_network
must_knob ports 5000

# out NS PORT: a datagram to A, who does not answer; $from is where it came from, empty if it did not come
out() {
	local before
	before=$(stat_of drop_no_port)
	udp_out "$1" "${ADDR[$1]}:$2" $A:3000
	wait_for 10 told "$before"
	re "^udp ([^ ]+)$sent"
	from=$(sed -nE "s/$regex/\1/p" "$TMP/outside")
}

# It has come or has been refused.
told() {
	logged outside "^udp [^ ]+$sent" || (($(stat_of drop_no_port) > $1))
}

# The time from the last packet on: 300 s mapping, up to 6 s until it is noticed, 120 s hold-down, up to 10 s until then.
refused_until_the_end() {
	local t

	zero
	out "$X1" 5000
	expect_is "X1 has the one port" $W:5000 "$from"
	for ((t = 50; t <= 410; t += 60)); do
		at $t
		out "$X2" 5000
		expect_is "X2 is refused after $t s" "" "$from"
	done
	at 418
	expect_state "X1's port is held down after 418 s" holddown udp $H1:5000
	expect_closed "no stranger arrives in hold-down" udp $W:5000
	out "$X2" 5000
	expect_is "X2 is refused after 418 s" "" "$from"
	at 440
	out "$X2" 5000
	expect_is "X2 gets the port after 440 s" $W:5000 "$from"
	expect_state "X1 has no mapping any more" none udp $H1:5000
	out "$X1" 5000
	expect_is "X1 is refused now" "" "$from"
	flush_state
}

own_port_back() {
	zero
	out "$X1" 5000
	at 350
	expect_state "X1's port is held down after 350 s" holddown udp $H1:5000
	out "$X2" 5000
	expect_is "hold-down: X2 is refused" "" "$from"
	out "$X1" 5000
	expect_is "hold-down: X1 gets its port back" $W:5000 "$from"
	expect_state "hold-down: it is active again" active udp $H1:5000
	expect_open "hold-down: and strangers arrive" udp $W:5000
	at 640
	expect_open "hold-down: for another 290 s" udp $W:5000
	flush_state
}

# The four minutes after the second FIN, then the hold-down (T12).
tcp_too() {
	what="closed connection"
	connect 5000 $A:3000
	zero
	says 5000 FA
	hears 5000 FA
	says 5000 A
	at 355
	seg "$X2" tcp $H2:6000 $A:3001 S 1
	expect "closed connection: X2 is refused after 355 s" wait_for 10 told_tcp_refused
	expect_unlogged "closed connection: its SYN has not left" outside "^tcp .* > $A:3001 "
	at 380
	seg "$X2" tcp $H2:6000 $A:3001 S 2
	expect_logged "closed connection: X2 gets the port after 380 s" outside "^tcp $W:5000 > $A:3001 S seq=2 "
	flush_state
}

told_tcp_refused() {
	(($(stat_of drop_no_port) > refused_before))
}

none_wanted() {
	must_knob port_holddown 0
	zero
	out "$X1" 5000
	at 297
	out "$X2" 5000
	expect_is "port_holddown=0: X2 is refused as long as there is a mapping" "" "$from"
	at 318
	out "$X2" 5000
	expect_is "port_holddown=0: X2 gets the port after 318 s" $W:5000 "$from"
	must_knob port_holddown 120
	flush_state
}

few_wanted() {
	local got=

	must_knob ports 5000-5001
	must_knob port_holddown_max 1
	zero
	out "$X1" 5000
	out "$X1" 5001
	expect_is "port_holddown_max=1: X1 has both ports" $W:5001 "$from"
	at 320
	out "$X2" 6000
	expect_match "port_holddown_max=1: X2 gets the one that is not held down" "^$W:500[01]\$" "$from"
	got=$from
	out "$X2" 6001
	expect_is "port_holddown_max=1: and not the other" "" "$from"
	at 440
	out "$X2" 6001
	expect_other_endpoint "port_holddown_max=1: which it gets two minutes later" "$got" "$from"
}

refused_until_the_end
own_port_back
refused_before=$(stat_of drop_no_port)
tcp_too
none_wanted
few_wanted
expect_no_leak "all the time"

finish
