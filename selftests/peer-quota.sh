#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What restricted cones remember of whom they have spoken to has a limit. One endpoint
# that speaks to ever so many leaves half of the room to the others, and what is refused
# is told. A full cone remembers nobody.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/pktgen-lib.sh
. "$HERE/pktgen-lib.sh"

need_pktgen
need_module
need_tools conntrack
home_network
room 65536
fullcone_on
firewall nft
reflectors
on "$R" ip route add 198.18.0.0/15 via $A || bail_out "no route"

# speaks HOST COUNT: its port 5000 speaks to so many addresses
speaks() {
	pktgen_run br0 "$2" "dst_min 198.18.0.1" "dst_max 198.18.255.255" "src_min $1" "src_max $1" \
		"udp_src_min 5000" "udp_src_max 5000" "udp_dst_min 3000" "udp_dst_max 3000" >/dev/null
}

# meets NS PORT: it speaks to Z, who has no session any more and comes in all the same
meets() {
	probe "$1" udp "$2" $Z:3000 >/dev/null
	ct -D -p udp -s "${ADDR[$1]}" --sport "$2" >/dev/null 2>&1
	endpoint x "$1" udp "$2"
	expect_is "$3" $Z:4000 "$(PROBE_TIMEOUT=2 probe "$STRANGER" udp 4000 "$(ext_of udp "${ADDR[$1]}:$2")")"
	stop x
}

speaks $H1 300
expect_is "a full cone remembers nobody" 0 "$(stat_of peers)"
flush_state

must_knob max_mappings 256
must_knob filter_udp adf
meets "$X2" 5100 "X2 speaks to Z, who comes in"
speaks $H1 300
expect_is "X1 speaks to 300, and has half of the room" 128 "$(stat_of peers)"
expect "the others are counted" test "$(stat_of peers_refused)" -ge 172
expect_is "the status file tells" peers_refused "$(field refusing "$(on "$R" cat /proc/net/fullcone_nat/status)")"
expect "and the log" eval "dmesg | grep -q 'natEvent=13 peers_refused: .* int=$H1:5000,'"
meets "$X2" 5101 "X2 speaks to Z from another port, and he comes in"
meets "$X3" 5100 "Z comes in to X3, too"
flush_state
expect_is "all is forgotten with the mappings" 0 "$(stat_of peers)"

finish
