#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Mappings may expire at any time: while a packet finds them, while one is deleted by a command, or gets its port for ever. Here
# they live for a second after their last session, and for a second their ports are held down.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/race-lib.sh
. "$(dirname "$0")/race-lib.sh"

race_network
set_sysctl "$R" net.netfilter.nf_conntrack_udp_timeout=1 net.netfilter.nf_conntrack_udp_timeout_stream=1 \
	net.netfilter.nf_conntrack_tcp_timeout_syn_sent=1 net.netfilter.nf_conntrack_tcp_timeout_close=1
must_knob udp_short_ports "4000 4001 4002 4003"
for name in udp_short_timeout tcp_open_timeout tcp_rst_timeout port_holddown; do
	must_knob $name 1
done
# of ever other ones, so that each rests for a while
busy=2000-5999

# For each round four mappings, which expire many at a time
race() {
	local round=0 value goal

	counter mappings_expired
	goal=$value
	while ((round < rounds)); do
		((goal += 4))
		reach mappings_expired "$goal" || break
		more flows_out 8 flows_in 1 || break
		((++round))
	done
	count rounds "$round"
}

# give COMMAND: what the system says goes to a file
give() {
	echo "$1" >"$state/mappings"
} 2>>"$TMP/refused"

# Endpoints that have a mapping just now, and that are about to lose it, are deleted, or get their port for ever.
other() {
	local n=0 statics=0 proto int ext

	until [[ $stopped ]]; do
		while read -r proto int ext _; do
			proto=${proto#*=} int=${int#*=} ext=${ext#*=}
			case $proto$((n % 3)) in
			icmp*) ;;
			*0) give "del $proto $int" ;;
			*)
				! give "add $proto $int $ext" || ((++statics))
				pause 0.01
				give "del $proto $int"
				;;
			esac
			((++n))
			[[ ! $stopped ]] || break
		done < <(grep -v state=static "$state/mappings" | head -n 40)
		pause 0.02
	done
	while read -r proto int _; do
		give "del ${proto#*=} ${int#*=}"
	done < <(grep state=static "$state/mappings")
	count commands "$n"
	count statics "$statics"
}

packets
beside other other give
run_race race
expect_beside other commands
expect "some ports were given for ever" test "$(counted other statics)" -gt 0
expect_is "no command was refused but for want of the mapping, or because the port is another's by now" "" \
	"$(grep -Ev 'write error: (No such file or directory|Address already in use|File exists)$' "$TMP/refused" | head -n 20)"
for name in udp_short_timeout tcp_open_timeout tcp_rst_timeout; do
	must_knob $name 240
done
settled

finish
