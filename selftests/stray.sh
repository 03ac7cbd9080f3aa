#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# On a router without a firewall a stranger's packet to a port nobody has yet
# leaves a connection of the router behind. It does not cost the inside host that
# gets this port its endpoint, not even towards that stranger.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_module
need_tools conntrack
home_network
fullcone_on
firewall none
reflectors
# The router stays silent too: a reset or an ICMP error would end the connection.
on "$R" nft -f - <<-END || bail_out "can't silence the router"
	table inet silence {
		chain output {
			type filter hook output priority raw; policy accept;
			tcp flags & rst == rst drop
			icmp type destination-unreachable drop
			icmpv6 type destination-unreachable drop
		}
	}
END

left_behind() {
	ct -L -p "$1" 2>/dev/null | grep -q "UNREPLIED.*dport=$2\|dport=$2 .*UNREPLIED"
}

stray() {
	local proto=$1 port=$2 seen

	# Reflectors answer at 3000, so the stranger's endpoint is one of them.
	shift 2
	seg "$STRANGER" "$proto" $Z:3000 "$W:$port" "$@"
	# A SYN is answered with a reset that the rule drops: no reply either.
	if ! wait_for 20 left_behind "$proto" "$port"; then
		skip "$proto: the stray left a connection behind" "it left none"
		return
	fi
	seen=$(probe "$X1" "$proto" "$port" $A:3000 $Z:3000 $Z:3001 | sort -u)
	expect_is "$proto: X1 shows this port to all, the stranger included" "$W:$port" "$seen"
}

# Z goes on with what the router has refused him, while X1 only ever speaks to A.
goes_on() {
	local port=5002

	seg "$STRANGER" udp $Z:7000 "$W:$port" first
	if ! wait_for 20 left_behind udp "$port"; then
		skip "a stranger who was first goes on" "he left no connection"
		return
	fi
	endpoint x1 "$X1" udp $port $A:3000
	expect_is "X1 has the port though Z was first" "$W:$port" "$(mapped x1)"
	watch inside "$X1" eth0
	expect "Z, who goes on, comes in" wait_for 60 knocks
	stop x1
}

knocks() {
	seg "$STRANGER" udp "$Z:7000" "$W:5002" again
	logged inside "^udp $Z:7000 > .* again\$"
}

stray udp 5000
stray tcp 5001 S
goes_on

finish
