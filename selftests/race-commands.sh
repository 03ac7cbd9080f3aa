#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# "flush", "del" and "add" can be given at any time, by two at once, while packets make the mappings again. None fails but for want
# of the mapping it names.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/race-lib.sh
. "$(dirname "$0")/race-lib.sh"

race_network

# give COMMAND: what the system says goes to a file
give() {
	echo "$1" >"$state/mappings"
} 2>>"$TMP/refused"

race() {
	local round=0 port value

	while ((round < rounds)); do
		counter mappings_ended
		if ((round % 4 < 3)); then
			give flush
		else
			for ((port = 2000; port < 2005; port++)); do
				give "del udp $LAN.2:$port"
				give "del tcp $LAN.2:$port"
			done
		fi
		reach mappings_ended $((value + 1)) || break
		more flows_out 8 flows_in 1 || break
		((++round))
	done
	count rounds "$round"
}

# The other one: mostly single mappings, and static forwards, whose port nobody else may have
other() {
	local n=0 port=2000 statics=0

	until [[ $stopped ]]; do
		! give "del udp $LAN.2:$port" || ((++n))
		! give "del tcp $LAN.2:$port" || ((++n))
		! give "del udp $LAN.3:$((2000 + port % 10))" || ((++n))
		((port % 8)) || give flush
		! give "add udp $LAN.4:$((7000 + port % 4)) $W:$((900 + port % 4))" || ((++statics))
		give "del udp $LAN.4:$((7000 + (port + 2) % 4))"
		((port = port < 2063 ? port + 1 : 2000))
	done
	for port in 7000 7001 7002 7003; do
		give "del udp $LAN.4:$port"
	done
	count deletions "$n"
	count statics "$statics"
}

packets
beside other other give
run_race race give
expect_beside other deletions
expect "static forwards were made, too" test "$(counted other statics)" -gt 0
expect_is "no command was refused but for want of the mapping" "" \
	"$(grep -v 'write error: No such file or directory$' "$TMP/refused" | head -n 20)"
settled

finish
