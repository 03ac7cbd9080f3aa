#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A new peer on a mapping with 2,000 peers costs what one of the first did, within
# 2 %: instructions from where a packet comes into the router to where it leaves it,
# by a clock that counts them. MASQUERADE's cost is measured in the same run, for the record.
#
# clock: skip

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/pktgen-lib.sh
. "$HERE/pktgen-lib.sh"
# shellcheck source=selftests/clock-lib.sh
. "$HERE/clock-lib.sh"

# Long enough for slab pages and other things that come now and then to even out,
# short enough for no sweep to fall into it. Time that is skipped would bring one,
# and conntrack's own with all that is due by then: 4,000 instructions a packet.
burst=400

need_pktgen
need_module
home_network
room 65536
sink
keep_busy

# Another mapping goes first, so that both find the machine in the same condition:
# code touched, memory that was freed used up.
measure() {
	flush_state
	sent=0
	send 6000 20000 3000
	send 5000 2000 50
	median 3000
	few=$median
	send 5000 12000 2000
	median 20000
	many=$median
}

# send PORT FIRST COUNT
send() {
	((sent += $3))
	pktgen_send "$1" $A "$2" "$3" >/dev/null
}

# Of three bursts: what else the machine does now and then adds to one.
median() {
	local n

	median=$(for n in 0 1 2; do
		pktgen_send 5000 $A $(($1 + n * burst)) $burst
	done | sort -n | sed -n 2p)
	((sent += 3 * burst))
}

masquerade nft
measure
note "MASQUERADE: $few instructions for a new peer at 50 peers, $many at 2,000"
masquerade_off nft

fullcone_on
before=$(sunk)
measure
note "full cone: $few instructions for a new peer at 50 peers, $many at 2,000"
expect_is "every packet arrived" $((before + sent)) "$(sunk)"
expect_is "they all used one mapping" "$W:5000" "$(ext_of udp "$LAN.2:5000")"
expect "a new peer at 2,000 costs what it did at 50, within 2 % ($few, $many)" \
	test $((many * 100)) -le $((few * 102)) -a $((many * 100)) -ge $((few * 98))
finish
