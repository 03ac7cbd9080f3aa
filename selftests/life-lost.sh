#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Sessions that conntrack loses (early drop, a full table, conntrack -D) do not free their port: their ends still speak.
# With one single port to hand out nobody else gets it, and the next packet goes on from the same endpoint.
#
# clock: skip
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
life_network
must_knob ports 5000

# x2_refused DESCRIPTION PROTO: X2 wants the port and its packet does not leave
x2_refused() {
	local before

	before=$(stat_of drop_no_port)
	if [[ $2 == udp ]]; then
		seg "$X2" udp $H2:6000 $A:3001 "x2-$((++sends))"
	else
		seg "$X2" tcp $H2:6000 $A:3001 S $((++sends))
	fi
	expect "$1: X2's packet is refused" wait_for 10 counted drop_no_port $((before + 1))
	expect_unlogged "$1: nothing of X2 has left" outside " > $A:3001 "
}

counted() {
	(($(stat_of "$1") == $2))
}

lost_tcp() {
	what="established, then deleted"
	connect 5000 $A:3000
	zero
	at 7
	expect "$what: conntrack has the connection" entry tcp 5000
	ct -D -p tcp --orig-port-src 5000 >/dev/null 2>&1
	expect_not "$what: then not" entry tcp 5000
	x2_refused "$what" tcp
	at 30
	x2_refused "$what, after 30 s" tcp
	expect_open "$what, after 30 s: strangers arrive" tcp $W:5000
	what="established, deleted, data of X1 after 30 s"
	exchange 5000

	zero
	at 7
	ct -F >/dev/null 2>&1
	at 7000
	what="established, flushed, after 7000 s"
	x2_refused "$what" tcp
	what="established, flushed, data of the peer after 7000 s"
	hears 5000 PA 100
	says 5000 A
	exchange 5000
}

lost_udp() {
	zero
	udp_out "$X1" $H1:5000 $A:3000
	expect_leaves "udp: X1 has an endpoint" $W:5000
	at 10
	ct -F >/dev/null 2>&1
	x2_refused "udp, flushed" udp
	expect_open "udp, flushed: strangers arrive" udp $W:5000
	at 297
	x2_refused "udp, flushed, after 297 s" udp
	expect_open "udp, flushed: strangers arrive after 297 s" udp $W:5000
	udp_out "$X1" $H1:5000 $B:3000
	expect_leaves "udp, flushed: X1 has the same endpoint after 297 s" $W:5000
}

lost_udp
lost_tcp
expect_no_leak "all the time"

finish
