#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A port forward of the user decides before the module, inbound: in nftables and
# in iptables, for a port that an inside host's mapping has, too.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_module
need_tools iptables
home_network
fullcone_on
firewall nft
reflectors

forward_nft() {
	on "$R" nft -f - <<-END
		table ip user {
			chain prerouting {
				type nat hook prerouting priority dstnat; policy accept;
				iifname "wan" $1 dport $2 dnat to $LAN.3:8000
			}
		}
	END
}

forward_nft_off() {
	on "$R" nft delete table ip user
}

forward_iptables() {
	on "$R" iptables -t nat -A PREROUTING -i wan -p "$1" --dport "$2" \
		-j DNAT --to-destination "$LAN.3:8000"
}

forward_iptables_off() {
	on "$R" iptables -t nat -F PREROUTING
}

rule_wins() {
	local by=$1 proto=$2 port=$3 from=$4 e

	endpoint "x1-$proto" "$X1" "$proto" "$port" $A:3000
	e=$(mapped "x1-$proto")
	expect_is "$by, $proto: X1 has external port $port" "$W:$port" "$e"
	expect_is "$by, $proto: without a rule the stranger reaches X1 there" \
		"$Z:$((from + 0))" \
		"$(probe "$STRANGER" "$proto" $((from + 0)) "$e")"
	expect_logged "$by, $proto: it was X1 that answered" \
		"x1-$proto" "^from $Z:$((from + 0)) "

	forward_"$by" "$proto" "$port" || bail_out "no port forward in $by"
	expect_is "$by, $proto: with the rule the stranger gets an answer" \
		"$Z:$((from + 1))" \
		"$(probe "$STRANGER" "$proto" $((from + 1)) "$e")"
	expect_logged "$by, $proto: it was X2 that answered" \
		"x2-$proto" "^from $Z:$((from + 1)) "
	expect_unlogged "$by, $proto: X1 saw nothing of it" \
		"x1-$proto" "^from $Z:$((from + 1)) "
	endpoint "x1-$proto" "$X1" "$proto" "$port" $B:3000
	expect_is "$by, $proto: X1 keeps its endpoint outbound" \
		"$e" "$(mapped "x1-$proto")"

	forward_"${by}"_off
	expect_is "$by, $proto: the rule gone, the stranger reaches X1 again" \
		"$Z:$((from + 2))" \
		"$(probe "$STRANGER" "$proto" $((from + 2)) "$e")"
	expect_logged "$by, $proto: it was X1 that answered" \
		"x1-$proto" "^from $Z:$((from + 2)) "
}

endpoint x2-udp "$X2" udp 8000
endpoint x2-tcp "$X2" tcp 8000
port=7000
from=6000
for by in nft iptables; do
	for proto in udp tcp; do
		# A stranger's port for each case: X2 sees them all at one of
		# its own.
		rule_wins $by $proto $((port++)) $((from += 10))
	done
done

finish
