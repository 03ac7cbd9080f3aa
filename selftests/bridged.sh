#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Packets that are only passed from one port of a bridge to another keep their source, also where bridge netfilter shows them to
# the nat hooks and the bridge is a wan interface: they are not ours.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

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

finish
