# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the kernel of an emulated machine, or user-mode Linux, has to say of what was run on
# it. Sourced there, by vrouter-stage2 and native-init.

watch_mark="the command starts"
end_mark="nothing runs any more"
said=/run/said
# of the process that reads what the kernel says; vrouter-stage2 lets it live
# shellcheck disable=SC2034
reader_pid=''

# What the kernel has said before does not count. All is read as it comes: in hours it says
# more than it remembers.
watch_from_here() {
	watch_longer
	dd if=/dev/kmsg of=$said bs=8192 conv=noerror 2>$said.errors &
	# shellcheck disable=SC2034
	reader_pid=$!
	echo "$watch_mark" >/dev/kmsg
}

# all_read: whether everything is there, from mark to mark
all_read() {
	local tenths

	echo "$end_mark" >/dev/kmsg
	for (( tenths = 0; tenths < 300; tenths++ )); do
		! grep -q "$end_mark" $said || break
		sleep 0.1
	done
	grep -q "$watch_mark" $said && grep -q "$end_mark" $said && ! grep -q 'error reading' $said.errors
}

# KCSAN stops at one access in 4,000 and waits for somebody else's for 20 or 80 microseconds.
# It is to stop for a third of the time.
watch_longer() {
	local parameters=/sys/module/kcsan/parameters window

	[[ -e $parameters ]] || return 0
	for window in "$parameters"/udelay_*; do
		echo 500 >"$window"
	done
	echo 200 >"$parameters/skip_watch"
}

# Prints what the kernel watches itself with. What has given up has also to be
# told: some do so without a word that looks like a complaint.
watchers() {
	local debug=/sys/kernel/debug

	! grep -q ' kasan_report$' /proc/kallsyms || echo kasan
	if [[ -e $debug/kcsan ]]; then
		if grep -qx 'enabled: 1' $debug/kcsan && grep -q '^setup_watchpoints: [1-9]' $debug/kcsan; then
			echo kcsan
		else
			echo 'BUG: KCSAN has given up' >/dev/kmsg
		fi
	fi
	if [[ -e /proc/lockdep_stats ]]; then
		if grep -q 'debug_locks: *1$' /proc/lockdep_stats; then
			echo lockdep
		else
			echo 'BUG: lockdep has given up' >/dev/kmsg
		fi
	fi
	if [[ -e $debug/debug_objects/stats ]]; then
		if kernel_said 'ODEBUG: .*disabled'; then
			echo 'BUG: debug_objects has given up' >/dev/kmsg
		else
			echo debug_objects
		fi
	fi
	if [[ -e $debug/kmemleak ]]; then
		if leaks $debug/kmemleak; then
			echo kmemleak
		else
			echo 'BUG: kmemleak has given up' >/dev/kmsg
		fi
	fi
}

kernel_said() {
	grep -q -- "$1" $said
}

# It trusts no object that is younger than five seconds, or has changed since the
# scan before. How many there are it tells the log itself.
leaks() {
	sleep 6
	echo scan >"$1" && echo scan >"$1" && cat "$1" >/dev/console
}

# The kernel has data races of its own, which are nobody's business here: ours have the
# module's name. Where it has no memory for a cache or a sysctl it says so with a trace, which
# is no complaint.
complaints() {
	local bad='WARNING:|BUG[: ]|Oops|general protection|Call Trace:|refcount_t'
	bad+='|INFO: task .* blocked|detected stall|INFO: trying to register'
	bad+='|suspicious RCU usage|possible .* (deadlock|dependency|locking)'
	bad+='|inconsistent lock state|KASAN|UBSAN|kmemleak: .* new suspected'
	bad+='|ODEBUG|unregister_netdevice: waiting'

	all_read || echo 'BUG: not all that the kernel has said was read'
	sed "1,/$watch_mark/d" $said | awk '
		/kmem_cache_create.* failed with error -(12|22)$/ { refused = 1 }
		/sysctl could not get directory: .* -12$/ { refused = 1 }
		/Call Trace:/ && refused { refused = 0; next }
		{ print }' | grep -E "$bad" | cut -d ';' -f 2- |
		grep -v 'BUG: KCSAN: [^[]*$'
}
