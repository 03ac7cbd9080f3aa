#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The four types of RFC 3489, by name: the knobs make each of them, and rules the cones,
# and STUN clients of both generations recognise it, for a second host with the same
# local port, too.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/stun-lib.sh
. "$HERE/stun-lib.sh"

absent=$(stun_missing) || skip_all "needs $absent"
need_module
home_network
fullcone_on
firewall nft
at_exit stun_servers_stop
stun_servers "$SRV" $A $B || bail_out "the STUN servers do not listen"

# recognised TYPE MAPPING FILTERING CLASSIC-REGEX
recognised() {
	local ns host

	for ns in "$X1" "$X2"; do
		host=${ADDR["$ns"]}
		expect_is "$1, $host: RFC 5780 mapping" "$2" "$(stun_mapping "$ns" "$host" 5000 $A)"
		expect_is "$1, $host: RFC 5780 filtering" "$3" "$(stun_filtering "$ns" "$host" 5010 $A)"
		# the classic programs speak IPv4
		[[ $FULLCONE_FAMILY == 6 ]] || expect_match "$1, $host: RFC 3489" "$4" "$(stun_classic "$ns" 5030 $A)"
	done
}

while IFS='|' read -r type mapping filter rest; do
	must_knob mapping "$mapping"
	must_knob filter_udp "$filter"
	flush_state
	IFS='|' read -r is_mapping is_filtering classic <<<"$rest"
	recognised "$type" "$is_mapping" "$is_filtering" "$classic"
done <<-END
	full cone|eim|eif|Endpoint Independent Mapping|Endpoint Independent Filtering|^Independent Mapping, Independent Filter
	restricted cone|eim|adf|Endpoint Independent Mapping|Address Dependent Filtering|^Independent Mapping, Address Dependent Filter
	port-restricted cone|eim|apdf|Endpoint Independent Mapping|Address and Port Dependent Filtering|^Independent Mapping, Port Dependent Filter
	symmetric|apdm|apdf|Address and Port Dependent Mapping|Address and Port Dependent Filtering|^Dependent Mapping
END

must_knob mapping eim
must_knob filter_udp eif
fullcone_off
need_target
while IFS='|' read -r type filter is_filtering classic; do
	must_rules nft <<-RULES
		-A POSTROUTING -o wan -j FULLCONENAT --filter $filter
		-A PREROUTING -i wan -j FULLCONENAT
	RULES
	flush_state
	recognised "$type by a rule" "Endpoint Independent Mapping" "$is_filtering" "$classic"
done <<-END
	full cone|eif|Endpoint Independent Filtering|^Independent Mapping, Independent Filter
	restricted cone|adf|Address Dependent Filtering|^Independent Mapping, Address Dependent Filter
	port-restricted cone|apdf|Address and Port Dependent Filtering|^Independent Mapping, Port Dependent Filter
END

finish
