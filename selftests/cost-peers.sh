#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A new peer on a mapping with 2,000 peers costs what one of the first did, within
# 2 %, and no more than a new flow with MASQUERADE: instructions from where a packet
# comes into the router to where it leaves it, by a clock that counts them.
#
# clock: skip

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/pktgen-lib.sh
. "$HERE/pktgen-lib.sh"
# shellcheck source=selftests/clock-lib.sh
. "$HERE/clock-lib.sh"

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
	sunk=$(sunk out)
	pktgen_send 6000 $A 20000 3000 >/dev/null
	pktgen_send 5000 $A 2000 50 >/dev/null
	few=$(bursts 3000 pktgen_send 5000 $A)
	pktgen_send 5000 $A 12000 2000 >/dev/null
	many=$(bursts 20000 pktgen_send 5000 $A)
}

masquerade nft
measure
note "MASQUERADE: $few instructions for a new peer at 50 peers, $many at 2,000"
masquerade_off nft
flow=$many

fullcone_on
measure
note "full cone: $few instructions for a new peer at 50 peers, $many at 2,000"
expect_is "every packet arrived" $((sunk + 5050 + 6 * burst)) "$(sunk out)"
expect_is "they all used one mapping" "$W:5000" "$(ext_of udp "$LAN.2:5000")"
expect "a new peer at 2,000 costs what it did at 50, within 2 % ($few, $many)" within 2 "$few" "$many"
expect "and less than a new flow with MASQUERADE ($flow)" test "$many" -lt "$flow"

finish
