#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A wan interface can be renamed, deleted and made anew, moved to another namespace and back, and go down at any time, while packets
# come: each time its mappings end, and when it is there again it has others. The other interface works on.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/race-lib.sh
. "$(dirname "$0")/race-lib.sh"

race_network
W2=198.51.100.1
C=198.51.100.10
shared+=(R NET SRV W2 C)

# A second line, to C.
other_line() {
	ip -n "$R" link add other type veth peer name other netns "$SRV" || return
	line_up "$R" "$W2"
	line_up "$SRV" "$C"
}

# line_up NS ADDRESS
line_up() {
	printf '%s\n' "addr add $2/24 dev other" "link set other up" | ip -n "$1" -batch -
}

# back_again: until X1 has a mapping there
back_again() {
	local end=$((SECONDS + 60))

	until grep -qF " ext=$W2:" "$state/mappings"; do
		if ((SECONDS > end)); then
			complain "no mapping on $W2 in 60 s"
			return 1
		fi
		pause 0.02
	done
}

# One "ip" carries out what is done in the router.
router() {
	printf '%s\n' "$@" >&"$ip"
}

race() {
	local round=0 ip value

	exec {ip}> >(exec ip -force -batch - 2>&1)
	while ((round < rounds)); do
		counter mappings_ended
		case $((round % 4)) in
		0) router "link set other down" "link set other name third" "link set third up" ;;
		1) router "link del other" ;;
		2) router "link set other netns $NET" ;;
		3) router "link set other down" ;;
		esac
		reach mappings_ended $((value + 1)) || break
		((round % 3)) || pause 0.05
		case $((round % 4)) in
		0) router "link set third down" "link set third name other" "link set other up" ;;
		1) other_line ;;
		2)
			ip -n "$NET" link set other netns "$R"
			line_up "$R" "$W2"
			;;
		3) router "link set other up" ;;
		esac
		back_again || break
		more flows_out 8 flows_in 1 || break
		((++round))
	done
	count rounds "$round"
}

other_line || bail_out "no second line"
must_knob wan "wan other"
targets+=("$C:4000-4001")
packets
first=$(probe "$X1" udp 6500 $A:3000)
beside reader reader
run_race race router back_again other_line line_up
expect_beside reader readings
expect_is "X1's endpoint on the other interface is the same" "$first" "$(probe "$X1" udp 6500 $B:3000)"
settled

finish
