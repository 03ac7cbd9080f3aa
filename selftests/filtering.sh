#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Endpoint-independent filtering: a stranger whom the inside host never spoke to
# reaches its external endpoint, and talks to nobody else; a port without a
# mapping stays silent.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_module
home_network
reflectors
port=5000

mapped_port_is_open() {
	local proto=$1 port=$2 e

	# X2 took the port before: X1's external port is another one than its
	# own.
	probe "$X2" "$proto" "$port" $A:3000 >/dev/null
	endpoint "x1-$proto" "$X1" "$proto" "$port" $A:3000
	e=$(mapped "x1-$proto")
	expect_match "$proto: X1 has an endpoint outside" "^$W:[0-9]+\$" "$e"

	# The answer says whom X1 saw, and probe takes none but from the
	# endpoint that it asked.
	expect_is "$proto: a stranger's packet arrives from where it was sent, the answer comes from the endpoint" \
		"$Z:6000" "$(probe "$STRANGER" "$proto" 6000 "$e")"
	expect_is "$proto: likewise from another of the stranger's ports" \
		"$Z:6001" "$(probe "$STRANGER" "$proto" 6001 "$e")"
	expect_is "$proto: likewise from the address that X1 spoke to, from another port" \
		"$A:6002" "$(probe "$SRV" "$proto" $A:6002 "$e")"
}

unmapped_port_is_silent() {
	local e

	e=$(mapped x1-udp)
	watch at-x1 "$X1" eth0
	watch at-stranger "$STRANGER" eth0 dst=$Z

	# RFC 5382 REQ-4: no answer of any kind for six seconds.
	PROBE_TIMEOUT=7
	expect_is "udp: a port without a mapping does not answer" \
		none "$(probe "$STRANGER" udp 6100 $W:9)"
	expect_is "tcp: a port without a mapping does not answer" \
		none "$(probe "$STRANGER" tcp 6101 $W:9)"
	PROBE_TIMEOUT=
	# RFC 7857, section 6: what is open to UDP is not open to TCP.
	seg "$STRANGER" tcp "$Z:6100" "$e" S 1000
	seg "$STRANGER" tcp $Z:6102 $W:9 A 1000 2000 10
	seg "$STRANGER" tcp $Z:6103 $W:9 FA 1000 2000

	# When this one has come back, anything that the others caused would
	# have, too.
	expect_is "udp: the mapped port still answers" \
		"$Z:6104" "$(probe "$STRANGER" udp 6104 "$e")"
	expect_logged "the watchers see it" at-x1 "^udp $Z:6104 > "
	expect_unlogged "nothing of it came to the inside" at-x1 " $Z:610[0-3] > "
	expect_unlogged "no reset went back" at-stranger "^tcp .* R"
	expect_unlogged "no ICMP error went back" at-stranger "^icmp "
	stop at-x1
	stop at-stranger
}

kinds="nft iptables"
# the ready file for iptables is IPv4's
[[ $FULLCONE_FAMILY == 4 ]] || kinds=nft
for kind in $kinds; do
	note "firewall.$kind"
	on "$R" nft flush ruleset
	firewall "$kind"
	fullcone_on		# once more: what stands in is a rule
	mapped_port_is_open udp $((++port))
	mapped_port_is_open tcp $((++port))
	unmapped_port_is_silent
done

finish
