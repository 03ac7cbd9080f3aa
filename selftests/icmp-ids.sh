#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# ICMP query ids are handed out from a list of their own: all 65,536 of them, zero
# included, unless the owner says which (a MAP-E set has to say so).

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_module
home_network
fullcone_on
reflectors
must_knob reject drop

must_knob ports 4000-4003
expect_is "an id that no port may have is kept" 80 "$(external_port "$X1" icmp 80 $A)"
expect_is "the highest, too" 65535 "$(external_port "$X1" icmp 65535 $A)"

flush_state
must_knob icmp_ids 7000-7001,7010
seen=$(external_port "$X1" icmp 7000 $A; external_port "$X1" icmp 5 $A; external_port "$X2" icmp 5 $A)
expect_is "the id of the list is kept" 7000 "${seen%%$'\n'*}"
expect_is "others get one of the list" "7000 7001 7010" "$(sort -n <<<"$seen" | xargs)"
expect_is "when they are used up, there is none" none "$(PROBE_TIMEOUT=2 external_port "$X2" icmp 6 $A)"
expect_is "the list does not concern ports" "$W:4000" "$(probe "$X1" udp 4000 $A:3000)"

finish
