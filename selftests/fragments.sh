#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Datagrams that come in fragments are translated like whole ones, in both directions and between inside hosts, also when the
# fragments come in the wrong order (RFC 4787, REQ-14); what is too large for the way out is cut up again or its sender told,
# as DF says (REQ-13); and a flood of fragments that never become whole does no harm to others (REQ-14a).
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_tools ping
need_module
home_network
fullcone_on
firewall nft
reflectors
watch outside "$SRV" eth0 udp
watch inside "$X1" eth0 udp

long=$(printf 'x%.0s' {1..1900})
pieces=512	# makes four of it

# X1's endpoint is another one than its own port, as X2 has that.
probe "$X2" udp 5000 "$A:3000" >/dev/null
endpoint x1 "$X1" udp 5000 "$A:3000"
e=$(mapped x1)
expect_other_endpoint "X1 has an endpoint" "$W:5000" "$e"

# in_pieces NS FROM TO [OPTION...]: one datagram
in_pieces() {
	on "$1" "$HERE/seg" -f $pieces "${@:4}" udp "$2" "$3" "$long" || bail_out "can't send fragments"
}

# expect_whole DESCRIPTION NAME FROM TIMES: that endpoint has got so many of them, whole
expect_whole() {
	expect "$1" wait_for 30 logged_times "$2" "^(udp|from) $3 .*xxxxx" "$4"
}

outward() {
	stop x1
	in_pieces "$X1" "$H1:5000" "$A:3000"
	expect_whole "outward: whole, from X1's endpoint" srv "$e" 1
	in_pieces "$X1" "$H1:5000" "$A:3000" -r
	expect_whole "outward, the last fragment first: likewise" srv "$e" 2
	# a first packet can be one in fragments, too
	in_pieces "$X1" "$H1:5001" "$A:3000" -r
	expect_whole "outward, of a new endpoint: likewise" srv "$W:5001" 1
}

inward() {
	endpoint x1 "$X1" udp 5000
	in_pieces "$STRANGER" "$Z:7000" "$e"
	expect_whole "inward, of a stranger: whole" x1 "$Z:7000" 1
	in_pieces "$STRANGER" "$Z:7001" "$e" -r
	expect_whole "inward, of another, the last fragment first: likewise" x1 "$Z:7001" 1
}

between_inside_hosts() {
	local e2

	e2=$(ext_of udp "$H2:5000")
	in_pieces "$X2" "$H2:5000" "$e"
	expect_whole "between inside hosts: whole, from the sender's endpoint" x1 "$e2" 1
	in_pieces "$X2" "$H2:5000" "$e" -r
	expect_whole "between inside hosts, the last fragment first: likewise" x1 "$e2" 2
}

# The way out is narrower than the way in.
narrow() {
	local mtu seen

	ip -n "$R" link set wan mtu 1400
	mtu=$(on "$X1" ping -n -c 1 -W 5 -M "do" -s 1452 "$(bare "$A")" 2>&1)
	expect_match "narrow: who wants no fragments is told of the MTU" "mtu ?[=:] ?1400" "$mtu"
	if [[ $FULLCONE_FAMILY == 4 ]]; then
		stop x1
		on "$X1" "$HERE/seg" udp "$H1:5002" "$A:3000" "${long:0:1450}"
		expect_whole "narrow: what may be cut up arrives whole" srv "$W:5002" 1
		expect_logged "narrow: it was cut up" outside "^frag $W > $A "
		re "^(udp $W:5002|frag $W) > $A"
		seen=$(grep -E "$regex" "$TMP/outside" | tail -n 2 | cut -d' ' -f1 | xargs)
		expect_is "narrow: in order" "udp frag" "$seen"
	fi
	ip -n "$R" link set wan mtu 1500
}

# memory: what fragments take in the router, bytes. IPv6's are conntrack's, which does not tell.
memory() {
	on "$R" sed -n 's/^FRAG: .*memory \([0-9]*\)/\1/p' /proc/net/sockstat
}

takes_memory() {
	(($(memory) > $1))
}

# With all of it full the kernel lets fragments go, of anybody, but whole datagrams pass.
to_the_brim() {
	local seen='' i

	set_sysctl "$R" net.ipv4.ipfrag_low_thresh=32768 net.ipv4.ipfrag_high_thresh=65536
	# what was more has to time out first
	expect "the kernel keeps to a lower limit" wait_for 60 keeps_to $((65536 + 4096))
	expect "which the flood fills" wait_for 60 takes_memory 50000
	for ((i = 0; i < 20; i++)); do
		seen+=$(PROBE_TIMEOUT=5 probe "$X3" udp $((5200 + i)) "$A:3000")$'\n'
	done
	expect_is "then 20 of 20 whole datagrams and their answers get through" 20 "$(grep -cF "$W:52" <<<"$seen")"
}

keeps_to() {
	(($(memory) <= $1))
}

flood() {
	local seen='' i

	endpoint x3 "$X3" udp 5003 "$A:3000"
	# shellcheck disable=SC2016
	launch halves "$STRANGER" bash -c 'while :; do "$1/seg" -1 -f 1024 udp "$2" "$3" "$4"; done' bash \
		"$HERE" "$Z:7002" "$e" "$long"
	[[ $FULLCONE_FAMILY == 6 ]] || expect "a flood of halves takes memory" wait_for 60 takes_memory 100000
	for ((i = 0; i < 50; i++)); do
		seen+=$(PROBE_TIMEOUT=5 probe "$X3" udp $((5100 + i)) "$A:3000")$'\n'
	done
	expect_is "beside it 50 of 50 whole datagrams and their answers get through" 50 \
		"$(grep -cF "$W:51" <<<"$seen")"
	in_pieces "$X3" "$H3:5003" "$A:3000"
	expect_whole "and fragments that follow each other" srv "$W:5003" 1
	[[ $FULLCONE_FAMILY == 6 ]] || to_the_brim
	stop halves
}

outward
inward
between_inside_hosts
narrow
flood

finish
