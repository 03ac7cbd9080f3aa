#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A TCP connection that does not come about keeps its mapping for four minutes from the last SYN (RFC 5382 REQ-5), whatever
# conntrack thinks of it and whoever knocks meanwhile.
#
# clock: skip
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
life_network

# What comes from a stranger and is not answered, a SYN among it, moves no deadline.
scan() {
	local port
	for port in 5000 5001 5002 5003; do
		knock tcp "$W:$port"
	done
}

# says_again PORT FLAGS: X1 repeats the segment, which took one of the sequence space
says_again() {
	xseq[$1]=$((xseq[$1] - 1))
	says "$@"
}

what="one SYN"
zero
opening 5000 $A:3000
says 5000 S

what="SYN and SYN-ACK"
opening 5001 $A:3000
says 5001 S
hears 5001 SA

what="a SYN that is refused"
opening 5002 $A:3000
says 5002 S
hears 5002 RA

what="a SYN repeated as Linux does"
opening 5003 $A:3000
says 5003 S
for t in 1 3 7 15 31 63; do
	at $t
	says_again 5003 S
done
at 100
scan
at 200
scan

at 237
expect_open "one SYN: a stranger arrives after 237 s" tcp $W:5000
expect_open "SYN and SYN-ACK: a stranger arrives after 237 s" tcp $W:5001
expect_open "a SYN that is refused: a stranger arrives after 237 s" tcp $W:5002
at 253
expect_closed "SYN and SYN-ACK: no stranger arrives after 253 s" tcp $W:5001
expect_closed "a SYN that is refused: no stranger arrives after 253 s" tcp $W:5002
at 300
expect_open "a SYN repeated as Linux does: a stranger arrives 237 s after the last" tcp $W:5003
# conntrack does not tell of repeated SYNs, so while its entry lives, 120 s from the first, one may just have been sent.
at 377
expect_closed "one SYN: no stranger arrives 257 s after conntrack has forgotten" tcp $W:5000
expect_closed "a SYN repeated as Linux does: likewise" tcp $W:5003

finish
