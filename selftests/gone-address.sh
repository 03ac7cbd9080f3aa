#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# When the router loses an address, all mappings and sessions of that address end at once, and nothing leaves with it any
# more; what goes on gets an endpoint on the new one. Another address of the same interface is not concerned.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
silent_network

# no_mapping ADDRESS, no_session ADDRESS: none has this as external address
no_mapping() {
	! on "$R" grep -F " ext=$1:" /proc/net/fullcone_nat/mappings
}

no_session() {
	! ct -L 2>/dev/null | grep -E "src=$(bare "$HR" | sed 's/1$//').*(src|dst)=$(bare "$1") "
}

# gone ADDRESS: after "ip addr del" returned
gone() {
	[[ -n $FULLCONE_STANDIN ]] ||
		expect "$what: the mappings of $1 end" wait_for 10 no_mapping "$1"
	expect "$what: the sessions of $1 end" wait_for 10 no_session "$1"
}

replaced() {
	what="the address is replaced"
	udp_out "$X1" $H1:5000 $A:3000
	expect_leaves "$what: X1 speaks from the old one" $W:5000
	connect 5001 $A:3000
	set_sysctl "$R" net.netfilter.nf_conntrack_udp_timeout=600
	del_address "$R" wan $W
	gone $W
	add_address "$R" wan $W2
	watch old "$R" wan src=$W

	udp_out "$X1" $H1:5000 $A:3000
	expect_leaves "$what: X1's next datagram leaves from the new one" $W2:5000
	[[ -n $FULLCONE_STANDIN ]] ||
		expect_is "$what: procfs has it" $W2:5000 "$(ext_of udp $H1:5000)"
	expect_open "$what: strangers arrive there" udp $W2:5000
	# The connection can't go on, but what X1 still says must not have the old address.
	ext[5001]=$W2:5001
	says 5001 PA 100
	connect 5002 $A:3000 $W2:5002
	exchange 5002
	expect_unlogged "$what: nothing left with the old one" old "^[a-z]+ $W:"
	stop old
}

# The same while ever new flows are made, and with no time between.
replaced_under_traffic() {
	what="the address is replaced under traffic"
	local seen

	flood flood-1 "$X1"
	flood flood-2 "$X2"
	expect "$what: X1's flows leave" wait_for 60 logged_times outside "^udp $W2:.* flood" 20
	{
		echo "addr del $(bare $W2)/$prefix dev wan"
		address_command wan $W
	} | ip -n "$R" -batch -
	gone $W2
	watch old "$R" wan src=$W2
	seen=$(times_logged outside "^udp $W:.* flood")
	expect "$what: X1's flows go on from the new one" \
		wait_for 60 logged_times outside "^udp $W:.* flood" $((seen + 20))
	expect_unlogged "$what: nothing left with the old one" old "^udp "
	stop old
	stop flood-1
	stop flood-2
}

another_stays() {
	local other=198.51.100.1 server=198.51.100.10

	what="one of two addresses goes"
	ip -n "$R" addr add $other/24 dev wan
	ip -n "$SRV" addr add $server/24 dev eth0
	udp_out "$X1" $H1:5010 $A:3000
	expect_leaves "$what: X1 speaks to A from the first" $W:5010
	udp_out "$X1" $H1:5010 $server:3000
	expect_leaves "$what: X1 speaks to the other network from the second" $other:5010
	connect 5011 $A:3000
	ip -n "$R" addr del $other/24 dev wan
	gone $other
	[[ -n $FULLCONE_STANDIN ]] ||
		expect_is "$what: the first one's mapping stays" $W:5010 "$(ext_of udp $H1:5010)"
	expect_open "$what: strangers arrive at the first" udp $W:5010
	exchange 5011
}

# A PPP interface's address has the peer's beside it, which conntrack's own clean-up takes for the address.
point_to_point() {
	local us=10.64.0.1 them=10.64.0.2 new=10.64.0.5

	what="point-to-point"
	ip -n "$R" link add ppp0 type veth peer name ppp0 netns "$SRV"
	ip -n "$SRV" -batch - <<-END
		addr add $them/32 dev ppp0
		link set ppp0 up
		route add 10.64.0.0/24 dev ppp0 src $them
	END
	ip -n "$R" -batch - <<-END
		addr add $us peer $them dev ppp0
		link set ppp0 up
	END
	must_knob wan "wan ppp0"
	watch ppp "$SRV" ppp0
	wait_for 30 answers_ping || bail_out "the router does not reach the peer"

	seg "$X1" udp $H1:5020 $them:3000 before
	expect_logged "$what: X1 speaks from the old address" ppp "^udp $us:5020 > $them:3000 .* before"
	ip -n "$R" addr del $us peer $them dev ppp0
	gone $us
	ip -n "$R" addr add $new peer $them dev ppp0
	seg "$X1" udp $H1:5020 $them:3000 after
	expect_logged "$what: then from the new one" ppp "^udp $new:5020 > $them:3000 .* after"
	expect_unlogged "$what: and not from the old one" ppp "^udp $us:.* after"
	udp_in "$SRV" $them:3999 $new:5020
	expect_logged "$what: strangers arrive there" inside "$sent"
}

answers_ping() {
	set_sysctl "$SRV" net.ipv4.icmp_echo_ignore_all=0
	on "$R" ping -c 1 -W 1 10.64.0.2
}

replaced
replaced_under_traffic
# which of two addresses a flow gets is another matter with IPv6
if [[ $FULLCONE_FAMILY == 4 ]]; then
	another_stays
	point_to_point
fi
expect_no_leak "all the time"

finish
