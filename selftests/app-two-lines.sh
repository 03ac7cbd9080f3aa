#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A router with two lines, of which policy routing gives each host one: an endpoint is at the
# address of the line that its packets leave by, and open there. When a line fails its hosts come
# out at the other one, without a packet that has an address of the first; when it is back so are
# they.
#
# only: applications
# packages: nftables iproute2 conntrack

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/app-lib.sh
. "$HERE/app-lib.sh"

need_packages
need_tools conntrack
need_module
home_network
firewall nft
reflectors

# The second provider, between the router and all others. Like most it passes on what comes from its
# subscribers' addresses, and nothing else.
V=198.51.100.2
new_ns ISP isp
ip -n "$R" -batch - <<-END
	link add wan2 type veth peer name access netns $ISP
	addr add $V/24 dev wan2
	link set wan2 up
END
ip -n "$ISP" -batch - <<-END
	addr add 198.51.100.1/24 dev access
	link set access up
	link add out type veth peer name isp netns $NET
	addr add $W2/24 dev out
	link set out up
END
ip -n "$NET" link set isp master br0 up
set_sysctl "$ISP" net.ipv4.ip_forward=1
on "$ISP" nft -f - <<-END || skip_all "needs nftables"
	table ip provider {
		chain forward {
			type filter hook forward priority filter; policy accept;
			iifname access ip saddr != 198.51.100.0/24 drop
		}
	}
END
for ns in "$SRV" "$STRANGER"; do
	ip -n "$ns" route add 198.51.100.0/24 via $W2
done
watch wire2 "$ISP" access

# X2 has the second line. If one line is down the other is for all.
ip -n "$R" -batch - <<-END
	route add 203.0.113.0/24 via 198.51.100.1 dev wan2 metric 100
	route add 203.0.113.0/24 via 198.51.100.1 dev wan2 table 2
	rule add to $LAN_NET lookup main priority 98
	rule add from $H2 lookup 2 priority 99
END
sed 's/^define wan .*/define wan = { "wan", "wan2" }/' "$HERE/../scripts/firewall.nft" |
	on "$R" nft -f - || bail_out "nft does not take firewall.nft with two lines"

# ask NAME NS DST: the same program talks once more, and listens on. The first packet that takes
# another line ends its old flow and is lost (nf_nat_oif_changed()); programs repeat themselves.
ask() {
	PROBE_TIMEOUT=3 endpoint "$1" "$2" udp 5000 "$3"
	[[ $(mapped "$1") != none ]] || endpoint "$1" "$2" udp 5000 "$3"
}

# stranger_at ENDPOINT [SECONDS]
stranger_at() {
	PROBE_TIMEOUT=${2:-10} probe "$STRANGER" udp 6000 "$1"
}

# lines WHAT: X1 and X2 talk; X3 has had X1's port first
lines() {
	ask x3 "$X3" $B:3000
	ask x1 "$X1" $A:3000
	ask x2 "$X2" $A:3000
	expect_match "$1: X1 comes out at the first line" "^$W:" "$(mapped x1)"
	expect_match "$1: X2 at the second" "^$V:" "$(mapped x2)"
}

# The provider's own trouble shows by tests of the line, as mwan3 and others make them; the
# device stays up. Whoever changes routes has to end what strangers have opened there, too
# (mwan3: flush_conntrack), as with any port forward: nf_nat follows only what the inside has begun.
line_fails() {
	ip -n "$R" route del 203.0.113.0/24 dev wan
	ct -D -d $W >/dev/null 2>&1
}

line_returns() {
	ip -n "$R" route add 203.0.113.0/24 dev wan src $W
	ct -D -d $V >/dev/null 2>&1
}

on "$R" nft -f - <<-END || skip_all "needs masquerade in nftables"
	table ip masq {
		chain postrouting {
			type nat hook postrouting priority srcnat; policy accept;
			oifname { "wan", "wan2" } masquerade
		}
	}
END
lines MASQUERADE
expect_is "MASQUERADE: strangers don't get in at the first" none "$(stranger_at "$(mapped x1)" 3)"
expect_is "MASQUERADE: nor at the second" none "$(stranger_at "$(mapped x2)" 3)"
line_fails
ask x1 "$X1" $A:3000
expect_match "MASQUERADE: when the first fails X1 is at the second" "^$V:" "$(mapped x1)"
line_returns
row "Two lines, of which one fails" masquerade "strangers do not get in"
masquerade_off nft

must_knob wan "wan wan2"
flush_state
lines "the module"
expect_other_endpoint "X1 has an endpoint, not its neighbour's" "$(mapped x3)" "$(mapped x1)"
expect_is "strangers get in at the first" "$Z:6000" "$(stranger_at "$(mapped x1)")"
expect_is "and at the second" "$Z:6000" "$(stranger_at "$(mapped x2)")"
line_fails
ask x1 "$X1" $A:3000
expect_match "when the first fails X1 is at the second" "^$V:" "$(mapped x1)"
expect_other_endpoint "with an endpoint of its own" "$(mapped x2)" "$(mapped x1)"
expect_is "and strangers get in there" "$Z:6000" "$(stranger_at "$(mapped x1)")"
moment "$R"
line_returns
ask x1 "$X1" $A:3000
expect_match "when the first is back so is X1" "^$W:" "$(mapped x1)"
expect_is "and strangers get in there" "$Z:6000" "$(stranger_at "$(mapped x1)")"
ip -n "$R" link set wan down
ask x1 "$X1" $A:3000
expect_match "if the very device goes down X1 is at the second" "^$V:" "$(mapped x1)"
expect_is "and strangers get in there" "$Z:6000" "$(stranger_at "$(mapped x1)")"
expect_unlogged "on the second line nothing had an address of the first" wire2 "^[a-z]+ $W:"
expect_unlogged "nor one of the inside" wire2 "^[a-z]+ $inside_re:"
row "Two lines, of which one fails" module "strangers get in, at the line that is there"
versions nftables iproute2 conntrack

finish
