#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The files in /proc/net/fullcone_nat: the form of their lines, direction and phase of sessions of every kind, counters, and
# what "status" tells a person whose NAT is not full cone.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
[[ -z $FULLCONE_STANDIN ]] || skip_all "needs the module"
silent_network
set_sysctl "$R" net.netfilter.nf_conntrack_udp_timeout=600

state=/proc/net/fullcone_nat
endpoint_re='[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+:[0-9]+'
mapping_re="^proto=(udp|tcp|icmp) int=$endpoint_re ext=$endpoint_re dev=[^ ]+ state=(active|draining|holddown|static)"
mapping_re+=" sessions=[0-9]+ expires=[0-9]+ age=[0-9]+( zone=[0-9]+)?\$"
session_re="^proto=(udp|tcp|icmp) int=$endpoint_re ext=$endpoint_re peer=$endpoint_re dir=(in|out)"
session_re+=" phase=(udp|icmp|open|est|close|rst)\$"

# every_line_is DESCRIPTION FILE REGEX
every_line_is() {
	expect_is "$1" "" "$(on "$R" grep -Ev -- "$3" "$state/$2")"
}

# session PROTO INT EXT PEER DIR PHASE: there is one, and only once
session() {
	local line="proto=$1 int=$2 ext=$3 peer=$4 dir=$5 phase=$6"

	expect_is "a session: $line" 1 "$(on "$R" grep -Fxc -- "$line" $state/sessions)"
}

sessions() {
	what="sessions"
	udp_out "$X1" $LAN.2:5000 $A:3000
	expect_leaves "X1 speaks to A" $W:5000
	session udp $LAN.2:5000 $W:5000 $A:3000 out udp
	udp_in "$STRANGER" $Z:7000 $W:5000
	expect_logged "a stranger speaks to X1" inside "$sent"
	session udp $LAN.2:5000 $W:5000 $Z:7000 in udp

	PROBE_TIMEOUT=0.1 probe "$X1" icmp 77 $A >/dev/null
	expect_logged "X1 pings A" outside "^icmp $W > $A 8/0 id=77 "
	expect_match "a session: icmp" "proto=icmp int=$LAN.2:77 ext=$W:77 peer=$A:[0-9]+ dir=out phase=icmp" \
		"$(on "$R" grep proto=icmp $state/sessions)"

	opening 5010 $A:3000
	says 5010 S
	session tcp $LAN.2:5010 $W:5010 $A:3000 out open
	hears 5010 SA
	session tcp $LAN.2:5010 $W:5010 $A:3000 out open
	says 5010 A
	session tcp $LAN.2:5010 $W:5010 $A:3000 out est
	says 5010 FA
	session tcp $LAN.2:5010 $W:5010 $A:3000 out est
	hears 5010 A
	session tcp $LAN.2:5010 $W:5010 $A:3000 out est
	hears 5010 FA
	session tcp $LAN.2:5010 $W:5010 $A:3000 out close
	says 5010 A
	session tcp $LAN.2:5010 $W:5010 $A:3000 out close

	connect 5011 $A:3000
	says 5011 R
	session tcp $LAN.2:5011 $W:5011 $A:3000 out rst

	# The other way round: a stranger opens.
	opening 5012 $A:3000
	says 5012 S
	opening 5012 $Z:7001
	hears 5012 S
	session tcp $LAN.2:5012 $W:5012 $Z:7001 in open
	says 5012 SA
	hears 5012 A
	session tcp $LAN.2:5012 $W:5012 $Z:7001 in est
	hears 5012 R
	session tcp $LAN.2:5012 $W:5012 $Z:7001 in rst

	# From one inside host to the other there is a session of each.
	udp_out "$X2" $LAN.3:5001 $W:5000
	expect_logged "X2 speaks to X1 by its endpoint" inside "^udp $W:5001 > $LAN.2:5000 .* out-$sends\$"
	session udp $LAN.3:5001 $W:5001 $W:5000 out udp
	session udp $LAN.2:5000 $W:5000 $W:5001 in udp
}

three_sessions() {
	[[ $(field sessions "$(state_of udp "$LAN.2:5000")") == 3 ]]
}

mappings() {
	local line before

	every_line_is "every line of mappings has its form" mappings "$mapping_re"
	every_line_is "every line of sessions has its form" sessions "$session_re"
	expect_is "mappings knows all six" 6 "$(on "$R" grep -c . $state/mappings)"
	line=$(state_of udp $LAN.2:5000)
	expect_is "the mapping's device" wan "$(field dev "$line")"
	expect_is "the mapping's state" active "$(field state "$line")"
	expect "the mapping's sessions are counted by the next sweep" wait_for 20 three_sessions
	before=$(field expires "$(state_of tcp $LAN.2:5011)")
	sleep 2
	line=$(state_of tcp $LAN.2:5011)
	expect "expires counts down" test "$(field expires "$line")" -lt "$before"
	expect "from no more than the timeout" test "$before" -le 7441
	expect "age counts up" test "$(field age "$line")" -ge 2
}

# Many lines, read in small pieces while the table changes: no mapping that stays is missed, none comes twice.
many() {
	local i all

	for ((i = 6000; i < 6020; i++)); do
		udp_out "$X3" "$LAN.4:$i" $A:3000
	done
	expect_logged "X3 has twenty mappings more" outside "^udp $W:6019$sent"
	flood flood "$X2"
	for i in 1 2 3; do
		all=$(on "$R" dd if=$state/mappings bs=100 2>/dev/null)
		expect_is "reading $i in small pieces under load: all of X3's are there once" \
			"$(seq 6000 6019)" "$(sed -nE "s/.* int=$LAN\.4:([0-9]+) .*/\1/p" <<<"$all" | sort -n)"
		expect_is "reading $i in small pieces under load: no inside endpoint twice" "" \
			"$(sed -E 's/ ext=.*//' <<<"$all" | sort | uniq -d)"
		expect_is "reading $i in small pieces under load: every line is whole" "" \
			"$(grep -Ev -- "$mapping_re" <<<"$all")"
	done
	stop flood
}

stats() {
	local before

	every_line_is "every line of stats is a name and a number" stats "^[a-z0-9_]+ [0-9]+\$"
	expect_is "no name comes twice" "" "$(on "$R" cut -d " " -f 1 $state/stats | sort | uniq -d)"
	before=$(stat_of flows_out)
	udp_out "$X1" $LAN.2:5100 $A:3000
	expect_leaves "X1 opens a flow" $W:5100
	expect_is "it is counted" $((before + 1)) "$(stat_of flows_out)"
	before=$(stat_of flows_in)
	expect_open "a stranger opens a flow" udp $W:5100
	expect_is "it is counted, too" $((before + 1)) "$(stat_of flows_in)"
}

# tells DESCRIPTION REGEX: some line of status
tells() {
	expect_match "status: $1" "$2" "$(on "$R" cat $state/status)"
}

unconfirmed() {
	field in_unconfirmed "$(on "$R" grep "^wan=wan " $state/status)"
}

status() {
	local before

	tells "all is well" "active=1 .*forwarding=1"
	tells "the interface is there, up, and has a public address" "wan=wan exists=1 up=1 address=$W private=0 mapped="
	set_sysctl "$R" net.ipv4.ip_forward=0
	tells "forwarding is off" "forwarding=0"
	set_sysctl "$R" net.ipv4.ip_forward=1
	must_knob wan "wan missing0"
	tells "an interface is missing" "wan=missing0 exists=0"
	must_knob wan wan

	before=$(unconfirmed)
	expect_open "a stranger gets through the filter" udp $W:5100
	expect_is "status: it counts as confirmed" "$before" "$(unconfirmed)"
	on "$R" nft -f - <<-END
		table ip closed {
			chain forward {
				type filter hook forward priority filter + 1; policy accept;
				iifname "wan" ct status dnat drop
			}
		}
	END
	expect_closed "a stranger does not get through a filter that drops him" udp $W:5100
	expect_is "status: it counts as unconfirmed" $((before + 1)) "$(unconfirmed)"
	on "$R" nft flush ruleset

	must_knob max_mappings 1
	udp_out "$X3" $LAN.4:5200 $A:3000
	expect "a flow is refused for want of mappings" wait_for 10 refused_now
	tells "which limit refuses" "refusing=drop_max_mappings"
	must_knob max_mappings 4096

	ip -n "$R" addr flush dev wan
	tells "the interface has no address" "wan=wan exists=1 up=1 address=none"
	for address in 10.1.2.3 172.16.0.1 192.168.7.1 100.64.0.1 172.31.255.1 100.127.0.1; do
		ip -n "$R" addr add $address/24 dev wan
		tells "$address is itself behind a NAT" "address=$address private=1"
		ip -n "$R" addr flush dev wan
	done
	for address in 172.32.0.1 100.128.0.1 192.169.0.1; do
		ip -n "$R" addr add $address/24 dev wan
		tells "$address is not" "address=$address private=0"
		ip -n "$R" addr flush dev wan
	done
	ip -n "$R" link set wan down
	tells "the interface is down" "wan=wan exists=1 up=0"
	must_knob wan ""
	tells "nothing is asked of us" "active=0"
}

refused_now() {
	on "$R" grep -q refusing=drop "$state/status"
}

sessions
mappings
many
stats
status

finish
