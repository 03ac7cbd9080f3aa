#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Two routers in two network namespaces know nothing of each other: neither mappings nor knobs. A namespace that is deleted
# with live mappings, while packets come, is gone without a trace.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
silent_network

knobs_of() {
	on "$1" grep -r . /proc/sys/net/fullcone_nat | sort
}

# A second router with one host that has the very address of X1; its external address is 203.0.113.3.
second_router() {
	W2=203.0.113.3
	new_ns R2 r2
	new_ns Y1 y1
	another_home "$R2" "$Y1" $W2
	silence "$Y1"
	watch inside2 "$Y1" eth0
}

wan_of() {
	on "$1" sh -c "echo '$2' >/proc/sys/net/fullcone_nat/wan" || bail_out "can't set wan"
}

apart() {
	if [[ -z $FULLCONE_STANDIN ]]; then
		udp_out "$Y1" $LAN.2:5000 $A:3000
		expect_logged "the second router translates nothing of its own accord" outside "^udp $LAN.2:5000$sent"
		wan_of "$R2" wan
	fi
	udp_out "$X1" $LAN.2:5001 $A:3000
	expect_leaves "X1 has port 5001 at the first router" $W:5001
	udp_out "$Y1" $LAN.2:5001 $A:3000
	expect_leaves "Y1, of the same address, has port 5001 at the second" $W2:5001
	expect_is "the first router knows its own mapping" "$W:5001" \
		"$(on "$R" sed -n 's/.* ext=\([^ ]*\) .*/\1/p' /proc/net/fullcone_nat/mappings)"
	expect_is "the second router knows its own mapping" "$W2:5001" \
		"$(on "$R2" sed -n 's/.* ext=\([^ ]*\) .*/\1/p' /proc/net/fullcone_nat/mappings)"
	expect_is "the first router knows its own session" "ext=$W:5001" \
		"$(on "$R" grep -o 'ext=[^ ]*' /proc/net/fullcone_nat/sessions)"
	expect_is "the second router knows its own session" "ext=$W2:5001" \
		"$(on "$R2" grep -o 'ext=[^ ]*' /proc/net/fullcone_nat/sessions)"
	udp_in "$STRANGER" $Z:7000 $W2:5001
	expect_logged "a stranger reaches Y1" inside2 "$sent"
	expect_unlogged "and not X1" inside "$sent"
	udp_in "$STRANGER" $Z:7001 $W:5001
	expect_logged "a stranger reaches X1" inside "$sent"
	expect_unlogged "and not Y1" inside2 "$sent"

	[[ -z $FULLCONE_STANDIN ]] || return 0
	on "$R2" sh -c 'echo flush >/proc/net/fullcone_nat/mappings'
	expect_not "after a flush the second router has no mapping" on "$R2" grep . /proc/net/fullcone_nat/mappings
	expect_is "and the first still has its" "$W:5001" "$(ext_of udp $LAN.2:5001)"
}

knobs() {
	local before

	before=$(knobs_of "$R2")
	must_knob udp_timeout 600
	must_knob ports 2000-3000
	must_knob port_holddown 0
	expect_is "what is set in the first router changes nothing in the second" "$before" "$(knobs_of "$R2")"
	new_ns NEW new
	expect_is "a new namespace starts from the defaults" "$fresh" "$(knobs_of "$NEW")"
	expect_match "and those are not the first router's" "udp_timeout:300" "$fresh"
	must_knob udp_timeout 300
	must_knob ports 1024-65535
	must_knob port_holddown 120
}

many_mappings() {
	(($(on "$R2" grep -c . /proc/net/fullcone_nat/mappings) > 50))
}

# All that the namespace has goes when its last process and its name have gone.
device_gone() {
	! ip -n "$NET" link show r2
}

deleted_alive() {
	local round

	for round in 1 2 3; do
		flood "flood-$round" "$Y1"
		udp_out "$Y1" $LAN.2:5001 $A:3000
		expect "round $round: the second router has live mappings" wait_for 60 many_mappings
		ip netns del "$R2"
		expect "round $round: it can be deleted with them while packets come" wait_for 60 device_gone
		stop "flood-$round"
		stop inside2
		ip netns del "$Y1"
		udp_out "$X1" "$LAN.2:$((5100 + round))" $A:3000
		expect_leaves "round $round: the first router works on" "$W:$((5100 + round))"
		((round < 3)) || break
		second_router
		wan_of "$R2" wan
	done
}

new_ns FIRST first
fresh=$([[ -n $FULLCONE_STANDIN ]] || knobs_of "$FIRST")
second_router
apart
if [[ -z $FULLCONE_STANDIN ]]; then
	knobs
	deleted_alive
fi

finish
