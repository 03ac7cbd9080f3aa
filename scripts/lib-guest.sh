# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the kernel of an emulated machine, or user-mode Linux, has to say of what was run on
# it. Sourced there, by vrouter-stage2 and native-init.

watch_mark="the command starts"

# What the kernel has said before does not count.
watch_from_here() {
	watch_longer
	echo "$watch_mark" >/dev/kmsg
}

# KCSAN stops at one access in 4,000 and waits for somebody else's for 20 or 80 microseconds,
# in which an emulated processor does hardly anything. It is to stop for a third of the time.
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
	[[ ! -e $debug/kcsan ]] || echo kcsan
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
	dmesg | grep -- "$1" >/dev/null
}

# It trusts no object that is younger than five seconds, or has changed since the
# scan before. How many there are it tells the log itself.
leaks() {
	sleep 6
	echo scan >"$1" && echo scan >"$1" && cat "$1" >/dev/console
}

# Read from the device, which does not forget what "dmesg -C" clears. The kernel has data
# races of its own, which are nobody's business here: ours have the module's name. Where
# it has no memory for a cache or a sysctl it says so with a trace, which is no complaint.
complaints() {
	local bad='WARNING:|BUG[: ]|Oops|general protection|Call Trace:|refcount_t'
	bad+='|INFO: task .* blocked|detected stall|INFO: trying to register'
	bad+='|suspicious RCU usage|possible .* (deadlock|dependency|locking)'
	bad+='|inconsistent lock state|KASAN|UBSAN|kmemleak: .* new suspected'
	bad+='|ODEBUG|unregister_netdevice: waiting'

	dd if=/dev/kmsg iflag=nonblock bs=8192 2>/dev/null |
		sed "1,/$watch_mark/d" | awk '
			/kmem_cache_create.* failed with error -(12|22)$/ { said = 1 }
			/sysctl could not get directory: .* -12$/ { said = 1 }
			/Call Trace:/ && said { said = 0; next }
			{ print }' | grep -E "$bad" | cut -d ';' -f 2- |
		grep -v 'BUG: KCSAN: [^[]*$'
}
