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
# each run has a router of its own
at_once=20000
[[ ! $replay ]] || packets=1
mappings=/proc/net/fullcone_nat/mappings

# The firewall and the knobs of one run after the other
setups=(
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

# consistent SEED SETUP: what the router says of itself adds up
consistent() {
	local there made ended

	there=$(on "$R" grep -c . "$mappings")
	made=$(($(stat_of mappings_created) + $(stat_of mappings_adopted)))
	ended=$(($(stat_of mappings_expired) + $(stat_of mappings_ended)))
	if ((made - ended != there)); then
		fail "seed $1, $2: as many mappings are there as were made and have not ended" \
			"$there are there, $made were made, $ended have ended"
		return 1
	fi
	on "$R" sed -E 's/ int=[^ ]*( ext=[^ ]*) .*/\1/' "$mappings" | sort | uniq -d >"$TMP/twice"
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
