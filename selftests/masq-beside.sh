#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Beside the MASQUERADE rule that a router has already: with order=first the
# module decides and the rule is not needed, with order=last the rule does and
# "status" counts it; a flow that no rule decided is ours either way.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_module
need_tools iptables
home_network
fullcone_on
firewall nft
reflectors

# The one that tells full cone from MASQUERADE, with a fresh port each time: see
# mapping.sh.
is_endpoint_independent() {
	local proto=$1 port=$2 first

	probe "$X1" "$proto" "$port" "$A:3000" >/dev/null
	first=$(probe "$X2" "$proto" "$port" "$B:3000")
	[[ $first == "$W":* && $(probe "$X2" "$proto" "$port" "$A:3000") == "$first" ]]
}

# How many flows another nat rule decided, by "status".
taken_by_rules() {
	field by_rules "$(on "$R" grep "^wan=wan " /proc/net/fullcone_nat/status)"
}

port=5000
beside() {
	local by=$1 proto before

	masquerade "$by"
	must_knob order first
	for proto in udp tcp; do
		expect "$by, order=first, $proto: the module decides" \
			is_endpoint_independent $proto $((++port))
		[[ -n $FULLCONE_STANDIN ]] ||
			expect "$by, order=first, $proto: there is a mapping" \
				state_of $proto $LAN.2:$port
	done

	must_knob order last
	[[ -z $FULLCONE_STANDIN ]] || return 0
	for proto in udp tcp; do
		before=$(taken_by_rules)
		expect_is "$by, order=last, $proto: the flow is translated" \
			"$W:$((++port))" \
			"$(probe "$X1" $proto $port "$A:3000")"
		expect_not "$by, order=last, $proto: by the rule, there is no mapping" \
			state_of $proto $LAN.2:$port
		expect_is "$by, order=last, $proto: status counts it" \
			$((before + 1)) "$(taken_by_rules)"
	done

	masquerade_off "$by"
	for proto in udp tcp; do
		expect "$by, order=last, $proto: without the rule the module decides" \
			is_endpoint_independent $proto $((++port))
	done
}

beside nft
beside iptables

finish
