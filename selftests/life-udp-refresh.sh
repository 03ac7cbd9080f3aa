#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Which inbound packets keep a UDP mapping (RFC 4787 REQ-6a): with udp_refresh_inbound=1 those of sessions that the inside has
# answered or opened, with 0 none; those of strangers whom nobody answered never do, and they do not pin the port either.
#
# clock: skip
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
life_network

entry_of_stranger() {
	ct -L -p udp --orig-src "$Z" --orig-port-src 7002 --orig-port-dst 5002 2>/dev/null | grep .
}

# open_mapping PORT DESCRIPTION
open_mapping() {
	udp_out "$X1" "$H1:$1" $A:3000
	expect_leaves "$2: X1 has an endpoint" "$W:$1"
}

# Four mappings of X1 that all spoke once:
#  5000	the server goes on to answer, X1 says nothing more
#  5001	one stranger from one port, whom X1 answers once
#  5002	one stranger from one port, whom nobody answers
#  5003	a stranger from a new port each time
both_ways() {
	zero
	open_mapping 5000 "refresh=1, a server that answers"
	open_mapping 5001 "refresh=1, a stranger answered once"
	open_mapping 5002 "refresh=1, one stranger"
	open_mapping 5003 "refresh=1, many strangers"
	udp_in "$STRANGER" $Z:7001 $W:5001
	expect_logged "refresh=1, a stranger answered once: he arrives" inside "$sent"
	seg "$X1" udp $H1:5001 $Z:7001 answer
	expect_logged "refresh=1, a stranger answered once: the answer leaves from the endpoint" \
		wan "^udp $W:5001 > $Z:7001 .* answer\$"
	for ((t = 5; t <= 340; t += 20)); do
		at $t
		udp_in "$SRV" $A:3000 $W:5000
		udp_in "$STRANGER" $Z:7001 $W:5001
		udp_in "$STRANGER" $Z:7002 $W:5002
		knock udp $W:5003
		if ((t == 285)); then
			expect_logged "refresh=1, one stranger: he arrives after 285 s" inside "^udp $Z:7002 > .* in-$sends\$"
			expect_logged "refresh=1, many strangers: another arrives after 285 s" inside "$knocked"
		elif ((t == 325)); then
			expect_closed "refresh=1, one stranger: no other arrives after 325 s" udp $W:5002
			expect_closed "refresh=1, one stranger: himself neither" udp $W:5002 $Z:7002
			expect_closed "refresh=1, many strangers: none arrives after 325 s" udp $W:5003
			expect_state "refresh=1, one stranger: his session does not pin the port" \
				holddown udp $H1:5002
			expect_not "refresh=1, one stranger: his entry is gone" \
				entry_of_stranger
			expect_open "refresh=1, a server that answers: strangers arrive after 325 s" udp $W:5000
			expect_open "refresh=1, a stranger answered once: others arrive after 325 s" udp $W:5001
		fi
	done
	# The last packet was at 325 s.
	at 622
	expect_open "refresh=1, a server that answered: a stranger arrives 297 s after the last answer" udp $W:5000
	expect_open "refresh=1, a stranger answered once: another arrives 297 s after the last packet" udp $W:5001
	at 638
	expect_closed "refresh=1, a server that answered: none after 313 s" udp $W:5000
	expect_closed "refresh=1, a stranger answered once: none after 313 s" udp $W:5001
}

# 5010	the server goes on to answer, X1 says nothing more
# 5011	X1 goes on, nobody answers
# 5012	X1 goes on, the server answers
outbound_only() {
	must_knob udp_refresh_inbound 0
	set_sysctl "$R" net.netfilter.nf_conntrack_acct="$1"
	what="refresh=0, nf_conntrack_acct=$1"
	zero
	open_mapping 5010 "$what, answers only"
	open_mapping 5011 "$what, outbound only"
	open_mapping 5012 "$what, both"
	for ((t = 5; t <= 340; t += 20)); do
		at $t
		udp_in "$SRV" $A:3000 $W:5010
		udp_out "$X1" $H1:5011 $A:3000
		udp_out "$X1" $H1:5012 $A:3000
		udp_in "$SRV" $A:3000 $W:5012
		((t == 325)) || continue
		expect_logged "$what, both: the answer arrives" inside "$sent"
		expect_closed "$what, answers only: no stranger arrives after 325 s" udp $W:5010
		expect_state "$what, answers only: it is" draining udp $H1:5010
		expect_open "$what, outbound only: a stranger arrives after 325 s" udp $W:5011
		expect_open "$what, both: a stranger arrives after 325 s" udp $W:5012
	done
	at 622
	expect_open "$what, outbound only: a stranger arrives 297 s after the last packet" udp $W:5011
	expect_open "$what, both: a stranger arrives 297 s after the last packet" udp $W:5012
	# With counters of the owner's the end of a session, up to 120 s later, counts as a packet: they end late.
	[[ $1 == 0 ]] || return 0
	at 642
	expect_closed "$what, outbound only: none after 317 s" udp $W:5011
	expect_closed "$what, both: none after 317 s" udp $W:5012
}

# 5020	X1 goes on to speak to the server, and lets in only whom it has spoken to
peers_stay() {
	must_knob filter_udp adf
	zero
	open_mapping 5020 "$what, filter_udp=adf"
	for ((t = 5; t <= 340; t += 20)); do
		at $t
		udp_out "$X1" $H1:5020 $A:3000
	done
	udp_in "$SRV" $A:3001 $W:5020
	expect_logged "$what, filter_udp=adf: the server gets in from another port after 325 s" inside "$sent"
	expect_closed "$what, filter_udp=adf: a stranger does not" udp $W:5020
	must_knob filter_udp eif
}

both_ways
for acct in 0 1; do
	outbound_only $acct
	flush_state
	peers_stay
	flush_state
done

finish
