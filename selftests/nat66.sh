#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What IPv6 has of its own: nothing is translated before the owner asks for it; a wan interface has many addresses, some of
# them for a day, and an inside endpoint shows one of them to everybody; and a range of them is shared out by hosts.
#
# families: 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_tools conntrack
need_target
home_network
firewall nft
reflectors
watch wire "$R" wan

# Addresses that are nearer to A's and B's than the router's, and one for a day
near_a="[2001:db8::11]"
near_b="[2001:db8::21]"
temporary="[2001:db8::3333]"

off_by_default() {
	must_knob wan wan
	PROBE_TIMEOUT=2 probe "$X1" udp 5000 "$A:3000" >/dev/null
	expect_logged "wan is about IPv4: an IPv6 packet leaves as it is" wire "^udp $H1:5000 > $A:3000"
	must_knob wan ""
	flush_state
}

one_for_everybody() {
	local seen

	# of one prefix the kernel would like all the same
	ip -n "$R" addr add "$(bare "$near_a")/128" dev wan nodad
	ip -n "$R" addr add "$(bare "$near_b")/128" dev wan nodad
	ip -n "$R" addr add "$(bare "$temporary")/64" dev wan nodad valid_lft 86400 preferred_lft 86400 mngtmpaddr
	must_knob wan6 wan
	probe "$X2" udp 5001 "$B:3000" >/dev/null
	seen=$(probe "$X1" udp 5001 "$A:3000" "$B:3000" "$Z:3000" | sort -u)
	expect_match "several addresses: X1 shows one endpoint to all" "^$address_re:[0-9]+\$" "$seen"
	expect_is "the same address in all protocols" "${seen%:*}" \
		"$({ probe "$X1" tcp 5002 "$A:3000" "$B:3000"; probe "$X1" icmp 77 "$A" "$B"; } | sed 's/:[0-9]*$//' | sort -u)"
	endpoint x1 "$X1" udp 5003 "$A:3000"
	expect_is "a stranger gets in there" "$Z:6000" "$(probe "$STRANGER" udp 6000 "$(mapped x1)")"
	stop x1
	must_knob wan6 ""
	flush_state
}

# Who speaks to the neighbours is the router, and they to it.
neighbours_are_left_alone() {
	must_knob wan6 wan
	ip -n "$R" neigh flush dev wan
	expect_match "neighbour discovery works beside" "^$address_re:[0-9]+\$" "$(probe "$X1" udp 5010 "$A:3000")"
	expect_is "and has made no mapping" 0 "$(on "$R" grep -c "proto=icmp" /proc/net/fullcone_nat/mappings)"
	must_knob wan6 ""
}

range_of_addresses() {
	local ns proto seen all=

	add_address "$R" wan "$W2" "[2001:db8::3]" "[2001:db8::4]"
	must_rules nft <<-END
		-A POSTROUTING -o wan -j FULLCONENAT --to-source 2001:db8::1-2001:db8::4
		-A PREROUTING -i wan -j FULLCONENAT
	END
	for ns in "$X1" "$X2" "$X3"; do
		seen=$(for proto in udp tcp; do
			probe "$ns" $proto 6000 "$A:3000"
			probe "$ns" $proto 6001 "$B:3000"
		done | sed 's/:[0-9]*$//' | sort -u)
		expect_match "--to-source, ${ADDR[$ns]}: one address of the range, for all" "^[2001:db8::[1-4]]\$" "$seen"
		all+=$seen$'\n'
	done
	note "they have $(sort <<<"$all" | xargs)"
	ipt nft -F
}

off_by_default
one_for_everybody
neighbours_are_left_alone
range_of_addresses

finish
