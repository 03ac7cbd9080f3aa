#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A new peer on a mapping with 2,000 peers costs what one of the first did, within
# 2 %: instructions from the sender's device to the receiver's, by a clock that
# counts them. MASQUERADE's cost is measured in the same run, for the record.
#
# clock: skip

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/pktgen-lib.sh
. "$HERE/pktgen-lib.sh"

# Long enough for slab pages and other things that come now and then to even out,
# short enough for no sweep to fall into it.
burst=400

need_pktgen
need_module
home_network
room 65536
sink

# Another mapping goes first, so that both find the machine in the same condition:
# code touched, memory that was freed used up.
measure() {
	flush_state
	pktgen_send 6000 $A 20000 3000 >/dev/null
	pktgen_send 5000 $A 2000 50 >/dev/null
	few=$(median 3000)
	pktgen_send 5000 $A 10000 2000 >/dev/null
	many=$(median 6000)
}

# Of three bursts: what else the machine does now and then adds to one, and what it
# receives only after the last packet was sent is missing in another.
median() {
	local first

	for first in "$1" $(($1 + 500)) $(($1 + 1000)); do
		pktgen_send 5000 $A "$first" $burst
	done | sort -n | sed -n 2p
}

masquerade nft
measure
note "MASQUERADE: $few instructions for a new peer at 50 peers, $many at 2,000"
masquerade_off nft

fullcone_on
before=$(sunk)
measure
note "full cone: $few instructions for a new peer at 50 peers, $many at 2,000"
expect_is "every packet arrived" $((before + 5050 + 6 * burst)) "$(sunk)"
expect_is "they all used one mapping" "$W:5000" "$(ext_of udp "$LAN.2:5000")"
expect "a new peer at 2,000 costs what it did at 50, within 2 % ($few, $many)" \
	test $((many * 100)) -le $((few * 102)) -a $((many * 100)) -ge $((few * 98))
finish
