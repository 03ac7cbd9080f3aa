#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# mapping=apdm, the symmetric NAT for testing applications: an inside endpoint has
# another external port for each destination, and always the same for that one. An
# ICMP query has no port at the other end, and its id is mapped for all.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_tools conntrack
need_module
home_network
fullcone_on
must_knob mapping apdm
firewall nft
reflectors

# all_differ ENDPOINT...
all_differ() {
	(($# == $(printf '%s\n' "$@" | sort -u | wc -l)))
}

lines_of() {
	state_of "$@" | wc -l
}

port_for_each_destination() {
	local proto=$1 port=$2 other a aq b

	# another host took the port before, for that same destination
	other=$(probe "$X2" "$proto" "$port" $A:3000)
	a=$(probe "$X1" "$proto" "$port" $A:3000)
	aq=$(probe "$X1" "$proto" "$port" $A:3001)
	b=$(probe "$X1" "$proto" "$port" $B:3000)
	for e in "$other" "$a" "$aq" "$b"; do
		expect_match "$proto: an endpoint outside" "^$W:[0-9]+\$" "$e"
	done
	expect "$proto: another one for another address or port, and another host's ($other $a $aq $b)" \
		all_differ "$other" "$a" "$aq" "$b"
	expect_is "$proto: procfs has them all" 3 "$(lines_of "$proto" "$H1:$port")"
	expect_is "$proto: the same destination sees the same again" "$aq" "$(probe "$X1" "$proto" "$port" $A:3001)"
	ct -D -p "$proto" -s $H1 --sport "$port" >/dev/null 2>&1
	expect_is "$proto: though conntrack has forgotten the session" "$a" "$(probe "$X1" "$proto" "$port" $A:3000)"
	expect_is "$proto: and the other destination the other" "$b" "$(probe "$X1" "$proto" "$port" $B:3000)"

	on "$R" sh -c "echo 'del $proto $H1:$port' >/proc/net/fullcone_nat/mappings"
	expect_is "$proto: del takes them all" 0 "$(lines_of "$proto" "$H1:$port")"
}

port_for_each_destination udp 5000
port_for_each_destination tcp 5000

expect_is "icmp: one id for all destinations" "$W:5000" \
	"$(probe "$X1" icmp 5000 $A $B $Z | sort -u)"

note "filtering is another matter"
endpoint x1 "$X1" udp 6000 $A:3000
e=$(mapped x1)
expect_is "eif: a stranger gets in where the peer does" $Z:6001 "$(probe "$STRANGER" udp 6001 "$e")"

note "hairpinning"
one=$(probe "$X2" udp 6002 "$e")
expect_match "an inside host reaches the endpoint of another, as outside" "^$W:[0-9]+\$" "$one"
expect_is "it shows the same again" "$one" "$(probe "$X2" udp 6002 "$e")"
expect_other_endpoint "and another to others" "$one" "$(probe "$X2" udp 6002 $B:3000)"
stop x1

note "back to mapping=eim"
must_knob mapping eim
first=$(probe "$X1" udp 6000 $B:3001)
expect_match "an endpoint that had many has one now" "^$W:[0-9]+\$" "$first"
expect_is "for everybody but the session from before" "$first" \
	"$(probe "$X1" udp 6000 $B:3000 $A:3001 $Z:3000 | sort -u)"
expect_other_endpoint "and no other host's" "$first" "$(probe "$X2" udp 6000 $B:3001)"

finish
