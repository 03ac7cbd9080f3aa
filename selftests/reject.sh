#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# An inside host whose flow a limit refuses is told as `reject` says (RFC 6888,
# REQ-11b; RFC 5508, REQ-8), as often as the kernel sends ICMP errors; nothing of the
# packet leaves.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/pktgen-lib.sh
. "$HERE/pktgen-lib.sh"

need_tools nstat
need_pktgen
need_module
home_network
room 65536
fullcone_on
reflectors
must_knob ports 4000

if [[ $FULLCONE_FAMILY == 6 ]]; then
	host_unreach=1/3 admin_prohib=1/1 counter=Icmp6OutDestUnreachs
else
	host_unreach=3/1 admin_prohib=3/13 counter=IcmpOutDestUnreachs
fi

errors_sent() {
	on "$R" nstat -asz $counter | sed -n "s/^$counter *\([0-9]*\) .*/\1/p"
}

watch outside "$SRV" eth0 dst=$A
watch at-x2 "$X2" eth0 src=$HR
expect_is "X1 has the only port" $W:4000 "$(probe "$X1" udp 5000 $A:3000)"
# the socket hears of it only if the error quotes what it has sent
expect_is "udp: X2 is told that the host is unreachable" "icmp $host_unreach" "$(probe "$X2" udp 5001 $A:3999)"
must_knob icmp_ids 4000
probe "$X1" icmp 1 $A >/dev/null
expect_is "a query gets no answer" none "$(PROBE_TIMEOUT=2 probe "$X2" icmp 2 $A)"
expect "but is told, too" wait_for 10 logged_times at-x2 "^icmp .* $host_unreach " 2
expect_is "and a host that speaks to another's endpoint" "icmp $host_unreach" "$(probe "$X3" udp 5002 $W:4000)"

probe "$X1" tcp 5003 $A:3000 >/dev/null
expect_is "tcp: a connection is refused" "icmp $host_unreach" "$(probe "$X2" tcp 5003 $A:3000)"
must_knob ports 4000-4001
expect_is "tcp: when there is room it comes about" $W:4001 "$(probe "$X2" tcp 5003 $A:3000)"

must_knob ports 4000
must_knob reject admin-prohib
expect_is "admin-prohib" "icmp $admin_prohib" "$(probe "$X3" udp 5004 $A:3999)"
must_knob reject drop
sent=$(errors_sent)
expect_is "drop" none "$(PROBE_TIMEOUT=2 probe "$X3" udp 5005 $A:3999)"
expect_is "no error was sent" "$sent" "$(errors_sent)"

# the same for both families, and pktgen speaks IPv4 here
rate_limited() {
	local refused seconds sent

	must_knob reject host-unreach
	# the kernel's default, which the tests otherwise do without
	set_sysctl "$R" net.ipv4.icmp_ratelimit=1000
	refused=$(stat_of drop_no_port)
	seconds=$SECONDS
	sent=$(errors_sent)
	pktgen_ports $H3 20000 1000 >/dev/null
	expect_is "1,000 refusals" 1000 $(($(stat_of drop_no_port) - refused))
	sent=$(($(errors_sent) - sent))
	expect "make only as many errors as the kernel allows ($sent)" \
		test "$sent" -ge 1 -a "$sent" -le $((8 + SECONDS - seconds))
}

[[ $FULLCONE_FAMILY == 6 ]] || rate_limited

expect_is "X1's endpoint has suffered nothing" $W:4000 "$(probe "$X1" udp 5000 $A:3000)"
expect_logged "the watcher outside sees it" outside "^udp $W:4000 > $A:3000 "
expect_unlogged "nothing that was refused has left" outside " > $A:3999 "
expect_unlogged "nothing at all has left with an inside address" outside "^[a-z0-9]+ $inside_re"

finish
