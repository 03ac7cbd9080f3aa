#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# After a reset a TCP connection keeps its mapping for four minutes (RFC 7857 section 2.2), since the other side may not have
# heard of it; resets that are none of the connection's end nothing.
#
# clock: skip
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
life_network

# T6: the reset is lost beyond the router, so the peer goes on, and is told again each time.
lost_reset() {
	local t

	what="X1 resets, the peer does not hear it"
	connect 5000 $A:3000
	zero
	says 5000 R
	for t in 5 60 200; do
		at $t
		what="X1 resets, the peer sends after $t s"
		# X1 no longer acknowledges, so the peer sends the same again.
		hears 5000 PA 100
		pseq[5000]=$((pseq[5000] - 100))
		says 5000 R
	done
	at 435
	expect_open "X1 resets: a stranger arrives 235 s after the last" tcp $W:5000
	at 458
	expect_closed "X1 resets: no stranger arrives 258 s after the last" tcp $W:5000
}

reset() {
	what="X1 resets"
	connect 5010 $A:3000
	what="the peer resets"
	connect 5011 $A:3000
	zero
	says 5010 R
	hears 5011 R
	at 120
	knock tcp $W:5010
	at 235
	expect_open "X1 resets: a stranger arrives after 235 s" tcp $W:5010
	expect_open "the peer resets: a stranger arrives after 235 s" tcp $W:5011
	at 258
	expect_closed "X1 resets: no stranger arrives after 258 s" tcp $W:5010
	expect_closed "the peer resets: no stranger arrives after 258 s" tcp $W:5011
}

# T8: one reset far from the window, one in it but not where RFC 5961 wants it.
spoofed() {
	what="spoofed resets"
	connect 5020 $A:3000
	zero
	at 6
	seg "$SRV" tcp $A:3000 $W:5020 R $((pseq[5020] + 1000000000))
	seg "$SRV" tcp $A:3000 $W:5020 R $((pseq[5020] + 1000))
	at 60
	what="54 s after spoofed resets"
	hears 5020 PA 100
	says 5020 A
	exchange 5020
	at 600
	expect_open "ten minutes later strangers arrive" tcp $W:5020
	what="ten minutes later"
	exchange 5020
}

# T7 and its like: the entry that translates a late reset is kept; who goes on after one is established again; what is no
# reset of the connection shortens nothing.
# 5030	X1 closes, and the peer resets an hour later
# 5031	X1 resets, the peer resets after 200 s
# 5032	the peer resets, but both go on after 60 s
# 5033	only spoofed resets, then silence for ten minutes
late() {
	local port

	for port in 5030 5031 5032 5033; do
		what="X1:$port"
		connect $port $A:3000
	done
	zero
	what="X1 closes"
	says 5030 FA
	hears 5030 A
	what="X1 resets"
	says 5031 R
	what="the peer resets"
	hears 5032 R
	seg "$SRV" tcp $A:3000 $W:5033 R $((pseq[5033] + 1000000000))
	seg "$SRV" tcp $A:3000 $W:5033 R $((pseq[5033] + 1000))
	at 60
	what="the peer resets, but both go on after 60 s"
	exchange 5032
	expect_unlogged "a reset far from the window does not arrive" inside \
		"^tcp $A:3000 > $H1:5033 R seq=$((pseq[5033] + 1000000000)) "
	at 200
	what="X1 resets, the peer does after 200 s"
	hears 5031 R
	at 600
	what="traffic after a reset, then silence until 600 s"
	expect_open "$what: a stranger arrives" tcp $W:5032
	exchange 5032
	what="spoofed resets, then silence until 600 s"
	expect_open "$what: a stranger arrives" tcp $W:5033
	exchange 5033
	at 3600
	what="X1 closes, the peer resets after an hour"
	hears 5030 R
}

lost_reset
reset
spoofed
late
expect_no_leak "all the time"

finish
