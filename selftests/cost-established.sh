#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A packet of a connection costs what it does with MASQUERADE, within 1 %, in either
# direction: guard, the one hook of ours that sees it, returns at once. By a clock
# that counts instructions, from where a packet comes into the router to where it
# leaves it.
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

# outbound N COUNT, inbound N COUNT: so many packets of the one connection
outbound() {
	pktgen_run br0 "$2" "dst $A" "src_min $H1" "src_max $H1" \
		"udp_src_min 5000" "udp_src_max 5000" "udp_dst_min 3000" "udp_dst_max 3000"
}

inbound() {
	pktgen_run wan "$2" "dst $W" "src_min $A" "src_max $A" \
		"udp_src_min 3000" "udp_src_max 3000" "udp_dst_min 5000" "udp_dst_max 5000"
}

# The first packets of each direction are not like the others.
measure() {
	flush_state
	outbound 0 $burst >/dev/null
	inbound 0 $burst >/dev/null
	out=$(bursts 0 outbound)
	in=$(bursts 0 inbound)
	note "$1: $out instructions for a packet outbound, $in inbound"
}

masquerade nft
measure "MASQUERADE"
masquerade_off nft
out_before=$out
in_before=$in

sunk_out=$(sunk out)
sunk_in=$(sunk in)
fullcone_on
must_knob guard 1
measure "full cone"
expect_is "every packet has left" $((sunk_out + 4 * burst)) "$(sunk out)"
expect_is "or come in" $((sunk_in + 4 * burst)) "$(sunk in)"
expect_is "through a mapping" $W:5000 "$(ext_of udp $H1:5000)"
expect "an outbound packet costs what it does with MASQUERADE, within 1 %" within 1 "$out_before" "$out"
expect "an inbound one, too" within 1 "$in_before" "$in"

finish
