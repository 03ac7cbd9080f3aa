#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What a packet costs above plain forwarding is at most so much of what it costs with
# MASQUERADE in the same boot: of each kind of packet, for the module's hooks and for its
# target. Where that has been more than it should, the bar is what it has been, so that
# it only gets better. By a clock that counts instructions.
#
# clock: skip

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/pktgen-lib.sh
. "$HERE/pktgen-lib.sh"
# shellcheck source=selftests/clock-lib.sh
. "$HERE/clock-lib.sh"
# shellcheck source=selftests/cost-lib.sh
. "$HERE/cost-lib.sh"

[[ $(uname -r) == 6.1.* ]] || skip_all "its bars have been measured with Linux 6.1"

# shellcheck disable=SC2034 # for cost-lib.sh
at_flows=1 at_peers="1 2000" at_percent=50

declare -A spent=()

# in place of the one that prints
figure() {
	spent[$1 $who $2]=$3
}

# above CASE WHO AT PLAIN
above() {
	echo $((${spent[$1 $2 $3]} - ${spent[$4 plain 0]}))
}

# cheapest CASE AT PLAIN: of the masqueraders
cheapest() {
	local name

	for name in $masqueraders; do
		above "$1" "$name" "$2" "$3"
	done | sort -n | sed -n 1p
}

# bar DESCRIPTION CASE AT PLAIN HOOKS TARGET: the two in thousandths of MASQUERADE's
bar() {
	local theirs

	theirs=$(cheapest "$2" "$3" "$4")
	at_most "$1, hooks" "$(above "$2" hooks "$3" "$4")" "$5" "$theirs"
	at_most "$1, target" "$(above "$2" target "$3" "$4")" "$6" "$theirs"
}

# sent_to DEVICE NS: so many packets
sent_to() {
	on "$2" cat /proc/net/dev | awk -v name="$1:" '$1 == name { print $11 }'
}

# at_most DESCRIPTION OURS THOUSANDTHS THEIRS: below zero both with a flowtable
at_most() {
	local size=${4#-}

	[[ $2 && $4 ]] || bail_out "no figures: $1"
	expect "$1: $2 instructions, at most $3/1000 of $4" \
		test $((($2 - $4) * 1000)) -le $((size * ($3 - 1000)))
}

# all_costs: of the router $who, whose memory is warm after the first
all_costs() {
	local name

	for name in established_costs flowtable_costs "peers_costs outbound new-peer" \
		"peers_costs inbound new-inbound" ports_costs strays_costs; do
		$name
		forget
	done
}

keep_busy
need_routers
plain
for_each "$masqueraders $cones" all_costs

# MASQUERADE, too, refuses a few when half of the ports are used.
for who in $cones; do
	expect "no fewer packets left than with MASQUERADE, $who" \
		test "$(sent_to wan "${router[$who]}")" -ge "$(sent_to wan "${router[nft]}")"
	expect_is "and as many came in, $who" \
		"$(sent_to lan "${router[nft]}")" "$(sent_to lan "${router[$who]}")"
done

bar "established, outbound" established-out 1 plain-out 1025 1025
bar "established, inbound" established-in 1 plain-in 1025 1025
bar "with a flowtable, outbound" flowtable-out 1 plain-out 1010 1010
bar "with a flowtable, inbound" flowtable-in 1 plain-in 1020 1020
for at in 1 2000; do
	bar "a new peer at $at" new-peer $at plain-out 920 1030
	bar "a stranger at $at" new-inbound $at plain-in 1045 1145
done
for who in $cones; do
	expect "the 2,000th peer costs what the first does, within 2 %, $who" within 2 \
		"$(above new-peer "$who" 1 plain-out)" "$(above new-peer "$who" 2000 plain-out)"
	expect "the 2,000th stranger, too, $who" within 2 \
		"$(above new-inbound "$who" 1 plain-in)" "$(above new-inbound "$who" 2000 plain-in)"
done
bar "a new mapping" new-mapping 0 plain-out 1070 1190
for who in $cones; do
	at_most "a new mapping whose port is taken, $who" "$(above new-mapping "$who" 50 plain-out)" \
		1600 "$(above new-mapping "$who" 0 plain-out)"
	expect "a packet to no mapping, $who: at most 150 instructions more than with MASQUERADE" \
		test "$(above stray "$who" 0 plain-stray)" -le $(($(cheapest stray 0 plain-stray) + 150))
done
finish
