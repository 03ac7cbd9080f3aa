#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Pools of external addresses: an inside host has one address for everything (RFC 4787,
# REQ-2), all addresses come into use, in one range or scattered over several rules
# (RFC 6888, REQ-3), and when an address is full its hosts are refused, not given
# another.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/pktgen-lib.sh
. "$HERE/pktgen-lib.sh"

need_pktgen
need_target
home_network
for i in 2 3 4 9; do
	ip -n "$R" addr add 203.0.113.$i/24 dev wan
done
room 65536
reflectors
must_knob reject drop

# What hosts have: "inside external protocol" each a line, without ports
pairs() {
	on "$R" sed -nE 's/^proto=([a-z]+) int=([0-9.]+):[0-9]+ ext=([0-9.]+):.*/\2 \3 \1/p' \
		/proc/net/fullcone_nat/mappings | sort -u
}

# Thirty hosts that the LAN does not have: four packets of each come in all the same.
hosts_speak() {
	pktgen_run br0 120 "dst $A" "src_min $LAN.20" "src_max $LAN.49" \
		"udp_src_min 5000" "udp_src_max 5120" "udp_dst_min 3000" "udp_dst_max 3000" >/dev/null
}

note "a range"
must_rules nft <<-END
	-A POSTROUTING -o wan -j FULLCONENAT --to-source 203.0.113.2-203.0.113.4
	-A PREROUTING -i wan -j FULLCONENAT
END
hosts_speak
expect_is "of 30 hosts with four endpoints each has one address" 30 "$(pairs | wc -l)"
expect_is "and all addresses are in use" "203.0.113.2 203.0.113.3 203.0.113.4" \
	"$(pairs | cut -d' ' -f2 | sort -u | xargs)"
for ns in "$X1" "$X2" "$X3"; do
	for proto in udp tcp; do
		probe "$ns" $proto 6000 $A:3000
		probe "$ns" $proto 6001 $B:3000
	done >/dev/null
	probe "$ns" icmp 6000 $A >/dev/null
	seen=$(pairs | grep "^${ADDR[$ns]} ")
	expect_is "${ADDR[$ns]}: one address" 1 "$(cut -d' ' -f2 <<<"$seen" | sort -u | wc -l)"
	expect_is "${ADDR[$ns]}: for all protocols" "icmp tcp udp" "$(cut -d' ' -f3 <<<"$seen" | xargs)"
done
ipt nft -F
flush_state

note "scattered over rules"
must_rules nft <<-END
	-A POSTROUTING -o wan -s $LAN.2 -j FULLCONENAT --to-source 203.0.113.2
	-A POSTROUTING -o wan -s $LAN.3 -j FULLCONENAT --to-source 203.0.113.9
	-A POSTROUTING -o wan -j FULLCONENAT --to-source 203.0.113.3-203.0.113.4
	-A PREROUTING -i wan -j FULLCONENAT
END
for ns in "$X1" "$X2" "$X3"; do
	probe "$ns" udp 6000 $A:3000
done >"$TMP/seen"
expect_is "each rule gives its own" "203.0.113.2:6000 203.0.113.9:6000" "$(head -n 2 "$TMP/seen" | xargs)"
expect_match "the range is for the rest" "^203.0.113.[34]:6000$" "$(tail -n 1 "$TMP/seen")"
ipt nft -F
flush_state

note "a full address"
full() {
	local proto=$1 i address refused

	must_rules nft <<-END
		-A POSTROUTING -o wan -p $proto -j FULLCONENAT --to-source 203.0.113.2-203.0.113.4:4000-4003
		-A PREROUTING -i wan -j FULLCONENAT
	END
	for i in 0 1 2 3; do
		probe "$X1" "$proto" $((7000 + i)) $A:3000
	done >"$TMP/seen"
	address=$(sed -n '1s/:.*//p' "$TMP/seen")
	expect_is "$proto: all its ports are used" "$(printf '%s\n' "$address":400{0..3} | xargs)" "$(sort "$TMP/seen" | xargs)"
	refused=$(stat_of drop_no_port)
	expect_is "$proto: then a host of that address is refused" none \
		"$(PROBE_TIMEOUT=2 probe "$X1" "$proto" 7004 $A:3000)"
	expect "$proto: which is counted" test "$(stat_of drop_no_port)" -gt "$refused"
	expect_is "$proto: and none of its endpoints is at another address" "$address" \
		"$(pairs | sed -n "s/^$LAN\.2 \([0-9.]*\) $proto\$/\1/p")"
}

full tcp
full udp
hosts_speak
expect_is "while the others are filled to the last port" 12 \
	"$(on "$R" grep -c '^proto=udp .* ext=203.0.113.[2-4]:400[0-3] ' /proc/net/fullcone_nat/mappings)"

finish
