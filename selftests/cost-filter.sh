#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A restricted cone finds out in constant time whether somebody may come in: at
# 20,000 sessions to as many addresses, it costs a packet of a peer as much more than
# on a full cone as it does at 50, within 2 % of the whole, and a stranger is refused
# for the same, within 5 %. By a clock that counts instructions. What conntrack's own
# table costs more with 20,000 sessions shows in the full cone's figures.
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
fullcone_on
must_knob max_mappings 65536
on "$R" ip route add 198.18.0.0/15 via $A || bail_out "no route"

# X1:5000 speaks to so many addresses, from 198.18.FIRST.0 on
addresses() {
	pktgen_run br0 "$2" "dst_min 198.18.$1.0" "dst_max 198.18.255.255" \
		"src_min $LAN.2" "src_max $LAN.2" \
		"udp_src_min 5000" "udp_src_max 5000" "udp_dst_min 3000" "udp_dst_max 3000" >/dev/null
}

measure() {
	flush_state
	pktgen_send 5000 $A 3000 1 >/dev/null
	addresses 0 50
	few_in=$(bursts 10000 pktgen_knock $A 5000)
	few_out=$(bursts 10000 pktgen_knock $Z 5000)
	addresses 1 20000
	many_in=$(bursts 20000 pktgen_knock $A 5000)
	many_out=$(bursts 20000 pktgen_knock $Z 5000)
}

# Once before: from slabs that have been that large already, newer kernels take an entry for
# 400 instructions less.
pktgen_send 5000 $A 3000 1 >/dev/null
addresses 1 20000
measure
note "full cone: $few_in instructions to let somebody in at 50 peers, $many_in at 20,000"
few_eif=$few_in
many_eif=$many_in

must_knob filter_udp adf
in=$(sunk in)
refused=$(stat_of drop_in_filtered)
measure
note "restricted cone: $few_in instructions to let a peer in at 50 peers, $many_in at 20,000"
note "restricted cone: $few_out instructions to refuse a stranger at 50 peers, $many_out at 20,000"
expect_is "they all used one mapping" "$W:5000" "$(ext_of udp "$LAN.2:5000")"
expect_is "all packets of the peer got in" $((in + 6 * burst)) "$(sunk in)"
expect_is "no stranger's packet did" $((refused + 6 * burst)) "$(stat_of drop_in_filtered)"
expect_is "every address was noted" 0 "$(stat_of peers_refused)"
expect "at 20,000 a peer costs as much more than on a full cone as at 50" \
	within 2 "$few_in" $((few_eif + many_in - many_eif))
expect "a stranger is refused for what it cost at 50 ($few_out, $many_out)" within 5 "$few_out" "$many_out"
finish
