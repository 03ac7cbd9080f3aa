#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# An interface named in "wan" may not be there yet, go down, be deleted, and be renamed either way: the mappings of one that
# is gone end at once, and one that has come works.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
silent_network

no_mapping() {
	! state_of udp "$H1:$port"
}

no_mappings() {
	! on "$R" grep . /proc/net/fullcone_nat/mappings
}

gone() {
	[[ -n $FULLCONE_STANDIN ]] ||
		expect "$what: no mapping is left" wait_for 10 no_mappings
	expect_not "$what: nor a session" entry udp "$port"
}

# Each time from a fresh port.
port=5000
works() {
	((++port))
	udp_out "$X1" "$H1:$port" "$1:3000"
	expect_logged "$what: X1's datagram leaves translated" "${3:-outside}" "^udp $2:$port$sent"
	udp_in "$SRV" "$1:3999" "$2:$port"
	expect_logged "$what: a stranger's arrives" inside "$sent"
	[[ -n $FULLCONE_STANDIN ]] ||
		expect_match "$what: status knows the interface" " exists=1 up=1 address=$(bare "$2") " "$(status_of "${4:-wan}")"
}

# unmapped DESTINATION WATCHER: X1's datagram is none of ours
unmapped() {
	((++port))
	udp_out "$X1" "$H1:$port" "$1:3000"
	expect_logged "$what: X1's datagram is left alone" "$2" "^udp $H1:$port$sent"
	expect_not "$what: there is no mapping" state_of udp "$H1:$port"
}

status_of() {
	on "$R" grep "^$wan_knob=$1 " /proc/net/fullcone_nat/status
}

rename() {
	ip -n "$R" -batch - <<-END
		link set $1 down
		link set $1 name $2
		link set $2 up
	END
}

set_sysctl "$R" net.netfilter.nf_conntrack_udp_timeout=600
# IPv6 addresses go when their interface goes down, unless the owner says otherwise.
set_sysctl "$R" net.ipv6.conf.all.keep_addr_on_down=1
what="at first"
works $A $W

what="interface down"
ip -n "$R" link set wan down
gone
[[ -n $FULLCONE_STANDIN ]] ||
	expect_match "$what: status tells" " exists=1 up=0 " "$(status_of wan)"
what="interface up again"
ip -n "$R" link set wan up
works $A $W

if [[ -z $FULLCONE_STANDIN ]]; then
	what="renamed away"
	rename wan other
	gone
	expect_match "$what: status tells" " exists=0 " "$(status_of wan)"
	unmapped $A outside
	what="renamed back"
	rename other wan
	works $A $W
	must_knob $wan_knob other
	what="another name"
	unmapped $A outside
	rename wan other
	what="renamed into the name"
	works $A $W outside other
	rename other wan
	must_knob $wan_knob wan
fi

what="named before it exists"
must_knob $wan_knob "wan late0"
[[ -n $FULLCONE_STANDIN ]] ||
	expect_match "$what: status tells" " exists=0 " "$(status_of late0)"
late_device() {
	ip -n "$R" link add late0 type veth peer name late0 netns "$SRV"
	add_address "$SRV" late0 $A9
	add_address "$R" late0 $W9
	ip -n "$SRV" link set late0 up
	ip -n "$R" link set late0 up
	watch late "$SRV" late0
	wait_for 30 late_is_there || bail_out "late0 does not work"
}

late_is_there() {
	set_sysctl "$SRV" net.ipv4.icmp_echo_ignore_all=0 net.ipv6.icmp.echo_ignore_all=0
	on "$R" ping -c 1 -W 1 "$(bare "$A9")"
}

if [[ -z $FULLCONE_STANDIN ]]; then
	late_device
	works $A9 $W9 late late0
	what="deleted"
	stop late
	ip -n "$R" link del late0
	expect "$what: its mapping ends" wait_for 10 no_mapping
	expect_not "$what: its session, too" entry udp "$port"
	expect_match "$what: status tells" " exists=0 " "$(status_of late0)"
	what="there again"
	late_device
	works $A9 $W9 late late0

	what="no more in the list"
	must_knob $wan_knob wan
	expect_not "$what: its mapping has ended" state_of udp "$H1:$port"
	unmapped $A9 late
	what="the one that stayed"
	works $A $W
fi

finish
