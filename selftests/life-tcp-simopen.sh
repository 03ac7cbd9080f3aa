#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A TCP connection that both sides opened at once, whoever's SYN passed the router first, and that either side closes first,
# keeps its mapping for four minutes from the second FIN like any other.
#
# clock: skip
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
life_network

# rest PORT: both SYNs have passed; each side repeats its own with an ACK
rest() {
	xseq[$1]=$((xseq[$1] - 1))
	says "$1" SA
	pseq[$1]=$((pseq[$1] - 1))
	hears "$1" SA
	says "$1" A
	hears "$1" A
	exchange "$1"
}

outbound_first() {
	opening "$1" "$A:3000"
	says "$1" S
	hears "$1" S
	rest "$1"
}

# X1 has its mapping from a connection that was refused.
inbound_first() {
	opening "$1" "$B:3000"
	says "$1" S
	hears "$1" RA
	opening "$1" "$A:3000"
	hears "$1" S
	says "$1" S
	rest "$1"
}

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

port=5000
for first in outbound_first inbound_first; do
	for closes in x1_closes peer_closes; do
		what="$first, $closes"
		$first $((++port))
	done
done
zero
at 60
port=5000
for first in outbound_first inbound_first; do
	for closes in x1_closes peer_closes; do
		what="$first, $closes"
		$closes $((++port))
	done
done
at 295
for port in 5001 5002 5003 5004; do
	expect_open "connection $port: a stranger arrives 235 s after it was closed" tcp $W:$port
done
at 318
for port in 5001 5002 5003 5004; do
	expect_closed "connection $port: no stranger arrives 258 s after it was closed" tcp $W:$port
done
expect_no_leak "all the time"
expect_unlogged "the router reset nothing" wan "^tcp $W:.* R"

finish
