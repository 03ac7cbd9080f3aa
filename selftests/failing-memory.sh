#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Without memory a request is refused or a packet dropped and counted; nothing that is half built stays to be seen, and nothing
# leaks. Each allocation that the module has others make or makes itself when it is loaded, for a namespace and for a write, and
# each of a read, fails in turn (failnth.c); then each place in the module that asks for memory, while hosts speak; then tables
# can't grow; then any place at random, beside packets on both processors.
#
# only: debug

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/race-lib.sh
. "$(dirname "$0")/race-lib.sh"

faults=/sys/kernel/debug/failslab
static_re=${mapping_re/holddown/holddown|static}
[[ -z $FULLCONE_STANDIN ]] || skip_all "needs the module"
[[ -e $faults/require-start ]] || skip_all "needs a kernel with failslab and its filter by caller"
need_tools objdump nm
# What calls these asks for memory. The rest are the kernel's, which turns() has fail; tables that grow, which tables() has; and
# kvmalloc() of 16 KB for the ports of static forwards, which are pages and no slab's.
allocators='kmem_cache_alloc(_lru|_node|_trace)?|kmalloc(_node)?_trace|__kmalloc(_node)?|k(mem|str)dup|krealloc|nf_ct_ext_add'

# Allocations that may wait can fail, too, and nothing is said of each.
prepare_faults() {
	local start end

	echo N >$faults/ignore-gfp-wait
	echo N >$faults/task-filter
	echo 0 >$faults/verbose
	echo 32 >$faults/stacktrace-depth
	# it loses a name when it fails, of each cache that a module can't have
	read -r start end < <(function_at sysfs_slab_add)
	echo "$start" >$faults/reject-start
	echo "$end" >$faults/reject-end
}

# function_at NAME: where a function of the kernel's begins and ends; the compiler may have made another of it
function_at() {
	grep -EA1 " [tT] $1(\.[a-z0-9.]+)?\$" /proc/kallsyms | awk '{ print "0x" $1 }' | xargs
}

# fail_at FIRST END PROBABILITY TIMES: what is called from there fails so often in a hundred, and at most so many times
fail_at() {
	# an address is a negative number to the shell
	printf '0x%x\n' "$1" >$faults/require-start
	printf '0x%x\n' "$2" >$faults/require-end
	echo "$4" >$faults/times
	echo "$3" >$faults/probability
}

fail_no_more() {
	echo 0 >$faults/probability
}

# Only what a module asks for, or has others ask for: there is none but ours.
for_modules() {
	fail_at 0xffffffffa0000000 0xffffffffff000000 0 -1
}

for_all() {
	fail_at 0 0xffffffffffffffff 0 -1
}

# turns DESCRIPTION NS ARGUMENT...: what failnth does there, or here. What a reader needs the kernel asks for.
turns() {
	local said

	if [[ $3 == read ]]; then
		for_all
	else
		for_modules
	fi
	said=$(${2:+on "$2"} "$HERE/failnth" "${@:3}" 2>&1)
	if [[ $said =~ ^([0-9]+)' allocations: '([0-9]+)' done, '([0-9]+)' refused'$ ]] && ((BASH_REMATCH[3])); then
		pass "$1: $said"
	else
		fail "$1" "${said:0:2000}"
	fi
}

# -- in turn: what a process asks for ---------------------------------------------------------------------------------

# The module by itself, as failnth removes it.
# shellcheck disable=SC2046 # a list
loading() {
	! module_loaded || bail_out "the module is loaded"
	modprobe -qa nf_nat $(modinfo -F depends "$FULLCONE_KO" | tr , ' ') 2>/dev/null
	turns "it is loaded or not" "" load "$FULLCONE_KO" "wan=wan max_mappings=100"
}

processes() {
	local file

	turns "a namespace is made or not" "$R" namespace
	turns "an interface comes into the list or not" "$R" write $knobs/wan "wan lan" "wan"
	turns "another knob" "$R" write $knobs/ports "2000-3000" "1024-65535"
	turns "a static forward" "$R" write $state/mappings "add udp $H3:7000 $W:7000" "del udp $H3:7000"
	turns "a static forward that waits" "$R" write $state/mappings "add tcp $H3:7001 ppp0:7001" "del tcp $H3:7001" \
		$state/status
	for file in mappings sessions stats status; do
		turns "$file is read" "$R" read $state/$file
	done
	turns "a knob is read" "$R" read $knobs/wan
}

# -- in turn: places in the module -------------------------------------------------------------------------------------

# places: "OFFSET FUNCTION" of each that asks for memory, but for what is gone when it has been loaded. OFFSET is where the
# call returns to, four bytes behind what has to be relocated.
places() {
	{
		nm -n "$FULLCONE_KO" | awk '$2 ~ /[tT]/ { print "function", $1, $3 }'
		objdump -r -j .text "$FULLCONE_KO" | grep -E " ($allocators)-0x" | awk '{ print "call", $1 }'
	} | awk '
		function number(hex,  n, i) {
			for (i = 1; i <= length(hex); i++)
				n = n * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
			return n
		}
		$1 == "function" { at[++n] = number($2); name[n] = $3 }
		$1 == "call" {
			call = number($2)
			best = 0
			for (i = 1; i <= n; i++)
				if (at[i] <= call && at[i] >= at[best])
					best = i
			print call + 4, name[best]
		}'
}

# All that asks for memory, in one go; with one place failing, or none.
# shellcheck disable=SC2154 # make_ns sets it
work() {
	{
		ip netns add "$small" && ip -n "$small" link add wan type dummy && ip -n "$small" addr add "$W/24" dev wan
		on "$small" sh -c "echo wan >$knobs/wan; echo 'add udp $H3:7001 $W:7001' >$state/mappings"
		ip netns del "$small"
		knob wan ""
		knob wan wan
		# whether a host has spoken conntrack has to count
		knob udp_refresh_inbound 0
		knob filter_udp apdf
		knob filter_tcp adf
		on "$R" sh -c "echo 'add tcp $H3:7001 $W:7001' >$state/mappings"
		# X2 is first, so that X1 gets another port
		probe "$X2" udp 6000 $A:3000
		probe "$X1" udp 6000 $A:3000 $B:3000 >"$TMP/x1"
		probe "$X1" tcp 6000 $A:3000
		probe "$X1" icmp 600 $A
		probe "$STRANGER" tcp 6000 $W:7001
		probe "$X2" udp 6001 $W:6000
		knob filter_udp eif
		knob host_max_mappings 1000
		probe "$X2" udp 6002 $A:3000
		probe "$STRANGER" udp 6000 $W:6002
		knob host_max_mappings 0
		on "$R" sh -c "echo 'del tcp $H3:7001' >$state/mappings"
		on "$R" cat $state/mappings $state/sessions
	} >"$TMP/work" 2>&1
}

place() {
	local before

	before=$(stat_of drop_no_memory)
	fail_at $((text + $1)) $((text + $1 + 1)) 100 1
	PROBE_TIMEOUT=0.5 work
	fail_no_more
	if [[ $(<$faults/times) != 0 ]]; then
		fail "$2 at $1: it has failed" "it was not called"
		return
	fi
	pass "$2 at $1 has failed; packets dropped: $(($(stat_of drop_no_memory) - before))"
	on "$R" cat $state/mappings >"$TMP/seen"
	expect_is "no mapping is half there" "" "$(grep -Ev -- "$static_re" "$TMP/seen")"
	flush_state
	PROBE_TIMEOUT=10 work
	expect_other_endpoint "all works: X1 has another endpoint than X2" "$W:6000" "$(sed -n 1p "$TMP/x1")"
	expect_is "and one for all" "$(sed -n 1p "$TMP/x1")" "$(sed -n 2p "$TMP/x1")"
	flush_state
}

all_places() {
	local call function

	text=$(<"/sys/module/fullcone_nat/sections/.text")
	places >"$TMP/places"
	note "places that ask for memory: $(wc -l <"$TMP/places")"
	expect "they were found" test -s "$TMP/places"
	while read -r call function; do
		# called before its text has an address to be seen; loading() has had it fail
		[[ $function == fcn_param_set ]] || place "$call" "$function"
	done <"$TMP/places"
}

# -- tables that can't grow -------------------------------------------------------------------------------------------

# No table of the kernel's kind gets more buckets, neither when one more is put into it nor by the kernel's worker. What is more
# than a table holds is refused. One of a thousand buckets is no slab's and can grow: that of mappings with another port.
no_growth() {
	local start end

	read -r start end < <(function_at bucket_table_alloc)
	fail_at "$start" "$end" 100 -1
}

# refused COUNTER MORE-THAN
refused() {
	(($(stat_of "$1") > $2))
}

# crowd: one endpoint speaks to ever more, until some can't be noted, and then goes on
crowd() {
	local before

	before=$(stat_of peers_refused)
	no_growth
	start crowd "$X1" "$HERE/churn" udp "$H1:6000" "$A:4000-4999"
	expect "peers: some are refused when their table can't grow" wait_for 300 refused peers_refused "$before"
	fail_no_more
	# what was on its way
	pause 1
	before=$(stat_of peers_refused)
	expect "peers: more come" wait_for 60 refused flows_out $(($(stat_of flows_out) + 100))
	expect_is "peers: none is refused when it can" "$before" "$(stat_of peers_refused)"
	stop crowd
}

# many_hosts FIRST PORT: a hundred inside hosts, from that one on
many_hosts() {
	local host

	for ((host = $1; host < $1 + 100; host++)); do
		seg "$X1" udp "$LAN.$host:$2" "$A:4000" hello
	done
}

# many_addresses add|del: a hundred static forwards, each with a pool of ports of its own; prints the refusals
many_addresses() {
	local n forward

	for ((n = 100; n < 200; n++)); do
		forward="udp $H3:$((7000 + n))"
		[[ $1 == del ]] || forward+=" ${W%.*}.$n:7000"
		echo "$1 $forward"
	done | on "$R" bash -c "while read -r line; do echo \"\$line\"; done >$state/mappings" 2>&1
}

tables() {
	local before said n

	must_knob udp_refresh_inbound 1
	must_knob filter_udp apdf
	crowd
	must_knob filter_udp eif
	flush_state

	must_knob host_max_mappings 1000
	before=$(stat_of drop_no_memory)
	no_growth
	many_hosts 100 6000
	fail_no_more
	expect "hosts: some are refused when their table can't grow" refused drop_no_memory "$before"
	before=$(stat_of drop_no_memory)
	many_hosts 100 6001
	expect_is "hosts: none is refused when it can" "$before" "$(stat_of drop_no_memory)"
	expect "hosts: they have their mappings" \
		test "$(on "$R" grep -c "^proto=udp int=$LAN\\.1[0-9]*:6001 " $state/mappings)" -eq 100
	must_knob host_max_mappings 0
	flush_state

	for ((n = 100; n < 200; n++)); do
		echo "addr add ${W%.*}.$n/32 dev wan"
	done | ip -n "$R" -batch - || bail_out "no more addresses"
	no_growth
	said=$(many_addresses add)
	fail_no_more
	expect_is "pools: some are refused when their table can't grow, for want of memory" "Cannot allocate memory" \
		"$(awk -F ': ' '{ print $NF }' <<<"$said" | sort -u)"
	expect_is "pools: the others are there" $((100 - $(wc -l <<<"$said"))) "$(on "$R" grep -c state=static $state/mappings)"
	many_addresses del >"$TMP/work"
	expect_is "pools: none is refused when it can" "" "$(many_addresses add)"
	expect_is "pools: they are there" 100 "$(on "$R" grep -c state=static $state/mappings)"
	expect_is "pools: they can go" "" "$(many_addresses del)"
	flush_state
}

# -- at random --------------------------------------------------------------------------------------------------------

race() {
	local round=0

	while ((round < rounds)); do
		echo "add udp $LAN.4:7000 $W:7000" >"$state/mappings"
		echo "wan gone0" >"$knobs/wan"
		more drop_no_memory 5 || break
		echo wan >"$knobs/wan"
		echo "del udp $LAN.4:7000" >"$state/mappings"
		((++round))
	done 2>/dev/null
	count rounds "$round"
}

at_random() {
	local end

	end=$((text + $(objdump -h -j .text "$FULLCONE_KO" | awk '$2 == ".text" { print "0x" $3 }')))
	must_knob filter_udp apdf
	packets
	fail_at $((text)) "$end" 10 -1
	run_race race
	fail_no_more
	on "$R" sh -c "echo 'del udp $H3:7000' >$state/mappings" 2>/dev/null
	expect "an interface comes into the list" knob wan wan
	must_knob filter_udp eif
	settled
}

prepare_faults
at_exit fail_no_more
loading
race_network
# for a namespace that work() makes and deletes
make_ns small s
ip netns del "$small"
processes
all_places
tables
at_random
finish
