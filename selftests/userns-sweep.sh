#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Anybody can have a hundred user namespaces with a router in each, and each has a clock that sweeps over conntrack's table,
# which belongs to the whole machine. All of them together take no more than 1 % of a processor, whether there is one or a
# hundred, and the machine's first namespace, whose own share is its own, is swept as often as before. Who does nothing but
# "flush" takes the processor that any program of his takes, and no packet waits for him. By a clock that counts instructions,
# as on a processor that does 1,000 of them in a microsecond.
#
# clock: skip

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/pktgen-lib.sh
. "$HERE/pktgen-lib.sh"

[[ -z $FULLCONE_STANDIN ]] || skip_all "needs the module"
need_tools setpriv unshare nsenter
need_module

knobs=/proc/sys/net/fullcone_nat
state=/proc/net/fullcone_nat
# what a clock rests at most while its sweeps are short, and a few of them to look at
settles=20 looks=60

# routers NUMBER: so many altogether, each of uid 65534 in a user namespace of its own, with a static forward and a flow of the
# router's own, without which no table would be looked through
routers() {
	local name n

	for ((n = ${#router[@]} + 1; n <= $1; n++)); do
		name=user$n
		# shellcheck disable=SC2016
		setpriv --reuid=65534 --regid=65534 --clear-groups unshare -Urn bash -c '
			ip link add wan type dummy && ip addr add 10.1.1.1/24 dev wan && ip link set wan up &&
				echo wan >/proc/sys/net/fullcone_nat/wan &&
				echo "add udp 192.168.1.2:5000 10.1.1.1:5000" >/proc/net/fullcone_nat/mappings &&
				echo 1000000 >/proc/sys/net/netfilter/nf_conntrack_udp_timeout &&
				echo hello >/dev/udp/10.1.1.9/4000 &&
				echo "ready $$"
			exec sleep 1000000' >"$TMP/$name" 2>&1 </dev/null &
		pids[$name]=$!
		wait_for 60 logged "$name" '^ready' || skip_all "needs user namespaces for everybody: $(cat "$TMP/$name")"
		router[$n]=$(awk '$1 == "ready" { print $2 }' "$TMP/$name")
	done
}

# inside N COMMAND...: as root of that router
inside() {
	setpriv --reuid=65534 --regid=65534 --clear-groups nsenter -t "${router[$1]}" -U -n --preserve-credentials "${@:2}"
}

# the machine's own namespace, which is a router, too
first() {
	ip link add fcfirst type dummy && at_exit "ip link del fcfirst"
	ip addr add 198.18.77.1/24 dev fcfirst
	ip link set fcfirst up
	for_now $knobs/wan fcfirst
	echo "add udp 198.18.77.2:7000 198.18.77.1:7000" >$state/mappings || bail_out "no static forward in the first namespace"
	for_now /proc/sys/net/netfilter/nf_conntrack_udp_timeout 1000000
	echo hello >/dev/udp/198.18.77.9/4000
}

# first_stat NAME
first_stat() {
	awk -v name="$1" '$1 == name { print $2 }' $state/stats
}

# worked: what each of the kernel's workers has run for so far, "PID NANOSECONDS"
worked() {
	local process comm ran

	for process in /proc/[0-9]*; do
		{ read -r comm <"$process/comm" && [[ $comm == kworker/* ]] && read -r ran _ <"$process/schedstat"; } 2>/dev/null &&
			echo "${process#/proc/} $ran"
	done
}

now() {
	local up

	read -r up _ </proc/uptime
	echo "${up/./}"
}

# share: what workers take, in millionths of a processor, into $share
share() {
	local from

	pause $settles
	from=$(now)
	worked >"$TMP/before"
	pause $looks
	worked >"$TMP/after"
	share=$(awk -v hundredths=$(($(now) - from)) '
		NR == FNR { ran[$1] = $2; next }
		{ sum += $2 - ran[$1] }
		END { printf "%d\n", sum / (hundredths * 10) }' "$TMP/before" "$TMP/after")
}

# per_cent MILLIONTHS
per_cent() {
	printf '%d.%03d %%\n' $(($1 / 10000)) $(($1 % 10000 / 10))
}

# bystander DESCRIPTION: what X2 loses in five seconds, and how long it takes to end all flows of his router
bystander() {
	local from

	start bystander "$X2" "$HERE/bystander" "$X2@$H2" "$SRV@$A" "$STRANGER@$Z"
	pause 5
	kill "${pids[bystander]}"
	wait "${pids[bystander]}"
	unset "pids[bystander]"
	expect_match "$1: who has nothing to do with it loses nothing" "$nothing_lost" "$(tail -n 1 "$TMP/bystander")"
	from=$(now)
	for _ in {1..20}; do
		ct -F >/dev/null 2>&1
	done
	note "$1: conntrack -F takes $((($(now) - from) / 2)) ms"
}
nothing_lost='^old=[1-9][0-9]*/0 peer=[1-9][0-9]*/0 guest=[1-9][0-9]*/0 fresh=[1-9][0-9]*/0 moved=0 '

# runs NAME COMMAND: a shell of the first router's root that does this again and again
runs() {
	# not "inside": $! shall be the command's
	setpriv --reuid=65534 --regid=65534 --clear-groups nsenter -t "${router[1]}" -U -n --preserve-credentials bash -c "
		trap 'echo \$n times; exit' TERM
		while :; do $2; ((++n)); done" >"$TMP/$1" 2>&1 </dev/null &
	pids[$1]=$!
}

flushes() {
	bystander "nobody does anything"
	runs loop "for i in {1..1000}; do :; done"
	bystander "a loop"
	stop loop
	runs flush "echo 'add tcp 192.168.1.2:5001 10.1.1.1:5001' >$state/mappings; echo flush >$state/mappings"
	bystander "he flushes"
	stop flush
	note "he flushes: $(cat "$TMP/flush")"
}

declare -A router=()
# as on a machine with 4 GB or more
for_now /sys/module/nf_conntrack/parameters/hashsize 262144
first
share
none=$share
interval=$(first_stat sweep_interval_ms)
note "no user namespace: workers take $(per_cent "$none"), the first namespace's sweep $(first_stat sweep_us) us each $interval ms"
home_network
fullcone_on
for many in 1 10 100; do
	routers $many
	share
	note "$many user namespaces: $(per_cent $((share - none))) more; the first's sweep takes $(first_stat sweep_us) us;" \
		"$(inside 1 grep ^sweep_ $state/stats | xargs)"
	expect "$many user namespaces: no more than 1 % of a processor" test $((share - none)) -le 10000
	expect_is "$many user namespaces: the first is swept as often as before" "$interval" "$(first_stat sweep_interval_ms)"
done
flushes

finish
