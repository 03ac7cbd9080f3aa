#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Conntrack zones: an inside endpoint is another one in another zone, as where two networks with the same addresses meet: each
# has endpoints of its own, open to the strangers of its zone. Zones that are for the original direction only leave mapping
# as it is everywhere else.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_tools conntrack
need_module
home_network
fullcone_on
firewall nft
reflectors

# zone N: what X1 sends from port 5000 is in that zone from now on
zone() {
	on "$R" nft -f - <<-END || skip_all "needs conntrack zones in nftables"
		table ip zones
		delete table ip zones
		table ip zones {
			chain prerouting {
				type filter hook prerouting priority raw; policy accept;
				iifname "br0" udp sport 5000 ct original zone set $1
			}
		}
	END
}

# X2 has the port, so that X1's is another one outside
probe "$X2" udp 5000 $A:3000 >/dev/null
zone 7
first=$(probe "$X1" udp 5000 $A:3000)
expect_other_endpoint "in one zone X1 has an endpoint" $W:5000 "$first"
expect_match "procfs tells the zone" " zone=7$" "$(state_of udp $LAN.2:5000)"
zone 8
second=$(probe "$X1" udp 5000 $A:3000)
expect_other_endpoint "in another zone it has another" "$first" "$second"
expect_is "the same for everybody" "$second" "$(probe "$X1" udp 5000 $B:3000 $Z:3000 | sort -u)"
zone 7
expect_is "back in the first it has that" "$first" "$(probe "$X1" udp 5000 $B:3000 $Z:3000 | sort -u)"
expect_is "with a zone for one direction strangers do not get in, see README" none \
	"$(PROBE_TIMEOUT=2 probe "$STRANGER" udp 7000 "$first")"
on "$R" nft delete table ip zones

# Another network with the same addresses, on a line of its own; what comes in from either side of it is in zone 8, all else
# in zone 7.
new_ns X4 x4
ADDR[$X4]=$H1
B9=${A9%.*}.20
Z9=${A9%.*}.30
ip -n "$R" -batch - <<-END
	link add lan type veth peer name eth0 netns $X4
	addr add $LAN.1/24 dev lan noprefixroute
	link set lan up
	link add other type veth peer name other netns $SRV
	addr add $W9/24 dev other
	link set other up
	rule add iif lan lookup 8
	rule add iif other lookup 8
	route add $LAN_NET dev lan table 8
	route add default via $A9 dev other table 8
END
ip -n "$X4" -batch - <<-END
	addr add $H1/24 dev eth0
	addr add $H3/24 dev eth0
	link set eth0 up
	route add default via $LAN.1
END
printf '%s\n' "addr add $A9/24 dev other" "addr add $B9/24 dev other" "addr add $Z9/24 dev other" "link set other up" |
	ip -n "$SRV" -batch -
start far "$SRV" "$HERE/reflect" $A9:3000 "$B9:3000"
on "$R" nft -f - <<-END || bail_out "no zones for both directions"
	table ip zones {
		chain prerouting {
			type filter hook prerouting priority raw; policy accept;
			iifname { "br0", "wan" } ct zone set 7
			iifname { "lan", "other" } ct zone set 8
		}
	}
END
firewall nft '{ "wan", "other" }'
must_knob wan "wan other"
flush_state

for proto in udp tcp; do
	# in each zone somebody else has the port first
	probe "$X2" $proto 5000 $A:3000 >/dev/null
	probe "$X4" $proto $H3:5000 $A9:3000 >/dev/null
	endpoint "x1-$proto" "$X1" $proto 5000 $A:3000 $B:3000
	endpoint "x4-$proto" "$X4" $proto 5000 $A9:3000 "$B9:3000"
	e=$(mapped "x1-$proto")
	e4=$(mapped "x4-$proto")
	expect_other_endpoint "$proto: X1 has an endpoint" $W:5000 "$e"
	expect_is "$proto: the same for everybody" "$e" "$(mapped "x1-$proto" 2)"
	expect_other_endpoint "$proto: X4, with the same address and port, has one on its line" $W9:5000 "$e4"
	expect_is "$proto: the same for everybody there" "$e4" "$(mapped "x4-$proto" 2)"
	expect_is "$proto: procfs tells both, each with its zone" "$e zone=7"$'\n'"$e4 zone=8" \
		"$(state_of $proto $H1:5000 | sed -E 's/.* ext=([^ ]*) .*( zone=.*)/\1\2/' | sort -k 2)"
	expect_is "$proto: a stranger gets in to X1" "$Z:7000" "$(probe "$STRANGER" $proto 7000 "$e")"
	expect_logged "$proto: it is X1 who hears him" "x1-$proto" "^from $Z:7000 "
	expect_is "$proto: a stranger gets in to X4" "$Z9:7001" "$(probe "$SRV" $proto "$Z9:7001" "$e4")"
	expect_logged "$proto: it is X4 who hears him" "x4-$proto" "^from $Z9:7001 "
	seen=$(probe "$X3" $proto 5000 "$e")
	expect_match "$proto: X3, in the zone of X1, reaches it there" "^$W:" "$seen"
	expect_is "$proto: and is seen as servers see it" "$seen" "$(probe "$X3" $proto 5000 $B:3000)"
done

# The stranger of one zone, in the other
on "$R" nft insert rule ip zones prerouting iifname wan udp sport 7002 ct zone set 8 accept
expect_is "a stranger in another zone does not get in" none "$(PROBE_TIMEOUT=2 probe "$STRANGER" udp 7002 "$(mapped x1-udp)")"
expect_is "one in its zone still does" $Z:7003 "$(probe "$STRANGER" udp 7003 "$(mapped x1-udp)")"

finish
