#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Run tests one after the other, as root, on the kernel at hand.
#
#	selftests/run.sh [--list] [--only KIND] [--clock real|skip|all] [TEST...]
#
# Without names: all tests, but for those with a line "# only: KIND", which only --only
# runs: "hostile" ones take long, "applications" want packages, "debug" ones the debug
# kernel. Those that wait longer than two minutes say so by a line "# clock: skip".
# "real", the default, leaves them out; "skip" runs only them, as the virtual router does
# with its idle-skipping clock; "all" runs both, on a real router an affair of hours.
# Those with a line "# families: 4 6" are run over IPv4 and then over IPv6, or only over
# the one that FULLCONE_FAMILY names.
# --list prints the names only. The last line says how many points passed, failed
# and were skipped; the exit status is 1 if one failed, 4 if none was run.

set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
clock=real list_only='' only='' family=${FULLCONE_FAMILY:-}
export FULLCONE_FAMILY=4
passed=0 failed=0 skipped=0

if [[ ${1:-} == --list ]]; then
	list_only=yes
	shift
fi
if [[ ${1:-} == --only ]]; then
	only=${2:?}
	shift 2
fi
if [[ ${1:-} == --clock ]]; then
	clock=${2:?}
	shift 2
fi

# Does the clock that was asked for suit this test?
wanted() {
	case $clock in
	all) ;;
	skip) grep -q '^# clock: skip$' "$1" ;;
	*) ! grep -q '^# clock: skip$' "$1" ;;
	esac
}

# The families that a test is run over
families() {
	local line

	line=$(sed -n '/^# families: /{ s///p; q }' "$1")
	if [[ $family && $line == *"$family"* ]]; then
		echo "$family"
	else
		echo "${line:-4}"
	fi
}

tests() {
	local test

	if ((!$#)); then
		# the others are libraries, and this
		mapfile -t list < <(grep -l '^finish$' "$here"/*.sh)
		if [[ $only ]]; then
			mapfile -t list < <(grep -l "^# only: $only\$" "${list[@]}")
		else
			mapfile -t list < <(grep -L '^# only: ' "${list[@]}")
		fi
		set -- "${list[@]}"
	fi
	for test; do
		test=$here/$(basename "$test" .sh).sh
		! wanted "$test" || printf '%s\n' "$test"
	done
}

# One test, its points indented below a line of its own.
run() {
	local name out status since=$SECONDS

	name=$(basename "$1" .sh)
	[[ $FULLCONE_FAMILY == 4 ]] || name+=" over IPv6"
	printf '# %s\n' "$name"
	if [[ $FULLCONE_FAMILY == 6 && ! -d /proc/sys/net/ipv6 ]]; then
		printf 'ok %s # SKIP this kernel has no IPv6\n' "$name"
		((skipped++))
		return
	fi
	out=$("$1" 2>&1)
	status=$?
	printf '%s\n' "$out" | sed 's/^/    /'
	printf '    # took %d s\n' $((SECONDS - since))

	passed=$((passed + $(grep -c '^ok .*' <<<"$out") - $(grep -c '^ok .*# SKIP' <<<"$out")))
	failed=$((failed + $(grep -c '^not ok' <<<"$out")))
	skipped=$((skipped + $(grep -c '^ok .*# SKIP' <<<"$out")))
	case $status in
	0)
		printf 'ok %s\n' "$name"
		;;
	4)
		((skipped++))
		printf 'ok %s # SKIP\n' "$name"
		;;
	*)
		# died without a verdict: that is one too
		grep -q '^not ok' <<<"$out" || ((failed++))
		printf 'not ok %s\n' "$name"
		;;
	esac
}

mapfile -t list < <(tests "$@")
if [[ $list_only ]]; then
	for test in ${list[@]+"${list[@]##*/}"}; do
		printf '%s\n' "$test"
	done
	exit
fi
for test in ${list[@]+"${list[@]}"}; do
	for FULLCONE_FAMILY in $(families "$test"); do
		run "$test"
	done
done
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
((failed == 0)) || exit 1
((passed)) || exit 4
