#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What the module counts, for Prometheus: every counter of stats and status in its text format, and a file that is whole at
# any time.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

[[ -z $FULLCONE_STANDIN ]] || skip_all "needs the module"
need_tools busybox setpriv
need_module
home_network
firewall nft
reflectors
# an interface may have such a name
must_knob wan 'wan a\"=b'
must_knob host_max_mappings 2

# metrics [FILE]: in the shell of small routers
# shellcheck disable=SC2120 # "expect" calls it with a file
metrics() {
	on "$R" busybox ash "$HERE/../scripts/fullcone-metrics" "$@"
}

# metric NAME[{LABELS}]: its value
metric() {
	NAME=$1 awk '$1 == ENVIRON["NAME"] { print $2 }' "$TMP/metrics"
}

# Each family is announced once, right before its samples, and no sample is there twice.
well_formed() {
	awk '
		/^# HELP [a-z_]+ [A-Z].*\.$/ { help = $3; next }
		/^# TYPE [a-z_]+ (counter|gauge)$/ {
			if ($3 != help || $3 in seen || ($4 == "counter") != ($3 ~ /_total$/))
				bad = $0
			seen[family = $3] = 1
			next
		}
		/^[a-z_]+({([a-z]+="([^"\\]|\\["\\n])*",?)+})? [0-9.]+$/ {
			name = $1
			sub(/{.*/, "", name)
			if (name != family || $1 in sample)
				bad = $0
			sample[$1] = 1
			next
		}
		{ bad = $0 }
		END { if (bad || !family) { print bad; exit 1 } }' "$1"
}

probe "$X1" udp 5000 $A:3000 >/dev/null
probe "$X1" udp 5001 $A:3000 >/dev/null
PROBE_TIMEOUT=2 probe "$X1" udp 5002 $A:3000 >/dev/null
probe "$STRANGER" udp 6000 $W:5000 >/dev/null
expect "it prints something" metrics
# shellcheck disable=SC2119
metrics >"$TMP/metrics"
expect "in the format of Prometheus" well_formed "$TMP/metrics"
expect_is "a gauge: two mappings" 2 "$(metric fullcone_nat_mappings)"
expect_is "a counter" "$(stat_of mappings_created)" "$(metric fullcone_nat_mappings_created_total)"
expect_is "what was refused, by cause" "$(stat_of drop_host_max_mappings)" \
	"$(metric 'fullcone_nat_drops_total{cause="host_max_mappings"}')"
expect_is "what strangers opened on an interface" 1 "$(metric 'fullcone_nat_wan_in_total{wan="wan",family="ipv4"}')"
expect_is "a name is as it is" 0 "$(metric 'fullcone_nat_wan_in_total{wan="a\\\"=b",family="ipv4"}')"
expect "what can fall is a gauge" grep -qx "# TYPE fullcone_nat_wan_in_unconfirmed gauge" "$TMP/metrics"
expect_is "seconds are seconds" "$(awk '$1 == "sweep_interval_ms" { print $2 / 1000 }' <(on "$R" cat /proc/net/fullcone_nat/stats))" \
	"$(metric fullcone_nat_sweep_interval_seconds)"
expect_is "each counter is there" "$(on "$R" grep -c . /proc/net/fullcone_nat/stats)" \
	"$(grep -v '^#' "$TMP/metrics" | grep -vc -e '_wan_' -e '_active ' -e max_mappings' ')"
if command -v promtool >/dev/null; then
	expect "promtool has no complaint" promtool check metrics <"$TMP/metrics"
else
	note "no promtool here to ask"
fi
expect "into a file" metrics "$TMP/file"
expect "which is whole" well_formed "$TMP/file"
expect_not "and alone" test -e "$TMP/file.new"
expect_is "an option is none" "2 usage: fullcone-metrics [FILE]" "$(said=$(metrics --help 2>&1); echo "$? $said")"
expect_not "and no file" test -e "$HERE/../--help"
expect_match "who may not read it is told" "can't read /proc/net/fullcone_nat/stats" \
	"$(on "$R" setpriv --reuid 65534 --regid 65534 --clear-groups busybox ash -s 2>&1 <"$HERE/../scripts/fullcone-metrics")"
if [[ $we_loaded ]]; then
	rmmod fullcone_nat
	expect_not "without the module it has nothing to say" metrics "$TMP/file"
	expect_not "and an old file is gone" test -e "$TMP/file"
	insmod "$FULLCONE_KO"
fi

finish
