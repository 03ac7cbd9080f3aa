#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# When one inside host, or a flood of strangers, fills conntrack's table, which then throws out what others have, these keep
# their endpoints.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
silent_network

# One limit for all namespaces of the machine, each counted for itself.
limit=/proc/sys/net/netfilter/nf_conntrack_max
old_limit=$(cat $limit 2>/dev/null) || skip_all "needs $limit"
set_limit() {
	echo "$1" >$limit || bail_out "can't set $limit"
}

restore_limit() {
	set_limit "$old_limit"
}

at_exit restore_limit

forgotten() {
	! entry udp 5000
}

# refused: how many entries found no room, or made it
refused() {
	local counts

	counts=$(on "$R" conntrack -S | sed -E 's/.* drop=([0-9]+) early_drop=([0-9]+) .*/\1+\2+/' | tr -d '\n')
	echo $((${counts}0))
}

no_room() {
	(($(refused) > before + 100))
}

what="before"
# X2 was first, so that X1's endpoint does not come again by itself.
udp_out "$X2" $H2:5000 $A:3000
expect_leaves "X2 has its port" $W:5000
udp_out "$X1" $H1:5000 $A:3000
wait_for 30 logged outside "^udp $W:[0-9]+$sent"
re "^udp ([^ ]+)$sent"
e=$(sed -nE "s/$regex/\1/p" "$TMP/outside")
expect_other_endpoint "X1, with the same, has another" $W:5000 "$e"
connect 5001 $A:3000

for kind in flood flood_syns; do
	what="$kind of X3"
	before=$(refused)
	set_limit 40
	$kind flood "$X3"
	expect "$what: it fills the table" wait_for 120 no_room
	expect "$what: X1's session is thrown out" wait_for 60 forgotten
	stop flood
	restore_limit

	udp_out "$X1" $H1:5000 $B:3000
	expect_leaves "$what: X1 has the same endpoint" "$e"
	expect_open "$what: strangers reach it there" udp "$e"
	exchange 5001
	expect_open "$what: at its connection's, too" tcp $W:5001
done

what="strangers"
before=$(refused)
set_limit 40
# shellcheck disable=SC2016
launch strangers "$STRANGER" bash -c 'while :; do echo flood >"/dev/udp/$1/$2"; done' bash "$(bare "${e%:*}")" "${e##*:}"
expect "strangers fill the table" wait_for 120 no_room
stop strangers
restore_limit
udp_out "$X1" $H1:5000 $A:3001
expect_leaves "X1, to whom they speak, has the same endpoint" "$e"
udp_out "$X2" $H2:5000 $B:3001
expect_leaves "X2, too" $W:5000
expect_open "strangers reach X1 again" udp "$e"
expect_no_leak "all the time"

finish
