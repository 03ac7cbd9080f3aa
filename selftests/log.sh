#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What is told of mappings. The kernel's log has a line for each that is made and for each
# that has gone, with the numbers of RFC 8158, if the owner wants it; and one a second at
# most for each limit that refuses. Tracepoints tell of everything.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/pktgen-lib.sh
. "$HERE/pktgen-lib.sh"

need_pktgen
need_module
home_network
room 65536
fullcone_on
reflectors

need_tracepoints

# This router's, in what is told: others may be at work on the same machine.
inum=$(on "$R" readlink /proc/self/ns/net)
inum=${inum//[^0-9]/}

# Everything from now on.
listen() {
	dmesg >"$TMP/before"
	echo >$tracing/trace
}

# said REGEX: how many lines of the log
said() {
	dmesg | tail -n +$(($(wc -l <"$TMP/before") + 1)) | grep -Ec "fullcone_nat: $1"
}

# traced REGEX: how many events
traced() {
	grep -Ec ": $1" $tracing/trace
}

gone() {
	[[ ! $(state_of udp "$1") ]]
}

note "log=0"
for_now $tracing/events/fullcone_nat/enable 1
listen
x2=$(probe "$X2" udp 5000 $B:3000)
x1=$(probe "$X1" udp 5000 $A:3000)
expect_is "nothing is in the log" 0 "$(said "natEvent=[0-9]+ netns=$inum ")"
expect_is "a tracepoint tells of the mapping" 1 "$(traced "mapping_create: netns=$inum proto=udp int=$LAN.2:5000 ext=$x1\$")"
expect_is "and of the other host's" 1 "$(traced "mapping_create: netns=$inum proto=udp int=$LAN.3:5000 ext=$x2\$")"
probe "$X1" udp 5000 $B:3000 $Z:3000 >/dev/null
expect_is "and no more of it when it is used again" 2 "$(traced "mapping_create: netns=$inum ")"

note "log=1"
must_knob log 1
listen
x1=$(probe "$X1" tcp 5001 $A:3000)
probe "$X1" icmp 5002 $A >/dev/null
expect_is "a line says that a mapping is made" 1 "$(said "natEvent=8 netns=$inum proto=tcp int=$LAN.2:5001 ext=$x1\$")"
expect_is "likewise of a query's" 1 "$(said "natEvent=8 netns=$inum proto=icmp int=$LAN.2:5002 ext=$W:5002\$")"
on "$R" sh -c "echo 'del tcp $LAN.2:5001' >/proc/net/fullcone_nat/mappings"
expect "a line says that it has gone" \
	wait_for 30 eval "((\$(said 'natEvent=9 netns=$inum proto=tcp int=$LAN.2:5001 ext=$x1\$') == 1))"
expect_is "a tracepoint does, too" 1 "$(traced "mapping_free: netns=$inum proto=tcp int=$LAN.2:5001 ext=$x1\$")"
expect_is "there are no other lines" 3 "$(said "natEvent=[0-9]+ netns=$inum ")"
must_knob log 0

note "refusals"
must_knob ports 4000
probe "$X1" udp 4000 $A:3000 >/dev/null
listen
before=$(stat_of drop_no_port)
seconds=$SECONDS
pktgen_ports $LAN.3 20000 1000 >/dev/null
lines=$(said "natEvent=12 drop_no_port: refused netns=$inum proto=udp int=$LAN.3:[0-9]+,")
expect_is "1,000 refusals are counted" 1000 $(($(stat_of drop_no_port) - before))
expect "the log has one line a second at most ($lines)" \
	test "$lines" -ge 1 -a "$lines" -le $((SECONDS - seconds + 1))
expect_is "nor does the kernel tell how many it left out" 0 \
	"$(dmesg | tail -n +$(($(wc -l <"$TMP/before") + 1)) | grep -c suppressed)"
expect_is "a tracepoint tells of each" 1000 "$(traced "mapping_refuse: netns=$inum proto=udp int=$LAN.3:[0-9]+ limit=drop_no_port\$")"

note "one limit does not hide another"
must_knob host_max_mappings 1
must_knob ports 4001
probe "$X1" udp 4001 $A:3000 >/dev/null
tries=0
# maybe in a second in which one of them has its line
both() {
	listen
	pktgen_ports "$H2" 22000 10 >/dev/null
	pktgen_ports "$H1" $((23000 + ++tries * 10)) 10 >/dev/null
	(($(said "natEvent=12 drop_no_port: ") && $(said "natEvent=13 drop_host_max_mappings: ")))
}
expect "no free port, and one too many for a host, both are told" wait_for 30 both
must_knob host_max_mappings 0

# told LIMIT COMMAND...: it refuses something; maybe in a second that has its line
told() {
	"${@:2}" >/dev/null
	(($(said "natEvent=${event:-13} $1: ")))
}

must_knob ports 1024-65535
listen
must_knob max_mappings 1
expect "max_mappings has another number" wait_for 30 told drop_max_mappings pktgen_ports $LAN.3 30000 10
must_knob max_mappings 65536
for knob in host_max_mappings host_max_rate; do
	must_knob $knob 1
	listen
	expect "$knob, too" wait_for 30 told drop_$knob pktgen_ports $LAN.3 31000 10
	must_knob $knob 0
done
must_knob mapping_max_sessions 1
listen
expect "mapping_max_sessions, too" wait_for 30 told drop_mapping_max_sessions pktgen_knock $Z 4000 20000 10
expect_match "with the inside endpoint, not the stranger's" "mapping_refuse: netns=$inum proto=udp int=$LAN\..* limit=drop_mapping_max_sessions" \
	"$(cat $tracing/trace)"
must_knob mapping_max_sessions 0

del_address "$R" wan $W
# with its last address an interface loses its routes
ip -n "$R" route add $A dev wan
listen
event=3
expect "and a lack of addresses" wait_for 30 told drop_no_address pktgen_ports $LAN.3 32000 10

finish
