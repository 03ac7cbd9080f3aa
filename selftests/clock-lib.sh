# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Time for tests whose clock skips what is idle: it passes only where they wait for it. Sourced after lib.sh.
#
# shellcheck disable=SC2154 # the variables of lib.sh

# All times of a test are counted from one moment, so that what the test itself takes does not add up. The clock acts up to
# five seconds late and rounds deadlines up: three seconds before a deadline all must be there, twelve after it gone.

zero_at=0

centiseconds() {
	local up
	read -r up _ </proc/uptime
	echo $((10#${up/./}))
}

# Time begins.
zero() {
	zero_at=$(centiseconds)
}

# at SECONDS: waits until so many have passed since zero
at() {
	local left=$((zero_at + $1 * 100 - $(centiseconds)))

	((left > -300)) || bail_out "at $1 s: $((-left / 100)) s late, this machine is too slow for the test"
	((left > 0)) || return 0
	kill -STOP "${pids[busy]}"
	printf -v left '%d.%02d' $((left / 100)) $((left % 100))
	pause "$left"
	kill -CONT "${pids[busy]}"
}

# A clock that skips idle time skips, too, what a program takes to be read from the disk: so there is something to do, at the
# lowest priority, whenever we don't wait. Nor does the waiting itself read anything.
keep_busy() {
	: >"$TMP/busy"
	chrt -i 0 bash -c 'echo ready; while :; do :; done' >"$TMP/busy" 2>&1 </dev/null &
	pids[busy]=$!
	at_exit busy_again
	until logged busy ready; do
		pause 0.05
	done
}

# What is stopped can't be ended.
busy_again() {
	kill -CONT "${pids[busy]}" 2>/dev/null
}
