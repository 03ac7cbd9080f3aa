#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Anybody can be root of a user namespace and have network namespaces there, as many as he likes, with knobs, commands and rules
# of their own. All of them together take so much of the machine's memory and no more: ports, peers and mappings have limits
# that they share, and that no such root can raise; what he is given on the spot is on the account of his memory cgroup. The
# machine's first namespace does not feel it.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_module
[[ -z $FULLCONE_STANDIN ]] || skip_all "needs the module"
need_tools setpriv unshare nsenter
[[ $we_loaded ]] || skip_all "the module is used by others"

knobs=/proc/sys/net/fullcone_nat
state=/proc/net/fullcone_nat
# small: half of it is what all namespaces but the first may have; ports for an eighth, but for 512 in any case
total=1024
nets=60
# whoever he is, he can run it
chmod 711 "$TMP"
install -m 755 "$HERE/churn" "$TMP/send" || bail_out "can't copy churn"
rmmod fullcone_nat || bail_out "the module can't be removed"
insmod "$FULLCONE_KO" max_total=$total || bail_out "the module does not load with max_total=$total"

# attacker NAME: a user namespace of uid 65534 with a router, $NAME, that has many external addresses on "wan", and a host
# behind it in a network namespace of its own
attacker() {
	# shellcheck disable=SC2016
	setpriv --reuid=65534 --regid=65534 --clear-groups unshare -Urn bash -c '
		unshare -n sleep 10000 &
		trap "kill $!; exit" TERM
		echo "ready $$ $!"
		wait' >"$TMP/$1" 2>&1 </dev/null &
	pids[$1]=$!
	wait_for 60 logged "$1" '^ready' || skip_all "needs user namespaces for everybody"
	router[$1]=$(awk '$1 == "ready" { print $2 }' "$TMP/$1")
	host[$1]=$(awk '$1 == "ready" { print $3 }' "$TMP/$1")
	wait_for 60 apart "$1" || bail_out "$1 has no second namespace"
	inside "$1" bash -c "
		ip link set lo up
		ip link add wan type dummy
		ip link set wan up
		for ((i = 1; i <= $nets; i++)); do echo addr add 10.1.\$i.1/24 dev wan; done | ip -batch - || exit
		ip link add lan type veth peer name eth0 netns ${host[$1]}
		ip addr add 192.168.1.1/24 dev lan
		ip link set lan up
		echo 1 >/proc/sys/net/ipv4/ip_forward
		echo drop >$knobs/reject
		echo wan >$knobs/wan" || bail_out "$1 has no network"
	behind "$1" bash -c "
		ip link set lo up
		ip addr add 192.168.1.2/24 dev eth0
		ip link set eth0 up
		ip route add default via 192.168.1.1" || bail_out "$1 has no host"
}

apart() {
	[[ $(readlink "/proc/${router[$1]}/ns/net") != "$(readlink "/proc/${host[$1]}/ns/net")" ]]
}

# inside NAME COMMAND...: as the attacker's root, in his router
inside() {
	become "${router[$1]}" "${@:2}"
}

behind() {
	become "${host[$1]}" "${@:2}"
}

become() {
	setpriv --reuid=65534 --regid=65534 --clear-groups nsenter -t "$1" -U -n --preserve-credentials "${@:2}"
}

# counter NAME COUNTER: of "stats" of his router
counter() {
	inside "$1" sed -n "s/^$2 //p" $state/stats
}

is_past() {
	(($(counter "$1" "$2") > $3))
}

# sends NAME PORTS TARGET...: his host, from now on
sends() {
	# not "behind": $! shall be the command's
	setpriv --reuid=65534 --regid=65534 --clear-groups nsenter -t "${host[$1]}" -U -n --preserve-credentials \
		"$TMP/send" udp "192.168.1.2:$2" "${@:3}" >"$TMP/churn" 2>&1 </dev/null &
	pids[churn]=$!
}

# the machine's own namespace, which is not the tests' router
first() {
	ip link add fcfirst type dummy && at_exit "ip link del fcfirst"
	ip addr add 198.18.77.1/24 dev fcfirst
	ip link set fcfirst up
}

first_works() {
	expect "$1: the machine's first namespace has room" \
		bash -c "echo 'add udp 198.18.77.2:$2 198.18.77.1:$2' >$state/mappings"
}

no_more_for_him() {
	local old

	old=$(inside him cat $knobs/max_mappings)
	expect "he may have less of mappings" inside him bash -c "echo 256 >$knobs/max_mappings"
	expect_not "and not again as many as before" inside him bash -c "echo $old >$knobs/max_mappings"
	expect_not "he has no lines in the log for each mapping" inside him bash -c "echo 1 >$knobs/log"
	expect_not "he can't raise what all have together" \
		inside him bash -c "echo 1000000 >/sys/module/fullcone_nat/parameters/max_total"
	expect_is "and it is what it was" $total "$(cat /sys/module/fullcone_nat/parameters/max_total)"
}

# Each port that is used keeps room for 256: he uses one here and one there, at every address.
ports() {
	local i targets=() before

	for ((i = 1; i <= nets; i++)); do
		targets+=("10.1.$i.9:4000")
	done
	sends it 1024-65535 "${targets[@]}"
	expect "ports: there comes an end to it" wait_for 180 is_past it drop_max_total 0
	stop churn
	note "ports: $(counter it mappings) mappings"
	expect "ports: long before he has as many mappings as he may" test "$(counter it mappings)" -lt $((total / 2 - 50))
	first_works ports 7000
	before=$(counter him drop_max_total)
	sends him 5000-5000 "10.1.1.9:4000"
	expect "ports: with another namespace he has no more" wait_for 60 is_past him drop_max_total "$before"
	stop churn
	inside it bash -c "echo flush >$state/mappings"
	sends him 5000-5000 "10.1.1.9:4000"
	expect "ports: what one gives back another may have" wait_for 60 is_past him mappings 0
	stop churn
	inside him bash -c "echo flush >$state/mappings"
}

peers() {
	local name

	for name in it him; do
		inside $name bash -c "echo apdf >$knobs/filter_udp; echo $total >$knobs/max_mappings" 2>/dev/null
	done
	sends it 5000-5001 "10.1.1.9:1-65535"
	expect "peers: there comes an end to it" wait_for 180 is_past it peers_refused 0
	stop churn
	expect_is "peers: half of max_total" $((total / 2)) "$(counter it peers)"
	sends him 5000-5001 "10.1.1.9:1-65535"
	expect "peers: with another namespace he has no more" wait_for 60 is_past him peers_refused 0
	stop churn
	expect_is "peers: none" 0 "$(counter him peers)"
	inside it bash -c "echo flush >$state/mappings"
	sends him 5000-5001 "10.1.1.9:1-65535"
	expect "peers: what one gives back another may have" wait_for 60 is_past him peers 0
	stop churn
}

# A static forward is made by him who asks for it, so it is on his account: the pool, and room for 256 ports.
accounts() {
	local group=/sys/fs/cgroup/fullcone-$$ before

	if ! grep -qw memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null ||
			! echo +memory >/sys/fs/cgroup/cgroup.subtree_control || ! mkdir "$group"; then
		skip "accounts" "needs memory cgroups, version 2"
		return
	fi
	at_exit "rmdir $group"
	before=$(slab_of "$group")
	# shellcheck disable=SC2016
	bash -c 'echo $$ >"$1/cgroup.procs" && exec "${@:2}"' bash "$group" \
		setpriv --reuid=65534 --regid=65534 --clear-groups \
		nsenter -t "${router[him]}" -U -n --preserve-credentials bash -c "
			for ((i = 1; i <= $nets; i++)); do
				echo \"add tcp 192.168.1.2:5000 10.1.\$i.1:5000\" >$state/mappings || exit
			done" || fail "accounts: he makes static forwards"
	expect "accounts: the ports of static forwards are on the account of who makes them" \
		wait_for 20 has_slab "$group" $((before + nets * 4000))
	note "accounts: $nets static forwards: $(($(slab_of "$group") - before)) bytes"
}

slab_of() {
	awk '$1 == "slab" { print $2 }' "$1/memory.stat"
}

# has_slab GROUP BYTES: its counters may be some seconds behind
has_slab() {
	(($(slab_of "$1") >= $2))
}

declare -A router=() host=()
first
attacker him
attacker it
no_more_for_him
ports
peers
accounts
first_works "at the end" 7001
stop him
stop it

finish
