#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# An established TCP connection keeps its mapping for 2 h 4 min of silence (RFC 5382 REQ-5): up to then strangers arrive,
# after that the connection alone goes on, and with its next packet all is as before.
#
# clock: skip
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
life_network

what=established
zero
connect 5000 $A:3000
connect 5001 $A:3000
expect_is "$what: X1 has its endpoint" "$([[ -n $FULLCONE_STANDIN ]] || echo $W:5000)" "$(ext_of tcp $H1:5000)"
at 3600
expect_open "$what: a stranger arrives after an hour" tcp $W:5000
at 7430
expect_open "$what: a stranger arrives after 7430 s" tcp $W:5000
expect_open "$what: on the other connection's port, too" tcp $W:5001
at 7455
expect_state "$what: after 7455 s the mapping is" draining tcp $H1:5000
expect_closed "$what: no stranger arrives after 7455 s" tcp $W:5000
expect "$what: conntrack still has the connection" entry tcp 5000

what="after 7455 s of silence"
exchange 5000
# The clock sees it with its next look.
expect_active "$what: X1's data make the mapping active again" tcp $H1:5000
expect_open "$what: and strangers arrive" tcp $W:5000
hears 5001 PA 100
says 5001 A
at 10000
what="after 10000 s"
exchange 5000
exchange 5001
expect_no_leak "all the time"

finish
