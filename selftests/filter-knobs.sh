#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Who may come in is the knobs' to say, for UDP and TCP apart: anybody, addresses or
# endpoints that the inside has spoken to. The mapping is endpoint-independent all
# the same. A new value is for mappings that are made afterwards.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/filter-lib.sh
. "$HERE/filter-lib.sh"

need_tools conntrack
need_module
home_network
fullcone_on
firewall nft
reflectors

refused=$(stat_of drop_in_filtered)
while read -r udp tcp; do
	note "filter_udp=$udp filter_tcp=$tcp"
	must_knob filter_udp "$udp"
	must_knob filter_tcp "$tcp"
	flush_state
	filters udp "$X1" "$udp"
	filters tcp "$X1" "$tcp"
	filters udp "$X2" "$udp"
done <<-END
	adf apdf
	apdf eif
	eif adf
END
expect "what was refused is counted" test "$(stat_of drop_in_filtered)" -gt "$refused"

note "a new value"
((++port))
probe "$X2" udp $port $B:3001 >/dev/null
endpoint old "$X1" udp $port $A:3000
e=$(mapped old)
must_knob filter_udp apdf
comes_in "a stranger, to a full cone from before," yes "$STRANGER" udp $((port + 2000)) "$e"
stop old
expect_is "the host speaks to another peer from there" "$e" "$(probe "$X1" udp $port $B:3000)"
endpoint old "$X1" udp $port $A:3000
comes_in "a stranger, after that," yes "$STRANGER" udp $((port + 2001)) "$e"
stop old
((++port))
endpoint new "$X1" udp $port $A:3000
comes_in "a stranger, to a mapping made afterwards," no "$STRANGER" udp $((port + 2000)) "$(mapped new)"
comes_in "another port of the peer, to that," no "$SRV" udp $A:$((port + 2000)) "$(mapped new)"
must_knob filter_udp eif
comes_in "a stranger, to a port-restricted cone from before," no "$STRANGER" udp $((port + 2001)) "$(mapped new)"
stop new

note "flows from before the module"
fullcone_off
must_knob filter_udp apdf
masquerade nft
flush_state
((++port))
# nobody is there at 3009, whose port is for a probe
PROBE_TIMEOUT=2 endpoint before "$X1" udp $port $B:3000 $A:3009
e=$(mapped before)
masquerade_off nft
fullcone_on
expect "the flow is adopted" wait_for 15 state_of udp "$H1:$port"
comes_in "a stranger, to an adopted mapping," no "$STRANGER" udp $((port + 2000)) "$e"
ct -D -p udp -s $H1 --sport $port >/dev/null 2>&1
comes_in "the peer, when conntrack has forgotten the session," yes "$SRV" udp $A:3009 "$e"
stop before

finish
