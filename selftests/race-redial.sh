#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A line that is redialled all the time, and has another address each time: in every other round the device is deleted and made
# anew, as with PPP. What inside hosts begin has the new address at once, what they had begun before soon has it, too, and
# of the old one nothing stays.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/race-lib.sh
. "$(dirname "$0")/race-lib.sh"

# The addresses that the line has in turn. What is sent to one that it has not goes nowhere.
lines=(203.0.113.{129..152})
W=${lines[0]}
# few endpoints, so that each soon has a mapping again
busy=2000-2007
echo "$W" >"$TMP/line"
seekers=(-a "$TMP/line")
race_network
ip -n "$R" route add blackhole 203.0.113.128/25
mac=$(mac_of "$R" wan)
for ns in "$SRV" "$STRANGER"; do
	printf "neigh replace %s dev eth0 lladdr $mac nud permanent\n" "${lines[@]}" | ip -n "$ns" -batch -
done
# the device brings nothing along but its name
up=("link set wan up")
for addr in "$A" "$B"; do
	up+=("neigh replace $addr dev wan lladdr $(mac_of "$SRV" eth0) nud permanent")
done
up+=("neigh replace $Z dev wan lladdr $(mac_of "$STRANGER" eth0) nud permanent")
shared+=(lines mac up R NET X1 A HERE)

# forgotten ADDRESS: no mapping and no session has it
forgotten() {
	local end=$((SECONDS + 60))

	while [[ "$(<"$state/mappings") $(<"$state/sessions")" == *" ext=$1:"* ]]; do
		if ((SECONDS > end)); then
			complain "in 60 s $1 does not go: $(grep -hF " ext=$1:" "$state/mappings" "$state/sessions" | head -n 3)"
			return 1
		fi
		pause 0.02
	done
}

# seen PORT: what a server sees of it, into $value
seen() {
	value=$("$HERE/within" "$X1" "$HERE/probe" -t "${2:-60}" udp "$LAN.2:$1" "$A:3000")
}

redial() {
	local old=$1 new=$2 value

	counter mappings_ended
	if ((round % 2)); then
		echo "link del wan" >&"$ip"
	else
		echo "addr del $old/24 dev wan" >&"$ip"
	fi
	reach mappings_ended $((value + 1)) || return
	((round % 3)) || pause 0.05
	if ((round % 2)); then
		device gone wan || return
		echo "link add r master br0 up type veth peer name wan netns $R address $mac" >&"$net"
		device there wan || return
	fi
	echo "$new" >"$TMP/line"
	printf '%s\n' "${up[@]}" "addr add $new/24 dev wan" >&"$ip"
	more flows_out 8
}

race() {
	local round=0 ip net old new value end

	exec {ip}> >(exec ip -force -batch - 2>&1)
	while ((round < rounds)); do
		# it keeps each namespace open that it is told of
		if ((round % 100 == 0)); then
			((!round)) || exec {net}>&-
			exec {net}> >(exec ip -n "$NET" -force -batch - 2>&1)
		fi
		old=${lines[round % ${#lines[@]}]} new=${lines[(round + 1) % ${#lines[@]}]}
		redial "$old" "$new" || break
		seen $((7000 + round % 2000))
		[[ $value == "$new:"* ]] || complain "a new flow is seen at $value, not at $new"
		# one that goes on all the time: its packets may be lost until it has
		end=$((SECONDS + 60))
		seen 6500 5
		until [[ $value == "$new:"* ]]; do
			[[ $value == none ]] || complain "an old flow is seen at $value, not at $new"
			if ((SECONDS > end)); then
				complain "an old flow does not come to $new in 60 s"
				break 2
			fi
			seen 6500 5
		done
		forgotten "$old" || break
		more flows_in 1 || break
		((++round))
	done
	count rounds "$round"
}

packets
run_race race redial forgotten seen
W=$(<"$TMP/line")
ADDR[$R]=$W
settled

finish
