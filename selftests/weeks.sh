#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A household's router runs for weeks: a game console, phones that sleep and wake, calls, a peer-to-peer client, connections
# that are closed, reset, cut off or left open, strangers who come in, and a line that has another address every day. Nothing
# gets lost and no endpoint in use changes. The files and conntrack agree whenever one looks, no mapping lives longer than its
# rules allow, and a day later nothing is left of a host that has gone for ever. When all have been silent for three hours there
# is no mapping, no session and no object of the module's, and the same forty sessions cost a sweep on the last day what they
# did on the first.
#
# FULLCONE_DAYS says how many days. By default there are three, as an emulated second costs something, whatever is done in it:
# the kernel wakes up for itself. "scripts/check --hostile" has thirty.
#
# clock: skip
# only: hostile

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

days=${FULLCONE_DAYS:-3}
seed=${FULLCONE_SEED:-1}

[[ -z $FULLCONE_STANDIN ]] || skip_all "needs the module"
need_module
home_network
H4=$(inside_address 5)
add_address "$X2" eth0 "$H4"
fullcone_on
firewall nft
# as in scripts/sysctl.conf, and what was cut off goes when its mapping does, not after five days
set_sysctl "$R" net.netfilter.nf_conntrack_tcp_timeout_syn_sent=240 net.netfilter.nf_conntrack_tcp_timeout_syn_recv=240 \
	net.netfilter.nf_conntrack_icmp_timeout=60 net.netfilter.nf_conntrack_tcp_timeout_established=7440

# What wakes the kernel up twice a second for nothing, and a table of which most is empty, cost more than all the packets.
declare -A settings=()
set_for_now() {
	[[ -e $1 ]] || return 0
	settings[$1]=$(<"$1")
	echo "$2" >"$1"
}

restore() {
	local file
	for file in "${!settings[@]}"; do
		echo "${settings[$file]}" >"$file"
	done
}

at_exit restore
set_for_now /proc/sys/vm/compaction_proactiveness 0
set_for_now /proc/sys/vm/stat_interval 3600
set_for_now /proc/sys/vm/dirty_writeback_centisecs 0
set_for_now /proc/sys/net/ipv4/neigh/default/interval_probe_time_ms 3600000
set_for_now /sys/module/nf_conntrack/parameters/hashsize 1024

# The files are read and the address is changed with no process started, by those of one that is in the router.
exec {ip}> >(exec "$HERE/within" "$R" ip -force -batch - 2>&1)
net=/proc/$!/net
state=$net/fullcone_nat
[[ -e $net/nf_conntrack ]] || skip_all "needs /proc/net/nf_conntrack"

# -- looking ----------------------------------------------------------------------------------------------------------

declare -A stats=()

# look: "mappings", "sessions", "entries" and "stats" as they are now
look() {
	local name value

	mapfile -t mappings <$state/mappings
	mapfile -t sessions <$state/sessions
	mapfile -t entries <"$net/nf_conntrack"
	while read -r name value; do
		stats[$name]=$value
	done <$state/stats
}

# What look has seen, in one line: it has to be the same number in each pair.
sums() {
	local line noted=0 alive

	for line in ${mappings[@]+"${mappings[@]}"}; do
		line=${line#* sessions=}
		((noted += ${line%% *}, 1))
	done
	alive=$((stats[mappings_created] + stats[mappings_adopted] - stats[mappings_expired] - stats[mappings_ended]))
	echo "mappings $alive=${#mappings[@]} sessions $noted=${#sessions[@]} conntrack ${#entries[@]}=${#sessions[@]}"
}

# The numbers of a sweep are up to five seconds old: it may take some looks.
agree() {
	local sums pair

	look
	sums=$(sums)
	for pair in $sums; do
		[[ $pair != *=* || ${pair%=*} == "${pair#*=}" ]] || return
	done
}

agrees() {
	local look

	for ((look = 0; look < 20; look++)); do
		! agree || break
		pause 1.1
	done
	expect "$1: counters, files and conntrack agree ($(sums))" agree
}

# overdue: those of "mappings" whose time was over, by what the household has told in $TMP/used: two sweeps ago where there are
# sessions yet, which all have been idle for longer than their rules allow then, and 120 s of hold-down more where there are none;
# and what no line may say
overdue() {
	printf '%s\n' ${mappings[@]+"${mappings[@]}"} | awk -v used="$TMP/used" '
		BEGIN {
			sweeps = 12
			limit["udp"] = 300
			limit["tcp"] = 7440
			while ((getline line <used) > 0) {
				split(line, word, " ")
				left[word[2] " " word[3]] = word[4]
			}
		}
		NF {
			for (i = 1; i <= NF; i++) {
				split($i, pair, "=")
				v[pair[1]] = pair[2]
			}
			name = v["proto"] " " v["int"]
			if (!(name in left))
				print "nobody has used: " $0
			else if (v["sessions"] && left[name] < -sweeps)
				print "its sessions had their time " (-left[name]) " s ago: " $0
			else if (left[name] < -(120 + sweeps))
				print "used up " (-left[name]) " s ago: " $0
			if (v["state"] == "holddown" && (v["sessions"] || v["expires"] > 120))
				print "not a hold-down: " $0
			if (v["expires"] > limit[v["proto"]] + 1)
				print "more than anybody has: " $0
		}'
}

# -- days -------------------------------------------------------------------------------------------------------------

# Only what can go has gone, so what is seen is the kernel's.
available() {
	local name value

	while read -r name value _; do
		[[ $name != MemAvailable: ]] || echo "$value"
	done </proc/meminfo
}

# hear_of WORD: the next line of the household with that word, which becomes $told; those of use before it go to $TMP/used
hear_of() {
	: >"$TMP/used"
	while IFS= read -rt 900000 -u "$from" told; do
		case $told in
		used\ *) echo "$told" >>"$TMP/used" ;;
		"$1 $day"*) return ;;
		*) break ;;
		esac
	done
	bail_out "the household ends: ${told:-no word} $(<"$TMP/complaints")"
}

go_on() {
	echo >&"$to"
}

busy() {
	hear_of busy
	agrees "day $day, at 18"
	note "day $day, at 18: $(sums); $(printf '%s\n' "${mappings[@]}" | grep -vc ' sessions=0 ') mappings have sessions"
	expect "day $day, at 18: there are mappings" test "${#mappings[@]}" -gt 5
	expect_is "day $day, at 18: none is older than it may be" "" "$(overdue)"
	if ((day == 1)); then
		expect "day 1: the laptop was there" grep -q " $H3:" "$TMP/used"
	else
		expect_is "day $day: nothing is left of the laptop" "" \
			"$(printf '%s\n' "${mappings[@]}" "${sessions[@]}" | grep -F "int=$H3:")"
	fi
	go_on
}

quiet() {
	hear_of quiet
	note "$told"
	expect_match "day $day: nothing was lost, and no endpoint in use has changed" \
		"^quiet $day sent=[0-9]{3,} lost=0 calls=[0-9]{2,} failed=0 strangers=[0-9]+ moved=0\$" "$told"
	look
	expect_is "day $day, midnight: no mapping, session or entry is left" "mappings 0=0 sessions 0=0 conntrack 0=0" "$(sums)"
	expect "day $day, midnight: none of the module's objects either ($(slab_objects | xargs))" slabs_empty
	free[day]=$(available)
	note "day $day: ${free[day]} kB of memory available, ${stats[sweeps]} sweeps so far"
	go_on
}

# What is in the middle of five numbers
middle() {
	printf '%s\n' "$@" | sort -n | sed -n 3p
}

# swept: there has been another since there were $sweeps
swept() {
	look
	((stats[sweeps] > sweeps))
}

# The forty's sweep: the kernel may do something else in between, and the emulated clock stand still.
load() {
	local n sweeps us=()

	hear_of load
	look
	for ((n = 0; n < 5; n++)); do
		sweeps=${stats[sweeps]}
		wait_for 60 swept || bail_out "no sweep comes"
		us+=("${stats[sweep_us]}")
	done
	cost[day]=$(middle "${us[@]}")
	expect_is "day $day: forty sessions are forty" 40 "${stats[sweep_entries]}"
	expect_is "day $day: a sweep comes every five seconds" 5000 "${stats[sweep_interval_ms]}"
	note "day $day: a sweep over 40 sessions takes ${us[*]} us, of a processor that does 1,000 instructions in one"
	redial
	go_on
}

gone() {
	look
	((!${#mappings[@]} && !${#entries[@]}))
}

# The line has another address.
redial() {
	local new

	new=$(wan_address $((1 + day % 3)))
	echo "addr del $W/$prefix dev wan" >&"$ip"
	expect "day $day: with the address all that had it goes" wait_for 60 gone
	echo "addr add $new/$prefix dev wan" >&"$ip"
	W=$new
}

free=() cost=()
mkfifo "$TMP/to" "$TMP/from"
"$HERE/household" -s "$seed" "$days" "$X1@$H1" "$X2@$H2" "$X2@$H4" "$X3@$H3" "$SRV@$A" "$STRANGER@$Z" \
	<"$TMP/to" >"$TMP/from" 2>"$TMP/complaints" &
pids[household]=$!
exec {to}>"$TMP/to" {from}<"$TMP/from"
for ((day = 1; day <= days; day++)); do
	busy
	quiet
	load
done
wait "${pids[household]}"
expect_is "the household has lived to the end" 0 $?
unset "pids[household]"

# least_of_days FIRST LAST: kB of memory available on the worst of them
least_of_days() {
	printf '%s\n' "${free[@]:$1:$2 - $1 + 1}" | sort -n | head -n 1
}

if ((days > 1)); then
	# What grows by a little every day shows by then, what the kernel takes for itself in the beginning is in the first third.
	third=$(((days + 2) / 3))
	slack=1024
	expect "the sweep of the last day costs what that of the first did (${cost[*]})" \
		test $((cost[days] * 100)) -le $((cost[1] * 115)) -a $((cost[days] * 115)) -ge $((cost[1] * 100))
	expect "no memory is lost: least was available $(least_of_days 1 "$third") kB in the first third of the days, $(least_of_days $((third + 1)) "$days") after" \
		test "$(least_of_days $((third + 1)) "$days")" -ge $(($(least_of_days 1 "$third") - slack))
fi

finish
