#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The files can be read at any time, in whatever pieces, with jumps, and left in the middle, while packets come, mappings are
# flushed, interfaces come and go, and conntrack is emptied. Every line is whole.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/race-lib.sh
. "$(dirname "$0")/race-lib.sh"

race_network
session_re="^proto=(udp|tcp|icmp) int=$endpoint_re ext=$endpoint_re peer=$endpoint_re dir=(in|out)"
session_re+=" phase=(udp|icmp|open|est|close|rst)\$"
shared+=(session_re)

race() {
	local round=0

	while ((round < rounds)); do
		case $((round % 5)) in
		0 | 2) echo flush >"$state/mappings" ;;
		1)
			echo "" >"$knobs/wan"
			echo wan >"$knobs/wan"
			;;
		3)
			echo "wan gone0" >"$knobs/wan"
			echo wan >"$knobs/wan"
			;;
		4) conntrack -F 2>/dev/null ;;
		esac || complain "refused"
		more flows_out 8 flows_in 1 || break
		((++round))
	done
	count rounds "$round"
}

# check FILE REGEX LINE...
check() {
	local line

	for line in "${@:3}"; do
		[[ $line =~ $2 ]] || complain "$1: $line"
	done
	((seen += $# > 2))
}

whole() {
	local n=0 seen=0 lines

	until [[ $stopped ]]; do
		mapfile -t lines <"$state/mappings"
		check mappings "$mapping_re" "${lines[@]}"
		mapfile -t lines <"$state/sessions"
		check sessions "$session_re" "${lines[@]}"
		mapfile -t lines <"$state/stats"
		check stats '^[a-z0-9_]+ [0-9]+$' "${lines[@]}"
		mapfile -t lines <"$state/status"
		check status '^(active|wan|mappings|static)=[^ ]*( [a-z_]+=[^ ]+)+$' "${lines[@]}"
		((++n))
		pause 0.1
	done
	count readings "$n"
	count filled "$seen"
}

small() {
	local n=0 seen=0 lines

	until [[ $stopped ]]; do
		mapfile -t lines < <(dd if="$state/mappings" bs=$((1 + n % 7)) status=none)
		check mappings "$mapping_re" "${lines[@]}"
		mapfile -t lines < <(dd if="$state/sessions" bs=$((1 + n % 7)) status=none)
		check sessions "$session_re" "${lines[@]}"
		((++n))
		pause 0.1
	done
	count readings "$n"
	count filled "$seen"
}

# From anywhere, and never to the end
jumps() {
	local n=0 file fd

	until [[ $stopped ]]; do
		for file in mappings sessions stats status; do
			dd if="$state/$file" bs=50 skip=$((n % 40)) count=$((1 + n % 5)) status=none >/dev/null
			# each of these reads more than it was asked for and goes back
			exec {fd}<"$state/$file"
			read -rN 5 -u "$fd"
			read -rN $((200 * (n % 10 + 1))) -u "$fd"
			read -r -u "$fd"
			exec {fd}<&-
		done
		((++n))
		pause 0.1
	done
	count readings "$n"
}

packets
beside whole whole check
beside small small check
beside jumps jumps
run_race race
expect_beside whole readings
expect_beside whole filled
expect_beside small readings
expect_beside small filled
expect_beside jumps readings
settled

finish
