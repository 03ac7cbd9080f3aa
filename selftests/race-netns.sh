#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Namespaces with routers of their own come and go, with live mappings and packets on the way, while another namespace's router
# works on. In the end all are gone.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/race-lib.sh
. "$(dirname "$0")/race-lib.sh"

race_network

# Four of them take turns: the kernel may not have done with one when the next comes.
slots=4
for ((slot = 0; slot < slots; slot++)); do
	routers+=("fc-r$slot-$$")
	lans+=("fc-l$slot-$$")
done
namespaces+=("${routers[@]}" "${lans[@]}")
shared+=(slot)

# A router at 203.0.113.10$slot and a host behind it. Both have a device whose other end tells when they are gone.
make_pair() {
	ip -batch - <<-END || return
		netns add ${routers[slot]}
		netns add ${lans[slot]}
		link add lan netns ${routers[slot]} type veth peer name eth0 netns ${lans[slot]}
		link add wan netns ${routers[slot]} address 02:00:00:00:00:0$slot type veth peer name r$slot netns $NET
		link add spare netns ${lans[slot]} type veth peer name l$slot netns $NET
	END
	ip -n "$NET" link set "r$slot" master br0 up || return
	ip -n "${lans[slot]}" -batch - <<-END
		addr add $LAN.2/24 dev eth0
		link set eth0 up
		route add default via $LAN.1
	END
}

# In the new router: until it has live mappings
set_up() {
	ip -batch - <<-END || return
		addr add $LAN.1/24 dev lan
		link set lan up
		addr add 203.0.113.10$slot/24 dev wan
		link set wan up
	END
	echo 1 >/proc/sys/net/ipv4/ip_forward
	echo wan >"$knobs/wan"
	more flows_out 8 flows_in 1
}

# gone SLOT: the other ends of their devices have gone with the namespaces
gone() {
	local line

	while read -r line; do
		[[ $line != [lr]$1:* ]] || return
	done <"/proc/${pids[net]}/net/dev"
}

# Either one first, or both at once; packets come until the end.
delete_pair() {
	case $((round % 3)) in
	0)
		ip netns del "${routers[slot]}" || return
		stop "lan-$slot"
		ip netns del "${lans[slot]}"
		;;
	1)
		stop "lan-$slot"
		ip netns del "${lans[slot]}" && ip netns del "${routers[slot]}"
		;;
	2)
		ip -batch - <<-END || return
			netns del ${lans[slot]}
			netns del ${routers[slot]}
		END
		stop "lan-$slot"
		;;
	esac
}

race() {
	local slot out

	for ((round = 0; round < rounds; round++)); do
		slot=$((round % slots))
		if ! wait_for 120 gone "$slot"; then
			fail "round $round: the namespaces of $slots rounds ago go"
			break
		fi
		make_pair || break
		launch "lan-$slot" "${lans[slot]}" "$HERE/churn" -c $((round & cpus)) mixed "$LAN.2:$busy" \
			"$A:4000-4001" "$B:4000-4001" "$Z:4000-4003"
		if ! out=$(on "${routers[slot]}" bash -c "$(program set_up)" 2>&1) || [[ $out ]]; then
			fail "round $round: the new router has mappings" "$out"
			break
		fi
		delete_pair || break
	done
	for ((slot = 0; slot < slots; slot++)); do
		stop "lan-$slot"
	done
}

# Every second X1 asks A and B, each time from a new port: what both see, a line each
ask() {
	local port=6100

	until [[ $stopped ]]; do
		echo "port $port"
		"$1" -t 20 udp "$2:$port" "$3" "$4"
		((port = port < 9999 ? port + 1 : 6100))
		sleep 1
	done
}

cpus=$(second_cpu)
packets
start in-2 "$STRANGER" "$HERE/churn" -c "$cpus" mixed "$Z:4100-4103" 203.0.113.{100..103}:"$busy"
launch net "$NET" sleep infinity
launch asker "$X1" bash -c "trap 'stopped=yes' TERM; stopped=; $(declare -f ask); ask \"\$@\"" bash \
	"$HERE/probe" $LAN.2 $A:3000 $B:3000
race
stop asker
stop in-2
rounds_done "$round"
expect "X1 asked all the time" logged_times asker "^$W:" $((2 * rounds))
expect_is "and the first router gave it one endpoint for both, each time" "" \
	"$(awk -v w="$W:" '
		function check() {
			if (port && (n != 2 || index(first, w) != 1 || first != last)) print port, n, first, last
		}
		$1 == "port" { check(); port = $2; n = 0; next }
		{ if (!n++) first = $1; last = $1 }' "$TMP/asker")"
expect "all namespaces are gone" wait_for 120 gone "[0-9]"
settled

finish
