#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Without memory a request is refused or a packet dropped and counted; nothing that is half built stays to be seen, and nothing
# leaks. Each allocation that the module has others make or makes itself when it is loaded, for a namespace and for a write, and
# each of a read, fails in turn (failnth.c); then each place in the module that asks for memory, at whatever a host or the owner
# does that comes to it; then tables can't grow; then any place at random, beside packets on both processors.
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
need_tools objdump
# What calls these asks for memory. The rest are the kernel's, which turns() has fail; tables that grow, which tables() has; and
# kvmalloc() of 16 KB for the ports of static forwards, which are pages and no slab's.
allocators='kmem_cache_alloc(_lru|_node|_trace)?|kmalloc(_node)?_trace|__kmalloc(_node)?|k(mem|str)dup|krealloc'
allocators+='|nf_ct(_nat)?_ext_add'
# they, and nothing that a packet needs, are in functions whose every allocation processes() has fail
by_processes='^fcn_(sysctl|.*_net_init|static_add|wans_prepare.*)$'

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
	echo 0 >$faults/probability
	# an address is a negative number to the shell
	printf '0x%x\n' "$1" >$faults/require-start
	printf '0x%x\n' "$2" >$faults/require-end
	echo "$4" >$faults/times
	echo "$3" >$faults/probability
}

fail_no_more() {
	echo 0 >$faults/probability
}

# for_modules [PROBABILITY]: only what a module asks for, or has others ask for: there is none but ours.
for_modules() {
	fail_at 0xffffffffa0000000 0xffffffffff000000 "${1:-0}" -1
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

# places: "SECTION OFFSET FUNCTION" of each that asks for memory, but for what is gone when it has been loaded, or runs when it
# is removed. OFFSET is where the call returns to, four bytes behind what has to be relocated.
places() {
	objdump -t -r "$FULLCONE_KO" | awk -v allocator="^($allocators)-0x" '
		function number(hex,  n, i) {
			for (i = 1; i <= length(hex); i++)
				n = n * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
			return n
		}
		$3 == "F" {
			of[++n] = $4
			from[n] = number($1)
			to[n] = from[n] + number($5)
			name[n] = $6
		}
		/^RELOCATION RECORDS FOR/ { section = substr($4, 2, length($4) - 3) }
		$3 ~ allocator && section !~ /^\.(init|exit)/ {
			call = number($1) + 4
			for (i = 1; i < n && (of[i] != section || call <= from[i] || call > to[i]);)
				i++
			print section, call, name[i]
		}'
}

# said COMMAND: in the router, by a shell that tells why it is refused; and again if so, as a router's owner would
said() {
	on "$R" bash -c "$1" || on "$R" bash -c "$1"
}

# said_knob NAME VALUE
said_knob() {
	said "echo '$2' >$knobs/$1"
}

# shellcheck disable=SC2154 # make_ns sets it
another_namespace() {
	ip netns add "$small" && ip -n "$small" link add wan type dummy && ip -n "$small" addr add "$W/24" dev wan &&
		on "$small" bash -c "echo wan >$knobs/wan && echo 'add udp $H3:7001 $W:7001' >$state/mappings"
	[[ ! -e /run/netns/$small ]] || ip netns del "$small"
}

# step COMMAND...: one of work; from $armed on $place fails, $times times. $failed is the first in which it has.
step() {
	((++steps))
	((steps != armed)) || fail_at "$place" $((place + 1)) 100 "$times"
	"$@"
	[[ $failed || $armed == 0 || $steps -lt $armed || $(<$faults/times) == "$times" ]] || failed=$steps
}

# work ARMED: all that asks for memory, in one go, and from which step on it may fail; 0: never. Its answers are in
# $TMP/answers, what was refused in $TMP/errors, what left the router in $TMP/wire.
work() {
	local armed=$1 steps=0

	failed=
	{
		step another_namespace
		step said_knob wan ""
		step said_knob wan wan
		watch wire "$R" wan
		# whether a host has spoken conntrack has to count
		step said_knob udp_refresh_inbound 0
		step said_knob filter_udp apdf
		step said_knob filter_tcp adf
		step said "echo 'add tcp $H3:7001 $W:7001' >$state/mappings"
		# X2 is first, so that X1 gets another port
		step probe "$X2" udp 6000 $A:3000
		step probe "$X1" udp 6000 $A:3000
		step probe "$X1" udp 6000 $B:3000
		step probe "$X1" tcp 6000 $A:3000
		step probe "$X1" icmp 600 $A
		step probe "$STRANGER" tcp 6000 $W:7001
		step probe "$X2" udp 6001 $W:6000
		step said_knob filter_udp eif
		step said_knob host_max_mappings 1000
		step probe "$X2" udp 6002 $A:3000
		step probe "$STRANGER" udp 6000 $W:6002
		step said_knob host_max_mappings 0
		step said "! grep -q '^proto=tcp int=$H3:7001 .* state=static ' $state/mappings || echo 'del tcp $H3:7001' >$state/mappings"
		fail_no_more
		on "$R" cat $state/mappings >"$TMP/seen"
		on "$R" cat $state/sessions >/dev/null
		seg "$SRV" udp "$A:9" "$W:9" that-is-all
		wait_for 60 logged wire that-is-all
		stop wire
	} >"$TMP/answers" 2>"$TMP/errors"
}

# learned: the answers; of ports that are chosen by chance only which are the same
learned() {
	awk -F : 'NF == 2 && $2 !~ /^600[0-2]?$/ {
			if (!($2 in known))
				known[$2] = ++n
			$0 = $1 ":chosen" known[$2]
		}
		{ print }' "$TMP/answers"
}

refusals() {
	echo $(($(stat_of drop_no_memory) + $(stat_of peers_refused)))
}

# outcome REFUSALS-BEFORE: how it is known that memory was wanting
outcome() {
	if [[ -s $TMP/errors ]]; then
		echo "is refused"
	elif (($(refusals) > $1)); then
		echo "is counted"
	elif [[ $(learned) == "$usual" ]]; then
		echo "makes no difference"
	fi
}

# fails DESCRIPTION STEP TIMES: work, and from that step on $place fails so many times; fails itself if it was not called
fails() {
	local before times=$3 how

	before=$(refusals)
	PROBE_TIMEOUT=2 work "$2"
	if [[ ! $failed ]]; then
		flush_state
		return 1
	fi
	how=$(outcome "$before")
	if [[ $how ]]; then
		pass "$1, step $failed: that it fails $how"
	else
		fail "$1, step $failed: that it fails is told, or makes no difference" "usually: $usual" "seen: $(learned)"
	fi
	expect_is "what is refused is refused for want of memory" "" "$(grep -v 'Cannot allocate memory$' "$TMP/errors")"
	expect_unlogged "nothing leaves with an inside address" wire "[ (]$inside_re"
	expect_is "no mapping is half there" "" "$(grep -Ev -- "$static_re" "$TMP/seen")"
	flush_state
}

# place_fails FUNCTION: once at the first step that comes to $place, then at the next, until there is none; then always. How many
# calls there are in all failslab can't tell, and its "space" and "interval" count all of the machine's, so the Nth can't be had;
# a step is what one packet or command does.
place_fails() {
	local first

	fails "$1" 1 1 || fail "$1: it is called"
	first=$failed
	if [[ ! $1 =~ $by_processes ]]; then
		while fails "$1" $((failed + 1)) 1; do
			:
		done
		fails "$1, always" "$first" 1000000 || fail "$1: it is called again"
	fi
	PROBE_TIMEOUT=10 work 0
	expect_is "$1: afterwards all works, and nothing is refused" "$usual" "$(cat "$TMP/errors")$(learned)"
	flush_state
}

all_places() {
	local section call function place

	places >"$TMP/places"
	note "places that ask for memory: $(wc -l <"$TMP/places")"
	expect "they were found" test -s "$TMP/places"
	PROBE_TIMEOUT=10 work 0
	usual=$(learned)
	expect_is "X2 keeps its port, X1 has another, for all" "$W:6000 $W:chosen1 $W:chosen1" "$(head -n 3 <<<"$usual" | xargs)"
	expect_is "nothing is refused while there is memory" "" "$(cat "$TMP/errors")"
	flush_state
	while read -r section call function; do
		# called before its text has an address to be seen; loading() has had it fail
		[[ $function != fcn_param_set ]] || continue
		place=$(($(<"/sys/module/fullcone_nat/sections/$section") + call))
		place_fails "$function"
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
	expect "peers: they go on to come" wait_for 60 refused flows_out $(($(stat_of flows_out) + 20))
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
	local round=0 there=

	while ((round < rounds)); do
		[[ $there ]] || { echo "add udp $LAN.4:7000 $W:7000" >"$state/mappings" && there=yes; }
		echo "wan gone0" >"$knobs/wan"
		more drop_no_memory 5 || break
		echo wan >"$knobs/wan"
		[[ ! $there ]] || { echo "del udp $LAN.4:7000" >"$state/mappings" && there=; }
		((++round))
	done 2>"$TMP/errors"
	count rounds "$round"
}

at_random() {
	must_knob filter_udp apdf
	packets
	for_modules 10
	run_race race
	fail_no_more
	note "commands refused: $(wc -l <"$TMP/errors")"
	# or since a table that can't grow is full, or it is just being made anew
	expect_is "what is refused is refused for want of memory" "" \
		"$(grep -Ev '(Cannot allocate memory|Argument list too long|Device or resource busy)$' "$TMP/errors")"
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
