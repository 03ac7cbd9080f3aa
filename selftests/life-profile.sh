#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# With scripts/sysctl.conf conntrack, too, waits as long for an answer as the RFCs ask: four minutes for that to a SYN (RFC 5382,
# REQ-5), one for that to a query (RFC 5508, REQ-2).
#
# clock: skip
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
life_network

expect "the router takes scripts/sysctl.conf" on "$R" sysctl -qp "$HERE/../scripts/sysctl.conf"

# late SECONDS: the answer to a query of X1's comes that late
late() {
	seg "$X1" query "$H1:$1" "$A"
	expect_logged "X1's query $1 leaves" outside "^icmp $W > $A .* id=$1 "
	at "$1"
	seg "$SRV" answer "$A:$1" "$W"
}

what="a SYN answered after 200 s"
opening 5000 "$A:3000"
opening 5001 "$A:3000"
zero
says 5000 S
late 57
expect_logged "an answer that comes after 57 s reaches X1" inside "^icmp $A > $H1 .* id=57 "
at 200
hears 5000 SA
says 5000 A
exchange 5000

what="a SYN-ACK acknowledged after 230 s"
zero
says 5001 S
hears 5001 SA
at 230
says 5001 A
exchange 5001
expect_no_leak "all the time"

finish
