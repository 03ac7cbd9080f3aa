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

# port PROTO NS PORT: its external port
port() {
	local e

	e=$(probe "$2" "$1" "$3" $A:3000)
	echo "${e##*:}"
}

is_even() {
	[[ $1 =~ ^[0-9]*[02468]$ ]]
}

is_odd() {
	[[ $1 =~ ^[0-9]*[13579]$ ]]
}

for proto in udp tcp; do
	for n in 5000 5002 5004 5006; do
		port $proto "$X1" $n >/dev/null
		port $proto "$X1" $((n + 1)) >/dev/null
		e=$(port $proto "$X2" $n)
		expect "$proto: $n is taken, another even port ($e) is given" is_even "$e"
		e=$(port $proto "$X2" $((n + 1)))
		expect "$proto: $((n + 1)) is taken, another odd port ($e) is given" is_odd "$e"
	done
done

note "few ports"
flush_state
must_knob ports 4000-4007
for n in 6001 6003 6005 6007; do
	e=$(port udp "$X1" $n)
	expect "udp: of four odd ports each is given to an odd port ($e)" is_odd "$e"
done
e=$(port udp "$X1" 6009)
expect "udp: to the fifth an even one ($e) is" is_even "$e"
for n in 6000 6002 6004; do
	e=$(port udp "$X2" $n)
	expect "udp: the others are for even ports ($e)" is_even "$e"
done
expect_is "udp: then there are no more" none "$(PROBE_TIMEOUT=2 probe "$X2" udp 6006 $A:3000)"

note "port_parity=0"
flush_state
must_knob port_parity 0
for n in 6001 6003 6005 6007 6009 6011 6013 6015; do
	port udp "$X1" $n
done >"$TMP/seen"
expect_is "any port for any" "4000 4001 4002 4003 4004 4005 4006 4007" "$(sort -n "$TMP/seen" | xargs)"

finish
