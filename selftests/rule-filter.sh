#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Who may come in is each rule's to say: anybody, addresses or endpoints that the
# inside has spoken to. The mapping is endpoint-independent all the same, and whom
# a host has spoken to once may come as long as the mapping lives, though
# conntrack has forgotten the session.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_target
need_tools conntrack
home_network
firewall nft
reflectors
port=4000

# comes_in DESCRIPTION yes|no NS PROTO FROM TO
comes_in() {
	local seen

	if [[ $2 == yes ]]; then
		expect_is "$1 gets in" "$(own_endpoint "$3" "$5")" "$(probe "$3" "$4" "$5" "$6")"
	else
		seen=$(PROBE_TIMEOUT=2 probe "$3" "$4" "$5" "$6")
		expect_is "$1 does not get in, nor an answer" none "$seen"
	fi
}

# filters PROTO NS FILTER: which strangers reach that host, which has spoken to A:3000
filters() {
	local proto=$1 ns=$2 filter=$3 other=no stranger=no taker=$X3 e what="$3, $1"

	[[ $ns != "$X3" ]] || taker=$X2
	[[ $filter == apdf ]] || other=yes
	[[ $filter != eif ]] || stranger=yes
	((++port))
	# another host took the port before
	probe "$taker" "$proto" $port $B:3001 >/dev/null
	# nobody is there to answer: the attempt counts
	probe "$ns" "$proto" $((port + 500)) $A:3009 >/dev/null
	e=$(ext_of "$proto" "${ADDR[$ns]}:$((port + 500))")
	endpoint x "$ns" "$proto" $((port + 500))
	comes_in "$what: a stranger" $stranger "$STRANGER" "$proto" $((port + 2000)) "$e"
	comes_in "$what: another port of the peer" $other "$SRV" "$proto" $A:$((port + 2000)) "$e"
	comes_in "$what: another address of the peer's" $stranger "$SRV" "$proto" $B:$((port + 2000)) "$e"
	on "$R" conntrack -D -p "$proto" -s "${ADDR[$ns]}" --sport $((port + 500)) >/dev/null 2>&1
	comes_in "$what: the peer, when conntrack has forgotten the session," yes "$SRV" "$proto" $A:3009 "$e"
	stop x

	e=$(probe "$ns" "$proto" $port $A:3000)
	expect_other_endpoint "$what: a host on a port that is taken has another endpoint" \
		"$(ext_of "$proto" "${ADDR[$taker]}:$port")" "$e"
	expect_is "$what: the mapping is endpoint-independent" "$e" \
		"$(probe "$ns" "$proto" $port $B:3000 $Z:3000 | sort -u)"
}

for variant in legacy nft; do
	note "iptables-$variant"
	must_rules $variant <<-END
		-A POSTROUTING -o wan -s $LAN.2 -j FULLCONENAT --filter apdf
		-A POSTROUTING -o wan -s $LAN.3 -j FULLCONENAT --filter adf
		-A POSTROUTING -o wan -j FULLCONENAT --filter eif
		-A PREROUTING -i wan -j FULLCONENAT
	END
	flush_state
	refused=$(stat_of drop_in_filtered)
	for proto in udp tcp; do
		filters $proto "$X1" apdf
		filters $proto "$X2" adf
		filters $proto "$X3" eif
	done
	expect "what was refused is counted" test "$(stat_of drop_in_filtered)" -gt "$refused"

	# An inside host is a stranger like any other, by its external endpoint.
	((++port))
	endpoint x1 "$X1" udp $port $A:3000
	comes_in "apdf: another inside host" no "$X2" udp $((port + 100)) "$(mapped x1)"
	stop x1
	endpoint x3 "$X3" udp $port $A:3000
	expect_match "eif: another inside host gets in, as outside" "^$W:[0-9]+\$" \
		"$(probe "$X1" udp $((port + 200)) "$(mapped x3)")"
	stop x3

	# Who was only ever in touch with another inside host lets nobody in before its own rule.
	((++port))
	endpoint x3 "$X3" udp $port $A:3000
	endpoint x1 "$X1" udp $((port + 100)) "$(mapped x3)"
	comes_in "a stranger, to a host that only spoke to another inside," no "$STRANGER" udp $((port + 2000)) \
		"$(ext_of udp "$LAN.2:$((port + 100))")"
	stop x1
	stop x3
	ipt $variant -F
done

finish
