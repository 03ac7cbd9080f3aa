#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A UDP mapping that has only ever spoken to a well-known short-lived service expires after 30 s (RFC 4787 REQ-5a); one
# packet to any other port makes it an ordinary one for good.
#
# clock: skip
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
life_network

speak() {
	udp_out "$X1" "$H1:$1" "$A:$2"
	expect_leaves "$3: X1 has an endpoint" "$W:$1"
}

# 5000 and 5001 are short, 5002 to 5004 ordinary, each by another way.
zero
speak 5000 53 "only to port 53"
speak 5001 123 "only to port 123"
speak 5002 53 "to port 53, then to another"
speak 5002 3000 "to port 53, then to another"
speak 5003 3000 "to another, then to port 53"
speak 5003 53 "to another, then to port 53"
speak 5004 3000 "to another, after 100 s to port 53"

at 27
expect_open "only to port 53: a stranger arrives after 27 s" udp $W:5000
expect_open "only to port 123: a stranger arrives after 27 s" udp $W:5001
at 43
expect_closed "only to port 53: no stranger arrives after 43 s" udp $W:5000
expect_closed "only to port 123: no stranger arrives after 43 s" udp $W:5001
expect_state "only to port 53: the port is held down" holddown udp $H1:5000
expect_open "to port 53, then to another: a stranger arrives after 43 s" udp $W:5002

at 100
speak 5004 53 "to another, after 100 s to port 53"

at 297
for port in 5002 5003; do
	expect_open "port $port: a stranger arrives after 297 s" udp $W:$port
done
at 313
for port in 5002 5003; do
	expect_closed "port $port: no stranger arrives after 313 s" udp $W:$port
done
at 397
expect_open "to another, after 100 s to port 53: a stranger arrives 297 s after that" udp $W:5004
at 413
expect_closed "to another, after 100 s to port 53: no stranger arrives 313 s after that" udp $W:5004

finish
