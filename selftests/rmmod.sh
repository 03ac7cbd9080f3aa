#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The module can be taken away and put back while packets come. Where another nat rule keeps the NAT of the namespace alive,
# flows in progress go on without us; once back, we take over the live flows with their endpoints and give none of
# those to anybody else.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
[[ -z $FULLCONE_STANDIN ]] || skip_all "needs the module"
[[ -n $we_loaded ]] || skip_all "needs a module that nobody else uses"
silent_network
set_sysctl "$R" net.netfilter.nf_conntrack_udp_timeout=600

unload() {
	expect "$what: the module can be removed" rmmod fullcone_nat
	expect_not "$what: it leaves nothing in procfs" test -e /proc/net/fullcone_nat
	expect_not "$what: nor knobs" test -e /proc/sys/net/fullcone_nat
}

reload() {
	expect "$what: it can be loaded again" insmod "$FULLCONE_KO"
	expect_is "$what: it begins with an empty list of interfaces" "" "$(on "$R" cat /proc/sys/net/fullcone_nat/wan)"
	fullcone_on
}

# X2 was first with port $1, so X1's endpoint is another: that of a TCP connection at port $1 + 1, too.
conflict() {
	udp_out "$X2" "$LAN.3:$1" $A:3000
	expect_leaves "$what: X2 has its port" "$W:$1"
	udp_out "$X1" "$LAN.2:$1" $A:3000
	wait_for 30 logged outside "^udp [0-9.:]+$sent"
	e=$(ext_of udp "$LAN.2:$1")
	expect_other_endpoint "$what: X1, with the same, has another" "$W:$1" "$e"
	connect $(($1 + 1)) $A:3000
	connect $(($1 + 3)) $A:3000
	says $(($1 + 3)) FA
	hears $(($1 + 3)) FA
	says $(($1 + 3)) A
}

adopted() {
	local port=$1

	expect_is "$what: X1's mapping is there again, before it speaks" "$e" "$(ext_of udp "$LAN.2:$port")"
	expect_is "$what: that of its connection, too" "$W:$((port + 1))" "$(ext_of tcp "$LAN.2:$((port + 1))")"
	udp_out "$X1" "$LAN.2:$port" $B:3000
	expect_leaves "$what: X1 has the same endpoint for somebody new" "$e"
	expect_open "$what: strangers reach X1 there" udp "$e"
	expect_open "$what: and at its connection's" tcp "$W:$((port + 1))"
	exchange $((port + 1))
	udp_out "$X3" "$LAN.4:${e#*:}" $A:3000
	wait_for 30 logged outside "^udp [0-9.:]+$sent"
	expect_other_endpoint "$what: X3 does not get X1's port" "$e" "$(ext_of udp "$LAN.4:${e#*:}")"
	seg "$X3" tcp "$LAN.4:$((port + 3))" $A:3000 S 1
	wait_for 30 logged outside "^tcp [0-9.:]+ > $A:3000 S seq=1 "
	expect_other_endpoint "$what: nor that of a connection just closed" "$W:$((port + 3))" \
		"$(ext_of tcp "$LAN.4:$((port + 3))")"
}

# Without a mapping of its own the next flow would get the rule's.
with_another_user() {
	what="beside a MASQUERADE rule"
	masquerade nft
	conflict 5000
	flood flood "$X2"
	unload
	what="beside a MASQUERADE rule, unloaded"
	udp_out "$X1" $LAN.2:5000 $A:3000
	expect_leaves "$what: X1's flow goes on from its endpoint" "$e"
	exchange 5001
	udp_in "$SRV" $A:3000 "$e"
	expect_logged "$what: and its peer reaches it" inside "$sent"
	udp_out "$X1" $LAN.2:5002 $A:3000
	expect_leaves "$what: a new flow is the rule's" $W:5002
	what="beside a MASQUERADE rule, loaded again"
	reload
	stop flood
	adopted 5000
	expect_is "$what: what the rule translated meanwhile is adopted, too" $W:5002 "$(ext_of udp $LAN.2:5002)"
	masquerade_off nft
}

# Of X1's endpoint only a session is left that a stranger opened: its port is not free either.
inbound_only() {
	what="a stranger's session"
	masquerade nft
	udp_out "$X1" $LAN.2:5050 $A:3000
	expect_leaves "$what: X1 has an endpoint" $W:5050
	udp_in "$STRANGER" $Z:7000 $W:5050
	expect_logged "$what: it is opened" inside "$sent"
	seg "$X1" udp $LAN.2:5050 $Z:7000 answer
	expect_logged "$what: it is answered" wan "^udp $W:5050 > $Z:7000 .* answer\$"
	on "$R" conntrack -D -p udp --orig-port-src 5050 >/dev/null 2>&1
	unload
	reload
	what="a stranger's session, loaded again"
	udp_out "$X3" $LAN.4:5050 $A:3000
	wait_for 30 logged outside "^udp [0-9.:]+$sent"
	expect_other_endpoint "$what: nobody else gets its port" $W:5050 "$(ext_of udp $LAN.4:5050)"
	udp_in "$STRANGER" $Z:7000 $W:5050
	expect_logged "$what: it goes on" inside "$sent"
	masquerade_off nft
}

# Conntrack itself may end here; what it still knows is taken up.
alone() {
	on "$R" nft flush ruleset
	flush_state
	what="alone"
	conflict 5100
	flood flood "$X2"
	unload
	reload
	stop flood
	what="alone, loaded again"
	adopted 5100
	firewall nft
}

with_another_user
inbound_only
alone

finish
