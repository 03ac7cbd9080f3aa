#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# One inside endpoint has one external endpoint whoever it talks to, and no two
# inside endpoints share one: also for those whose own port was taken already,
# where plain MASQUERADE falls back to another port per destination.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_module
home_network
fullcone_on
firewall nft
reflectors

declare -a dst

# to PROTO SERVER...: SERVER is A, B, Z or, on the other port, Aq, Bq; sets dst
to() {
	local proto=$1 s
	dst=()
	for s in "${@:2}"; do
		local addr=${s%q} port=3000
		[[ $s != *q ]] || port=3001
		dst+=("${!addr}:$port")
	done
	[[ $proto != icmp ]] || dst=("${dst[@]%:*}")
}

agrees() {
	[[ -z $FULLCONE_STANDIN ]] || return 0
	expect_is "$1: procfs has the endpoint of $2 that the servers saw" \
		"$3" "$(ext_of "$1" "$2")"
}

# The order that tells: the endpoint is kept by X1 in one direction, X2 got it
# too in another, then X2 goes where X1 is.
conflict_order() {
	local proto=$1 port=$2 x1 first rest

	to "$proto" A
	x1=$(probe "$X1" "$proto" "$port" "${dst[@]}")
	expect_is "$proto: X1 keeps its port" "$W:$port" "$x1"
	to "$proto" B
	first=$(probe "$X2" "$proto" "$port" "${dst[@]}")
	expect_other_endpoint "$proto: X2 with the same port does not share X1's endpoint though it goes elsewhere" \
		"$x1" "$first"
	to "$proto" A Z B
	[[ $proto == icmp ]] || to "$proto" A Z Aq Bq
	rest=$(probe "$X2" "$proto" "$port" "${dst[@]}" | sort -u)
	expect_is "$proto: X2 shows that same endpoint to everybody else" \
		"$first" "$rest"
	to "$proto" Z B
	rest=$(probe "$X1" "$proto" "$port" "${dst[@]}" | sort -u)
	expect_is "$proto: X1 still shows its own" "$x1" "$rest"
	agrees "$proto" "$H1:$port" "$x1"
	agrees "$proto" "$H2:$port" "$first"
}

# RFC 5780 4.3, all steps always, for the first, second and third host with one
# port: no class may change by conflict.
strict_5780() {
	local proto=$1 port=$2 ns seen all=

	for ns in "$X1" "$X2" "$X3"; do
		to "$proto" A B Bq Z
		seen=$(probe "$ns" "$proto" "$port" "${dst[@]}" | sort -u)
		expect_match "$proto: host ${ADDR["$ns"]} shows one endpoint in all steps of RFC 5780" \
			"^$W:[0-9]+\$" "$seen"
		agrees "$proto" "${ADDR[$ns]}:$port" "$seen"
		all+=$seen$'\n'
	done
	expect_is "$proto: the three hosts have three endpoints" \
		3 "$(sort -u <<<"${all%$'\n'}" | wc -l)"
}

no_overloading() {
	local proto=$1 port=$2 a b z

	to "$proto" A B Z
	a=$(probe "$X1" "$proto" "$port" "${dst[0]}")
	b=$(probe "$X2" "$proto" "$port" "${dst[1]}")
	z=$(probe "$X3" "$proto" "$port" "${dst[2]}")
	expect_is "$proto: three hosts at three servers have three endpoints" 3 \
		"$(printf '%s\n' "$a" "$b" "$z" | grep -F "$W:" | sort -u | wc -l)"
}

# One endpoint's mappings in different protocols have nothing to do with each other
# (RFC 7857, section 5).
protocols_apart() {
	local port=$1

	expect_is "X1 has UDP port $port" "$W:$port" "$(probe "$X1" udp "$port" $A:3000)"
	expect_is "TCP port $port is still there for X2" "$W:$port" "$(probe "$X2" tcp "$port" $A:3000)"
	expect_is "and that query id for X3" "$W:$port" "$(probe "$X3" icmp "$port" $A)"
	expect_other_endpoint "X1's TCP has another" "$W:$port" "$(probe "$X1" tcp "$port" $A:3000)"
	[[ $FULLCONE_STANDIN ]] || on "$R" sh -c "echo 'del tcp $H1:$port' >/proc/net/fullcone_nat/mappings"
	expect_is "when that has ended, X1's UDP is as before" "$W:$port" "$(probe "$X1" udp "$port" $B:3000)"
}

# With nearly all ports in use it is the same NAT (RFC 4787, REQ-11), and with all in
# use none at all.
nearly_full() {
	local proto=$1 n ns seen

	[[ -z $FULLCONE_STANDIN ]] || return 0
	must_knob ports 4500-4519
	for ((n = 0; n < 18; n++)); do
		probe "$X3" "$proto" $((6000 + n)) $A:3000
	done >/dev/null
	to "$proto" A B Bq Z
	for ns in "$X1" "$X2"; do
		seen=$(probe "$ns" "$proto" 7000 "${dst[@]}" | sort -u)
		expect_match "$proto, nearly all ports in use: ${ADDR["$ns"]} shows one endpoint" "^$W:45[01][0-9]\$" "$seen"
	done
	seen=$(PROBE_TIMEOUT=2 probe "$X3" "$proto" 7000 "${dst[@]}" | sort -u)
	expect_is "$proto, all ports in use: there is none" none "$seen"
	must_knob ports 1024-65535
}

port=4000
for proto in udp tcp icmp; do
	conflict_order $proto $((port++))
	strict_5780 $proto $((port++))
	no_overloading $proto $((port++))
done
protocols_apart $((port++))
knob reject drop
nearly_full udp
nearly_full tcp

finish
