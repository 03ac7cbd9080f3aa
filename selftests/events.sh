#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Connection tracking events go on while the module is active: listeners hear
# NEW, UPDATE and DESTROY before, during and after.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_module
need_tools conntrack
home_network
firewall nft
reflectors
set_sysctl "$R" net.netfilter.nf_conntrack_events=1
masquerade nft

port=5000
# Until a flow has been told, the listener may not have listened yet.
told() {
	probe "$X1" udp $((++port)) "$A:3000" >/dev/null
	logged events "\[NEW\] .*sport=$port "
}

launch events "$R" conntrack -E -o id
wait_for 60 told || bail_out "conntrack -E tells nothing here"

# What is told of a flow: that an answer has come and to which endpoint, the handshake of a
# connection, and what somebody else writes.
declare -A answered=([udp]="" [tcp]="ESTABLISHED ")

life() {
	local proto seen

	for proto in udp tcp; do
		((++port))
		seen=$(probe "$X1" $proto $port "$A:3000")
		expect_logged "$1: NEW of a $proto flow is told" \
			events "\[NEW\] .*$proto .*sport=$port .*\[UNREPLIED\]"
		expect_logged "$1: UPDATE of a $proto flow that is answered is told, with its endpoint" \
			events "\[UPDATE\] .*$proto .*${answered[$proto]}src=$LAN.2 .*sport=$port .*src=$A dst=$W .*dport=${seen##*:} "
		on "$R" conntrack -U -p $proto -s $LAN.2 --sport $port --mark 7 >/dev/null 2>&1
		expect_logged "$1: UPDATE of a $proto flow that somebody marks is told" \
			events "\[UPDATE\] .*$proto .*sport=$port .*mark=7 "
		on "$R" conntrack -D -p $proto --orig-port-src $port >/dev/null 2>&1
		expect_logged "$1: DESTROY of a $proto flow is told" \
			events "\[DESTROY\] .*$proto .*sport=$port "
	done
}

life "before"
fullcone_on
life "while active"

if [[ -z $FULLCONE_STANDIN ]]; then
	probe "$X1" udp $((++port)) "$A:3000" >/dev/null
	expect_logged "while active: NEW of one more flow is told" \
		events "\[NEW\] .*sport=$port "
	on "$R" sh -c 'echo flush >/proc/net/fullcone_nat/mappings'
	expect_logged "flush: DESTROY of its session is told" \
		events "\[DESTROY\] .*sport=$port "
	fullcone_off
fi
life "after"

finish
