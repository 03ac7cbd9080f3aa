#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Bridge netfilter shows the packets of a bridge to the nat hooks. Those that are only passed from one port to another keep
# their source, also where the bridge is a wan interface: they are not ours. What is routed has endpoints as ever, open to
# strangers, and inside hosts, all behind the one bridge, reach each other there; also where the line is a bridge itself, by
# whose port all comes in.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/beside-lib.sh
. "$HERE/beside-lib.sh"

[[ -z $FULLCONE_STANDIN ]] || skip_all "needs the module"
need_module
modprobe -q br_netfilter
home_network
[[ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]] || skip_all "needs br_netfilter"
must_knob $wan_knob "wan br0"
firewall nft
reflectors
set_sysctl "$R" net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1

watch at-x2 "$X2" eth0
before=$(stat_of flows_masqueraded)
for proto in udp tcp; do
	if [[ $proto == udp ]]; then
		seg "$X1" udp $H1:5001 $H2:6001 hello
	else
		seg "$X1" tcp $H1:5001 $H2:6001 S 1
	fi
	expect_logged "$proto: what is bridged has its own source" at-x2 "^$proto $H1:5001 > $H2:6001 "
done
expect_is "nothing was masqueraded" "$before" "$(stat_of flows_masqueraded)"
expect_is "what is routed has an endpoint as ever" $W:5002 "$(probe "$X1" udp 5002 $A:3000)"

# routed WHAT PORT: endpoints, strangers, and inside hosts that reach each other
routed() {
	local proto seen

	for proto in udp tcp; do
		expect_full_cone "$1" $proto "$2"
		seen=$(probe "$X3" $proto "$2" "$e")
		expect_match "$1, $proto: X3 reaches X1 and has an external address" "^$W:[0-9]+\$" "$seen"
		expect_is "$1, $proto: a server sees the same of X3" "$seen" "$(probe "$X3" $proto "$2" $B:3000)"
		expect_logged "$1, $proto: it is X1 who hears it" "x1-$proto" "^from ${seen//./\\.} "
	done
}

must_knob $wan_knob wan
routed "what is routed" 5000
# It would leave by the port of the bridge that it came in by, which is the owner's to allow.
ip -n "$R" link set x1 type bridge_slave hairpin on
expect_is "hairpin: X1 reaches itself from another socket" "$W:5010" "$(probe "$X1" udp 5010 "$(mapped x1-udp)")"

del_address "$R" wan $W
ip -n "$R" -batch - <<-END
	link add out type bridge forward_delay 0
	link set wan master out
	$(address_command out "$W")
	link set out up
END
must_knob $wan_knob out
firewall nft '"out"'
flush_state
wait_for 60 answers "$R" $A || bail_out "no way out by a bridge"
routed "the line is a bridge, too" 5020
# a stranger does not come from the inside
must_knob hairpin 0
expect_stranger "hairpin off, tcp" tcp 5021

finish
