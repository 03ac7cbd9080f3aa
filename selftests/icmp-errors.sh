#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# ICMP errors about flows of mappings are translated in both directions, and between inside hosts, for whatever they quote and
# as little of it as they quote; type, code and what follows stay as they are (RFC 5508, REQ-3 to 7; RFC 4787, REQ-12;
# RFC 5382, REQ-9). Those about nothing, or damaged, go nowhere. None of them ends a mapping or a connection.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
silent_network
# unanswered, the flows and their mappings have to last as long as the test
must_knob udp_timeout 600
must_knob icmp_timeout 600
set_sysctl "$R" net.netfilter.nf_conntrack_udp_timeout=600 net.netfilter.nf_conntrack_icmp_timeout=600 \
	net.netfilter.nf_conntrack_icmpv6_timeout=600
watch stranger "$STRANGER" eth0
watch x2 "$X2" eth0
watch tail "$X1" -x eth0 icmp

if [[ $FULLCONE_FAMILY == 6 ]]; then
	codes=(1/{0..6} 2/0 3/{0..1} 4/{0..2})
	unreachable=1/4 exceeded=3/0
else
	codes=(3/{0..13} 11/{0..1} 12/{0..1})
	unreachable=3/3 exceeded=11/0
fi

# error NS SRC DST TYPE/CODE PROTO FROM TO [HOW...]
error() {
	on "$1" "$HERE/seg" error "${@:2}" || bail_out "can't send an error: $*"
}

# X1's endpoints: each another one than its own, as X2 was first
# shellcheck disable=SC2034 # they are read by name
endpoints() {
	local proto

	udp=$(one_of udp)
	tcp=$(one_of tcp)
	icmp=$(one_of icmp)
	for proto in udp tcp icmp; do
		expect_other_endpoint "$proto: X1 has an endpoint" "$W:5000" "${!proto}"
	done
}

# one_of PROTO: X1's endpoint outside for its port 5000, X2 having been there first
one_of() {
	local ns from

	for ns in "$X2" "$X1"; do
		from="${ADDR[$ns]}:5000"
		case $1 in
		udp) seg "$ns" udp "$from" "$A:3000" "from $ns" ;;
		tcp) seg "$ns" tcp "$from" "$A:3000" S 1 ;;
		icmp) PROBE_TIMEOUT=0.1 probe "$ns" icmp 5000 "$A" >/dev/null ;;
		esac
		wait_for 30 mapped_on "$1" "$from"
	done
	ext_of "$1" "$from"
}

mapped_on() {
	[[ $(ext_of "$@") ]]
}

# expect_inside DESCRIPTION FROM TYPE/CODE PROTO INNER-FROM INNER-TO: X1 got it, whole
expect_inside() {
	expect_logged "$1" inside "^icmp $2 > $H1 $3 \\($4 $5 > $6\\)\$"
}

about_outbound_flows() {
	local proto code port seen

	for proto in udp tcp icmp; do
		port=3000
		[[ $proto != icmp ]] || port=0
		# from B, which is a router on the way as far as anybody can tell
		for code in "${codes[@]}"; do
			error "$SRV" "$B" "$W" "$code" "$proto" "${!proto}" "$A:$port"
		done
		wait_for 30 logged inside "^icmp $B > $H1 ${codes[-1]} \\($proto "
		re "^icmp $B > $H1 ([0-9/]+) \\($proto $H1:5000 > $A:$port\\)\$"
		seen=$(sed -nE "s,$regex,\\1,p" "$TMP/inside" | xargs)
		expect_is "$proto: errors of every type and code reach X1, translated, from whoever sent them" "${codes[*]}" "$seen"

		error "$SRV" "$B" "$W" "$unreachable" "$proto" "${!proto}" "$A:$port" full
		error "$SRV" "$Z" "$W" "$unreachable" "$proto" "${!proto}" "$A:$port" full
		expect_inside "$proto: likewise if the whole header is quoted" "$Z" "$unreachable" "$proto" "$H1:5000" "$A:$port"
		error "$SRV" "$B" "$W" "$exceeded" "$proto" "${!proto}" "$A:$port" full objects
		expect_logged "$proto: an extension object arrives as it was" tail \
			"^icmp $B > $H1 $exceeded \\($proto $H1:5000 > $A:$port\\) 2000[0-9a-f]{4}00080101cafee140\$"
	done
	# the quoted checksum is nobody's business but the host's
	error "$SRV" "$Z" "$W" "$exceeded" udp "$udp" "$A:3000" full badl4
	expect_inside "a wrong checksum in the quoted UDP header does no harm" "$Z" "$exceeded" udp "$H1:5000" "$A:3000"
	[[ $FULLCONE_FAMILY == 4 ]] || return 0
	error "$SRV" "$Z" "$W" 3/9 udp "$udp" "$A:3000" options
	expect_inside "IPv4 options in what is quoted are no obstacle" "$Z" 3/9 udp "$H1:5000" "$A:3000"
}

# What is out of use the ready firewall drops (RFC 5508, REQ-10c), in both of its forms.
out_of_use() {
	[[ $FULLCONE_FAMILY == 4 ]] || return 0
	source_quench
	on "$R" nft delete table "$firewall_family" fullcone
	firewall iptables
	watch inside "$X1" eth0
	source_quench
	on "$R" iptables -F
	on "$R" iptables -P FORWARD ACCEPT
	firewall nft
}

source_quench() {
	# an information request
	seg "$X1" 1 "$H1" "$A" 0f00f0fd00010001
	error "$SRV" "$A" "$W" 4/0 udp "$udp" "$A:3000"
	error "$SRV" "$A" "$W" 12/0 udp "$udp" "$A:3000" full
	expect_logged "what is still in use comes through" inside "^icmp $A > $H1 12/0 "
	expect_unlogged "a source quench does not come through" inside "^icmp $A > $H1 4/0"
	expect_unlogged "nor does an information request" wan "^icmp .* > $A 15/0"
}

about_nothing() {
	error "$SRV" "$Z" "$W" "$unreachable" udp "$W:5999" "$A:3000"
	error "$SRV" "$Z" "$W" "$unreachable" udp "$udp" "$A:3333"
	error "$SRV" "$A" "$W" "$unreachable" udp "$udp" "$A:3000" badsum
	error "$SRV" "$B" "$W" "$exceeded" udp "$udp" "$A:3000"
	wait_for 30 logged inside "^icmp $B > $H1 $exceeded \\(udp "
	expect_unlogged "outside: an error about no flow reaches nobody" inside "udp .* > $A:3333|udp .*:5999 > "
	expect_unlogged "outside: nor does one with a wrong checksum" inside "^icmp $A > "
	expect_unlogged "nothing that arrived has a wrong checksum" inside badsum

	error "$X1" "$H1" "$A" "$unreachable" udp "$A:3333" "$H1:5999"
	udp_out "$X1" "$H1:5000" "$A:3000"
	expect_leaves "X1 goes on" "$udp"
	expect_unlogged "inside: an error about no flow does not leave" wan "^icmp .*:3333 > "
}

about_inbound_flows() {
	seg "$STRANGER" udp "$Z:7000" "$udp" knock
	expect_logged "a stranger's datagram reaches X1" inside "^udp $Z:7000 > $H1:5000 .*knock"
	error "$X1" "$H1" "$Z" "$unreachable" udp "$Z:7000" "$H1:5000"
	expect_logged "X1's error reaches the stranger, translated" stranger \
		"^icmp $W > $Z $unreachable \\(udp $Z:7000 > $udp\\)\$"
	seg "$STRANGER" tcp "$Z:7001" "$tcp" S 9
	expect_logged "a stranger's SYN reaches X1" inside "^tcp $Z:7001 > $H1:5000 S seq=9 "
	error "$X1" "$H1" "$Z" "$unreachable" tcp "$Z:7001" "$H1:5000" full
	expect_logged "X1's error about it reaches him, translated" stranger \
		"^icmp $W > $Z $unreachable \\(tcp $Z:7001 > $tcp\\)\$"
	# a router inside that could not deliver it: its own address is as private as X1's
	error "$X3" "$H3" "$Z" "$exceeded" udp "$Z:7000" "$H1:5000" full
	expect_logged "that of an inside router comes from the router, too" stranger \
		"^icmp $W > $Z $exceeded \\(udp $Z:7000 > $udp\\)\$"
	expect_no_leak "errors"
}

between_inside_hosts() {
	local e2

	e2=$(ext_of udp "$H2:5000")
	seg "$X2" udp "$H2:5000" "$udp" hello
	expect_logged "X2's datagram reaches X1 by its endpoint" inside "^udp $e2 > $H1:5000 .*hello"
	error "$X1" "$H1" "$W" "$exceeded" udp "$e2" "$H1:5000"
	expect_logged "X1's error reaches X2: from the endpoint, about what X2 sent" x2 \
		"^icmp $W > $H2 $exceeded \\(udp $H2:5000 > $udp\\)\$"
	seg "$X1" udp "$H1:5000" "$e2" reply
	expect_logged "X1's answer reaches X2" x2 "^udp $udp > $H2:5000 .*reply"
	error "$X2" "$H2" "$W" "$unreachable" udp "$udp" "$H2:5000"
	expect_logged "X2's error about that reaches X1" inside \
		"^icmp $W > $H1 $unreachable \\(udp $H1:5000 > $e2\\)\$"
}

# What the router itself has to say about a packet that goes no further
of_the_router() {
	on "$X1" "$HERE/seg" -l 1 udp "$H1:5000" "$A:3000" dies
	expect_logged "X1's packet dies at the router, who says so" inside \
		"^icmp $HR > $H1 $exceeded \\(udp $H1:5000 > $A:3000\\)\$"
	on "$STRANGER" "$HERE/seg" -l 1 udp "$Z:7000" "$udp" dies
	expect_logged "so does a stranger's, and he learns nothing of the inside" stranger \
		"^icmp $W > $Z $exceeded \\(udp $Z:7000 > $udp\\)\$"
}

nothing_ends() {
	connect 5100 "$A:3000"
	for code in "${codes[@]}"; do
		error "$SRV" "$A" "$W" "$code" tcp "$W:5100" "$A:3000" full
		error "$SRV" "$B" "$W" "$code" tcp "$W:5100" "$A:3000"
	done
	wait_for 30 logged inside "^icmp $B > $H1 ${codes[-1]} \\(tcp $H1:5100 "
	what="after errors of every type and code"
	exchange 5100
	expect_open "strangers still arrive at X1's UDP endpoint" udp "$udp"
	expect_open "and at that of its connection" tcp "$W:5100"
	expect_state "X1's query still has its mapping" active icmp "$H1:5000"
}

endpoints
about_outbound_flows
expect_unlogged "nothing that arrived has a wrong checksum" inside badsum
out_of_use
watch inside "$X1" eth0
about_nothing
about_inbound_flows
between_inside_hosts
of_the_router
nothing_ends

finish
