# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Who may come in, as those see it who try. Sourced after lib.sh; the reflectors have
# to be there.
#
# shellcheck disable=SC2153 # the variables of lib.sh

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
	probe "$taker" "$proto" "$port" "$B:3001" >/dev/null
	# nobody is there to answer: the attempt counts
	probe "$ns" "$proto" $((port + 500)) "$A":3009 >/dev/null
	e=$(ext_of "$proto" "${ADDR[$ns]}:$((port + 500))")
	endpoint x "$ns" "$proto" $((port + 500))
	comes_in "$what: a stranger" $stranger "$STRANGER" "$proto" $((port + 2000)) "$e"
	comes_in "$what: another port of the peer" $other "$SRV" "$proto" "$A":$((port + 2000)) "$e"
	comes_in "$what: another address of the peer's" $stranger "$SRV" "$proto" "$B":$((port + 2000)) "$e"
	ct -D -p "$proto" -s "${ADDR[$ns]}" --sport $((port + 500)) >/dev/null 2>&1
	comes_in "$what: the peer, when conntrack has forgotten the session," yes "$SRV" "$proto" "$A":3009 "$e"
	stop x

	e=$(probe "$ns" "$proto" $port "$A":3000)
	expect_other_endpoint "$what: a host on a port that is taken has another endpoint" \
		"$(ext_of "$proto" "${ADDR[$taker]}:$port")" "$e"
	expect_is "$what: the mapping is endpoint-independent" "$e" \
		"$(probe "$ns" "$proto" $port "$B":3000 "$Z":3000 | sort -u)"
}
