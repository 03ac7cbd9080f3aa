#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Every port can be used: 64,512 mappings with the default list, each with another
# port; then new ones are refused, which evicts nobody, is counted, and costs no more than
# a mapping did, by a clock that counts instructions.
#
# clock: skip

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/pktgen-lib.sh
. "$HERE/pktgen-lib.sh"
# shellcheck source=selftests/clock-lib.sh
. "$HERE/clock-lib.sh"

need_pktgen
need_module
home_network
room 262144
sink
keep_busy
fullcone_on
must_knob max_mappings 100000
# what the search costs, not the word to the host
must_knob reject drop

pktgen_ports $LAN.2 1024 32256 >/dev/null
success=$(bursts 1024 pktgen_ports $LAN.3)
pktgen_ports $LAN.3 $((1024 + 3 * burst)) $((32256 - 3 * burst)) >/dev/null
expect_is "64,512 mappings are there" 64512 "$(ports_in_use)"
expect_is "each has another port" 64512 "$(uniq "$TMP/ext" | wc -l)"
expect_is "from 1024 to 65535" "1024 65535" "$(sed -n '1p; $p' "$TMP/ext" | xargs)"
expect_is "nothing was refused" 0 "$(stat_of drop_no_port)"

refusal=$(bursts 1024 pktgen_ports $LAN.4)
note "$success instructions for a mapping whose port is taken, $refusal for a refusal"
expect_is "the next are refused, and counted" $((3 * burst)) "$(stat_of drop_no_port)"
expect "which costs no more than a mapping" test "$refusal" -le "$success"
expect_is "nobody was evicted" 64512 "$(ports_in_use)"
expect_is "nor ended" 0 "$(($(stat_of mappings_expired) + $(stat_of mappings_ended)))"
expect_is "the status file says what refuses" drop_no_port \
	"$(field refusing "$(on "$R" cat /proc/net/fullcone_nat/status)")"

finish
