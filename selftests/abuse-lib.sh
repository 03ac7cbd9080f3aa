# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the tests of abuse share. In each case somebody misbehaves for some seconds while a bystander counts what he loses; then, while
# all that has come of it is still there, it is measured what other hosts' packets cost, beside before; and then how long it takes
# until all is as before. A line for each case says so, always in the same words:
#
#	NAME: other hosts lost N of M packets, their new flow cost A instructions before and B meanwhile, memory peak K KB, all as
#	before after S s
#
# By a clock that counts instructions, and skips what is idle: a router whose processor does 1,000 in a microsecond, whatever machine
# this is. A case is
#
#	before; stand_by; ... loaded COUNT COST; noticed NAME; expect_lost_nothing NAME; recovered NAME SECONDS
#
# Sourced after lib.sh and pktgen-lib.sh.
#
# shellcheck disable=SC2034,SC2153,SC2154 # the variables of the libraries and those for the scripts that source this

# shellcheck source=selftests/clock-lib.sh
. "$HERE/clock-lib.sh"

# abused_network SESSIONS: the home network with room for so many. The bystander is X2, the abuser X1 or somebody outside.
abused_network() {
	[[ -z $FULLCONE_STANDIN ]] || skip_all "needs the module"
	need_tools conntrack
	need_pktgen
	need_module
	home_network
	room "$1"
	for_now /proc/sys/net/netfilter/nf_conntrack_buckets 65536
	fullcone_on
	firewall nft
	# what a refused host is told is not what is looked at
	must_knob reject drop
	swallow others "udp dport 4000"
	swallow in-others "ip daddr $LAN.99"
	ip -n "$R" neigh add "$LAN.99" lladdr 02:00:00:00:00:99 dev br0 nud permanent || bail_out "no neighbour"
	# by whose files the router is looked at with no process started: to wait minutes would cost more than what is waited for
	launch insider "$R" sleep infinity
	files=/proc/${pids[insider]}/net
}

# swallow NAME CONDITION...: packets that leave the router outwards, or inwards if the name begins with "in", are counted and
# forgotten if they are like that; nobody answers them
swallow() {
	local device=wan

	[[ $1 != in* ]] || device=br0
	on "$R" nft -f - <<-END || skip_all "needs nft's egress hook"
		table netdev sink {
			chain $1 {
				type filter hook egress device "$device" priority 0; policy accept;
				${*:2} counter drop
			}
		}
	END
}

# spread COUNT [SECONDS]: what pktgen wants to take so long for so many packets, by default five seconds; where it can't be as fast
# it takes longer
spread() {
	echo "delay $((${2:-5} * 1000000000 / $1))"
}

# -- other hosts' packets ---------------------------------------------------------------------------------------------

# That many hosts open an endpoint at once, three times for each measurement: enough for what pktgen needs to begin
others=100
next_port=25000

# new_flows FIRST COUNT: so many hosts open one endpoint each, at ports from FIRST on
new_flows() {
	pktgen_run br0 "$2" "dst $A" "src_min $LAN.100" "src_max $LAN.$((100 + $2))" \
		"udp_src_min $1" "udp_src_max $(($1 + $2))" "udp_dst_min 4000" "udp_dst_max 4000"
}

# old_flow - COUNT: packets of one that is answered
old_flow() {
	pktgen_run br0 "$2" "dst $A" "src_min $LAN.99" "src_max $LAN.99" \
		"udp_src_min 20500" "udp_src_max 20500" "udp_dst_min 4000" "udp_dst_max 4000"
}

answer() {
	pktgen_run wan 1 "dst $W" "src_min $A" "src_max $A" "udp_src_min 4000" "udp_src_max 4000" "udp_dst_min 20500" "udp_dst_max 20500"
}

# The flow of those packets: it lasts two minutes, and conntrack throws it out for nobody.
establish() {
	old_flow - 1 >/dev/null
	answer >/dev/null
	pause 3
	old_flow - 1 >/dev/null
	answer >/dev/null
}

# price: sets what other hosts pay, in instructions: $flow for a new flow, $packet for a packet of an old one
price() {
	local burst=$others

	packet=$(bursts 0 old_flow)
	flow=$(bursts $next_port new_flows)
	((next_port += 3 * burst))
}

# -- a case -----------------------------------------------------------------------------------------------------------

# before: what others pay, twice, as slabs grow the first time; then there is nothing but a flow of theirs
before() {
	local n

	for n in 1 2; do
		establish
		price
		flush_state
		wait_for 60 mappings_at_most 0 || bail_out "a flush leaves mappings"
	done
	flow_before=$flow packet_before=$packet
	establish
	entries_before=$(entries) mappings_before=$(stat_of mappings)
}

# stand_by: from here on the bystander counts
stand_by() {
	# or the last one's word is taken for this one's, who is not there yet and dies of the signal
	rm -f "$TMP/bystander"
	start bystander "$X2" "$HERE/bystander" "$X2@$H2" "$SRV@$A" "$STRANGER@$Z"
	kill -USR1 "${pids[bystander]}"
	wait_for 60 logged bystander '^anew' || bail_out "the bystander does not count"
	began=$(centiseconds)
	load_ms=0
}

# loaded COUNT COST: so many packets were sent that took so many nanoseconds each, by pktgen's own clock: a test's takes in what its
# processes read from the disk, and nobody is attacked then. From here on the others recover.
loaded() {
	ended=$(centiseconds)
	((load_ms += $1 * $2 / 1000000, 1))
}

# noticed WHAT: after the last packet. Ends the bystander, who must have seen enough of it: where nothing is lost, the longest of his
# rounds fits into the load 30 times; else it has as many as there can be where each takes twice its tenth of a second, and two seconds
# for each packet that he waits for in vain.
noticed() {
	local kind counts

	length=$(($(centiseconds) - began))
	kill "${pids[bystander]}"
	wait "${pids[bystander]}"
	unset "pids[bystander]"
	seen=$(tail -n 1 "$TMP/bystander")
	rounds=$(own old)
	sent=0 lost=0
	for kind in old peer guest fresh; do
		counts=$(field "$kind" "$seen")
		((sent += ${counts%/*}, lost += ${counts#*/}, 1))
	done
	held=$(entries)
	note "$1: $((length / 100)) s, $(stat_of mappings) mappings, $held entries of conntrack; the bystander's sent/lost: $seen"
	note "$1: $load_ms ms of load"
	if ((lost)); then
		expect "$1: the other host was there all the time, for $rounds rounds" \
			test "$rounds" -ge 40 -a $((rounds * 20 + lost * 200 + 100)) -ge "$length" -a "$load_ms" -ge 5000
	else
		expect "$1: the other host had at least 30 rounds in the load" test $((30 * $(field slowest "$seen"))) -le "$load_ms"
	fi
	price
	note "$1: a packet of an old flow of other hosts cost $packet_before instructions before and $packet meanwhile"
	expect "$1: a packet of theirs costs at most a quarter more" test $((packet * 4)) -le $((packet_before * 5))
	expect "$1: a new flow of theirs costs at most half as much again" test $((flow * 2)) -le $((flow_before * 3))
}

# expect_lost_nothing WHAT [KIND...]: of those kinds, else of all; and its endpoint stays
expect_lost_nothing() {
	local kind kinds=("${@:2}") missed=""

	((${#kinds[@]})) || kinds=(old peer guest fresh)
	for kind in "${kinds[@]}"; do
		[[ $(field "$kind" "$seen") =~ ^[1-9][0-9]*/0$ ]] || missed+=" $kind"
	done
	expect_is "$1: the other host has lost nothing (${kinds[*]})" "" "$missed"
	expect_is "$1: its endpoint has stayed" 0 "$(field moved "$seen")"
}

# recovered WHAT SECONDS [PREDICATE...]: looks every two seconds; and says it all
recovered() {
	local opened took

	# what the other hosts have opened themselves may stay, and before the attack the bystander and the attacked
	opened=$((3 * others + $(own fresh)))
	mappings_most=$((mappings_before + opened + 5))
	entries_most=$((entries_before + opened + $(own peer) + $(own guest) + 20))
	until as_before "${@:3}" || (($(centiseconds) - ended > $2 * 100)); do
		pause 2
	done
	took=$((($(centiseconds) - ended) / 100))
	expect "$1: all is as before" as_before "${@:3}"
	note "$1: other hosts lost $lost of $sent packets, their new flow cost $flow_before instructions before and $flow meanwhile," \
		"memory peak $(field memory "$seen") KB, all as before after $took s"
}

# own KIND: how many the bystander has sent
own() {
	local counts

	counts=$(field "$1" "$seen")
	echo "${counts%/*}"
}

as_before() {
	(($(entries) <= entries_most)) && mappings_at_most "$mappings_most" && { (($# == 0)) || "$@"; }
}

# entries: of conntrack
entries() {
	local line

	{ read -r line && read -r line _; } <"$files/stat/nf_conntrack"
	echo $((16#$line))
}

mappings_at_most() {
	local name value

	while read -r name value; do
		[[ $name != mappings ]] || break
	done <"$files/fullcone_nat/stats"
	((value <= $1))
}
