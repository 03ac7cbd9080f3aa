#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Even inside ports get even external ports, odd ones odd, also when their own is taken
# (RFC 4787, REQ-4): best effort, so the other sort is better than none.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_module
home_network
fullcone_on
reflectors
must_knob reject drop

is_even() {
	[[ $1 =~ ^[0-9]*[02468]$ ]]
}

is_odd() {
	[[ $1 =~ ^[0-9]*[13579]$ ]]
}

for proto in udp tcp; do
	for n in 5000 5002 5004 5006; do
		external_port "$X1" $proto $n $A:3000 >/dev/null
		external_port "$X1" $proto $((n + 1)) $A:3000 >/dev/null
		e=$(external_port "$X2" $proto $n $A:3000)
		expect "$proto: $n is taken, another even port ($e) is given" is_even "$e"
		e=$(external_port "$X2" $proto $((n + 1)) $A:3000)
		expect "$proto: $((n + 1)) is taken, another odd port ($e) is given" is_odd "$e"
	done
done

note "few ports"
flush_state
must_knob ports 4000-4007
for n in 6001 6003 6005 6007; do
	e=$(external_port "$X1" udp $n $A:3000)
	expect "udp: of four odd ports each is given to an odd port ($e)" is_odd "$e"
done
e=$(external_port "$X1" udp 6009 $A:3000)
expect "udp: to the fifth an even one ($e) is" is_even "$e"
for n in 6000 6002 6004; do
	e=$(external_port "$X2" udp $n $A:3000)
	expect "udp: the others are for even ports ($e)" is_even "$e"
done
expect_is "udp: then there are no more" none "$(PROBE_TIMEOUT=2 probe "$X2" udp 6006 $A:3000)"

note "port_parity=0"
flush_state
must_knob port_parity 0
for n in 6001 6003 6005 6007 6009 6011 6013 6015; do
	external_port "$X1" udp $n $A:3000
done >"$TMP/seen"
expect_is "any port for any" "4000 4001 4002 4003 4004 4005 4006 4007" "$(sort -n "$TMP/seen" | xargs)"

finish
