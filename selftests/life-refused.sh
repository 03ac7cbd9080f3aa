#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Strangers who go on knocking where an inside host refuses them, by a port unreachable or a reset, neither keep its mapping
# nor pin its port.
#
# clock: skip
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
life_network

# X2's own kernel refuses; it has no socket anywhere.
on "$X2" nft delete table inet silence

port_unreach=3/3
[[ $FULLCONE_FAMILY == 4 ]] || port_unreach=1/4

# Each refusal has to be seen leaving: of UDP an ICMP error, of TCP a reset.
refusal() {
	knock "$@"
	if [[ $1 == udp ]]; then
		refused="^icmp $W > $Z $port_unreach \\(udp $stranger > $2\\)"
	else
		refused="^tcp $2 > $stranger RA "
	fi
}

entries_of() {
	ct -L -p "$1" --orig-src "$Z" 2>/dev/null | grep "dport=$2 "
}

zero
seg "$X2" udp $H2:5000 $A:3000 out
expect_logged "udp: X2 has an endpoint" outside "^udp $W:5000 > $A:3000 "
seg "$X2" tcp $H2:5001 $A:3000 S 1
expect_logged "tcp: X2 has an endpoint" outside "^tcp $W:5001 > $A:3000 "
for ((t = 5; t < 300; t += 20)); do
	at $t
	refusal udp $W:5000 $Z:7000
	refusal udp $W:5000
	((t > 5)) || expect_logged "udp: a stranger is refused" wan "$refused"
	refusal tcp $W:5001 $Z:7001
	refusal tcp $W:5001
	((t > 5)) || expect_logged "tcp: a stranger is refused" wan "$refused"
done
expect_logged "tcp: a stranger is still refused after 285 s" wan "$refused"
at 312
expect_state "udp: the port is held down after 312 s" holddown udp $H2:5000
expect_not "udp: no stranger's entry is left" entries_of udp 5000
# conntrack keeps a SYN for 120 s, and then come the four minutes.
for ((t = 320; t < 360; t += 10)); do
	at $t
	knock tcp $W:5001 $Z:7001
done
at 377
expect_state "tcp: the port is held down after 377 s" holddown tcp $H2:5001
expect_not "tcp: no stranger's entry is left" entries_of tcp 5001

finish
