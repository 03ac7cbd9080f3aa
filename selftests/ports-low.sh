#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Ports below 1024 stay below, the others above (RFC 4787, REQ-3a): as far as the list of
# ports has both. The default list has none below 1024.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_module
home_network
fullcone_on
reflectors
must_knob reject drop

between() {
	[[ $3 =~ ^[0-9]+$ ]] && (($1 <= $3 && $3 <= $2))
}

for proto in udp tcp; do
	e=$(external_port "$X1" $proto 500 $A:3000)
	expect "$proto: the default list: port 500 gets one above 1023 ($e)" between 1024 65535 "$e"
done

flush_state
must_knob ports 500-511,600-700,4000-4003
for proto in udp tcp; do
	expect_is "$proto: the first host keeps port 500" 500 "$(external_port "$X1" $proto 500 $A:3000)"
	e=$(external_port "$X2" $proto 500 $A:3000)
	expect "$proto: the second gets another below 1024 ($e)" between 501 700 "$e"
	e=$(external_port "$X3" $proto 1 $A:3000)
	expect "$proto: port 1 gets one of the list below 1024 ($e)" between 501 700 "$e"
	for n in 5000 5001 5002 5003; do
		e=$(external_port "$X1" $proto $n $A:3000)
		expect "$proto: port $n gets one above 1023 ($e)" between 4000 4003 "$e"
	done
	expect_is "$proto: when those are used up, none below 1024 is given" none "$(PROBE_TIMEOUT=2 external_port "$X2" $proto 5000 $A:3000)"
	e=$(external_port "$X2" $proto 501 $A:3000)
	expect "$proto: while there are such for others ($e)" between 501 700 "$e"
done

# A source port of zero is nobody's (RFC 768), and must do no harm.
seg "$X1" udp $LAN.2:0 $A:3000 hello
expect "a packet from port zero gets a port like others" wait_for 30 state_of udp $LAN.2:0
expect_is "after a packet from port zero all goes on" 500 "$(external_port "$X1" udp 500 $A:3000)"

finish
