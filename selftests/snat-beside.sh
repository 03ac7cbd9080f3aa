#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A rule of the owner translates one host to the very address that the module uses. With order=first it is never
# asked; with order=last it has that host, the module has the others, and what the rule's ports are for, with
# those in reserved_ports, no endpoint outside is two hosts'. Without, one port may be, but no packet of it goes astray.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/beside-lib.sh
. "$HERE/beside-lib.sh"

need_module
need_tools conntrack iptables
[[ -z $FULLCONE_STANDIN ]] || skip_all "needs the module"
home_network
fullcone_on
firewall nft
reflectors

# snat nft|iptables [PORTS]: everything of X3 leaves as W, from these ports
snat() {
	local proto

	case $1 in
	nft)
		on "$R" nft -f - <<-END || skip_all "needs snat in nftables"
			table ip owner {
				chain postrouting {
					type nat hook postrouting priority srcnat; policy accept;
					oifname "wan" ip saddr $LAN.4 meta l4proto { tcp, udp } snat to $W${2:+:$2}
				}
			}
		END
		;;
	iptables)
		for proto in udp tcp; do
			on "$R" iptables -t nat -A POSTROUTING -o wan -s $LAN.4 -p $proto \
				-j SNAT --to-source "$W${2:+:$2}" || skip_all "needs SNAT in iptables"
		done
		;;
	esac
}

snat_off() {
	case $1 in
	nft) on "$R" nft delete table ip owner ;;
	iptables) on "$R" iptables -t nat -F POSTROUTING ;;
	esac
}

port=5000
beside() {
	local by=$1 proto what e

	must_knob order first
	snat "$by" 30000-30001
	for proto in udp tcp; do
		what="$by, order=first"
		expect_full_cone "$what" $proto $((++port))
		expect_is "$what, $proto: the rule is not asked: its host has a mapping, too" $W:$((++port)) \
			"$(probe "$X3" $proto $port $A:3000)"
	done

	must_knob order last
	must_knob reserved_ports 30000-30001
	for proto in udp tcp; do
		what="$by, order=last"
		((++port))
		expect_match "$what, $proto: the rule's host has the rule's ports" "^$W:3000[01]\$" \
			"$(probe "$X3" $proto $port $A:3000)"
		expect_not "$what, $proto: and no mapping" state_of $proto "$LAN.4:$port"
		expect_full_cone "$what" $proto $((++port))
		expect_other_endpoint "$what, $proto: the rule's ports are no other host's" $W:30000 \
			"$(probe "$X1" $proto 30000 $B:3000)"
		expect_is "$what, $proto: nobody gets in there" none \
			"$(PROBE_TIMEOUT=2 probe "$STRANGER" $proto $port $W:30000)"
	done
	must_knob reserved_ports ""
	snat_off "$by"
}

# Both have the port, each for the servers that he speaks to.
shared() {
	local by=$1 before

	snat "$by"
	endpoint x1-udp "$X1" udp $((++port)) $A:3000
	e=$(mapped x1-udp)
	expect_is "$by, a port of both: X1 has it" $W:$port "$e"
	expect_is "$by, a port of both: so has the rule's host, at another server" $W:$port "$(probe "$X3" udp $port $B:3000)"
	expect_other_endpoint "$by, a port of both: and another where X1 was first" $W:$port "$(probe "$X3" udp $port $A:3000)"
	before=$(stat_of drop_out_conflict)
	expect_is "$by, a port of both: X1 does not get through where the other was first" none \
		"$(PROBE_TIMEOUT=2 probe "$X1" udp $port $B:3000)"
	expect "$by, a port of both: which is counted" test "$(stat_of drop_out_conflict)" -gt "$before"
	expect_is "$by, a port of both: the other goes on there" $W:$port "$(probe "$X3" udp $port $B:3000)"
	expect_stranger "$by, a port of both" udp $port
	flush_mappings
	expect_other_endpoint "$by, flushed: no other host has the port as long as the rule's host has it" $W:$port \
		"$(probe "$X2" udp $port $A:3001)"
	snat_off "$by"
	ct -F >/dev/null 2>&1
}

for by in nft iptables; do
	beside $by
	shared $by
done

finish
