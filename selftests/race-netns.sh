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

# A round is a router and a host behind it. Two come and go together, in one place; while the kernel does away with those in one
# place the next come in the other.
places=([0]="0 1" [1]="2 3")
for i in 0 1 2 3; do
	routers+=("fc-r$i-$$")
	hosts+=("fc-h$i-$$")
	addresses+=("203.0.113.10$i")
done
namespaces+=("${routers[@]}" "${hosts[@]}")
shared+=(i addresses)

# create NUMBER...: each namespace has a device whose other end tells when it is gone.
create() {
	local i

	for i; do
		echo "netns add ${routers[i]}"
		echo "netns add ${hosts[i]}"
		echo "link add lan netns ${routers[i]} type veth peer name eth0 netns ${hosts[i]}"
	done | ip -batch - || return
	for i; do
		echo "link add r$i master br0 up type veth peer name wan netns ${routers[i]} address 02:00:00:00:00:0$i"
		echo "link add h$i type veth peer name spare netns ${hosts[i]}"
	done | ip -n "$NET" -batch - || return
	for i; do
		ip -n "${hosts[i]}" -batch - <<-END || return
			addr add $LAN.2/24 dev eth0
			link set eth0 up
			route add default via $LAN.1
		END
		launch "host-$i" "${hosts[i]}" "$HERE/churn" -c $((i & second)) mixed "$LAN.2:2000-2007" "${targets[@]}"
		launch "router-$i" "${routers[i]}" bash -c "$(program set_up)"
	done
}

# In a new router: until strangers get in
set_up() {
	ip -batch - <<-END || return
		addr add $LAN.1/24 dev lan
		link set lan up
		addr add ${addresses[i]}/24 dev wan
		link set wan up
	END
	echo 1 >/proc/sys/net/ipv4/ip_forward
	echo wan >"$knobs/wan"
	more flows_out 8 flows_in 1
}

# work NUMBER...: whether they do, by their own word
work() {
	local i

	for i; do
		wait "${pids[router-$i]}"
		unset "pids[router-$i]"
		[[ ! -s $TMP/router-$i ]] || fail "round $round: the new router works" "$(cat "$TMP/router-$i")" || return
	done
}

# delete NUMBER...: the routers first, the hosts first, or all at once while the hosts still send
delete() {
	local i old_routers=() old_hosts=()

	for i; do
		old_routers+=("${routers[i]}")
		old_hosts+=("${hosts[i]}")
	done
	case $((round / 2 % 3)) in
	0)
		delete_ns "${old_routers[@]}" && stop_hosts "$@" && delete_ns "${old_hosts[@]}"
		;;
	1)
		stop_hosts "$@" && delete_ns "${old_hosts[@]}" && delete_ns "${old_routers[@]}"
		;;
	2)
		delete_ns "${old_routers[@]}" "${old_hosts[@]}" && stop_hosts "$@"
		;;
	esac
}

delete_ns() {
	printf 'netns del %s\n' "$@" | ip -batch -
}

stop_hosts() {
	local i

	for i; do
		stop "host-$i"
	done
}

# gone NUMBERS: such as "[0-9]"
gone() {
	local line

	while read -r line; do
		[[ $line != [rh]$1:* ]] || return
	done <"/proc/${pids[net]}/net/dev"
}

race() {
	local now

	round=0
	while ((round < rounds)); do
		read -ra now <<<"${places[round / 2 % 2]}"
		((rounds - round > 1)) || unset "now[1]"
		if ! wait_for 600 gone "[${now[*]}]"; then
			fail "round $round: the namespaces of earlier rounds go"
			return
		fi
		create "${now[@]}" && work "${now[@]}" && delete "${now[@]}" || return
		((round += ${#now[@]}))
	done
}

# Every second X1 asks A and B, each time from a new port: what both see, a line each. On a slow machine an answer may be long
# on its way: nothing sends again, so that one lost is missed, and the wait is there only not to wait for ever.
ask() {
	local port=6100

	until [[ $stopped ]]; do
		echo "port $port"
		"$1" -t 600 udp "$2:$port" "$3" "$4"
		((port = port < 9999 ? port + 1 : 6100))
		sleep 1
	done
}

second=$(second_cpu)
packets
start in-2 "$STRANGER" "$HERE/churn" -c "$second" mixed "$Z:4100-4103" "${addresses[@]/%/:2000-2007}"
launch net "$NET" sleep infinity
launch asker "$X1" bash -c "trap 'stopped=yes' TERM; stopped=; $(declare -f ask); ask \"\$@\"" bash \
	"$HERE/probe" $LAN.2 $A:3000 $B:3000
race
for i in 0 1 2 3; do
	stop "host-$i"
done
stop in-2
stop asker
rounds_done "$round"
expect "X1 asked all the time" logged_times asker "^$W:" 2
expect_is "and the first router gave it one endpoint for both, each time" "" \
	"$(awk -v w="$W:" '
		function check() {
			if (port && (n != 2 || index(first, w) != 1 || first != last)) print port, n, first, last
		}
		$1 == "port" { check(); port = $2; n = 0; next }
		{ if (!n++) first = $0; last = $0 }' "$TMP/asker")"
expect "all namespaces are gone" wait_for 600 gone "[0-9]"
settled

finish
