#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Hostile packets, from inside and outside, of both families: fuzz.c says what they are and what must hold after each. Each run
# has a router of its own, and they are set up differently.
#
# FULLCONE_PACKETS says how many, FULLCONE_SEED which run is the first. What a run has found is found again by
#
#	FULLCONE_SEED=its seed FULLCONE_PACKETS=the packet's number scripts/check fuzz-packets
#
# if the router gives the same ports again, which are drawn by lot after a conflict. A run that fails prints all packets that
# it has sent, so that they can be sent to a router of the same seed's setup:
#
#	sed -n 's/.*# sent: //p' LOG | base64 -d | gunzip >FILE
#	FULLCONE_SEED=its seed FULLCONE_REPLAY=FILE selftests/run.sh fuzz-packets
#
# only: hostile

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

[[ -z $FULLCONE_STANDIN ]] || skip_all "needs the module"
need_module
need_tools conntrack

packets=${FULLCONE_PACKETS:-60000}
seed=${FULLCONE_SEED:-0}
replay=${FULLCONE_REPLAY:-}
# Each run has a router of its own. Where packets are many, runs are long: what is around one takes as long as ten thousand of
# them. And a packet that is to be found again, whose number is its run's, has to be in one run with those before it.
at_once=$([[ ${FULLCONE_PACKETS:-} ]] && echo 100000 || echo 20000)
[[ ! $replay ]] || packets=1
mappings=/proc/net/fullcone_nat/mappings

# The firewall and the knobs of one run after the other. Where there is none, nothing but the module keeps back what is wrong.
setups=(
	"none"
	"nft"
	"none filter_udp=adf filter_tcp=apdf"
	"nft ports=5000-5127 host_max_mappings=64 mapping_max_sessions=3"
	"none mapping=apdm"
	"nft filter_udp=apdf filter_tcp=adf hairpin=0 order=last reject=drop"
	"nft guard=0 icmp_ids=0-63 port_parity=0 reject=admin-prohib"
)

# router FIREWALL KNOB=VALUE...: its interfaces are the fuzzer's
router() {
	local knob

	make_ns R r
	# no error is one too many, whatever the time: of no type that there is
	set_sysctl "$R" net.ipv4.icmp_ratemask=0 net.ipv6.icmp.ratemask=255
	set_sysctl "$R" net.ipv4.ip_forward=1 net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0 \
		net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.forwarding=1
	ip -n "$R" -batch - <<-END || bail_out "no tun devices here"
		link set lo up
		tuntap add lan mode tun vnet_hdr
		tuntap add wan mode tun vnet_hdr
		addr add 10.1.0.1/24 dev lan
		addr add fd00:1::1/64 dev lan nodad
		addr add 203.0.113.1/24 dev wan
		addr add 2001:db8::1/64 dev wan nodad
		link set lan up
		link set wan up
		route add default dev wan
		route add ::/0 dev wan
	END
	must_knob wan wan
	must_knob wan6 wan
	for knob in "${@:2}"; do
		must_knob "${knob%%=*}" "${knob#*=}"
	done
	firewall "$1"
}

# fuzz SEED COUNT SETUP: nothing comes out that must not
fuzz() {
	local options=() what=("$1" "$2") reason

	[[ $3 != *mapping=apdm* ]] || options+=(-a)
	[[ $3 != none* ]] || options+=(-o)
	[[ $3 != *guard=0* ]] || options+=(-g)
	if [[ $replay ]]; then
		options+=(-r "$replay")
		what=()
	else
		options+=(-w "$TMP/sent")
	fi
	# if the kernel dies, this is the last word
	note "seed $1: $3"
	if on "$R" "$HERE/fuzz" ${options[@]+"${options[@]}"} ${what[@]+"${what[@]}"} lan wan >"$TMP/fuzz" 2>&1; then
		note "$(tr '\n' ' ' <"$TMP/fuzz")"
		sum
	else
		reason=$(sed -n 's/^not ok: //p' "$TMP/fuzz")
		fail "seed $1, $3: ${reason:-the fuzzer came to its end}" "$(tail -n 20 "$TMP/fuzz")"
		[[ $replay ]] || gzip -9 "$TMP/sent" -c | base64 -w 200 | sed 's/^/# sent: /'
		return 1
	fi
}

# What came out in all
declare -A sums=()

sum() {
	local name value

	while read -r name value; do
		((sums[$name] += value, 1))
	done <"$TMP/fuzz"
}

# What must be so of the counters of "stats" and "status", of "sent", and of whether a knob is "set_" or a firewall there. What
# is sent from inside with an address that is not an inside host's may count as a stranger's, who came in by no wan interface.
demands=(
	"mappings_created + mappings_adopted - mappings_expired - mappings_ended == listed"
	"mappings >= listed + mappings_held_down"
	"mappings_created <= flows_out + flows_hairpin + drop_out_conflict + drop_in_conflict + refused_strangers"
	"flows_out == status_mapped && status_in <= flows_in && flows_in <= status_in + impostors"
	"flows_in_passed <= flows_in + impostors && status_in <= flows_in_passed + status_in_unconfirmed && status_by_rules == 0"
	"flows_out + flows_in + flows_hairpin <= sent"
	"status_in_refused <= refused_strangers + drop_mapping_max_sessions"
	"refused + refused_strangers + conflicts + drop_invalid_forwarded + drop_invalid_in <= sent"
	"drop_no_memory + drop_no_address + drop_max_mappings + drop_max_total + drop_host_max_rate + peers_refused == 0"
	"set_host_max_mappings || drop_host_max_mappings == 0"
	"set_mapping_max_sessions || drop_mapping_max_sessions == 0"
	"set_ports || set_icmp_ids || drop_no_port == 0"
	"set_filter || drop_in_filtered + peers == 0"
	"set_hairpin || flows_hairpin > 0 || sent < 5000"
	"!set_hairpin || flows_hairpin == 0 && status_in_refused == refused_strangers + drop_mapping_max_sessions"
	"set_guard ? drop_invalid_forwarded + drop_invalid_in == 0 : firewall || drop_invalid_forwarded > 0 || sent < 5000"
)
summands="refused=drop_no_port+drop_host_max_mappings+drop_mapping_max_sessions
	refused_strangers=drop_in_filtered+drop_in_draining+drop_in_holddown+drop_in_dying
	conflicts=drop_out_conflict+drop_in_conflict"

# not_so SETUP: prints those that are not met, and all numbers
not_so() {
	local name value demand unmet=""

	while read -r name value; do
		local -i "$name=$value"
	done < <(numbers "$1")
	for name in $summands; do
		local -i "${name%%=*}=${name#*=}"
	done
	for demand in "${demands[@]}"; do
		((demand)) || unmet+="not so: $demand"$'\n'
	done
	[[ ! $unmet ]] || printf '%s' "$unmet" "$(numbers "$1" | tr '\n' ' ')"
}

# numbers SETUP: "NAME VALUE" for each that the demands speak of
numbers() {
	local knob

	grep -E '^(sent|impostors) ' "$TMP/fuzz"
	cat "$TMP/stats"
	echo "listed $(grep -c . "$TMP/mappings")"
	tr ' ' '\n' <"$TMP/status" | awk -F = '/^(mapped|in|in_refused|in_unconfirmed|by_rules)=/ { sum[$1] += $2 }
		END { for (name in sum) print "status_" name, sum[name] }'
	for knob in host_max_mappings mapping_max_sessions ports icmp_ids filter hairpin guard; do
		[[ $1 == *" $knob"* ]] && echo "set_$knob 1" || echo "set_$knob 0"
	done
	[[ $1 == nft* ]] && echo "firewall 1" || echo "firewall 0"
}

# as_sessions: conntrack's entries as they are in "sessions", if the router has mappings for them: opened by the inside, or
# by somebody else
as_sessions() {
	on "$R" conntrack -L "$@" 2>/dev/null | awk '
		function end(addr, port) { return (addr ~ /:/ ? "[" addr "]" : addr) ":" port }
		$1 ~ /^(tcp|udp|icmp|icmpv6)$/ {
			n = 0
			for (i = 2; i <= NF; i++) {
				split($i, field, "=")
				n += field[1] == "src"
				at[n, field[1]] = field[2]
			}
			proto = $1
			sub("v6", "", proto)
			for (n = 1; n <= 2; n++)
				if (proto == "icmp") {
					at[n, "sport"] = at[n, "dport"] = at[n, "id"]
				}
			peer = proto == "icmp" ? 0 : at[1, "dport"]
			print "proto=" proto " int=" end(at[1, "src"], at[1, "sport"]) " ext=" end(at[2, "dst"], at[2, "dport"]) \
				" peer=" end(at[1, "dst"], peer) " dir=out"
			# who speaks to his own external endpoint has one session, unless he has two of them
			if (proto != "icmp" && (at[1, "src"] != at[2, "src"] || at[1, "sport"] != at[2, "sport"] ||
			    at[1, "dst"] != at[2, "dst"] || at[1, "dport"] != at[2, "dport"]))
				print "proto=" proto " int=" end(at[2, "src"], at[2, "sport"]) \
					" ext=" end(at[1, "dst"], at[1, "dport"]) \
					" peer=" end(at[2, "dst"], at[2, "dport"]) " dir=in"
		}'
}

all_as_sessions() {
	{
		as_sessions
		as_sessions -f ipv6
	} | comparable
}

# What is in ::/96 conntrack's tool writes in another way than the kernel.
comparable() {
	grep -Fv '=[::' | sort -u
}

# snapshot: what the router says of itself, what must be there before what is made of it. Entries go by themselves: those
# that are there before and after have been there throughout; mappings go, too, and then it is of no use.
snapshot() {
	local file

	on "$R" grep ^mappings "${mappings%/*}/stats" >"$TMP/mappings-before"
	all_as_sessions >"$TMP/before"
	on "$R" sed 's/ phase=.*//' "${mappings%/*}/sessions" | comparable >"$TMP/sessions"
	for file in mappings status stats; do
		on "$R" cat "${mappings%/*}/$file" >"$TMP/$file"
	done
	all_as_sessions >"$TMP/after"
	sed 's/ dev=.*//' "$TMP/mappings" | sort >"$TMP/ends"
	grep ^mappings "$TMP/stats" | cmp -s - "$TMP/mappings-before"
}

# odd_sessions: those without an entry in conntrack, and entries of mappings that are missing
odd_sessions() {
	comm -23 "$TMP/sessions" "$TMP/before" | sed 's/^/without an entry: /'
	comm -12 "$TMP/before" "$TMP/after" | comm -23 - "$TMP/sessions" |
		awk 'NR == FNR { mapped[$0] = 1; next } ($1 " " $2 " " $3) in mapped { print "missing: " $0 }' "$TMP/ends" -
}

# consistent SEED SETUP: what the router says of itself adds up
consistent() {
	local odd

	wait_for 60 snapshot || bail_out "mappings come and go all the time"
	odd=$(not_so "$2")
	if [[ $odd ]]; then
		fail "seed $1, $2: the counters add up" "$odd"
		return 1
	fi
	odd=$(odd_sessions)
	if [[ $odd ]]; then
		fail "seed $1, $2: the sessions are conntrack's" "$(head -n 20 <<<"$odd")"
		return 1
	fi
	note "$(grep -c . "$TMP/sessions") sessions"
	sed -E 's/ int=[^ ]*( ext=[^ ]*).*/\1/' "$TMP/mappings" | sort | uniq -d >"$TMP/twice"
	if [[ -s $TMP/twice ]]; then
		fail "seed $1, $2: no two mappings have the same external endpoint" "$(head "$TMP/twice")"
		return 1
	fi
}

# none_left: but for those whose port a flow without a mapping is on, see "reload"
none_left() {
	flush_mappings
	on "$R" conntrack -F >/dev/null 2>&1
	wait_for 60 mappings_are 0
}

runs() {
	local done=0 n setup

	while ((done < packets)); do
		n=$((packets - done < at_once ? packets - done : at_once))
		setup=${setups[seed % ${#setups[@]}]}
		# shellcheck disable=SC2086 # its words
		router $setup
		fuzz "$seed" "$n" "$setup" && consistent "$seed" "$setup" || return
		if ! none_left; then
			fail "seed $seed, $setup: after a flush no mapping is left" "$(on "$R" head "$mappings")"
			return 1
		fi
		((done + n >= packets)) || ip netns del "$R"
		((done += n, ++seed))
	done
}

# -- run --------------------------------------------------------------------------------------------------------------

modprobe -q tun
sysctl -qw net.netfilter.nf_conntrack_max=262144
if ! runs; then
	:
elif [[ $replay ]]; then
	pass "$replay: nothing came out that must not, and the counters add up"
else
	pass "$packets packets: nothing came out that must not, and the counters add up"
	for name in mapped inbound hairpins errors fragments scans; do
		expect "some of what went by was: ${sums[$name]} $name" test "${sums[$name]}" -gt $((packets / 2000))
	done
fi
finish
