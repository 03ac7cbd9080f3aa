# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the tests of abuse share: a bystander, who counts what he loses while others misbehave, and notes of what it took. By a clock
# that counts instructions, and skips what is idle: a router whose processor does 1,000 in a microsecond, whatever machine this
# is. Sourced after lib.sh and pktgen-lib.sh.
#
# shellcheck disable=SC2034,SC2153,SC2154 # the variables of the libraries and those for the scripts that source this

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
	# by whose files the router is looked at with no process started: to wait minutes would cost more than what is waited for
	launch insider "$R" sleep infinity
	files=/proc/${pids[insider]}/net
}

# swallow out|in CONDITION...: packets that leave the router outwards or inwards are counted and forgotten if they are like that;
# nobody answers them
swallow() {
	local device=wan

	[[ $1 == out ]] || device=br0
	on "$R" nft -f - <<-END || skip_all "needs nft's egress hook"
		table netdev sink {
			chain $1 {
				type filter hook egress device "$device" priority 0; policy accept;
				${*:2} counter drop
			}
		}
	END
}

# -- the bystander ----------------------------------------------------------------------------------------------------

stand_by() {
	start bystander "$X2" "$HERE/bystander" "$X2@$H2" "$SRV@$A" "$STRANGER@$Z"
}

# noticed WHAT: ends the bystander; sets $lost to what he has said, which is noted
noticed() {
	kill "${pids[bystander]}"
	wait "${pids[bystander]}"
	unset "pids[bystander]"
	lost=$(tail -n 1 "$TMP/bystander")
	note "$1: another host has sent/lost $lost"
}

# expect_lost_nothing WHAT [KIND...]: of those kinds, else of all; and its endpoint stays
expect_lost_nothing() {
	local kind kinds=("${@:2}") missed=""

	((${#kinds[@]})) || kinds=(old peer guest fresh)
	expect_match "$1: the other host has sent" "^old=[1-9][0-9]*/.* moved=[0-9]+\$" "$lost"
	for kind in "${kinds[@]}"; do
		[[ $(field "$kind" "$lost") == */0 ]] || missed+=" $kind"
	done
	expect_is "$1: the other host has lost nothing (${kinds[*]})" "" "$missed"
	expect_is "$1: its endpoint has stayed" 0 "$(field moved "$lost")"
}

# -- what it takes ----------------------------------------------------------------------------------------------------

# of the kernel's objects, kB
memory() {
	awk '$1 == "SUnreclaim:" { print $2 }' /proc/meminfo
}

# before: from here on memory is counted
before() {
	memory_before=$(memory)
}

# note_memory WHAT: at the worst moment
note_memory() {
	note "$1: $(($(memory) - memory_before)) kB of memory, $(stat_of mappings) mappings, $(entries) entries of conntrack"
}

# entries: of conntrack
entries() {
	local line

	{ read -r line && read -r line _; } <"$files/stat/nf_conntrack"
	echo $((16#$line))
}

# recovered WHAT SECONDS PREDICATE...: looks every two seconds, and notes how long it takes
recovered() {
	local since=$SECONDS

	until "${@:3}" || ((SECONDS - since > $2)); do
		pause 2
	done
	expect "$1" "${@:3}"
	note "$1: after $((SECONDS - since)) s"
}

entries_at_most() {
	local line

	{ read -r line && read -r line _; } <"$files/stat/nf_conntrack"
	((16#$line <= $1))
}

mappings_at_most() {
	local name value

	while read -r name value; do
		[[ $name != mappings ]] || break
	done <"$files/fullcone_nat/stats"
	((value <= $1))
}
