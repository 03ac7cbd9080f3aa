#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# 500 datagrams a second from one socket, each to somebody else, for a minute: a flood as of a peer-to-peer client, which stops routers
# whose full-cone module looks at all sessions of an endpoint for each new one. Here the router answers all the time, other hosts lose
# nothing, and the last datagram costs what the first did.
#
# FULLCONE_SECONDS says how long.
#
# clock: skip
# only: hostile

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/pktgen-lib.sh
. "$HERE/pktgen-lib.sh"
# shellcheck source=selftests/abuse-lib.sh
. "$HERE/abuse-lib.sh"

seconds=${FULLCONE_SECONDS:-60}
peers=0

abused_network 200000
on "$R" ip route add 20.0.0.0/8 via "$A" || bail_out "no route"
swallow out "ip daddr 20.0.0.0/8"

# peers COUNT [SETTING...]: X1:5000 speaks to so many more
peers() {
	pktgen_run br0 "$1" "dst_min $(address $((peers + 1)))" "dst_max $(address $((peers + $1 + 1)))" \
		"src_min $H1" "src_max $H1" "udp_src_min 5000" "udp_src_max 5000" \
		"udp_dst_min 3000" "udp_dst_max 3000" "${@:2}" >"$TMP/cost"
	((peers += $1))
	cost=$(<"$TMP/cost")
}

address() {
	echo "20.$(($1 >> 16)).$(($1 >> 8 & 255)).$(($1 & 255))"
}

before
peers $burst
peers $burst
first=$cost
stand_by
since=$SECONDS
peers $((seconds * 500)) "delay 2000000" &
flood=$!
for n in 1 2 3 4 5; do
	expect "the router answers, $n" wait_for 10 answers "$X2" "$HR"
	expect "its files, too, $n" grep -q refusing=none <(on "$R" cat /proc/net/fullcone_nat/status)
	pause $((seconds / 8))
done
expect "the flood goes on all the time" kill -0 $flood
wait $flood
((peers += seconds * 500))
loaded $((seconds * 500)) 2000000
note "the flood took $((SECONDS - since)) s"
noticed "500 a second"
expect_lost_nothing "500 a second"
peers $burst
note "a datagram cost $first instructions at first, $cost at last: 500 of them are $((cost / 2000)) thousandths of such a processor"
expect "the last costs what the first did, within 5 %" within 5 "$first" "$cost"
recovered "500 a second" 120

finish
