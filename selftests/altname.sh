#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A wan interface may be called by another of its names, such as udev gives to a network card: flows from before are taken up
# there, static forwards work, and it is not taken for a rule's.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_module
[[ -z $FULLCONE_STANDIN ]] || skip_all "needs the module"
home_network
ip -n "$R" link property add dev wan altname provider0 || skip_all "needs alternative names of interfaces"
reflectors
masquerade nft

expect_is "before: X2 has port 5000" $W:5000 "$(probe "$X2" udp 5000 $A:3000)"
first=$(probe "$X1" udp 5000 $A:3000)
expect_other_endpoint "before: X1, with the same port, has another" $W:5000 "$first"
must_knob wan provider0
expect_match "status has it" "^wan=provider0 exists=1 up=1 address=$W " "$(on "$R" grep ^wan= /proc/net/fullcone_nat/status)"
expect_is "X2's flow has a mapping" $W:5000 "$(ext_of udp $H2:5000)"
expect_is "and its endpoint is the same for others" $W:5000 "$(probe "$X2" udp 5000 $B:3000)"
endpoint x1 "$X1" udp 5000 $B:3000
expect_is "so is X1's" "$first" "$(mapped x1)"
expect_is "a stranger gets in" $Z:6000 "$(probe "$STRANGER" udp 6000 "$first")"
stop x1

on "$R" sh -c "echo 'add udp $H1:7000 provider0:900' >/proc/net/fullcone_nat/mappings"
endpoint x1 "$X1" udp 7000
expect_is "a stranger gets in at a static forward" $Z:6001 "$(probe "$STRANGER" udp 6001 $W:900)"
stop x1

ip -n "$R" link property del dev wan altname provider0
must_knob wan wan
expect_is "by its first name it is the same" "$first" "$(probe "$X1" udp 5000 $A:3000)"

finish
