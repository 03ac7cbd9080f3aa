#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Whatever is read from the module's files or written to them, in whatever pieces, at whatever offsets, by one program or by
# two at once, while packets come or not: a knob has a value that it takes, a line is whole, what is refused changes nothing,
# and the router works afterwards as before. "selftests/pokes -n NUMBER SEED ..." does again what has gone wrong.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/race-lib.sh
. "$(dirname "$0")/race-lib.sh"

race_network
# enough to read and write each file, at least
pokes=$((rounds > 5 ? rounds * 40 : 200))
files=("$knobs" "$state" /sys/module/fullcone_nat/parameters)
seed=${FULLCONE_SEED:-$RANDOM}

# poke NAME OPTION... : until it ends, with a seed of its own
poke() {
	((++seed))
	note "$1: pokes ${*:2} $seed $pokes ${files[*]}"
	launch "$1" "$R" "$HERE/pokes" "${@:2}" "$seed" "$pokes" "${files[@]}"
}

# poked NAME COUNT...: it came to its end, has nothing to complain of, and has done what it counts
poked() {
	local name=$1

	wait "${pids[$name]}"
	unset "pids[$name]"
	sed -i '/^ready$/d' "$TMP/$name"
	expect_no_complaint "$name: all is as it should be" "$name"
	expect_is "$name: so many times" "$pokes" "$(counted "$name" pokes)"
	expect_is "$name: every file" "$(on "$R" find "${files[@]}" -type f | wc -l)" "$(counted "$name" files)"
	expect "$name: each is read, and written to if it may be" test "$pokes" -ge $((2 * $(counted "$name" files)))
	shift
	note "$name: $(grep ^count "$TMP/$name" | cut -d' ' -f2- | tr '\n' ' ')"
	for count; do
		expect "$name: $(counted "$name" "$count") $count" test "$(counted "$name" "$count")" -gt 0
	done
}

values() {
	on "$R" grep -r . "$knobs" /sys/module/fullcone_nat/parameters | sort
}

# flowing: new flows come from all sides
flowing() {
	local name

	for name in "${!seen[@]}"; do
		(($(stat_of "$name") > seen[$name])) || return
	done
}

flows_go_on() {
	local name
	local -A seen

	for name in "${!flows[@]}"; do
		seen[$name]=$(stat_of "$name")
	done
	expect "$1" wait_for 60 flowing
}

had=$(values)
for port in {2000..2019}; do
	probe "$X1" udp "$port" "$A:3000" >/dev/null
done
poke still
poked still compared reads taken refused
packets
poke busy
poked busy reads taken refused
flows_go_on "busy: packets go on"
poke one -b
poke other -b
poked one reads taken refused
poked other reads taken refused
expect_is "all knobs have the values that they had" "$had" "$(values)"
expect "static forwards can be ended" flush_mappings
flows_go_on "packets go on"
settled

finish
