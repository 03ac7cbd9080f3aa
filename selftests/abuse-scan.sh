#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A scan of all ports of the external address, UDP and TCP, hears of the open endpoints and of no other host. It makes no mapping and
# keeps none alive whose host does not answer, and other hosts lose nothing.
#
# clock: skip
# only: hostile

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/pktgen-lib.sh
. "$HERE/pktgen-lib.sh"
# shellcheck source=selftests/abuse-lib.sh
. "$HERE/abuse-lib.sh"

abused_network 200000
reflectors
# nobody's kernel tells for his programs
for ns in "$X1" "$X2"; do
	on "$ns" nft -f - <<-END || bail_out "can't silence $ns"
		table ip silent {
			chain output {
				type filter hook output priority raw; policy accept;
				icmp type destination-unreachable drop
			}
		}
	END
done
no_resets "$STRANGER"

before
endpoint talker "$X1" udp 5000 "$A:3000"
endpoint server "$X1" tcp 5001 "$A:3000"
since=$SECONDS
probe "$X1" udp 5002 "$A:3000" >/dev/null
expect_is "X1 has three endpoints" $((mappings_before + 3)) "$(stat_of mappings)"

# so that it shows if the scan keeps the last one alive
pause 60
made=$(stat_of mappings_created)
stand_by
scanned=$(centiseconds)
on "$STRANGER" "$HERE/scan" "$Z:7000" "$W" >"$TMP/heard"
loaded $(($(centiseconds) - scanned)) 10000000
made=$(($(stat_of mappings_created) - made))

# Its own session is over by now. What is left is what its own packet gave it, also when a sweep has seen the session of the scan.
swept() {
	[[ $(field sessions "$(state_of udp "$H1:5002")") == 1 ]]
}
expect "a sweep sees the scan at the endpoint that does not answer" wait_for 60 swept
left=$(field expires "$(state_of udp "$H1:5002")")
expect "which is not kept alive: $left s are left" test "$left" -le $((303 - (SECONDS - since)))

noticed "a scan"
expect_is "all of the scan was sent" "sent 131070 failed 0" "$(tail -n 1 "$TMP/heard")"
# the firewall lets in what a DHCP client of the router would get
expect_is "two endpoints have answered, and of the router what the firewall opens, and nothing else" \
	"icmp 3/3 546,icmp 3/3 68,tcp 5001 SA,udp 5000" "$(sed '$d' "$TMP/heard" | sort -u | paste -sd ,)"
# two for the bystander's first round, which is not among what it says
expect "no mapping was made for it" test "$made" -le $((2 + $(own fresh)))
expect_lost_nothing "a scan"
stop server
stop talker
recovered "a scan" 120
expect "nothing is left of it, nor of what the others opened" wait_for 600 mappings_at_most 1

finish
