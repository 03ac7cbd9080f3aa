#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Sessions in a flowtable: their packets pass neither the hooks nor conntrack, and their mappings live on all the same, end
# when they are due, and close when the connection does.
#
# clock: skip
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

# Whatever comes once more is put into the flowtable, but for one server; what is not there is counted. Before Linux 5.13 the
# bridge has to be named, and in 7.3 its ports.
flowtable() {
	on "$R" nft -f - <<-END || skip_all "needs a flowtable"
		table inet bypass {
			flowtable fast {
				hook ingress priority filter
				devices = { br0, x1, x2, x3, wan }
			}
			chain forward {
				type filter hook forward priority filter; policy accept;
				udp sport 3009 accept
				udp dport 3009 accept
				meta l4proto { tcp, udp } counter flow add @fast
			}
		}
	END
}

slow_packets() {
	on "$R" nft list chain inet bypass forward | sed -n 's/.*counter packets \([0-9]*\).*/\1/p'
}

offloaded() {
	entry "$@" | grep -F '[OFFLOAD]'
}

left_flowtable() {
	! offloaded "$@"
}

# expect_fast DESCRIPTION COMMAND...: what it sends and receives does not pass the forward hook
expect_fast() {
	local what=$1 before

	before=$(slow_packets)
	"${@:2}"
	expect_is "$what: its packets pass by the hooks" "$before" "$(slow_packets)"
}

# udp_exchange: one datagram each way
udp_exchange() {
	local quiet=yes

	udp_out "$X1" $H1:5000 $A:3000
	arrived "$what: X1's datagram reaches A" outside "^udp $W:5000$sent" 0
	udp_in "$SRV" $A:3000 $W:5000
	arrived "$what: A's datagram reaches X1" inside "$sent" 0
}

udp_session() {
	what="udp"
	zero
	udp_exchange
	expect "$what: the session is in the flowtable" offloaded udp 5000
	for ((t = 20; t <= 340; t += 20)); do
		at $t
		((t == 320)) || udp_exchange
		((t == 320)) || continue
		expect_fast "$what, after 320 s" udp_exchange
		expect "$what, after 320 s: the session is in the flowtable" offloaded udp 5000
		expect_open "$what, after 320 s: a stranger arrives" udp $W:5000
	done
	# the last packet was at 340 s, the flowtable forgets the session 30 s later
	at 400
	expect_not "$what, idle: the session is no longer in the flowtable" offloaded udp 5000
	at 500
	expect_not "$what, idle: conntrack has forgotten the session" entry udp 5000
	at 637
	expect_open "$what: a stranger arrives 297 s after the last packet" udp $W:5000
	# Until the session leaves the flowtable, after 30 s, it counts as having traffic; then, as conntrack has seen too
	# little of it to call it assured, until it is not given more time than such sessions are, 90 s after the last packet.
	at 775
	expect_closed "$what: none does after 435 s" udp $W:5000
}

stranger_entry() {
	ct -L -p udp --orig-src "$Z" --orig-port-src 7002 --orig-port-dst "$1" 2>/dev/null | grep "${2:-.}"
}

# stranger_goes_on PORT FROM TO STEP: one stranger, whom nobody answers, sends to X1's endpoint; the server at A:3009 as well
stranger_goes_on() {
	for ((t = $2; t <= $3; t += $4)); do
		at $t
		udp_in "$SRV" $A:3009 "$W:$1"
		udp_in "$STRANGER" $Z:7002 "$W:$1"
	done
}

# A flowtable takes the session of a stranger with his second packet. He does not hold the port for ever.
udp_stranger() {
	what="udp, an unanswered stranger"
	zero
	udp_out "$X1" $H1:5002 $A:3000
	expect_leaves "$what: X1 has an endpoint" $W:5002
	stranger_goes_on 5002 0 290 10
	expect_logged "$what: he arrives after 290 s" inside "$sent"
	expect "$what: his session is in the flowtable" stranger_entry 5002 OFFLOAD
	stranger_goes_on 5002 300 340 5
	expect_closed "$what: no other arrives after 340 s" udp $W:5002
	expect_closed "$what: himself neither" udp $W:5002 $Z:7002
	expect_not "$what: his entry is gone" stranger_entry 5002
	expect_state "$what: his session does not pin the port" holddown udp $H1:5002
}

# Nor when another session, that does not refresh, lives on.
udp_draining() {
	what="udp, an unanswered stranger, draining"
	must_knob udp_refresh_inbound 0
	zero
	udp_out "$X1" $H1:5003 $A:3009
	expect_leaves "$what: X1 has an endpoint" $W:5003
	stranger_goes_on 5003 0 290 10
	expect_logged "$what: he arrives after 290 s" inside "$sent"
	expect "$what: his session is in the flowtable" stranger_entry 5003 OFFLOAD
	stranger_goes_on 5003 300 340 5
	expect_state "$what: the mapping is" draining udp $H1:5003
	expect_closed "$what: he does not arrive after 340 s" udp $W:5003 $Z:7002
	udp_in "$SRV" $A:3009 $W:5003
	expect_logged "$what: the other session goes on" inside "$sent"
	must_knob udp_refresh_inbound 1
}

# tcp_goes_on PORT FROM TO STEP: data both ways, at these times
tcp_goes_on() {
	local t quiet=yes

	for ((t = $2; t <= $3; t += $4)); do
		at "$t"
		exchange "$1"
	done
}

tcp_session() {
	what="tcp"
	connect 5001 $A:3001
	zero
	expect "$what: the connection is in the flowtable" offloaded tcp 5001
	expect_fast "$what" exchange 5001
	at 400
	expect_not "$what, idle: the connection is no longer in the flowtable" offloaded tcp 5001
	expect_open "$what, idle for 400 s: a stranger arrives" tcp $W:5001
	at 7300
	expect_open "$what, idle for 7300 s: a stranger arrives" tcp $W:5001
	what="tcp, after 7300 s"
	exchange 5001
	expect "$what: the connection is in the flowtable again" offloaded tcp 5001

	what="tcp, closing"
	zero
	says 5001 FA
	hears 5001 A
	hears 5001 FA
	says 5001 A
	# since Linux 6.14 when it has been idle, before at once
	expect "$what: the connection leaves the flowtable" wait_for 60 left_flowtable tcp 5001
	zero
	at 237
	expect_open "$what: a stranger arrives after 237 s" tcp $W:5001
	at 258
	expect_closed "$what: none does after 258 s" tcp $W:5001
}

# What conntrack knows of a connection when it leaves is as old as the connection is in there.
tcp_long() {
	what="tcp, in the flowtable for 8,000 s"
	connect 5002 $A:3001
	zero
	set_sysctl "$R" net.netfilter.nf_flowtable_tcp_timeout=600
	tcp_goes_on 5002 500 8000 500
	at 8700
	expect_not "$what, idle: the connection is no longer in the flowtable" offloaded tcp 5002
	expect_open "$what, idle for 700 s: a stranger arrives" tcp $W:5002
	set_sysctl "$R" net.netfilter.nf_flowtable_tcp_timeout=30
	exchange 5002
	expect "$what: the connection is in the flowtable again" offloaded tcp 5002
}

# A mapping that is ended takes its sessions with it, out of the flowtable as well: what X1 sends then is a new flow.
flushed() {
	what="flushed"
	zero
	udp_exchange
	expect "$what: the session is in the flowtable" offloaded udp 5000
	flush_mappings
	expect_closed "$what: no stranger arrives" udp $W:5000
	at 10
	expect_not "$what: the session is no longer in the flowtable" offloaded udp 5000
	udp_exchange
	expect_active "$what: X1 has a mapping once more" udp $H1:5000
	expect_open "$what: a stranger arrives" udp $W:5000
}

need_module
life_network
flowtable
udp_session
udp_stranger
udp_draining
tcp_session
tcp_long
flushed
expect_no_leak "all the time"

finish
