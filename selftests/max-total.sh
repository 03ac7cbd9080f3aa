#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# All namespaces together have at most max_total mappings, those that are not the
# machine's first one half of that, whoever owns them: making namespaces does not
# multiply what one may have.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_module
[[ $we_loaded ]] || skip_all "the module is used by others"
rmmod fullcone_nat || bail_out "the module can't be removed"
expect_not "the module does not load with max_total=x" insmod "$FULLCONE_KO" max_total=x
insmod "$FULLCONE_KO" max_total=6 || bail_out "the module does not load with max_total=6"
expect_is "the parameter can be read back" 6 "$(cat /sys/module/fullcone_nat/parameters/max_total)"

home_network
new_ns R2 r2
new_ns X4 x4
W2=${W%.*}.99
another_home "$R2" "$X4" "$W2"
fullcone_on
on "$R2" sh -c 'cd /proc/sys/net/fullcone_nat && echo drop >reject && echo wan >wan' || bail_out "no second router"
reflectors
must_knob reject drop

refused_by() {
	on "$1" sed -n 's/^drop_max_total //p' /proc/net/fullcone_nat/stats
}

may_map() {
	[[ $(PROBE_TIMEOUT=1 probe "$X4" udp 5000 "$A:3000") == "$W2:5000" ]]
}

for port in 5000 5001 5002; do
	expect_is "the first router maps port $port" "$W:$port" "$(probe "$X1" udp $port $A:3000)"
done
expect_is "not a fourth" none "$(PROBE_TIMEOUT=2 probe "$X2" udp 5003 $A:3000)"
expect "which is counted" test "$(refused_by "$R")" -ge 1
expect_is "what is there goes on" "$W:5001" "$(probe "$X1" udp 5001 $B:3000)"
expect_is "the second router has none left, either" none "$(PROBE_TIMEOUT=2 probe "$X4" udp 5000 $A:3000)"
expect "which is counted there" test "$(refused_by "$R2")" -ge 1
expect_is "the status file says what refuses" drop_max_total \
	"$(field refusing "$(on "$R2" cat /proc/net/fullcone_nat/status)")"

flush_mappings
expect "when the first router's have gone, the second may" \
	wait_for 20 may_map

finish
