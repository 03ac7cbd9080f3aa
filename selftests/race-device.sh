#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A wan interface can be renamed, deleted and made anew, moved to another namespace and back, and go down at any time, while packets
# come: each time its mappings end, and when it is there again it has others. The other interface works on. All of that
# happens in each round.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/race-lib.sh
. "$(dirname "$0")/race-lib.sh"

race_network
W2=198.51.100.1
C=198.51.100.10

# A second line, to C.
ip -n "$R" link add other type veth peer name other netns "$SRV" || bail_out "no second line"
at_line=("addr add $W2/24 dev other" "link set other up")
at_c=("addr add $C/24 dev other" "link set other up")
shared+=(R NET SRV W2 HERE at_line at_c)
printf '%s\n' "${at_line[@]}" | ip -n "$R" -batch -
printf '%s\n' "${at_c[@]}" | ip -n "$SRV" -batch -

# One "ip" for each place carries out what is done there: to start one takes longer. But each namespace that it is told of it
# keeps open, so after a while there are new ones.
there() {
	[[ ! $router ]] || exec {router}>&- {net}>&- {srv}>&-
	exec {router}> >(exec ip -force -batch - 2>&1) {net}> >(exec ip -n "$NET" -force -batch - 2>&1) \
		{srv}> >(exec ip -n "$SRV" -force -batch - 2>&1)
}

router() {
	printf '%s\n' "$@" >&"$router"
}

# back_again: until X1 has a mapping there
back_again() {
	local end=$((SECONDS + 60))

	until [[ $(<"$state/mappings") == *" ext=$W2:"* ]]; do
		if ((SECONDS > end)); then
			complain "no mapping on $W2 in 60 s"
			return 1
		fi
		pause 0.02
	done
}

# arrived: until the other namespace has it; on its way it is nowhere
arrived() {
	local end=$((SECONDS + 60))

	until "$HERE/within" "$NET" test -e /proc/sys/net/ipv4/conf/other; do
		if ((SECONDS > end)); then
			complain "other does not come to $NET in 60 s"
			return 1
		fi
	done
}

gone() {
	case $1 in
	renamed) router "link set other down" "link set other name third" "link set third up" ;;
	deleted) router "link del other" ;;
	moved) router "link set other netns $NET" ;;
	down) router "link set other down" ;;
	esac
}

back() {
	case $1 in
	renamed) router "link set third down" "link set third name other" "link set other up" ;;
	deleted)
		device gone other || return
		router "link add other type veth peer name other netns $SRV" "${at_line[@]}"
		device there other || return
		printf '%s\n' "${at_c[@]}" >&"$srv"
		;;
	moved)
		arrived || return
		echo "link set other netns $R" >&"$net"
		device there other || return
		router "${at_line[@]}"
		;;
	down) router "link set other up" ;;
	esac
}

race() {
	local round=0 value kind router="" net srv

	while ((round < rounds)); do
		((round % 100)) || there
		for kind in renamed deleted moved down; do
			counter mappings_ended
			gone "$kind"
			reach mappings_ended $((value + 1)) || break 2
			((round % 3)) || pause 0.05
			back "$kind" || break 2
			back_again || break 2
		done
		more flows_out 8 flows_in 1 || break
		((++round))
	done
	count rounds "$round"
}

must_knob wan "wan other"
targets+=("$C:4000-4001")
packets
first=$(probe "$X1" udp 6500 $A:3000)
beside reader reader
run_race race there router arrived gone back back_again
expect_beside reader readings
expect_is "X1's endpoint on the other interface is the same" "$first" "$(probe "$X1" udp 6500 $B:3000)"
settled

finish
