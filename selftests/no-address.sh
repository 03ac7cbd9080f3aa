#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# While the wan interface has no address, as in the middle of a redial, or one for its link alone, nothing leaves with the LAN's:
# the packet is dropped and counted. An address on the loopback device is right for an unnumbered line.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_module
home_network
fullcone_on
reflectors
watch wire "$SRV" eth0
watch inside "$R" br0

# The kernel takes the routes of a device away with its last address.
mac=$(mac_of "$SRV" eth0)
ip -n "$R" addr flush dev wan
ip -n "$R" route add "$(bare $A)" dev wan
ip -n "$R" neigh replace "$(bare $A)" lladdr "$mac" nud permanent dev wan

before=$([[ -n $FULLCONE_STANDIN ]] || stat_of drop_no_address)
expect_is "no address: no answer" none "$(PROBE_TIMEOUT=2 probe "$X1" udp 5000 $A:3000)"
expect_logged "no address: the router got the packet" inside "^udp $H1:5000 > $A:3000"
[[ -n $FULLCONE_STANDIN ]] ||
	expect "no address: it was dropped and counted" test "$(stat_of drop_no_address)" -gt "$before"

if [[ $FULLCONE_FAMILY == 4 ]]; then
	ip -n "$R" addr add 169.254.7.7/32 scope link dev wan
	expect_is "one for the link alone: no answer" none "$(PROBE_TIMEOUT=2 probe "$X1" udp 5002 $A:3000)"
	expect_logged "one for the link alone: the router got the packet" inside "^udp $H1:5002 > $A:3000"
fi

ip -n "$R" addr add "$(bare $W)" dev lo
ip -n "$SRV" neigh replace "$(bare $W)" lladdr "$(mac_of "$R" wan)" nud permanent dev eth0
expect_is "unnumbered: the address of lo is used" $W:5001 "$(probe "$X1" udp 5001 $A:3000)"
expect_unlogged "all the time: nothing of the LAN's left" wire "^[a-z0-9]+ $inside_re"

finish
