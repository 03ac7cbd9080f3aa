#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Conntrack zones: an inside endpoint is another one in another zone, as where two networks with the same addresses meet. Zones
# that are for the original direction only leave mapping as it is everywhere else.

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

finish
