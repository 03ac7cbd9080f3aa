#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A TCP connection that only one side has closed counts as established (RFC 5382 REQ-5): it goes on after long silence, be
# the next packet data or a bare FIN; and repeated FINs neither get lost nor free the port.
#
# clock: skip
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
life_network

# fin_again SAYS|HEARS PORT: the same FIN once more
fin_again() {
	if [[ $1 == says ]]; then
		xseq[$2]=$((xseq[$2] - 1))
	else
		pseq[$2]=$((pseq[$2] - 1))
	fi
	"$1" "$2" FA
}

# 5000	X1 closes, its peer sends data after the silence
# 5001	X1 closes, its peer sends a bare FIN after the silence
# 5002	the peer closes, X1 sends data after the silence
# 5003	the peer closes, X1 sends a bare FIN after the silence
half_closed() {
	local port

	what="half-closed"
	for port in 5000 5001 5002 5003; do
		connect $port $A:3000
	done
	zero
	for port in 5000 5001; do
		says $port FA
		hears $port A
	done
	for port in 5002 5003; do
		hears $port FA
		says $port A
	done

	at 7430
	what="half-closed by X1, data after 7430 s"
	expect_open "$what: a stranger arrives before" tcp $W:5000
	hears 5000 PA 100
	says 5000 A
	hears 5000 FA
	says 5000 A
	what="half-closed by X1, FIN after 7430 s"
	hears 5001 FA
	says 5001 A
	what="half-closed by the peer, data after 7430 s"
	says 5002 PA 100
	hears 5002 A
	says 5002 FA
	hears 5002 A
	what="half-closed by the peer, FIN after 7430 s"
	says 5003 FA
	hears 5003 A
}

# Everything has passed the router and the last ACK is lost beyond: the peer, which does not know, repeats its FIN. By itself
# conntrack forgets the connection after 120 s (TIME_WAIT), or 30 s (LAST_ACK).
# 5010	the FIN is repeated after 100 and 200 s
# 5011	after 200 s only
# 5012	after 200 s, and the first ACK was not seen either
last_ack_lost() {
	local t port

	what="last ACK lost"
	for port in 5010 5011 5012; do
		connect $port $A:3000
	done
	zero
	for port in 5010 5011; do
		says $port FA
		hears $port A
		hears $port FA
		says $port A
	done
	says 5012 FA
	hears 5012 FA
	for t in 100 200; do
		at $t
		what="last ACK lost, FIN repeated after $t s"
		fin_again hears 5010
		says 5010 A
	done
	what="last ACK lost, FIN first repeated after 200 s"
	fin_again hears 5011
	says 5011 A
	what="both FINs unacknowledged, one repeated after 200 s"
	fin_again hears 5012
	says 5012 A
}

# With conntrack a repeated FIN counts as that of the other side: it believes the connection closed.
fin_repeated() {
	local t

	what="FIN repeated before its ACK"
	connect 5020 $A:3000
	zero
	says 5020 FA
	fin_again says 5020
	hears 5020 A
	for ((t = 20; t <= 620; t += 150)); do
		at $t
		what="FIN repeated before its ACK, data after $t s"
		hears 5020 PA 100
		says 5020 A
		expect_open "$what: strangers arrive" tcp $W:5020
	done
	hears 5020 FA
	says 5020 A
}

# Documented loss: conntrack has forgotten, and a FIN is no beginning. It must end there, without harm.
forgotten() {
	must_knob tcp_prolong 0
	what="tcp_prolong=0"
	connect 5030 $A:3000
	zero
	says 5030 FA
	hears 5030 A
	at 1000
	expect_not "$what: conntrack has forgotten the half-closed connection" entry tcp 5030
	seg "$SRV" tcp $A:3000 $W:5030 FA "${pseq[5030]}" "${xseq[5030]}"
	wait_for 30 logged wan "^tcp $A:3000 > $W:5030 FA seq=${pseq[5030]} " ||
		bail_out "the peer does not reach the router"
	# When this has come, a reset would have, too.
	hears 5030 PA 100
	says 5030 A
}

half_closed
last_ack_lost
fin_repeated
forgotten
expect_no_leak "all the time"
expect_unlogged "the router reset nothing" wan "^tcp $W:.* R"

finish
