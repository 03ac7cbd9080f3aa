#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Two consoles that use the same UDP port behind one router: each finds itself behind an open NAT, by the classic test
# (RFC 3489), where with MASQUERADE both are behind one that lets in whom they have spoken to.
#
# only: applications
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

# verdict TEXT: in the words of consoles
verdict() {
	case $1 in
	"Independent Mapping, Independent Filter"*) echo open ;;
	"Independent Mapping"*) echo moderate ;;
	*) echo strict ;;
	esac
}

# Consoles have one port; Xbox's and many a game's is 3074.
verdicts() {
	first=$(stun_classic "$X1" 3074 $A)
	second=$(stun_classic "$X2" 3074 $A)
}

masquerade nft
verdicts
expect_match "MASQUERADE: the first console is behind a port-restricted cone" "^Independent Mapping, Port Dependent Filter" "$first"
expect_match "MASQUERADE: the second, too, or a stricter one" "^Independent Mapping, Port Dependent Filter|^Dependent Mapping" "$second"
row "Two consoles on one UDP port" masquerade "first: $(verdict "$first"); second: $(verdict "$second")"
masquerade_off nft

fullcone_on
flush_state
verdicts
expect_match "the module: the first console has an open NAT" "^Independent Mapping, Independent Filter" "$first"
expect_match "the module: the second, too" "^Independent Mapping, Independent Filter" "$second"
row "Two consoles on one UDP port" module "first: $(verdict "$first"); second: $(verdict "$second")"

moment "$R"
versions stun-client stun-server

finish
