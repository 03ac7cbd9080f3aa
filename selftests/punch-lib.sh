# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Holes that two peers punch through two NATs, and what theory says of it (RFC 5128).

# shellcheck source=selftests/app-lib.sh
. "$HERE/app-lib.sh"
# shellcheck source=selftests/lab-lib.sh
. "$HERE/lab-lib.sh"

# moves TYPE: the endpoint that the STUN server has seen is not the one that the peer sees.
# So it is with MASQUERADE, where a neighbour has been first with the same port.
moves() {
	[[ $1 == symmetric || $1 == masquerade ]]
}

# strict TYPE: who comes in must have been spoken to at that very port, by the router or by
# the carrier before it
strict() {
	[[ ${carrier[left]:-} || $1 == port-restricted || $1 == symmetric || $1 == masquerade ]]
}

# meets LEFT RIGHT: whether peers behind these types can have a direct way
meets() {
	! { moves "$1" && strict "$2"; } && ! { moves "$2" && strict "$1"; }
}

# cell LEFT RIGHT: the routers are of these types already. The notes can be gathered.
cell() {
	local left=$1 right=$2 proto seen want=no

	! meets "$left" "$right" || want=yes
	lab_forget
	lab_conflict 5000
	for proto in udp tcp; do
		lab_punch $proto 5000
	done
	for proto in udp tcp; do
		lab_punched $proto && seen=yes || seen=no
		expect_is "$left against $right, $proto: is there a direct way?" $want $seen ||
			note "left:" "$(cat "$TMP/left-$proto")" "right:" "$(cat "$TMP/right-$proto")"
		note "cell: $left $right $proto $seen"
	done
	[[ $want == no ]] || return 0
	lab_ice
	expect_match "$left against $right: ICE takes the relay" "(local|remote) relay " "$(cat "$TMP/left-ice")"
	expect_match "$left against $right: which works" "heard I am controlled" "$(cat "$TMP/left-ice")"
	expect_match "$left against $right: and back" "heard I am controlling" "$(cat "$TMP/right-ice")"
	note "cell: $left $right relay $(grep -qs "^heard" "$TMP/left-ice" && echo yes || echo no)"
}

# matrix TYPE...: each against each
matrix() {
	local left right

	for left; do
		lab_nat "${router[left]}" "$left"
		for right; do
			lab_nat "${router[right]}" "$right"
			cell "$left" "$right"
		done
	done
}
