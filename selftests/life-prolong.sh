#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# With tcp_prolong=1 conntrack keeps the entries of our closing connections for as long as the RFCs ask, and no longer: four
# minutes once closed or reset, two hours while half-closed. With 0 they go by conntrack's own time.
#
# clock: skip
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
life_network

# Connections in all the ways to end, from port $1 on: closed, waiting for the last ACK, reset, half-closed, and one that
# nothing happens to.
all_ways() {
	local i

	for i in 0 1 2 3 4; do
		connect $(($1 + i)) $A:3000
	done
	zero
	says "$1" FA
	hears "$1" FA
	says "$1" A
	says $(($1 + 1)) FA
	hears $(($1 + 1)) FA
	says $(($1 + 2)) R
	says $(($1 + 3)) FA
	hears $(($1 + 3)) A
}

there() {
	expect "$what: the entry of the $1 connection is there" entry tcp "$2"
}

gone() {
	expect_not "$what: the entry of the $1 connection is gone" entry tcp "$2"
}

what="tcp_prolong=1"
all_ways 5000
at 235
what="tcp_prolong=1, after 235 s"
there closed 5000
there "nearly closed" 5001
there reset 5002
there half-closed 5003
there idle 5004
at 258
what="tcp_prolong=1, after 258 s"
gone closed 5000
gone "nearly closed" 5001
gone reset 5002
there half-closed 5003
at 7430
what="tcp_prolong=1, after 7430 s"
there half-closed 5003
at 7460
what="tcp_prolong=1, after 7460 s"
gone half-closed 5003
there idle 5004

must_knob tcp_prolong 0
what="tcp_prolong=0"
all_ways 5100
at 8
what="tcp_prolong=0, after 8 s"
there reset 5102
at 14
what="tcp_prolong=0, after 14 s"
gone reset 5102
there "nearly closed" 5101
at 35
what="tcp_prolong=0, after 35 s"
gone "nearly closed" 5101
there half-closed 5103
at 65
what="tcp_prolong=0, after 65 s"
gone half-closed 5103
there closed 5100
at 125
what="tcp_prolong=0, after 125 s"
gone closed 5100
there idle 5104
# The mappings have their time all the same.
at 235
expect_open "tcp_prolong=0: a stranger arrives at the closed connection's port after 235 s" tcp $W:5100
expect_open "tcp_prolong=0: a stranger arrives at the reset connection's port after 235 s" tcp $W:5102
expect_open "tcp_prolong=0: a stranger arrives at the half-closed connection's port after 235 s" tcp $W:5103
at 258
expect_closed "tcp_prolong=0: no stranger arrives at the closed connection's port after 258 s" tcp $W:5100
expect_closed "tcp_prolong=0: no stranger arrives at the reset connection's port after 258 s" tcp $W:5102
expect_open "tcp_prolong=0: a stranger arrives at the half-closed connection's port after 258 s" tcp $W:5103

finish
