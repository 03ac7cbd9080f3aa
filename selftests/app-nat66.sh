#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Two hosts with addresses of fd00::/8 behind the one IPv6 address of a router: what a STUN client (RFC 5780) says.
#
# only: applications
# families: 6
# packages: coturn stun-client stun-server

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/app-lib.sh
. "$HERE/app-lib.sh"
# shellcheck source=selftests/stun-lib.sh
. "$HERE/stun-lib.sh"

absent=$(stun_missing) || skip_all "needs $absent"
need_packages
need_module
home_network
firewall nft
at_exit stun_servers_stop
stun_servers "$SRV" $A $B || bail_out "the STUN servers do not listen"

# verdicts: of X2, whose ports X1 has had first
verdicts() {
	stun_mapping "$X1" $H1 5000 $A >/dev/null
	stun_filtering "$X1" $H1 5001 $A >/dev/null
	mapping=$(stun_mapping "$X2" $H2 5000 $A)
	filtering=$(stun_filtering "$X2" $H2 5001 $A)
}

masquerade nft
verdicts
expect_match "MASQUERADE: X2's endpoint is not open" "^Address and Port Dependent Filtering" "$filtering"
row "NAT66" masquerade "${mapping,,}, ${filtering,,}"
masquerade_off nft

fullcone_on
flush_state
verdicts
expect_is "the module: X2 has one endpoint for all" "Endpoint Independent Mapping" "$mapping"
expect_is "which is open" "Endpoint Independent Filtering" "$filtering"
row "NAT66" module "${mapping,,}, ${filtering,,}"
moment "$R"
versions coturn

finish
