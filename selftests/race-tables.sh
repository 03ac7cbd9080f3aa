#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The module's own tables grow and shrink at any time, while packets look things up in them: again and again a crowd of
# hosts comes, whose mappings, peers and quotas are noted, and static forwards on many addresses; and all goes at once.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/race-lib.sh
. "$(dirname "$0")/race-lib.sh"

race_network
must_knob filter_udp apdf
must_knob host_max_mappings 1000

# The crowd are addresses of X3's, 40 from this one on, and so many has the line.
crowd=128
ip -n "$X3" route add local $LAN.$crowd/25 dev lo
for ((i = 0; i < 40; i++)); do
	echo "neigh replace $LAN.$((crowd + i)) dev br0 lladdr $(mac_of "$X3" eth0) nud permanent"
	echo "addr add 203.0.113.$((crowd + i))/24 dev wan"
done | ip -n "$R" -batch - || bail_out "no crowd of addresses"
shared+=(crowd)

give() {
	echo "$1" >&"$mappings" || complain "\"$1\" is refused"
}

# forwards: one for each address of the line, and each fourth time so many on one that the table of those whose port is another
# outside grows, which is large from the beginning
forwards() {
	local i proto

	for ((i = crowd; i < crowd + 40; i++)); do
		give "add udp $LAN.4:$((8000 + i)) 203.0.113.$i:9000"
		give "add tcp $LAN.4:$((8000 + i)) 203.0.113.$i:9000"
	done
	((round % 4 == 0)) || return 0
	for ((i = 0; i < 720; i++)); do
		give "add udp $LAN.4:$((10000 + i)) 203.0.113.$crowd:$((20000 + i))"
	done
}

# full: there are more of each kind than a table takes that has not grown, 48 of 64, or 768 of 1024; of peers each
# mapping for UDP has one at least
full() {
	local hosts pools peers away end=$((SECONDS + 120))

	until
		read -r hosts pools peers away < <(awk '{
			split($2, inside, "[=:]"); split($3, ext, "[=:]")
			pools += !(($1, ext[2]) in pool); pool[$1, ext[2]]
			away += inside[3] != ext[3]
			if ($5 == "state=static")
				next
			hosts += !(($1, inside[2]) in host); host[$1, inside[2]]
			peers += $1 == "proto=udp"
		} END { print hosts + 0, pools + 0, peers + 0, away + 0 }' "$state/mappings")
		((hosts > 60 && pools > 60 && peers > 60 && (round % 4 || away > 800)))
	do
		if ((SECONDS > end)); then
			complain "in 120 s there are $hosts hosts, $pools pools, $peers peers, $away away"
			return 1
		fi
		pause 0.05
	done
	count hosts "$hosts"
	count pools "$pools"
	count peers "$peers"
	count away "$away"
}

race() {
	local round=0 value mappings

	exec {mappings}>"$state/mappings"
	while ((round < rounds)); do
		forwards
		full || break
		counter mappings_ended
		give flush
		reach mappings_ended $((value + 60)) || break
		more flows_out 8 flows_in 1 || break
		((++round))
	done
	count rounds "$round"
}

packets
start crowd "$X3" "$HERE/churn" -c 0 -n 40 mixed "$LAN.$crowd:3000-3003" "${targets[@]}"
beside reader reader
run_race race give forwards full
for name in hosts pools peers away; do
	note "$name, of all rounds: $(counted race $name)"
done
stop crowd
expect_beside reader readings
must_knob filter_udp eif
must_knob host_max_mappings 0
flush_mappings
settled

finish
