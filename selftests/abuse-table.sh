#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# When a host fills conntrack's table, sessions of others that were answered go on without a loss, and nobody's endpoint changes. What
# others lose of their new sessions is noted: that is conntrack's limit.
#
# clock: skip
# only: hostile

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/pktgen-lib.sh
. "$HERE/pktgen-lib.sh"
# shellcheck source=selftests/abuse-lib.sh
. "$HERE/abuse-lib.sh"

number=20000

abused_network 4096
reflectors
on "$R" ip route add 20.0.0.0/8 via "$A" || bail_out "no route"
swallow out "ip daddr 20.0.0.0/8"

# peers FIRST COUNT [SETTING]: X3:5000 speaks to so many
peers() {
	pktgen_run br0 "$2" "dst_min $1" "dst_max 20.255.255.255" "src_min $LAN.4" "src_max $LAN.4" \
		"udp_src_min 5000" "udp_src_max 5000" "udp_dst_min 3000" "udp_dst_max 3000" "${@:3}" >"$TMP/cost"
	cost=$(<"$TMP/cost")
}

# conntrack never throws out what it calls assured
assured() {
	ct -L -p udp -s "$H2" 2>/dev/null | grep -q ASSURED
}

before
stand_by
wait_for 60 assured || bail_out "the bystander's session is not assured"
peers 20.0.0.1 $number "$(spread $number 20)"
loaded $number "$cost"
peers 20.1.0.1 $burst
note "$number peers of X3 in a table of 4,096: the last cost $cost instructions each"
expect "the table is full" test "$(entries)" -ge 3500
pause 2
noticed "a full table"
expect_lost_nothing "a full table" old
recovered "a full table" 120
expect_is "another host has an endpoint" "$W:6000" "$(probe "$X1" udp 6000 "$A:3001")"

finish
