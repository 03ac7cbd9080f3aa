#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Pools of external addresses: an inside host has one address for everything (RFC 4787,
# REQ-2), all addresses come into use, in one range or scattered over several rules
# (RFC 6888, REQ-3), and when an address is full its hosts are refused, not given
# another.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_target
home_network
for i in 2 3 4 9; do
	add_address "$R" wan "$(wan_address $i)"
	printf -v "P$i" '%s' "$(wan_address $i)"
done
reflectors
must_knob reject drop

# What hosts have: "inside external protocol" each a line, without ports
pairs() {
	on "$R" sed -nE 's/^proto=([a-z]+) int=([^ ]+):[0-9]+ ext=([^ ]+):[0-9]+ .*/\2 \3 \1/p' \
		/proc/net/fullcone_nat/mappings | sort -u
}

# Thirty hosts that the LAN does not have: four packets of each come in all the same.
hosts_speak() {
	local host port

	for ((host = 20; host < 50; host++)); do
		for port in 5000 5001 5002 5003; do
			seg "$X1" udp "$(inside_address $host):$port" $A:3000
		done
	done
}

note "a range"
must_rules nft <<-END
	-A POSTROUTING -o wan -j FULLCONENAT --to-source $(wan_range 2 4)
	-A PREROUTING -i wan -j FULLCONENAT
END
hosts_speak
expect_is "of 30 hosts with four endpoints each has one address" 30 "$(pairs | wc -l)"
expect_is "and all addresses are in use" "$P2 $P3 $P4" \
	"$(pairs | cut -d' ' -f2 | sort -u | xargs)"
for ns in "$X1" "$X2" "$X3"; do
	seen=$({
		for proto in udp tcp; do
			probe "$ns" $proto 6000 $A:3000
			probe "$ns" $proto 6001 $B:3000
		done
		probe "$ns" icmp 6000 $A
	} | sed 's/:[0-9]*$//' | sort -u)
	expect_match "${ADDR[$ns]}: servers see one address, of the range" "^($P2|$P3|$P4)\$" "$seen"
	seen=$(pairs | grep -F "${ADDR[$ns]} ")
	expect_is "${ADDR[$ns]}: one address" 1 "$(cut -d' ' -f2 <<<"$seen" | sort -u | wc -l)"
	expect_is "${ADDR[$ns]}: for all protocols" "icmp tcp udp" "$(cut -d' ' -f3 <<<"$seen" | xargs)"
done
ipt nft -F
flush_state

note "scattered over rules"
must_rules nft <<-END
	-A POSTROUTING -o wan -s $(bare "$H1") -j FULLCONENAT --to-source $P2
	-A POSTROUTING -o wan -s $(bare "$H2") -j FULLCONENAT --to-source $P9
	-A POSTROUTING -o wan -j FULLCONENAT --to-source $(wan_range 3 4)
	-A PREROUTING -i wan -j FULLCONENAT
END
for ns in "$X1" "$X2" "$X3"; do
	probe "$ns" udp 6000 $A:3000
done >"$TMP/seen"
expect_is "each rule gives its own" "$P2:6000 $P9:6000" "$(head -n 2 "$TMP/seen" | xargs)"
expect_match "the range is for the rest" "^($P3|$P4):6000$" "$(tail -n 1 "$TMP/seen")"
ipt nft -F
flush_state

note "a full address"
full() {
	local proto=$1 i address refused

	must_rules nft <<-END
		-A POSTROUTING -o wan -p $proto -j FULLCONENAT --to-source $(wan_range 2 4 4000-4003)
		-A PREROUTING -i wan -j FULLCONENAT
	END
	for i in 0 1 2 3; do
		probe "$X1" "$proto" $((7000 + i)) $A:3000
	done >"$TMP/seen"
	address=$(sed -n '1s/:[0-9]*$//p' "$TMP/seen")
	expect_is "$proto: all its ports are used" "$(printf '%s\n' "$address":400{0..3} | xargs)" "$(sort "$TMP/seen" | xargs)"
	refused=$(stat_of drop_no_port)
	expect_is "$proto: then a host of that address is refused" none \
		"$(PROBE_TIMEOUT=2 probe "$X1" "$proto" 7004 $A:3000)"
	expect "$proto: which is counted" test "$(stat_of drop_no_port)" -gt "$refused"
	expect_is "$proto: and none of its endpoints is at another address" "$address" \
		"$(pairs | awk -v host="$H1" -v proto="$proto" '$1 == host && $3 == proto { print $2 }')"
}

full tcp
full udp
hosts_speak
re "^proto=udp .* ext=($P2|$P3|$P4):400[0-3] "
expect_is "while the others are filled to the last port" 12 \
	"$(on "$R" grep -cE "$regex" /proc/net/fullcone_nat/mappings)"

finish
