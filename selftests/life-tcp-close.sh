#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A TCP connection that has been closed, by whoever first, keeps its mapping for four minutes from the second FIN (RFC 5382
# REQ-5), not longer; and while the closed connection is remembered, a new one between the same endpoints, opened by
# either side, is let through to the same endpoint at once.
#
# clock: skip
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
life_network

# Each of these closes X1:PORT's connection; the order is that of the packets in the middle.
x1_closes() {
	says "$1" FA
	hears "$1" A
	hears "$1" FA
	says "$1" A
}

peer_closes() {
	hears "$1" FA
	says "$1" A
	says "$1" FA
	hears "$1" A
}

x1_closes_merged() {
	says "$1" FA
	hears "$1" FA
	says "$1" A
}

# Neither has seen the other's FIN when it sends its own.
both_close() {
	local ack=${xseq[$1]}

	says "$1" FA
	xseq[$1]=$ack
	hears "$1" FA
	xseq[$1]=$((ack + 1))
	says "$1" A
	hears "$1" A
}

ways=(x1_closes peer_closes x1_closes_merged both_close)

lifetime() {
	local i

	for i in "${!ways[@]}"; do
		what=${ways[i]}
		connect $((5000 + i)) $A:3000
	done
	zero
	for i in "${!ways[@]}"; do
		what=${ways[i]}
		"$what" $((5000 + i))
		expect_state "$what: the mapping stays" active tcp $H1:$((5000 + i))
	done
	at 120
	for i in "${!ways[@]}"; do
		knock tcp $W:$((5000 + i))
	done
	at 235
	for i in "${!ways[@]}"; do
		expect_open "${ways[i]}: a stranger arrives after 235 s" tcp $W:$((5000 + i))
	done
	at 258
	for i in "${!ways[@]}"; do
		expect_closed "${ways[i]}: no stranger arrives after 258 s" tcp $W:$((5000 + i))
	done
	at 400
	for i in "${!ways[@]}"; do
		expect_state "${ways[i]}: nothing is left after 400 s" none tcp $H1:$((5000 + i))
	done
}

# The closed connection is opened once more, with higher sequence numbers
reopened_by_x1() {
	xseq[$1]=$((xseq[$1] + 200000))
	pseq[$1]=$((pseq[$1] + 300000))
	says "$1" S
	hears "$1" SA
	says "$1" A
	exchange "$1"
}

reopened_by_peer() {
	xseq[$1]=$((xseq[$1] + 200000))
	pseq[$1]=$((pseq[$1] + 300000))
	hears "$1" S
	says "$1" SA
	hears "$1" A
	exchange "$1"
}

# T9, T10 and T11: the entry is killed for the new SYN's sake, and the mapping must not end with it.
reopening() {
	local i port

	for i in "${!ways[@]}"; do
		for port in $((5100 + i)) $((5200 + i)); do
			what=${ways[i]}
			connect $port $A:3000
			"${ways[i]}" $port
		done
	done
	[[ $FULLCONE_STANDIN ]] || must_knob filter_tcp apdf
	for i in "${!ways[@]}"; do
		what="${ways[i]}, apdf"
		connect $((5400 + i)) $A:3000
		"${ways[i]}" $((5400 + i))
	done
	[[ $FULLCONE_STANDIN ]] || must_knob filter_tcp eif
	zero
	at 30
	for i in "${!ways[@]}"; do
		what="${ways[i]}, reopened by X1"
		reopened_by_x1 $((5100 + i))
		what="${ways[i]}, reopened by the peer"
		reopened_by_peer $((5200 + i))
		what="${ways[i]}, apdf, reopened by the peer"
		reopened_by_peer $((5400 + i))
		[[ $FULLCONE_STANDIN ]] ||
			expect_closed "${ways[i]}, apdf: nobody else arrives" tcp $W:$((5400 + i))
	done
	what="X1 opens another from the port of a closed one"
	connect 5300 $A:3000
	x1_closes 5300
	connect 5300 $B:3000
	# It is a new connection for the clock, too.
	at 330
	what="five minutes later"
	for i in "${!ways[@]}"; do
		exchange $((5100 + i))
		exchange $((5200 + i))
		expect_open "${ways[i]}, reopened by X1: a stranger arrives five minutes later" tcp $W:$((5100 + i))
		expect_open "${ways[i]}, reopened by the peer: likewise" tcp $W:$((5200 + i))
	done
}

lifetime
reopening
expect_no_leak "all the time"
expect_unlogged "the router reset nothing" wan "^tcp $W:.* R"

finish
