# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the races share: a router with packets on both processors, programs that disturb it, and what must hold when they have
# ended. Sourced after lib.sh. FULLCONE_ROUNDS says how many rounds a race has, 10 by default.
#
# A program is a function of the script, run with others that it uses by one process inside the router: where everything is
# emulated, to start a process may cost more than a round. Whatever it prints is a complaint, but for lines "count NAME NUMBER".
#
# shellcheck disable=SC2034,SC2153,SC2154 # the variables of lib.sh, and those for the scripts that source this

rounds=${FULLCONE_ROUNDS:-10}
# how often a round does what is short: less where there are many rounds
often=$((rounds > 1000 ? 1 : rounds > 30 ? 3 : 10))
state=/proc/net/fullcone_nat
knobs=/proc/sys/net/fullcone_nat

# X1's source ports, so mostly the external ones, too
busy=2000-2063
endpoint_re='[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+:[0-9]+'
mapping_re="^proto=(udp|tcp|icmp) int=$endpoint_re ext=$endpoint_re dev=[^ ]+ state=(active|draining|holddown)"
mapping_re+=" sessions=[0-9]+ expires=[0-9]+ age=[0-9]+\$"

# The home network and the module. Sessions are short, so that ever new ones come.
race_network() {
	[[ -z $FULLCONE_STANDIN ]] || skip_all "needs the module"
	need_tools conntrack
	need_module
	home_network
	small_table
	reflectors
	set_sysctl "$R" net.netfilter.nf_conntrack_udp_timeout=2 net.netfilter.nf_conntrack_udp_timeout_stream=2 \
		net.netfilter.nf_conntrack_tcp_timeout_syn_sent=2 net.netfilter.nf_conntrack_tcp_timeout_close=2
	neighbours
	fullcone_on
}

# Who has which address is known: an answer to ARP that comes late on a machine that is busy with packets would be
# "host unreachable".
neighbours() {
	local ns

	for ns in "$X1" "$X2" "$X3"; do
		neighbour "$ns" eth0 "$LAN.1" "$R" br0
		neighbour "$R" br0 "${ADDR[$ns]}" "$ns" eth0
	done
	for ns in "$SRV" "$STRANGER"; do
		neighbour "$ns" eth0 "$W" "$R" wan
	done
	neighbour "$R" wan "$A" "$SRV" eth0
	neighbour "$R" wan "$B" "$SRV" eth0
	neighbour "$R" wan "$Z" "$STRANGER" eth0
}

# neighbour NS INTERFACE ADDRESS OF-NS OF-INTERFACE
neighbour() {
	ip -n "$1" neigh replace "$3" dev "$2" lladdr "$(mac_of "$4" "$5")" nud permanent ||
		bail_out "$1 does not take a neighbour"
}

# A sweep looks at every bucket of conntrack's table, however few entries there are. It belongs to the whole machine.
small_table() {
	hashsize=/sys/module/nf_conntrack/parameters/hashsize
	old_hashsize=$(cat $hashsize) && echo 1024 >$hashsize || return
	at_exit restore_table
}

restore_table() {
	echo "$old_hashsize" >"$hashsize"
}

# -- packets ----------------------------------------------------------------------------------------------------------

# A second processor, if there is one, else the first
second_cpu() {
	if grep -q '[,-]' /sys/devices/system/cpu/online; then
		echo 1
	else
		echo 0
	fi
}

# Whom X1 speaks to
targets=("$A:4000-4001" "$B:4000-4001" "$Z:4000-4003")
# how strangers and X2 know where X1 is, if it is not at $W all the time: see churn.c
seekers=()

# packets: from now on on both processors, those of X1 on one; on the other those of Z and X2 to X1's endpoints.
packets() {
	local name second

	second=$(second_cpu)
	((second)) || note "one processor: all packets are on it"
	start out "$X1" "$HERE/churn" -c 0 mixed "$LAN.2:$busy" "${targets[@]}"
	start in "$STRANGER" "$HERE/churn" -c "$second" ${seekers[@]+"${seekers[@]}"} mixed "$Z:4000-4007" "$W:$busy"
	start hairpin "$X2" "$HERE/churn" -c "$second" ${seekers[@]+"${seekers[@]}"} mixed "$LAN.3:2000-2009" "$W:$busy"
	expect "packets come from all sides" wait_for 120 all_sides
	for name in "${!flows[@]}"; do
		flows[$name]=$(stat_of "$name")
	done
}

# The flows of each side when the race began
declare -A flows=([flows_out]=0 [flows_in]=0 [flows_hairpin]=0)

all_sides() {
	(($(stat_of flows_out) > 50 && $(stat_of flows_in) > 50 && $(stat_of flows_hairpin) > 50))
}

no_more_packets() {
	local name seen

	for name in "${!flows[@]}"; do
		seen=$(($(stat_of "$name") - ${flows[$name]}))
		expect "packets came all the time: $seen more $name" test "$seen" -ge "$rounds"
	done
	for name in out in hairpin; do
		stop $name
		note "$name: $(tail -n 1 "$TMP/$name")"
	done
}

# -- programs ---------------------------------------------------------------------------------------------------------

# The variables that programs get
shared=(rounds state knobs TMP FULLCONE_KO LAN W mapping_re)

# program FUNCTION [FUNCTION...]: a program that is the first and uses the others
program() {
	declare -p "${shared[@]}"
	declare -f pause count complain counter reach more device "$@"
	printf '%s\n' "exec {never}<>\"\$TMP/never\"" "$1"
}

# run_race FUNCTION...: the race itself, to its end; it counts its rounds
run_race() {
	launch race "$R" bash -c "$(program "$@")"
	wait "${pids[race]}"
	unset "pids[race]"
	rounds_done "$(counted race rounds)"
	expect_no_complaint "nothing went wrong in any round" race
}

rounds_done() {
	note "rounds: $1"
	expect_is "all rounds were run" "$rounds" "$1"
}

# beside NAME FUNCTION...: goes on beside the race until $stopped is set
beside() {
	launch "$1" "$R" bash -c "trap 'stopped=yes' TERM; stopped=; $(program "${@:2}")"
}

# expect_beside NAME COUNT: it has done what it counts, and had nothing to complain of
expect_beside() {
	local n

	stop "$1"
	n=$(counted "$1" "$2")
	expect "$1, beside: $n $2" test "$n" -gt 0
	expect_no_complaint "$1, beside: nothing went wrong" "$1"
}

counted() {
	awk -v name="$2" '$1 == "count" && $2 == name { n += $3 } END { print n + 0 }' "$TMP/$1"
}

expect_no_complaint() {
	expect_is "$1" "" "$(grep -v '^count ' "$TMP/$2" | head -n 20)"
}

# From here on for use in programs.

count() {
	echo "count $1 $2"
}

complain() {
	echo "round ${round:-?}: $*"
}

# counter NAME: of "stats", into $value
counter() {
	local name

	while read -r name value; do
		[[ $name != "$1" ]] || return 0
	done <"$state/stats"
	value=0
}

# reach NAME NUMBER: waits until a counter is that high
reach() {
	local end=$((SECONDS + 60)) value

	counter "$1"
	until ((value >= $2)); do
		if ((SECONDS > end)); then
			complain "$1 does not reach $2 in 60 s: $value"
			return 1
		fi
		pause 0.02
		counter "$1"
	done
}

# more NAME NUMBER...: waits until counters are so much higher than now
more() {
	local goals=() value

	while (($#)); do
		counter "$1"
		goals+=("$1 $((value + $2))")
		shift 2
	done
	for value in "${goals[@]}"; do
		# shellcheck disable=SC2086 # two words
		reach $value || return
	done
}

# device there|gone NAME: waits until the router has it, or has it no more
device() {
	local end=$((SECONDS + 60)) seen

	while
		[[ -e /proc/sys/net/ipv4/conf/$2 ]] && seen=there || seen=gone
		[[ $seen != "$1" ]]
	do
		if ((SECONDS > end)); then
			complain "$2 is $seen for 60 s"
			return 1
		fi
		pause 0.02
	done
}

# To go on beside a race that has none of its own: all files, again and again.
reader() {
	local n=0 file lines

	until [[ $stopped ]]; do
		for file in mappings sessions stats status; do
			mapfile -t lines <"$state/$file"
			((n += ${#lines[@]} > 0))
		done
		pause 0.05
	done
	count readings "$n"
}

# -- afterwards -------------------------------------------------------------------------------------------------------

# expect_flows DESCRIPTION: the module goes on to translate them
expect_flows() {
	flows_seen=$(stat_of flows_out)
	expect "$1" wait_for 60 flows_go_on
}

flows_go_on() {
	(($(stat_of flows_out) > flows_seen + 8))
}

# settled: no more packets come. What is there is consistent, the router works, and nothing is left when everything is ended.
settled() {
	translations >"$TMP/translations"
	no_more_packets
	consistent
	works
	ended
}

consistent() {
	expect_is "every line of mappings has its form" "" "$(on "$R" grep -Ev -- "$mapping_re" $state/mappings)"
	expect_is "no two mappings have the same external endpoint" "" \
		"$(on "$R" sed -E 's/ .*( ext=[^ ]*) .*/\1/' $state/mappings | sort | uniq -d)"
	# a second port that is only kept for old flows is not in use
	expect_is "no inside endpoint has two mappings at one address" "" \
		"$(on "$R" sed -nE 's/( ext=[^:]*):.* state=active .*/\1/p' $state/mappings | sort | uniq -d)"
	expect "there were translated sessions" test -s "$TMP/translations"
	expect_is "no external endpoint has sessions of two inside endpoints, nor the other way round" "" \
		"$(confused "$TMP/translations")"
}

# confused FILE: of such lines as translations prints, those that say otherwise than others
confused() {
	awk '{
		split($3, ext, ":")
		if (!(($1, $3) in inside))
			inside[$1, $3] = $2
		if (!(($1, $2, ext[1]) in outside))
			outside[$1, $2, ext[1]] = $3
		if (inside[$1, $3] != $2 || outside[$1, $2, ext[1]] != $3)
			print
	}' "$1" | sort -u
}

# translations: of each translated entry of conntrack "PROTO INSIDE EXTERNAL", of one between two inside hosts both
translations() {
	on "$R" conntrack -L 2>/dev/null | awk -v lan="$LAN." '
		function is_inside(addr) {
			return index(addr, lan) == 1
		}
		{
			split("", v)
			for (i = 3; i <= NF; i++)
				if (split($i, pair, "=") == 2)
					v[pair[1] in v ? pair[1] "2" : pair[1]] = pair[2]
			if (is_inside(v["src"]) && !is_inside(v["dst2"]))
				print $1, v["src"] ":" v["sport"], v["dst2"] ":" v["dport2"]
			if (is_inside(v["src2"]) && !is_inside(v["dst"]))
				print $1, v["src2"] ":" v["sport2"], v["dst"] ":" v["dport"]
		}'
}

works() {
	local e first

	e=$(probe "$X1" udp 6000 "$A:3000" "$B:3000")
	expect_match "afterwards X1 has an endpoint" "^$W:[0-9]+"$'\n' "$e"
	expect_is "afterwards it is the same for everybody" "${e%%$'\n'*}" "${e#*$'\n'}"
	expect_match "afterwards X1's connections have an endpoint" "^$W:[0-9]+\$" "$(probe "$X1" tcp 6000 "$A:3000")"
	first=$(probe "$X2" udp 6001 "$A:3000")
	expect_match "afterwards X2 has an endpoint" "^$W:[0-9]+\$" "$first"
	e=$(probe "$X1" udp 6001 "$A:3000" "$B:3000")
	expect_other_endpoint "afterwards X1, with the same port, has another" "$first" "${e%%$'\n'*}"
	expect_is "afterwards that, too, is the same for everybody" "${e%%$'\n'*}" "${e#*$'\n'}"
	endpoint listener "$X1" udp 6002 "$A:3000"
	expect_is "afterwards a stranger gets in" "$Z:7000" "$(probe "$STRANGER" udp 7000 "$(mapped listener)")"
	stop listener
}

# The mappings' number is lib.sh's to look at, at the end of every test.
ended() {
	expect "the mappings can be flushed" flush_mappings
	expect "a flush leaves no mapping" wait_for 60 mappings_are 0
	expect_is "a flush leaves no session" "" "$(on "$R" cat $state/sessions)"
	expect_is "a flush leaves nothing translated" "" "$(translations)"
}
