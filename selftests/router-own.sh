#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The router's own ports stay its own: no inside host gets one as external port,
# its services stay reachable, its own traffic works and opens nothing to the
# outside. Reserved ports are left alone likewise.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_module
home_network
firewall nft
fullcone_on
reflectors

service_keeps_its_port() {
	local proto=$1 port=$2

	allow_in "$proto" "$port"
	expect_is "$proto: the router's service answers" \
		"$Z:6000" "$(probe "$STRANGER" "$proto" 6000 "$W:$port")"
	expect_other_endpoint "$proto: an inside host with that port gets another one" \
		"$W:$port" \
		"$(probe "$X1" "$proto" "$port" $A:3000)"
	expect_is "$proto: the service is still reachable" "$Z:6001" \
		"$(probe "$STRANGER" "$proto" 6001 "$W:$port")"
	# Nobody serves 3999: the inside host spoke to it, the answer comes only
	# to the router's client.
	probe "$X1" "$proto" "$port" $A:3999 >/dev/null
	expect_is "$proto: from an endpoint that the inside host spoke to, too" \
		"$A:3999" \
		"$(probe "$SRV" "$proto" $A:3999 "$W:$port")"
}

# A socket bound to the wildcard and one bound to the address; of TCP it is
# listeners that count.
start service "$R" "$HERE/reflect" $W:5300 $any:5301
service_keeps_its_port udp 5300
service_keeps_its_port udp 5301
service_keeps_its_port tcp 5300
service_keeps_its_port tcp 5301

reserved_ports() {
	set_sysctl "$R" net.ipv4.ip_local_reserved_ports=5700
	must_knob reserved_ports "5710-5711 5713"
	local proto port
	for proto in udp tcp; do
		for port in 5700 5710 5711 5713; do
			expect_other_endpoint "$proto: reserved port $port is not handed out" \
				"$W:$port" \
				"$(probe "$X1" "$proto" "$port" $A:3000)"
		done
		expect_is "$proto: the port between is" \
			"$W:5712" "$(probe "$X1" "$proto" 5712 $A:3000)"
	done
}

# What a resolver on the router does: it asks from any port, also from one that
# an inside host has outside, at the very same server.
own_traffic_works() {
	local proto=$1 port=$2

	expect_is "$proto: an inside host has port $port outside" \
		"$W:$port" "$(probe "$X1" "$proto" "$port" $A:3000)"
	expect_match "$proto: the router asks the same server from the same port and hears the answer" \
		"^$W:[0-9]+\$" \
		"$(probe "$R" "$proto" "$port" $A:3000)"
	expect_is "$proto: the router asks from a port of its own" \
		"$W:$((port + 1))" \
		"$(probe "$R" "$proto" $((port + 1)) $A:3000)"
	expect_is "$proto: the inside host still shows the same endpoint" \
		"$W:$port" \
		"$(probe "$X1" "$proto" "$port" $B:3000)"
}

own_traffic_opens_nothing() {
	local proto=$1 port=$2

	endpoint "r-$proto" "$R" "$proto" "$port" $A:3000
	expect_is "$proto: the router talks to a server" \
		"$W:$port" "$(mapped "r-$proto")"
	PROBE_TIMEOUT=3
	expect_is "$proto: a stranger gets no answer from that port" none \
		"$(probe "$STRANGER" "$proto" 6002 "$W:$port")"
	PROBE_TIMEOUT=
	expect_unlogged "$proto: the router's socket saw nothing of it" \
		"r-$proto" "^from $Z"
	[[ -n $FULLCONE_STANDIN ]] ||
		expect_not "$proto: there is no mapping for it" \
			on "$R" grep -F -e "proto=$proto int=$W:" -e "proto=$proto int=$HR:" /proc/net/fullcone_nat/mappings
}

# Sockets on other addresses are in nobody's way, however many there are.
other_addresses() {
	local proto

	start many "$R" "$HERE/reflect" 127.0.{0,1}.{1..150}:5500
	for proto in udp tcp; do
		expect_is "$proto: 300 sockets on other addresses leave a port to an inside host" \
			"$W:5500" "$(probe "$X1" "$proto" 5500 $A:3000)"
	done
	stop many
}

reserved_ports
[[ $FULLCONE_FAMILY == 6 ]] || other_addresses
own_traffic_works udp 40000
own_traffic_works tcp 40002
own_traffic_opens_nothing udp 5400
own_traffic_opens_nothing tcp 5401

finish
