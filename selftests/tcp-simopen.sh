#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# TCP simultaneous open (RFC 5382 REQ-2a) through the router, whichever SYN
# passes it first; and a SYN that came before there was a mapping does no harm
# (REQ-4).
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_module
need_tools conntrack
home_network
fullcone_on
firewall nft
no_resets "$X1"
no_resets "$STRANGER"
watch inside "$X1" eth0 tcp dst=$H1
watch outside "$STRANGER" eth0 dst=$Z

# outward PORT Q FLAGS SEQ ACK LEN, inward the same: a segment between X1:PORT
# and Z:Q, which is seen at the other end
outward() {
	seg "$X1" tcp "$H1:$1" "$Z:$2" "${@:3}"
	expect_logged "$what: $3 of X1 reaches the stranger" outside \
		"^tcp $W:$1 > $Z:$2 $3 seq=$4 ack=${5:-0} len=${6:-0}\$"
}

inward() {
	seg "$STRANGER" tcp "$Z:$2" "$W:$1" "${@:3}"
	expect_logged "$what: $3 of the stranger reaches X1" inside \
		"^tcp $Z:$2 > $H1:$1 $3 seq=$4 ack=${5:-0} len=${6:-0}\$"
}

established() {
	ct -L -p tcp 2>/dev/null | grep -Eq "ESTABLISHED .*port=$1 .*port=$2 "
}

# Both SYNs are through: the rest of the opening, and data.
rest() {
	outward "$1" "$2" SA 1000 5001
	inward "$1" "$2" SA 5000 1001
	outward "$1" "$2" A 1001 5001
	inward "$1" "$2" A 5001 1001
	outward "$1" "$2" PA 1001 5001 100
	inward "$1" "$2" PA 5001 1101 200
	outward "$1" "$2" A 1101 5201
	expect "$what: the connection counts as established" \
		wait_for 10 established "$1" "$2"
	expect_unlogged "$what: nobody reset it" outside "^tcp $W:$1 > .* R"
	expect_unlogged "$what: nor was he told anything" outside "^icmp .* \\(tcp "
	expect_unlogged "$what: nobody reset it on the inside" \
		inside "^tcp $Z:.* > $H1:$1 R"
}

what="outbound first"
outward 5000 6000 S 1000
inward 5000 6000 S 5000
rest 5000 6000

what="inbound first"
seg "$X1" tcp $H1:5001 $A:3000 S 77
if [[ -z $FULLCONE_STANDIN ]]; then
	expect "$what: X1 has an endpoint" wait_for 10 state_of tcp $H1:5001
fi
inward 5001 6001 S 5000
outward 5001 6001 S 1000
rest 5001 6001

what="inbound before there is a mapping"
seg "$STRANGER" tcp $Z:6002 $W:5002 S 5000
# the router holds it for this long before it may say anything (RFC 5382, REQ-4)
pause 2
outward 5002 6002 S 1000
inward 5002 6002 S 5000
rest 5002 6002

finish
