# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the tests of lifetimes share: strangers who knock, TCP connections made by hand. Sourced after lib.sh.
#
# Nobody answers by himself here: what an inside host answers counts as use of its mapping.
#
# shellcheck disable=SC2153,SC2154 # the variables of lib.sh

# shellcheck source=selftests/clock-lib.sh
. "$HERE/clock-lib.sh"

# -- who and where ----------------------------------------------------------------------------------------------------

# The kernel of a namespace answers nothing handmade: no resets, no ICMP errors. No connection tracking is used for it.
silence() {
	local ns rule6="meta mark != 0x5e9 icmpv6 type destination-unreachable drop"

	# without IPv6 there are no tables for both families
	[[ $firewall_family == inet ]] || rule6=
	for ns; do
		on "$ns" nft -f - <<-END || bail_out "can't silence $ns"
			table $firewall_family silence {
				chain output {
					type filter hook output priority raw; policy accept;
					meta mark != 0x5e9 tcp flags & rst == rst drop
					meta mark != 0x5e9 icmp type destination-unreachable drop
					$rule6
				}
			}
		END
		set_sysctl "$ns" net.ipv4.icmp_echo_ignore_all=1 net.ipv6.icmp.echo_ignore_all=1
	done
}

# The home network with everybody silent and watched: "inside" is what X1 has on its wire, "outside" what the servers have,
# "wan" what the router has.
silent_network() {
	need_tools conntrack
	home_network
	fullcone_on
	firewall nft
	silence "$X1" "$X2" "$X3" "$SRV" "$STRANGER"
	watch inside "$X1" eth0
	watch outside "$SRV" eth0
	watch wan "$R" wan
}

# How long something may take to arrive, seconds. Where idle time is skipped and never idle, a second is a thousand million
# instructions, and waiting in vain for long would take minutes.
patience=30

# The same for a clock that may skip.
life_network() {
	need_tools chrt
	patience=5
	keep_busy
	silent_network
}

# flood NAME NS: datagrams to A from ever new ports as fast as it goes, until stopped
flood() {
	# shellcheck disable=SC2016
	launch "$1" "$2" bash -c 'while :; do
		for ((port = 4000; port < 5000; port++)); do echo flood >"/dev/udp/$1/$port"; done
	done' bash "$(bare "$A")"
}

# flood_syns NAME NS: the same with what opens connections
flood_syns() {
	# shellcheck disable=SC2016
	launch "$1" "$2" bash -c 'while :; do
		for ((port = 4000; port < 5000; port++)); do "$1" tcp "$2:$port" "$3:$port" S; done
	done' bash "$HERE/seg" "${ADDR[$2]}" "$A"
}

# -- strangers --------------------------------------------------------------------------------------------------------

knocks=0
strangers=0
stranger=

# new_stranger: whom nobody has heard of; sets $stranger
new_stranger() {
	stranger=$Z:$((20000 + ++strangers))
}

# knock PROTO ENDPOINT [STRANGER]: one packet (TCP: a SYN) of a new stranger, or of this one; sets $knocked
knock() {
	if (($# > 2)); then
		stranger=$3
	else
		new_stranger
	fi
	((++knocks))
	if [[ $1 == udp ]]; then
		seg "$STRANGER" udp "$stranger" "$2" "knock-$knocks"
		knocked="^udp $stranger > .* knock-$knocks\$"
	else
		seg "$STRANGER" tcp "$stranger" "$2" S "$knocks"
		knocked="^tcp $stranger > .* S seq=$knocks "
	fi
}

# expect_open DESCRIPTION PROTO ENDPOINT [STRANGER]: a stranger's packet to this endpoint reaches X1
expect_open() {
	knock "${@:2}"
	expect "$1" wait_for $patience logged inside "$knocked"
}

# expect_closed DESCRIPTION PROTO ENDPOINT [STRANGER]: it does not
expect_closed() {
	knock "${@:2}"
	wait_for 30 logged wan "$knocked" || bail_out "the stranger does not reach the router"
	# What the router itself sends afterwards arrives later.
	seg "$R" udp "$HR:9" "$H1:9" "after-$knocks"
	wait_for 30 logged inside "after-$knocks\$" || bail_out "the router does not reach X1"
	expect_unlogged "$1" inside "$knocked"
}

# state_name PROTO ADDR:PORT: what the mapping of an inside endpoint does, "none" without one
state_name() {
	field state "$(state_of "$@")" || echo none
}

# expect_state DESCRIPTION STATE PROTO ADDR:PORT
expect_state() {
	[[ -z $FULLCONE_STANDIN ]] || return 0
	expect_is "$1" "$2" "$(state_name "$3" "$4")"
}

# expect_active DESCRIPTION PROTO ADDR:PORT: it is, or soon will be
expect_active() {
	[[ -z $FULLCONE_STANDIN ]] || return 0
	expect "$1" wait_for 10 is_active "$2" "$3"
}

is_active() {
	[[ $(state_name "$@") == active ]]
}

# -- UDP and single packets -------------------------------------------------------------------------------------------

sends=0

# udp_out NS ADDR:PORT DST:PORT: a datagram out of the inside; $sent is how it looks outside, without its source
udp_out() {
	((++sends))
	seg "$1" udp "$2" "$3" "out-$sends"
	sent=" > $3 .* out-$sends\$"
}

# udp_in NS SRC:PORT ENDPOINT: a datagram from outside; $sent is how it looks inside
udp_in() {
	((++sends))
	seg "$1" udp "$2" "$3" "in-$sends"
	sent="^udp $2 > .* in-$sends\$"
}

# expect_leaves DESCRIPTION ENDPOINT: what was sent last with udp_out has left, and has this source
expect_leaves() {
	wait_for $patience logged outside "^udp [^ ]+$sent"
	re "^udp ([^ ]+)$sent"
	expect_is "$1" "$2" "$(sed -nE "s/$regex/\1/p" "$TMP/outside")"
}

# -- TCP by hand ------------------------------------------------------------------------------------------------------
#
# A connection goes by the inside port. X1 "says" segments, its peer's are those that it "hears"; each must arrive at the
# other end, from the endpoint that the connection has outside.

declare -A peer=() ext=() xseq=() pseq=()
what=

# opening PORT PEER:PORT [EXTERNAL]: begins a connection of X1's; nothing is sent yet
opening() {
	peer[$1]=$2
	ext[$1]=${3:-$W:$1}
	xseq[$1]=$((RANDOM * 1000 + 1))
	pseq[$1]=$((RANDOM * 1000 + 1))
}

# what a segment takes of the sequence space
segment_length() {
	local n=$2
	[[ $1 != *[SF]* ]] || ((++n))
	echo "$n"
}

arrived() {
	local desc=$1 name=$2 line=$3 before=$4
	if wait_for $patience logged_times "$name" "$line" $((before + 1)); then
		[[ -n ${quiet:-} ]] || pass "$desc"
	else
		fail "$desc" "expected: $line" "seen by $name:" "$(tail -n 5 "$TMP/$name")"
	fi
}

# says PORT FLAGS [LENGTH]: X1 sends the next segment; FLAGS in the order SFRPA
says() {
	local port=$1 flags=$2 len=${3:-0} ack=0 line before at=outside

	[[ $flags != *A* ]] || ack=${pseq[$port]}
	[[ ${peer[$port]} != "$Z":* ]] || at=wan
	line="^tcp ${ext[$port]} > ${peer[$port]} $flags seq=${xseq[$port]} ack=$ack len=$len\$"
	before=$(times_logged "$at" "$line")
	seg "$X1" tcp "$H1:$port" "${peer[$port]}" "$flags" "${xseq[$port]}" "$ack" "$len"
	xseq[$port]=$((xseq[$port] + $(segment_length "$flags" "$len")))
	arrived "$what: $flags of X1 reaches its peer" "$at" "$line" "$before"
}

# hears PORT FLAGS [LENGTH]: X1's peer sends the next segment
hears() {
	local port=$1 flags=$2 len=${3:-0} ack=0 line before ns=$SRV

	[[ $flags != *A* ]] || ack=${xseq[$port]}
	[[ ${peer[$port]} != "$Z":* ]] || ns=$STRANGER
	line="^tcp ${peer[$port]} > $H1:$port $flags seq=${pseq[$port]} ack=$ack len=$len\$"
	before=$(times_logged inside "$line")
	seg "$ns" tcp "${peer[$port]}" "${ext[$port]}" "$flags" "${pseq[$port]}" "$ack" "$len"
	pseq[$port]=$((pseq[$port] + $(segment_length "$flags" "$len")))
	arrived "$what: $flags of the peer reaches X1" inside "$line" "$before"
}

# connect PORT PEER:PORT [EXTERNAL]: the three segments, and data both ways
connect() {
	local quiet=yes failed=$failures

	opening "$@"
	says "$1" S
	hears "$1" SA
	says "$1" A
	exchange "$1"
	((failures > failed)) || pass "$what: X1:$1 and ${peer[$1]} are connected"
}

# exchange PORT: data both ways
exchange() {
	says "$1" PA 100
	hears "$1" PA 200
	says "$1" A
}

# entry PROTO PORT: the router's conntrack entry of that inside port; expired ones are not told
entry() {
	ct -L -p "$1" --orig-port-src "$2" 2>/dev/null | grep .
}

# expect_no_leak DESCRIPTION: nothing has left with an inside address
expect_no_leak() {
	expect_unlogged "$1: nothing left with an inside address" wan "^[a-z0-9]+ $inside_re"
}
