#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Each of the times that a mapping lives can be set, apart from the others (RFC 5508 REQ-2a, RFC 7857 section 2.1).
#
# clock: skip

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
life_network
must_knob udp_timeout 700
must_knob icmp_timeout 120
must_knob tcp_open_timeout 300
must_knob tcp_close_timeout 500
must_knob tcp_rst_timeout 400

what="opening"
opening 5000 $A:3000
what="closed"
connect 5001 $A:3000
what="reset"
connect 5002 $A:3000
zero
udp_out "$X1" $H1:5003 $A:3000
expect_leaves "udp: X1 has an endpoint" $W:5003
PROBE_TIMEOUT=0.1 probe "$X1" icmp 77 $A >/dev/null
what="opening"
says 5000 S
hears 5000 SA
what="closed"
says 5001 FA
hears 5001 A
hears 5001 FA
says 5001 A
what="reset"
says 5002 R

at 117
expect_state "icmp_timeout=120: a query's mapping is there after 117 s" active icmp $H1:77
at 135
expect_state "not after 135 s" holddown icmp $H1:77
at 297
expect_open "tcp_open_timeout=300: a stranger arrives after 297 s" tcp $W:5000
at 318
expect_closed "none does after 318 s" tcp $W:5000
at 395
expect_open "tcp_rst_timeout=400: a stranger arrives after 395 s" tcp $W:5002
at 418
expect_closed "none does after 418 s" tcp $W:5002
at 495
expect_open "tcp_close_timeout=500: a stranger arrives after 495 s" tcp $W:5001
at 518
expect_closed "none does after 518 s" tcp $W:5001
at 695
expect_open "udp_timeout=700: a stranger arrives after 695 s" udp $W:5003
at 715
expect_closed "none does after 715 s" udp $W:5003

finish
