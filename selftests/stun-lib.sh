# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Real STUN servers and clients in network namespaces, and what the clients say.
# Needs nothing else of the tests.
#
# RFC 5780: coturn's turnserver and turnutils_natdiscovery. RFC 3489, the
# classic verdict: stund and stun.

stun_pids=()

# Prints which of the programs are missing; succeeds if none is.
stun_missing() {
	local tool missing=()
	for tool in turnserver turnutils_natdiscovery stund stun ss; do
		command -v "$tool" >/dev/null || missing+=("$tool")
	done
	[[ ${#missing[@]} == 0 ]] || { echo "${missing[*]}"; return 1; }
}

# stun_servers NS ADDR1 ADDR2: both servers on both addresses; returns when they
# answer, which may take longer than the clients wait. Stop them with stun_servers_stop.
# IPv6 addresses here and below have brackets; with them only turnserver is started.
stun_servers() {
	local ns=$1 deadline=$((SECONDS + 120))

	ip netns exec "$ns" turnserver -c /dev/null -n -S --no-cli --no-tls \
		--no-dtls --simple-log --log-file=stdout --pidfile=/dev/null \
		-L "${2//[][]/}" -L "${3//[][]/}" -p 3478 --alt-listening-port=3479 \
		>/dev/null 2>&1 </dev/null &
	stun_pids+=($!)
	if [[ $2 != *]* ]]; then
		ip netns exec "$ns" stund -h "$2" -a "$3" -p 3488 -o 3489 \
			>/dev/null 2>&1 </dev/null &
		stun_pids+=($!)
	fi
	until stun_listens "$ns" "$2" && stun_listens "$ns" "$3" && stun_answers "$ns" "$2"; do
		((SECONDS < deadline)) || return 1
		sleep 0.1
	done
}

# All ports at this address have a socket.
stun_listens() {
	local port sockets
	sockets=$(ip netns exec "$1" ss -Hlun)
	for port in 3478 3479 3488 3489; do
		[[ $port != 348[89] || $2 != *]* ]] || continue
		[[ $sockets == *" $2:$port "* ]] || return 1
	done
}

# Asked by its own host
stun_answers() {
	[[ $(stun_mapping "$1" "$2" 5999 "$2") ]] &&
		[[ $2 == *]* || $(stun_classic "$1" 5998 "$2") ]]
}

stun_servers_stop() {
	((${#stun_pids[@]})) || return 0
	kill "${stun_pids[@]}" 2>/dev/null
	wait "${stun_pids[@]}" 2>/dev/null
	stun_pids=()
}

# stun_mapping NS ADDR PORT SERVER, likewise stun_filtering: the verdict, as
# "Endpoint Independent Mapping". Take a fresh port for each: a port that has
# spoken to all of the server's addresses says nothing about filtering.
stun_mapping() {
	ip netns exec "$1" turnutils_natdiscovery -m -L "${2//[][]/}" -l "$3" "${4//[][]/}" 2>&1 |
		stun_verdict Mapping
}

stun_filtering() {
	ip netns exec "$1" turnutils_natdiscovery -f -L "${2//[][]/}" -l "$3" "${4//[][]/}" 2>&1 |
		stun_verdict Filtering
}

stun_verdict() {
	sed -n "s/.*NAT with \(.* $1\)!.*/\1/p
		s/.*No NAT! (\(.* $1\)).*/No NAT, \1/p" | tail -n 1
}

# stun_hairpin NS ADDR PORT SERVER: "hairpin" or "no hairpin"
stun_hairpin() {
	if ip netns exec "$1" turnutils_natdiscovery -H -L "${2//[][]/}" -l "$3" "${4//[][]/}" 2>&1 |
		grep -q 'successful hairpinning'; then
		echo "hairpin"
	else
		echo "no hairpin"
	fi
}

# stun_classic NS PORT SERVER: as "Independent Mapping, Independent Filter,
# preserves ports, will hairpin"
stun_classic() {
	ip netns exec "$1" stun "$3:3488" -p "$2" 2>&1 |
		sed -n 's/[[:space:]]*$//; s/^Primary: *//p'
}
