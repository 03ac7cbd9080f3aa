# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What tests share that put something beside the module: that it goes on as ever.
# Sourced after lib.sh.

# expect_full_cone WHAT PROTO PORT: X2 has that port first. X1, from the same port, has another, the
# same one towards everybody, and a stranger gets in there, seen as himself. $e is X1's.
expect_full_cone() {
	local what="$1, $2" proto=$2 port=$3

	expect_is "$what: X2 has external port $port" "$W:$port" "$(probe "$X2" "$proto" "$port" "$A:3000")"
	endpoint "x1-$proto" "$X1" "$proto" "$port" "$B:3000" "$A:3000" "$Z:3000"
	e=$(mapped "x1-$proto")
	expect_other_endpoint "$what: X1, from the same port, has another" "$W:$port" "$e"
	expect_is "$what: the same one towards everybody" "$e $e $e" \
		"$e $(mapped "x1-$proto" 2) $(mapped "x1-$proto" 3)"
	expect_stranger "$what" "$proto" "$port"
}

# expect_stranger WHAT PROTO PORT: he reaches who listens at $e, from that port of his
expect_stranger() {
	expect_is "$1: a stranger gets in and is seen as himself" "$Z:$3" "$(probe "$STRANGER" "$2" "$3" "$e")"
	expect_logged "$1: it is X1 who hears him" "x1-$2" "^from $Z:$3 "
}
