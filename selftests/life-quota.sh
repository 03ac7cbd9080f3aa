#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# host_max_mappings counts what an inside host may use: when one of its mappings has
# expired there is room for another, though the port is held back. An endpoint that
# comes back to its port then has to wait for its turn. A static forward takes no part
# in any of this.
#
# clock: skip

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
life_network
must_knob reject drop
must_knob host_max_mappings 2
on "$R" sh -c "echo 'add udp $H1:5009 $W:5009' >/proc/net/fullcone_nat/mappings"

zero
udp_out "$X1" $H1:5000 $A:3000
expect_leaves "X1 has an endpoint" $W:5000
at 100
udp_out "$X1" $H1:5001 $A:3000
expect_leaves "and a second" $W:5001
udp_out "$X1" $H1:5002 $A:3000
udp_out "$X2" $H2:5003 $A:3000
expect_leaves "another host has one" $W:5003
expect_state "X1 has no third" none udp $H1:5002
at 312
expect_state "after 312 s the first is held down" holddown udp $H1:5000
udp_out "$X1" $H1:5002 $A:3000
expect_leaves "there is room for another" $W:5002
before=$(stat_of drop_host_max_mappings)
udp_out "$X1" $H1:5000 $A:3000
expect "the first may not come back" wait_for 30 eval "((\$(stat_of drop_host_max_mappings) == $before + 1))"
expect_state "and stays held down" holddown udp $H1:5000
at 324
expect_state "after the next sweeps, too" holddown udp $H1:5000
at 412
expect_state "after 412 s the second is held down" holddown udp $H1:5001
udp_out "$X1" $H1:5000 $A:3000
expect_leaves "the first comes back" $W:5000
expect_state "and is active" active udp $H1:5000
at 3600
expect_state "after an hour nothing is left of X1's" none udp $H1:5000
expect_state "a static forward is still there" static udp $H1:5009
expect_open "strangers arrive" udp $W:5009
expect_no_leak "all the time"

finish
