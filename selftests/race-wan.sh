#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Knobs can be written at any time: interfaces come into the list and go, and other knobs change, while packets come and while
# the knobs are read. After a write a knob reads as what was written, and at any time as something that was.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/race-lib.sh
. "$(dirname "$0")/race-lib.sh"

race_network

# A second line, to C.
C=198.51.100.10
ip -n "$R" link add other type veth peer name other netns "$SRV"
ip -n "$R" -batch - <<-END
	addr add 198.51.100.1/24 dev other
	link set other up
END
ip -n "$SRV" -batch - <<-END
	addr add $C/24 dev other
	link set other up
END

write() {
	local value

	echo "$2" >"$knobs/$1" || complain "$1 does not take \"$2\""
	read -r value <"$knobs/$1"
	[[ $value == "$2" ]] || complain "$1 reads as \"$value\" after \"$2\""
}

# What apdm has made would stay for its time, and its endpoints' other mappings come beside it.
flush() {
	echo flush >"$state/mappings" || complain "flush fails"
}

race() {
	# a race of few rounds begins somewhere else each time
	local round=0 first=$((RANDOM / 2 * 2)) other=""
	local lists=("" "other wan" "other" "wan" "wan gone0 other")
	local others=("order last" "order first" "ports 2000-2099,3000" "ports 1024-65535" "hairpin 0" "hairpin 1"
		"max_mappings 100" "max_mappings 60000" "udp_timeout 600" "udp_timeout 300" "port_holddown 0"
		"port_holddown 120" "udp_refresh_inbound 0" "udp_refresh_inbound 1" "filter_udp adf" "filter_udp eif"
		"mapping_max_sessions 20" "mapping_max_sessions 0" "host_max_mappings 40" "host_max_mappings 0"
		"mapping apdm" "mapping eim" "filter_tcp apdf" "filter_tcp eif" "host_max_rate 500" "host_max_rate 0"
		"reject drop" "reject host-unreach" "guard 0" "guard 1")

	while ((round < rounds)); do
		write wan "${lists[round % ${#lists[@]}]}"
		((round % 3)) || pause 0.05
		other=${others[(first + round) % ${#others[@]}]}
		# shellcheck disable=SC2086 # two words
		write $other
		write wan "wan other"
		more flows_out 8 flows_in 1 || break
		[[ $other != "mapping eim" ]] || flush
		((++round))
	done
	count rounds "$round"
	if [[ $other == "mapping apdm" ]]; then
		write mapping eim
		more flows_out 8 flows_in 1
		flush
	fi
	more flows_out 8 flows_in 1
}

reader() {
	local n=0 value line lines

	until [[ $stopped ]]; do
		read -r value <"$knobs/wan"
		case $value in
		"" | wan | other | "wan other" | "other wan" | "wan gone0 other") ;;
		*) complain "wan reads as \"$value\"" ;;
		esac
		read -r value <"$knobs/ports"
		[[ $value == 1024-65535 || $value == 2000-2099,3000 ]] || complain "ports reads as \"$value\""
		read -r value <"$knobs/order"
		[[ $value == first || $value == last ]] || complain "order reads as \"$value\""
		mapfile -t lines <"$state/status"
		for line in "${lines[@]}"; do
			[[ $line == @(active=[01] order=|wan=@(wan|other|gone0) exists=|mappings=|static=)* ]] ||
				complain "status has \"$line\""
		done
		((++n))
		pause 0.05
	done
	count readings "$n"
}

must_knob wan "wan other"
targets+=("$C:4000-4001")
packets
beside reader reader
run_race race write flush
expect_beside reader readings
for value in "order first" "ports 1024-65535" "max_mappings 60000" "hairpin 1" "udp_timeout 300" "port_holddown 120" \
	"udp_refresh_inbound 1" "filter_udp eif" "filter_tcp eif" "mapping_max_sessions 0" "host_max_mappings 0" \
	"host_max_rate 0" "mapping eim" "reject host-unreach" "guard 1"; do
	# shellcheck disable=SC2086 # two words
	must_knob $value
done
expect_is "wan reads as what was written last" "wan other" "$(on "$R" cat $knobs/wan)"
settled

finish
