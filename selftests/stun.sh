#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What STUN clients say of the router: of the MASQUERADE rule alone a
# port-restricted NAT; of the module, beside that rule, a full cone with
# hairpinning, for a second host with the same local port just as for the first.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/stun-lib.sh
. "$HERE/stun-lib.sh"

need_tools conntrack
absent=$(stun_missing) || skip_all "needs $absent"
need_module
home_network
firewall nft
masquerade nft
at_exit stun_servers_stop
stun_servers "$SRV" $A $B || bail_out "the STUN servers do not listen"

# verdicts WHAT MAPPING FILTERING HAIRPIN CLASSIC-REGEX
verdicts() {
	local ns host
	for ns in "$X1" "$X2"; do
		host=${ADDR["$ns"]}
		expect_is "$1, $host: RFC 5780 mapping" \
			"$2" "$(stun_mapping "$ns" "$host" 5000 $A)"
		expect_is "$1, $host: RFC 5780 filtering" \
			"$3" "$(stun_filtering "$ns" "$host" 5010 $A)"
		expect_is "$1, $host: RFC 5780 hairpinning" \
			"$4" "$(stun_hairpin "$ns" "$host" 5020 $A)"
		# the classic programs speak IPv4
		[[ $FULLCONE_FAMILY == 6 ]] || expect_match "$1, $host: RFC 3489" \
			"$5" "$(stun_classic "$ns" 5030 $A)"
	done
}

verdicts "MASQUERADE" "Endpoint Independent Mapping" "Address and Port Dependent Filtering" "no hairpin" \
	"^Independent Mapping, Port Dependent Filter.*no hairpin"

fullcone_on
flush_state
verdicts "full cone" "Endpoint Independent Mapping" "Endpoint Independent Filtering" "hairpin" \
	"^Independent Mapping, Independent Filter.*will hairpin"

finish
