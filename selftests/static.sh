#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Static forwards: an external port that the owner gives to an inside host is open
# before the host has said a word, whatever the filter; and it comes back with its
# address, or follows its interface to a new one.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_module
home_network
fullcone_on
firewall nft
reflectors
start router "$R" "$HERE/reflect" $W:6500

# told COMMAND: what the shell says of writing it
told() {
	# shellcheck disable=SC2016
	on "$R" bash -c 'echo "$1" >/proc/net/fullcone_nat/mappings' bash "$1" 2>&1 | sed 's/.*: //'
}

# takes COMMAND
takes() {
	expect_is "\"$1\" is taken" "" "$(told "$1")"
}

# refuses COMMAND ERROR
refuses() {
	local before

	before=$(on "$R" sed 's/ sessions=.*//' /proc/net/fullcone_nat/mappings)
	expect_is "\"$1\" is refused" "$2" "$(told "$1")"
	expect_is "and changes nothing" "$before" "$(on "$R" sed 's/ sessions=.*//' /proc/net/fullcone_nat/mappings)"
}

# gets_in PROTO ENDPOINT
gets_in() {
	local from

	# from a port of its own each time: what one has opened would let the next in
	echo >>"$TMP/strangers"
	from=$((6000 + $(wc -l <"$TMP/strangers")))
	[[ $(PROBE_TIMEOUT=2 probe "$STRANGER" "$1" "$from" "$2") == "$Z:$from" ]]
}

status() {
	on "$R" grep "^static=" /proc/net/fullcone_nat/status
}

in_force() {
	[[ $(status) == "static=$1 waiting=$2" ]]
}

note "on an address"
for proto in udp tcp; do
	takes "add $proto $H1:5000 $W:5000"
	expect_is "$proto: it is static" static "$(field state "$(state_of $proto $H1:5000)")"
	endpoint x1-$proto "$X1" $proto 5000
	expect "$proto: a stranger gets in before X1 has spoken" gets_in $proto $W:5000
	stop x1-$proto
	expect_is "$proto: X1 speaks from there" $W:5000 "$(probe "$X1" $proto 5000 $A:3000)"
	expect_other_endpoint "$proto: X2, with the same port, from another" $W:5000 "$(probe "$X2" $proto 5000 $A:3000)"
	must_knob filter_$proto apdf
	endpoint x1-$proto "$X1" $proto 5000
	expect "$proto: the filter is not for it" gets_in $proto $W:5000
	stop x1-$proto
	must_knob filter_$proto eif
done
takes "add tcp $H2:8080 $W:80"
endpoint x2 "$X2" tcp 8080
expect "a port that no host may have otherwise" gets_in tcp $W:80
stop x2

note "what is refused"
probe "$X2" udp 6001 $A:3000 >/dev/null
refuses "add udp $H3:7000 $W:5000" "Address already in use"
refuses "add udp $H3:7000 $W:6001" "Address already in use"
refuses "add udp $H3:7000 $W:6500" "Address already in use"
refuses "add udp $H3:7000 $W2:5000" "Cannot assign requested address"
refuses "add udp $H1:5000 $W:5000" "File exists"
refuses "add udp $H1:5000 $W:5001" "File exists"
refuses "add udp $HR:5002 $W:5002" "Invalid argument"
refuses "add icmp $H1:5002 $W:5002" "Invalid argument"
expect_is "X2 has what it had" $W:6001 "$(probe "$X2" udp 6001 $B:3000)"

note "of a host that has a mapping"
expect_is "X3 has a mapping" $W:6100 "$(probe "$X3" udp 6100 $A:3000)"
takes "add udp $H3:6100 $W:6100"
expect_is "it is static now" static "$(field state "$(state_of udp $H3:6100)")"
expect_is "X3 has another" $W:6200 "$(probe "$X3" udp 6200 $A:3000)"
takes "add udp $H3:6200 $W:6300"
expect_is "X3 speaks from the new port" $W:6300 "$(probe "$X3" udp 6200 $A:3000)"
expect_is "the old one is free" $W:6200 "$(probe "$X2" udp 6200 $A:3000)"

note "on an interface"
takes "add udp $H1:5100 wan:5100"
takes "add udp $H1:5200 ppp9:5200"
expect "one of them waits" in_force 7 1
expect_other_endpoint "its port is kept" $W:5200 "$(probe "$X3" udp 5200 $A:3000)"
endpoint x1 "$X1" udp 5100
expect "a stranger gets in" gets_in udp $W:5100
del_address "$R" wan $W
expect "without the address all wait" wait_for 10 in_force 7 7
add_address "$R" wan $W2
expect "with a new one, the one that follows the interface is back" wait_for 10 in_force 7 6
expect "a stranger gets in there" wait_for 20 gets_in udp $W2:5100
stop x1
expect_is "X1 speaks from there" $W2:5100 "$(probe "$X1" udp 5100 $A:3000)"
del_address "$R" wan $W2
add_address "$R" wan $W
expect "with the old address all are back" wait_for 10 in_force 7 1
endpoint x1 "$X1" udp 5000
expect "a stranger gets in at the old address" wait_for 20 gets_in udp $W:5000
stop x1

note "taken back"
endpoint x1 "$X1" udp 5000
expect "a stranger gets in" gets_in udp $W:5000
takes "del udp $H1:5000"
expect_not "then none does" gets_in udp $W:5000
stop x1
takes "del udp $H1:5200"
expect "del takes back what waits" in_force 5 0
refuses "del udp $H1:5200" "No such file or directory"
takes flush
expect "flush takes all back" in_force 0 0
expect_is "their ports are free" $W:6300 "$(probe "$X1" udp 6300 $A:3000)"

if [[ $FULLCONE_FAMILY == 6 ]]; then
	note "on an address that is new and being looked for on the link (DAD)"
	del_address "$R" wan $W
	set_sysctl "$R" net.ipv6.conf.wan.dad_transmits=8
	ip -n "$R" addr add "$(bare $W)/$prefix" dev wan
	takes "add udp $H1:5300 wan:5300"
	expect "it waits" in_force 1 1
	expect "and is in force when the address is" wait_for 120 in_force 1 0
fi

finish
