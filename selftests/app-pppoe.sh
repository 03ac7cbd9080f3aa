#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A line by PPPoE: endpoints are open to everybody on it, too; datagrams that do not fit through its 1,492 bytes come in
# pieces, and connections find out how much fits; and when the provider hangs up and gives another address, hosts are
# reached at that at once.
#
# only: applications
# packages: ppp pppoe socat

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/app-lib.sh
. "$HERE/app-lib.sh"

need_packages
need_module
need_tools pppd pppoe-server socat
modprobe -qa ppp_generic pppoe ppp_async || skip_all "needs PPP in the kernel"
home_network
firewall nft
new_ns ISP isp

# The provider, between the router's line and all others
ip -n "$R" link del wan
ip -n "$ISP" -batch - <<-END
	link add access type veth peer name line netns $R
	link set access up
	link add out type veth peer name isp netns $NET
	addr add 203.0.113.1/24 dev out
	link set out up
END
ip -n "$NET" link set isp master br0 up
ip -n "$R" link set line up
for ns in "$SRV" "$STRANGER"; do
	ip -n "$ns" route add 198.51.100.0/24 via 203.0.113.1
done
set_sysctl "$ISP" net.ipv4.ip_forward=1
reflectors
cat >"$TMP/isp-options" <<-END
	noauth
	nodetach
	lcp-echo-interval 5
	lcp-echo-failure 4
	nodefaultroute
	noproxyarp
END
# a subscriber who comes again gets the next address
launch isp "$ISP" pppoe-server -F -I access -L 198.51.100.1 -R 198.51.100.10 -N 20 -r -O "$TMP/isp-options"

dial() {
	launch pppd "$R" pppd plugin pppoe.so line ifname wan noauth nodetach noipdefault defaultroute \
		persist maxfail 0 holdoff 1 mtu 1492 mru 1492 usepeerdns ipparam none
	wait_for 120 dialled || bail_out "no line: $(tail -n 5 "$TMP/pppd") $(tail -n 5 "$TMP/isp")"
	W=$(wan_now)
}

wan_now() {
	ip -n "$R" -4 -o addr show dev wan 2>/dev/null | sed -n 's/.* inet \([0-9.]*\) .*/\1/p'
}

dialled() {
	[[ $(wan_now) ]] && on "$R" "$HERE/icmpq" -t 2 ask "$(wan_now):1" 203.0.113.1
}

hang_up() {
	stop pppd
	wait_for 60 hung_up || bail_out "the line stays up"
}

hung_up() {
	[[ ! $(wan_now) ]]
}

# stranger_at ENDPOINT
stranger_at() {
	PROBE_TIMEOUT=${2:-10} probe "$STRANGER" udp 6000 "$1"
}

# transfer FROM TO ADDRESS:PORT: a file over a connection, with packets as large as they can be
transfer() {
	local from=$1 to=$2 at=$3

	head -c 500000 /dev/urandom >"$TMP/sent"
	launch receiver "$to" socat -u "TCP4-LISTEN:${at##*:},reuseaddr" "CREATE:$TMP/received"
	wait_for 30 listens "$to" "${at##*:}"
	on "$from" timeout 60 socat -u "FILE:$TMP/sent" "TCP4:$at" && wait "${pids[receiver]}" &&
		cmp "$TMP/sent" "$TMP/received"
}

listens() {
	[[ $(on "$1" ss -Hltn "sport = :$2") ]]
}

masquerade nft
dial
old=$W
e=$(probe "$X1" udp 5000 $A:3000)
expect_is "MASQUERADE: X1 talks to a server" "$W:5000" "$e"
expect_is "MASQUERADE: strangers don't get in" none "$(stranger_at "$e" 3)"
row "PPPoE, and a redial" masquerade "strangers do not get in"
masquerade_off nft
hang_up

fullcone_on
flush_state
dial
expect_not "after a redial the address is another" test "$W" == "$old"
probe "$X2" udp 5000 $B:3000 >/dev/null
endpoint x1 "$X1" udp 5000 $A:3000
e=$(mapped x1)
expect_other_endpoint "X1 has an endpoint, not its neighbour's" "$W:5000" "$e"
expect_match "at the address of the line" "^$W:" "$e"
expect_is "strangers get in" "$Z:6000" "$(stranger_at "$e")"
big=$(printf 'x%.0s' {1..2000})
on "$STRANGER" "$HERE/probe" -t 5 -p "$big" udp "$Z:6001" "$e" >/dev/null
expect_logged "with datagrams of 2,000 bytes, too" x1 "from $Z:6001 x{2000}$"
expect "a connection outwards finds out what fits" transfer "$X1" "$SRV" $A:7000
moment "$R"
hang_up
stop x1
old=$W
dial
expect_not "after the next redial it is another again" test "$W" == "$old"
endpoint x1 "$X1" udp 5000 $A:3000
e=$(mapped x1)
expect_match "X1 has an endpoint there" "^$W:" "$e"
expect_is "strangers get in at once" "$Z:6000" "$(stranger_at "$e")"
row "PPPoE, and a redial" module "strangers get in, at each new address"
versions ppp pppoe

finish
