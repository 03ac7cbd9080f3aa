#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# host_max_mappings and host_max_rate: an inside host has only so many mappings of a
# protocol, and makes only so many in a second. The others, and what it has already,
# are not concerned (RFC 6888, REQ-4).
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/pktgen-lib.sh
. "$HERE/pktgen-lib.sh"

need_pktgen
need_module
home_network
room 65536
fullcone_on
firewall nft
reflectors
must_knob reject drop

# mappings_of ADDRESS: how many it has
mappings_of() {
	on "$R" grep -cF "proto=udp int=$1:" /proc/net/fullcone_nat/mappings
}

# refused PROTO PORT: X1 gets nothing there, which counts
refused() {
	local before

	before=$(stat_of drop_host_max_mappings)
	expect_is "$1: not at port $2" none "$(PROBE_TIMEOUT=2 probe "$X1" "$1" "$2" $A:3000)"
	expect "$1: which is counted" test "$(stat_of drop_host_max_mappings)" -gt "$before"
	expect_is "$1: the status file says what refuses" drop_host_max_mappings \
		"$(field refusing "$(on "$R" cat /proc/net/fullcone_nat/status)")"
}

# X1 has an endpoint at a port where it had none.
may_again() {
	[[ $(PROBE_TIMEOUT=1 probe "$X1" udp 5001 "$A:3000") == "$W:5001" ]]
}

note "host_max_mappings=4"
must_knob host_max_mappings 4
for proto in udp tcp; do
	# X2 has the first port, so X1's endpoint there is another
	probe "$X2" $proto 5000 $A:3000 >/dev/null
	e=$(probe "$X1" $proto 5000 $A:3000)
	expect_other_endpoint "$proto: X1 has an endpoint" $W:5000 "$e"
	for port in 5001 5002 5003; do
		expect_is "$proto: and at port $port" $W:$port "$(probe "$X1" $proto $port $A:3000)"
	done
	refused $proto 5004
	expect_is "$proto: the first goes on" "$e" "$(probe "$X1" $proto 5000 $B:3000)"
	expect_is "$proto: another host may" $W:5004 "$(probe "$X2" $proto 5004 $A:3000)"
done
expect_is "queries have a quota of their own" $W:77 "$(probe "$X1" icmp 77 $A)"
endpoint x1 "$X1" udp 5001 $A:3000
expect_is "strangers come in as before" $Z:6000 "$(probe "$STRANGER" udp 6000 $W:5001)"
stop x1
on "$R" sh -c "echo 'del udp $H1:5001' >/proc/net/fullcone_nat/mappings"
expect_is "when one has ended, there is room for one" $W:5005 "$(probe "$X1" udp 5005 $A:3000)"
refused udp 5006
must_knob host_max_mappings 0
expect_is "0 is no limit" $W:5006 "$(probe "$X1" udp 5006 $A:3000)"

note "host_max_rate=100"
flush_state
must_knob host_max_rate 100
before=$(stat_of drop_host_max_rate)
seconds=$SECONDS
pktgen_ports $H1 20000 1000 >/dev/null
made=$(mappings_of $H1)
expect "of 1,000 at once about 100 appear ($made)" \
	test "$made" -ge 100 -a "$made" -le $((100 * (SECONDS - seconds + 2)))
expect_is "the others are counted" $((1000 - made)) $(($(stat_of drop_host_max_rate) - before))
expect_is "another host is not kept waiting" $W:5000 "$(PROBE_TIMEOUT=2 probe "$X2" udp 5000 $A:3000)"
expect "the host may again after a moment" wait_for 10 may_again
re "^proto=udp int=$H1:(20[0-9]+) .*"
port=$(on "$R" sed -nE "s/$regex/\1/p" /proc/net/fullcone_nat/mappings | head -n 1)
expect_is "what it has goes on" "$W:$port" "$(probe "$X1" udp "$port" $B:3000)"

finish
