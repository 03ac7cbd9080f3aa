#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# When a mapping is ended, its sessions are deleted, and others live as long as they do otherwise: connections that are
# closed properly after that keep their mappings for four minutes (RFC 5382 REQ-5), not for the two hours of one that
# conntrack has lost.
#
# clock: skip
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
life_network

# Conntrack's smallest table, so that its buckets have several sessions each. It belongs to the whole machine.
hashsize=/sys/module/nf_conntrack/parameters/hashsize
old_hashsize=$(<$hashsize)
restore() {
	echo "$old_hashsize" >"$hashsize"
}
at_exit restore
echo 1 >"$hashsize" || bail_out "conntrack's table can't be smaller"

# A thousand sessions of one endpoint of X2's; where everything is slow the first must still be there when the last comes.
crowd() {
	# shellcheck disable=SC2016
	on "$X2" bash -c 'for ((port = 4000; port < 5000; port++)); do "$0" udp "$1" "$2:$port" crowd; done' \
		"$HERE/seg" "$H2:6000" "$A"
}

sessions_of_x2() {
	ct -L -p udp --orig-src "$(bare "$H2")" 2>/dev/null | grep -c .
}

# Conntrack finds what is new first: X1's connections, then X2's sessions. A sweep passes every five seconds.
set_sysctl "$R" net.netfilter.nf_conntrack_udp_timeout=3600
crowd
for port in {5000..5007}; do
	connect "$port" $A:3000
done
zero
at 12
expect "X2 has a thousand sessions" test "$(sessions_of_x2)" -ge 900
expect "X2's mapping is ended" on "$R" sh -c "echo 'del udp $H2:6000' >/proc/net/fullcone_nat/mappings"
expect_is "none of them is left" 0 "$(sessions_of_x2)"
at 24
zero
for port in {5000..5007}; do
	what="X1:$port"
	quiet=yes says "$port" FA
	quiet=yes hears "$port" FA
	quiet=yes says "$port" A
done
at 230
for port in {5000..5007}; do
	expect_open "X1:$port, closed for 230 s: a stranger arrives" tcp "$W:$port"
done
at 260
for port in {5000..5007}; do
	expect_closed "X1:$port, closed for 260 s: none does" tcp "$W:$port"
	expect_state "X1:$port, closed for 260 s: its mapping is" holddown tcp "$H1:$port"
done

finish
