#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A MAP-E set of 15 ranges of 16 ports is used to the last port and not beyond, though
# half of the inside ports are of the other parity.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/pktgen-lib.sh
. "$HERE/pktgen-lib.sh"

need_pktgen
need_module
home_network
room 65536
sink
fullcone_on

# PSID offset 4, length 8, PSID 0x34
set=$(for ((i = 1; i <= 15; i++)); do echo $((i * 4096 + 0x340))-$((i * 4096 + 0x34f)); done)
must_knob ports "$(xargs <<<"$set")"
pktgen_ports $LAN.2 20000 300 >/dev/null
expect_is "240 of 300 endpoints are mapped" 240 "$(ports_in_use)"
expect_is "to the ports of the set, each to another" \
	"$(for range in $set; do seq "${range%-*}" "${range#*-}"; done | sort -n | cksum)" "$(cksum <"$TMP/ext")"
expect_is "the others are refused, and counted" 60 "$(stat_of drop_no_port)"

finish
