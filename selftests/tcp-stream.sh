#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Every segment of a TCP connection passes, whoever has opened it (RFC 5382, REQ-2): 300 kB
# each way arrive whole over lines that lose, repeat and reorder packets, with receivers that
# let their window be shut before they read, and after either side has closed its half. Real
# sockets at both ends.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_module
need_tools socat tc cmp
home_network
on "$STRANGER" tc qdisc add dev eth0 root netem || skip_all "needs netem"
fullcone_on
firewall nft
reflectors
watch wan "$R" wan

size=300000
for name in x1 peer; do
	head -c $size /dev/urandom >"$TMP/of-$name"
done
mkfifo "$TMP/turn"

# counted NAME: how often, by what the kernel counts of TCP in this namespace
counted() {
	awk -v name="$1" '$1 != "TcpExt:" { next }
		$2 ~ /^[A-Z]/ { for (i = 2; i <= NF; i++) if ($i == name) column = i; next }
		{ print $column }' /proc/net/netstat
}

# shut_since COUNT: waits until a window has been shut here once more; not for ever
shut_since() {
	local n

	for n in {1..300}; do
		[[ $(counted TCPToZeroWindowAdv) == "$1" ]] || break
		pause 0.1
	done
}

# What is at one end of a connection. Whoever sends first closes his half when he has sent
# all; the other has then to send, and closes his. Neither has room for much, and reads
# nothing before his window is shut.
# sends_first WHO ADDRESS
sends_first() {
	local shut

	shut=$(counted TCPToZeroWindowAdv)
	socat -t 300 -T 300 STDIO "$2" <"$TMP/of-$1" | {
		shut_since "$shut"
		head -c "$size" >"$TMP/at-$1"
	}
}

reads_first() {
	local shut

	shut=$(counted TCPToZeroWindowAdv)
	{
		read -r _ <"$TMP/turn"
		cat "$TMP/of-$1"
	} | socat -t 300 -T 300 STDIO "$2" | {
		shut_since "$shut"
		head -c "$size" >"$TMP/at-$1"
		echo >"$TMP/turn"
	}
}

# stream NAME NS HOW WHO ADDRESS
stream() {
	launch "$1" "$2" bash -c "$(declare -p TMP size; declare -f pause counted shut_since "$3")
		exec {never}<>\"\$TMP/never\"
		$3 \"\$@\"" bash "$4" "$5"
}

listens() {
	on "$1" ss -Htln "sport = :$2" | grep -q .
}

# exchanged DESCRIPTION LISTENER-NS PORT LISTENER-WHO OPENER-NS SOURCE-PORT OPENER-WHO ENDPOINT:
# over connections that one opens and the other takes, whichever closes first
exchanged() {
	local first how other pf=$FULLCONE_FAMILY

	for first in "$4" "$7"; do
		rm -f "$TMP/at-x1" "$TMP/at-peer"
		how=reads_first other=sends_first
		[[ $first != "$4" ]] || how=sends_first other=reads_first
		stream listener "$2" $how "$4" "TCP$pf-LISTEN:$3,reuseaddr,rcvbuf=16384,accept-timeout=120"
		wait_for 60 listens "$2" "$3" || bail_out "socat does not listen"
		stream opener "$5" $other "$7" "TCP$pf:$8,sourceport=$6,reuseaddr,rcvbuf=16384,connect-timeout=60"
		wait "${pids[opener]}"
		wait "${pids[listener]}"
		unset "pids[opener]" "pids[listener]"
		expect "$1, $first closes its half first: what X1 has sent arrives" \
			cmp "$TMP/of-x1" "$TMP/at-peer"
		expect "$1, $first closes its half first: what its peer has sent, too" \
			cmp "$TMP/of-peer" "$TMP/at-x1"
	done
}

# times NAME: how often in the namespaces of both ends
times() {
	local ns

	for ns in "$X1" "$SRV" "$STRANGER"; do
		on "$ns" bash -c "$(declare -f counted); counted $1"
	done | awk '{ n += $1 } END { print n + 0 }'
}

# X2 was first: X1 has other ports outside than inside.
for port in 5000 5001; do
	expect_is "X2 has port $port" "$W:$port" "$(probe "$X2" tcp $port $A:3000)"
done
e=$(probe "$X1" tcp 5001 $A:3000)
expect_other_endpoint "X1, with the same, has another" $W:5001 "$e"

for ns in "$X1" "$SRV" "$STRANGER"; do
	on "$ns" tc qdisc replace dev eth0 root netem delay 4ms 3ms loss 3% duplicate 2% ||
		bail_out "tc can't make $ns lose packets"
done
exchanged "X1 opens" "$SRV" 7000 peer "$X1" 5000 x1 "$A:7000"
exchanged "a stranger opens" "$X1" 5001 x1 "$STRANGER" 6000 peer "$e"

n=$(times TCPToZeroWindowAdv)
expect "each receiver's window was shut ($n times)" test "$n" -ge 8
n=$(times TCPSackRecovery)
expect "packets were lost and acknowledged selectively ($n times)" test "$n" -gt 0
expect_unlogged "nothing left with an inside address" wan "^[a-z0-9]+ $inside_re"

finish
