#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# mapping_max_sessions: a flood of strangers to one endpoint leaves only so many
# sessions behind (RFC 6888, REQ-5). Its host, and other endpoints, are not concerned.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/pktgen-lib.sh
. "$HERE/pktgen-lib.sh"

need_tools conntrack
need_pktgen
need_module
home_network
room 65536
fullcone_on
firewall nft
reflectors

strangers() {
	ct -L -p udp --orig-src $Z --orig-port-dst "$1" 2>/dev/null | grep -c .
}

# as long as the test needs them
set_sysctl "$R" net.netfilter.nf_conntrack_udp_timeout=600
set_sysctl "$R" net.netfilter.nf_conntrack_udp_timeout_stream=600

# swept TIMES: so many sweeps have come to an end
swept() {
	local sweeps

	sweeps=$(stat_of sweeps)
	wait_for 60 eval "((\$(stat_of sweeps) > $sweeps + $1))"
}

gets_in() {
	local from

	echo >>"$TMP/strangers"
	from=$((6000 + $(wc -l <"$TMP/strangers")))
	[[ $(PROBE_TIMEOUT=1 probe "$STRANGER" udp "$from" "$1") == "$Z:$from" ]]
}

# X2 has the port, so X1's endpoint is another
endpoint x2 "$X2" udp 5000 $A:3000
endpoint x1 "$X1" udp 5000 $A:3000
e=$(mapped x1)
expect_other_endpoint "X1 has an endpoint" $W:5000 "$e"
must_knob mapping_max_sessions 50

# not beside a sweep, whose sessions count twice for a while
swept 1
before=$(stat_of flows_in)
pktgen_knock $Z "${e#*:}" 20000 10000 >/dev/null
expect_is "of 10,000 strangers 50 get in" 50 $(($(stat_of flows_in) - before))
expect_is "the others are counted" 9950 "$(stat_of drop_mapping_max_sessions)"
expect_is "and leave nothing behind" 50 "$(strangers "${e#*:}")"
expect_is "the status file says what refuses" drop_mapping_max_sessions \
	"$(field refusing "$(on "$R" cat /proc/net/fullcone_nat/status)")"
expect "another endpoint takes strangers" gets_in $W:5000
stop x1
expect_is "X1 speaks to whom it likes" "$e" "$(probe "$X1" udp 5000 $B:3000)"
endpoint x1 "$X1" udp 5000 $A:3000

swept 2
before=$(stat_of flows_in)
pktgen_knock $Z "${e#*:}" 40000 1000 >/dev/null
expect_is "while those sessions last there is no room for more" "$before" "$(stat_of flows_in)"
ct -D -p udp --orig-src $Z >/dev/null 2>&1
expect "when they have gone there is" wait_for 20 gets_in "$e"
must_knob mapping_max_sessions 0
before=$(stat_of flows_in)
pktgen_knock $Z "${e#*:}" 20000 1000 >/dev/null
expect_is "0 is no limit" 1000 $(($(stat_of flows_in) - before))

finish
