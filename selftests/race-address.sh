#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The external address can go and come back at any time, a second one, too, and the interface go down and up, while packets
# come: each time the mappings end and the flows go on with new ones.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/race-lib.sh
. "$(dirname "$0")/race-lib.sh"

race_network

# Another network on the same interface
W2=198.51.100.1
C=198.51.100.10
ip -n "$R" addr add $W2/24 dev wan
ip -n "$SRV" addr add $C/24 dev eth0

# away COMMAND BACK: as "ip" takes them; one process carries out all
away() {
	local value

	counter mappings_ended
	echo "$1" >&"$ip"
	reach mappings_ended $((value + 1)) || return
	((round % 3)) || pause 0.05
	echo "$2" >&"$ip"
	more flows_out 8 flows_in 1
}

race() {
	local round=0 ip

	exec {ip}> >(exec ip -force -batch - 2>&1)
	while ((round < rounds)); do
		case $((round % 4)) in
		0 | 1) away "addr del $W/24 dev wan" "addr add $W/24 dev wan" ;;
		2) away "addr del 198.51.100.1/24 dev wan" "addr add 198.51.100.1/24 dev wan" ;;
		3) away "link set wan down" "link set wan up" ;;
		esac || break
		((++round))
	done
	count rounds "$round"
}

targets+=("$C:4000-4001")
packets
run_race race away
settled

finish
