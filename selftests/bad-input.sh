#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What can't be carried out is refused with a proper errno and changes nothing: knobs, module parameters, commands. And only
# root may give any, or read who talks to whom.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
[[ -z $FULLCONE_STANDIN ]] || skip_all "needs the module"
need_tools setpriv unshare
silent_network

knobs=/proc/sys/net/fullcone_nat
state=/proc/net/fullcone_nat
invalid="Invalid argument"

# tell FILE TEXT...: each in one write, as root of the router; for each a line, what the
# system says to it and what FILE begins with then. Without a process where printf makes
# one write of it: there are hundreds.
tell() {
	# shellcheck disable=SC2016
	on "$R" bash -c 'for text in "${@:3}"; do
		if [[ ${#text} -lt 1000 && $text != *\\n?* ]]; then
			printf %b "$text" 2>"$1" >"$2"
		else
			printf %b "$text" | dd of="$2" bs=64k iflag=fullblock conv=notrunc status=none 2>"$1"
		fi
		said="" value=""
		IFS= read -r said <"$1"
		IFS= read -r value <"$2"
		printf "%s|%s\n" "${said##*: }" "$value"
	done' bash "$TMP/said" "$@"
}

# objection FILE TEXT: what the system says to it
objection() {
	local said

	said=$(tell "$@")
	echo "${said%%|*}"
}

# is_refused FILE TEXT ERROR: a regular expression
is_refused() {
	local said

	said=$(objection "$1" "$2")
	[[ $said =~ ^($3)$ ]] || {
		echo "seen: ${said:-no error}"
		return 1
	}
}

value() {
	on "$R" cat "$knobs/$1"
}

# What one knob is told comes in one go, see good and bad.
told="" texts=() answers=() points=()

answered() {
	local i seen

	((${#texts[@]})) || return 0
	mapfile -t seen < <(tell "$knobs/$told" "${texts[@]}")
	for i in "${!texts[@]}"; do
		expect_is "${points[i]}" "${answers[i]}" "${seen[i]-nothing}"
	done
	told="" texts=() answers=() points=()
}

# good KNOB TEXT [VALUE]: the value is taken; it reads as VALUE, as itself by default
good() {
	[[ -e $knobs/$1 ]] || return 0
	[[ $told == "$1" ]] || answered
	told=$1
	now=${3-$2}
	texts+=("$2\n")
	answers+=("|$now")
	points+=("$1 takes \"$2\"")
}

# bad KNOB TEXT...: each is refused as invalid, and the old value stays
bad() {
	local text

	[[ -e $knobs/$1 ]] || return 0
	if [[ $told != "$1" ]]; then
		answered
		told=$1
		now=$(value "$1")
	fi
	for text in "${@:2}"; do
		texts+=("$text")
		answers+=("$invalid|$now")
		points+=("$1 refuses \"${text:0:40}\" and keeps its value")
	done
}

# excess KNOB TEXT...: each is refused as too long a list
excess() {
	local invalid="Argument list too long"

	bad "$@"
}

# number KNOB LOWEST GOOD HIGHEST: what every number has in common
number() {
	[[ -e $knobs/$1 ]] || return 0
	good "$1" "$2"
	good "$1" "$4"
	good "$1" "$3"
	bad "$1" "\n" x "$3 x" "$3 $3" -1 "$((${2} - 1))" "$((${4} + 1))" 4294967296 99999999999999999999 "$3\\\\0" 1.5
}

week=604800
numbers() {
	number udp_timeout 120 300 $week
	number udp_short_timeout 1 30 $week
	number icmp_timeout 60 60 $week
	number tcp_open_timeout 1 240 $week
	number tcp_est_timeout 7440 7440 $week
	number tcp_close_timeout 240 240 $week
	number tcp_rst_timeout 1 240 $week
	number port_parity 0 1 1
	number port_holddown 0 120 $week
	number port_holddown_max 0 4096 65536
	number hairpin 0 1 1
	number tcp_prolong 0 1 1
	number udp_refresh_inbound 0 1 1
	number guard 0 1 1
	number log 0 0 1
	number max_mappings 1 4096 2147483647
	number host_max_mappings 0 0 2147483647
	number host_max_rate 0 0 1000000
	number mapping_max_sessions 0 0 2147483647
}

lists() {
	local fewer most many knob

	fewer=$(seq -s, 2000 2 2124)
	most=$fewer,2126
	many=$most,2128
	good wan "wan other"
	good wan "other,wan" "other wan"
	bad wan wan/0 . .. 0123456789abcdef "wan other/1"
	excess wan "$many"
	good wan wan
	good wan6 "wan other"
	bad wan6 wan/0 . "wan other/1"
	excess wan6 "$many"
	good wan6 "\n" ""
	good order last
	good order first
	bad order "\n" middle "first last" FIRST
	good mapping apdm
	good mapping eim
	bad mapping "\n" apdf eimm EIM "eim apdm" 0
	for knob in filter_udp filter_tcp; do
		good $knob adf
		good $knob apdf
		good $knob eif
		bad $knob "\n" ei eiff EIF "eif adf" 0
	done
	good exempt_mark 0x10/0xf0
	good exempt_mark 0/0
	bad exempt_mark "\n" x 1/ /1 1/x 2/1 1/1/1 0x100000000/1
	good inside "10.0.0.0/8 192.168.1.0/24"
	good inside "fd00::/8 10.0.0.0/8 2001:db8::1" "fd00::/8 10.0.0.0/8 2001:db8::1/128"
	good inside "\n" ""
	bad inside 10 10.0.0.0/33 10.0.0.1/8 10.0.0/8 10.0.0.0/ 10.0.0.0/8/8 fd00::/129 fd00::1/8 "[fd00::]/8" x
	good protocols "udp"
	good protocols "icmp udp" "udp icmp"
	good protocols "udp tcp icmp"
	bad protocols sctp "udp sctp" 17
	good udp_short_ports "53 123"
	bad udp_short_ports 0 65536 x 53-54 "53 x"
	good ports "2000-3000,4000" "2000-3000,4000"
	good ports "4000 2000-3000" "2000-3000,4000"
	bad ports "\n" 0 65536 3000-2000 2000- -2000 "2000-3000 2500" x 1-2-3
	good ports "$most"
	excess ports "$many"
	good ports 1024-65535
	good icmp_ids "0,65535 7-9" "0,7-9,65535"
	bad icmp_ids "\n" 65536 9-7 x
	good icmp_ids "$most"
	excess icmp_ids "$many"
	good icmp_ids 0-65535
	good reserved_ports "5000 6000-6001" "5000,6000-6001"
	good reserved_ports "$fewer"
	good reserved_ports "\n" ""
	bad reserved_ports 0 65536 3000-2000 x
	# between 64 ports there are 65 ranges that may be handed out
	excess reserved_ports "$most" "$many"
	good reject drop
	good reject admin-prohib
	good reject host-unreach
	bad reject "\n" x host "drop drop"
}

# A value comes in one write, and not in too long a one.
sizes() {
	local before

	before=$(value ports)
	expect "a value longer than a knob takes is refused" \
		is_refused $knobs/ports "$(printf '2000,%.0s' {1..300})2000" "$invalid"
	expect_is "ports keeps its value" "$before" "$(value ports)"
	expect "one character too many is, too" is_refused $knobs/ports "$(printf '%1024s' 2000-2099)" "$invalid"
	expect_is "ports keeps its value then" "$before" "$(value ports)"
	expect_is "the longest is taken" "|2000-2099" "$(tell $knobs/ports "$(printf '%1023s' 2000-2099)")"
	expect_is "and the old one again" "|$before" "$(tell $knobs/ports "$before")"
}

commands() {
	local texts text before said

	udp_out "$X1" $LAN.2:5000 $A:3000
	expect_leaves "X1 has a mapping" $W:5000
	before=$(on "$R" sed 's/ sessions=.*//' $state/mappings)
	texts=(x "del" "del udp" "del udp $LAN.2" "del udp $LAN.2:" "del udp $LAN.2:x" "del udp $LAN.2:65536" \
		"del udp $LAN.256:5000" "del sctp $LAN.2:5000" "del udp $LAN.2:5000 x" "deludp $LAN.2:5000" \
		"flush x" "flushx" "DEL udp $LAN.2:5000" "del  udp $LAN.2:5000\\\\0" "add" "add udp" \
		"add udp $LAN.2:5000" "add udp $LAN.2:5000 $W" "add udp x $W:5000" \
		"add udp $LAN.2:5009 $W:5009 x" "add udp $LAN.2:5009 $W:5009x" "add udp $LAN.2:0 $W:5009" \
		"add udp $LAN.2:5009 $W:0" "add udp $LAN.2:5009 $W:65536" "add udp $LAN.2:65536 $W:5009" \
		"add udp 0.0.0.0:5009 $W:5009" "add udp 127.0.0.1:5009 $W:5009" "add udp 224.0.0.1:5009 $W:5009" \
		"add udp $LAN.1:5009 $W:5009" "add udp $LAN.2:5009 0.0.0.0:5009" "add udp $LAN.2:5009 a/b:5009" \
		"add udp [fd00::2]:5009 $W:5009" "add udp $LAN.2:5009 [2001:db8::1]:5009" \
		"add udp fd00::2:5009 [2001:db8::1]:5009" "add udp [fd00::2]:5009 2001:db8::1:5009" \
		"add udp [fd00::2]:5009 [fe80::1]:5009" "add udp [::1]:5009 [2001:db8::1]:5009" \
		"add udp [fd00::2]:5009 [wan]:5009" "add udp [$LAN.2]:5009 $W:5009" "add udp []:5009 $W:5009" \
		"add udp $LAN.2:5009 :5009" "add icmp $LAN.2:5009 $W:5009" "add $LAN.2:5009 $W:5009" "$(printf 'x%.0s' {1..5000})" \
		"flush\nflush" "\n")
	tell $state/mappings "${texts[@]}" >"$TMP/answers"
	for text in "${texts[@]}"; do
		IFS="|" read -r said _ <&3
		expect_is "the command \"${text:0:40}\" is refused" "$invalid" "$said"
	done 3<"$TMP/answers"
	expect "del of nothing finds none" \
		is_refused $state/mappings "del udp $LAN.2:5001" "No such file or directory"
	expect "del of another protocol finds none" \
		is_refused $state/mappings "del tcp $LAN.2:5000" "No such file or directory"
	expect_is "nothing of this has changed the mappings" "$before" \
		"$(on "$R" sed 's/ sessions=.*//' $state/mappings)"
	for text in sessions stats status; do
		expect "$text can't be written to" is_refused $state/$text x "Permission denied|$invalid|Input/output error"
	done
}

# del and flush end sessions, too: what was let in before is not any more.
ended() {
	udp_out "$X1" $LAN.2:5001 $A:3000
	connect 5002 $A:3000
	# the first test that uses it was long ago, maybe
	udp_out "$X1" $LAN.2:5000 $A:3000
	udp_in "$SRV" $A:3000 $W:5000
	expect_logged "X1's peer reaches it" inside "$sent"
	expect_is "del udp is taken" "" "$(objection $state/mappings "del udp $LAN.2:5000\n")"
	expect_not "del: the mapping is gone" state_of udp $LAN.2:5000
	expect_not "del: the session is gone" entry udp 5000
	expect_closed "del: strangers don't arrive" udp $W:5000
	expect_state "del: another mapping stays" active udp $LAN.2:5001
	expect_is "del tcp is taken" "" "$(objection $state/mappings "del tcp $LAN.2:5002")"
	expect_not "del: the connection is gone" entry tcp 5002
	udp_out "$X1" $LAN.2:5000 $A:3000
	expect_leaves "del: X1 gets a mapping again" $W:5000
	expect_is "flush is taken" "" "$(objection $state/mappings flush)"
	expect_not "flush: no mapping is left" on "$R" grep . $state/mappings
	expect_not "flush: no session is left" entry udp 5001
	udp_out "$X1" $LAN.2:5001 $A:3000
	expect_leaves "flush: X1 gets a mapping again" $W:5001
}

nobody() {
	on "$R" setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

unprivileged() {
	local file

	for file in mappings sessions stats status; do
		expect_not "nobody can read $file" nobody cat $state/$file
		expect_not "nobody can write $file" nobody sh -c "echo flush >$state/$file"
	done
	for file in wan ports udp_timeout max_mappings; do
		expect_not "nobody can set $file" nobody sh -c "echo 1 >$knobs/$file"
	done
	expect_state "what nobody tried has changed nothing" active udp $LAN.2:5001
	# Root of a namespace of somebody's own is root there and nowhere else.
	expect_is "the owner of a namespace sets its knobs" 600 \
		"$(nobody unshare -Urn sh -c "echo 600 >$knobs/udp_timeout; cat $knobs/udp_timeout" 2>&1)"
	expect_match "but takes no more of the machine's memory" "Operation not permitted|I/O error" \
		"$(nobody unshare -Urn bash -c "echo 2000000000 >$knobs/max_mappings" 2>&1)"
	expect_is "and sees its own state, nothing of the router's" "" \
		"$(nobody unshare -Urn sh -c "echo 600 >$knobs/udp_timeout; cat $state/mappings" 2>&1)"
}

parameters() {
	local parameter

	if [[ -z $we_loaded ]]; then
		skip "module parameters" "the module is used by others"
		return
	fi
	expect "the module can be removed" rmmod fullcone_nat
	for parameter in udp_timeout=60 udp_timeout=x tcp_est_timeout=7439 wan=a/b order=x ports=0 ports= \
		exempt_mark=2/1 inside=x protocols=sctp hairpin=2 version=1; do
		expect_not "the module does not load with $parameter" insmod "$FULLCONE_KO" "$parameter"
		expect_not "and has left nothing" test -e $state
	done
	expect "it loads with good ones" insmod "$FULLCONE_KO" udp_timeout=600 ports=2000-3000,4000
	expect_is "which can be read back" 600 "$(cat /sys/module/fullcone_nat/parameters/udp_timeout)"
	expect_is "a list, too" 2000-3000,4000 "$(cat /sys/module/fullcone_nat/parameters/ports)"
	expect_is "and hold for the initial namespace" 600 "$(cat $knobs/udp_timeout)"
	expect_is "not for another" 300 "$(value udp_timeout)"
	expect_match "version stands there" "^[0-9]" "$(cat /sys/module/fullcone_nat/parameters/version)"
}

numbers
lists
answered
sizes
commands
ended
unprivileged
parameters

finish
