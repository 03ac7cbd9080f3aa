#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A router that is a host of containers, too (podman). Its rules for them keep their meaning: a published port leads to
# its container, and no mapping takes it. What programs in containers send gets a mapping, as from a host on the LAN,
# since the module decides before those rules; with order=last it does so for the networks that are kept
# from the rules. Docker's filter lets in no strangers, until its owner's chain does.
#
# only: applications
# packages: podman netavark crun conmon busybox-static iptables

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/app-lib.sh
. "$HERE/app-lib.sh"

need_packages
need_module
need_tools podman iptables
home_network
firewall nft
reflectors

# What the machine has of podman's is not touched. Control groups are not what this is about.
cat >"$TMP/containers.conf" <<-END
	[engine]
	runtime = "crun"
	[network]
	network_backend = "netavark"
END
export CONTAINERS_CONF=$TMP/containers.conf
podman=(podman --root "$TMP/storage" --runroot "$TMP/containers" --tmpdir "$TMP/libpod"
	--network-config-dir "$TMP/networks" --storage-driver vfs --events-backend none --cgroup-manager cgroupfs)

pod() {
	on "$R" "${podman[@]}" "$@"
}

# run VARIABLE NAME ADDRESS [OPTION...]: a container, its file system of programs that need no other file, and a server
# on port 80 as its process; VARIABLE is its network namespace. Emulated, podman takes a minute or two.
run() {
	local root=$TMP/root-$2

	mkdir -p "$root/bin"
	cp /bin/busybox "$HERE/reflect" "$root/bin/"
	launch "$2" "$R" "${podman[@]}" run --name "$2" --network boxes --ip "$3" --cgroups disabled \
		--ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --log-driver passthrough "${@:4}" \
		--rootfs "$root" /bin/reflect "$3:80"
	wait_for 600 settled "$2"
	logged "$2" '^ready' || bail_out "podman does not start $2: $(cat "$TMP/$2")"
	printf -v "$1" %s "$(basename "$(pod inspect --format '{{.NetworkSettings.SandboxKey}}' "$2")")"
	ADDR[${!1}]=$3
}

# settled NAME: it is ready, or never will be
settled() {
	logged "$1" '^ready' || process_ended "${pids[$1]}"
}

containers_end() {
	pod rm --force --all --time 0 >/dev/null
}

# play: X1 and the game talk to two, from ports from which others have talked to one of these already
play() {
	endpoint x2 "$X2" udp 5000 $A:3000
	endpoint x3 "$X3" udp 5001 $A:3000
	endpoint x1 "$X1" udp 5000 $B:3000 $A:3000
	endpoint game-udp "$GAME" udp 5001 $B:3000 $A:3000
}

# reached WHAT NAME: a stranger gets to the endpoint that NAME was told, and who answers is NAME
from=6000
reached() {
	((++from))
	expect "$1" got_in "$2"
}

got_in() {
	local seen

	seen=$(probe "$STRANGER" udp "$from" "$(mapped "$1")")
	echo "the stranger: $seen, $1: $(tail -n 3 "$TMP/$1")"
	[[ $seen == "$Z:$from" ]] && wait_for 5 logged "$1" "^from $Z:$from "
}

# shut WHAT NAME: NAME has an endpoint towards everybody it asked, and a stranger does not get to it there; with
# rules that translate to the same address somebody else may have that one, too
shut() {
	((++from))
	PROBE_TIMEOUT=3 probe "$STRANGER" udp "$from" "$(mapped "$2")" >/dev/null
	expect_unlogged "$1" "$2" "^none|^from $Z:$from "
}

# published WHAT: the port of the server, TCP, and of one that announces itself from the same port
published() {
	endpoint announced "$SERVER" udp 27015 $A:3000
	expect_is "$1: a published port leads to its container" "$Z:6500" "$(probe "$STRANGER" tcp 6500 $W:8080)"
	expect_match "$1: from the LAN, too" "^$address_re:[0-9]+\$" "$(probe "$X1" tcp 6500 $W:8080)"
	expect_match "$1: and from a container" "^$address_re:[0-9]+\$" "$(probe "$GAME" tcp 6500 $W:8080)"
	expect_is "$1: so does one of UDP" "$Z:6500" "$(probe "$STRANGER" udp 6500 $W:27015)"
}

at_exit containers_end
pod network create --disable-dns --subnet 10.89.0.0/24 boxes >"$TMP/boxes" 2>&1 ||
	bail_out "podman makes no network: $(cat "$TMP/boxes")"
run SERVER server 10.89.0.10 --publish 8080:80/tcp --publish 27015:27015/udp
run GAME game 10.89.0.11

note "MASQUERADE"
masquerade nft
play
expect_other_endpoint "MASQUERADE: X1 has another endpoint towards the second" "$(mapped x1)" "$(mapped x1 2)"
shut "MASQUERADE: strangers don't reach it" x1
row "A LAN host beside containers (podman)" masquerade "symmetric, strangers do not get in"
expect_other_endpoint "MASQUERADE: so has the game in a container" "$(mapped game-udp)" "$(mapped game-udp 2)"
shut "MASQUERADE: strangers don't reach it" game-udp
row "A program in a container" masquerade "symmetric, strangers do not get in"
published MASQUERADE
row "A container's published port" masquerade "is reached"
masquerade_off nft

note "the module"
flush_state
fullcone_on
play
expect_other_endpoint "X1 has an endpoint, not its neighbour's" "$(mapped x2)" "$(mapped x1)"
expect_is "the same towards both" "$(mapped x1)" "$(mapped x1 2)"
reached "strangers reach it" x1
row "A LAN host beside containers (podman)" module "full cone"
expect_other_endpoint "the game in a container has an endpoint, not X3's" "$(mapped x3)" "$(mapped game-udp)"
expect_is "the same towards both" "$(mapped game-udp)" "$(mapped game-udp 2)"
reached "strangers reach it" game-udp
stop x1
expect_is "so does X1, from its own outside endpoint" "$(mapped x1)" "$(probe "$X1" udp 5000 "$(mapped game-udp)")"
e=$(probe "$SERVER" udp 5002 $A:3000)
expect_is "and another container" "$e" "$(probe "$SERVER" udp 5002 "$(mapped game-udp)")"
moment "$R"
row "A program in a container" module "full cone"

published "the module"
for port in tcp:8080 udp:27015; do
	expect_other_endpoint "X2, whose own port is published, $port, gets another" "$W:${port#*:}" \
		"$(probe "$X2" "${port%:*}" "${port#*:}" $A:3000)"
done
expect_other_endpoint "and so does who announces itself from there" "$W:27015" "$(mapped announced)"
reached "strangers reach it where it is seen" announced
row "A container's published port" module "is reached, and no mapping's"
on "$R" sh -c "echo add udp 10.89.0.11:27016 wan:27016 >/proc/net/fullcone_nat/mappings"
endpoint static "$GAME" udp 27016 $A:3000
expect_is "with a static forward in place of a published port it announces that very port" "$W:27016" "$(mapped static)"
reached "and strangers reach it" static

note "containers that are not for strangers"
must_knob inside $LAN_NET
flush_state
play
shut "inside=$LAN_NET: strangers don't reach the game" game-udp
reached "but X1" x1
must_knob inside ""

note "order=last"
must_knob order last
flush_state
play
reached "order=last: strangers reach X1" x1
shut "but not the game, for which podman's rule decides" game-udp
on "$R" iptables -t nat -I POSTROUTING -s 10.89.0.0/24 -o wan -j ACCEPT
flush_state
play
reached "with a rule before that they do" game-udp
on "$R" iptables -t nat -D POSTROUTING -s 10.89.0.0/24 -o wan -j ACCEPT
must_knob order first

# Docker 18.09's, and what 28 drops besides
note "Docker's filter"
bridge=$(ip -n "$R" -o route show 10.89.0.0/24 | awk '{ print $3 }')
on "$R" iptables-restore --noflush <<-END || bail_out "iptables does not take Docker's rules"
	*filter
	:FORWARD DROP
	:DOCKER-USER -
	:DOCKER -
	-A FORWARD -j DOCKER-USER
	-A FORWARD -o $bridge -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
	-A FORWARD -o $bridge -j DOCKER
	-A FORWARD -i $bridge -j ACCEPT
	-A DOCKER -d 10.89.0.10 ! -i $bridge -o $bridge -p tcp --dport 80 -j ACCEPT
	-A DOCKER ! -i $bridge -o $bridge -j DROP
	COMMIT
END
shut "Docker's filter: strangers don't reach the game" game-udp
flush_state
PROBE_TIMEOUT=3 endpoint x1 "$X1" udp 5000 $A:3000
expect_is "nor does X1 get out" none "$(mapped x1)"
on "$R" iptables -I DOCKER-USER -i br0 -o wan -j ACCEPT
on "$R" iptables -I DOCKER-USER -m conntrack --ctstate ESTABLISHED,RELATED,DNAT -j ACCEPT
play
reached "its owner's rules let them reach X1" x1
reached "and the game" game-udp
expect_is "and what is published" "$Z:6501" "$(probe "$STRANGER" tcp 6501 $W:8080)"
versions podman netavark crun iptables

finish
