# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Packets that cost the same every time: the kernel's pktgen hands them to the router
# as if X1 had sent them, and they end where they would leave its wan. Between is
# nothing that is done in portions or by another thread. With the clock that counts
# instructions, a nanosecond is one.

need_pktgen() {
	modprobe -q pktgen 2>/dev/null
	grep -q . /proc/net/pktgen/kpktgend_0 2>/dev/null || skip_all "needs pktgen"
}

# for_now FILE VALUE: writes a setting of the machine and restores it at the end
declare -A before_now=()
for_now() {
	((${#before_now[@]})) || at_exit restore_settings
	before_now[$1]=$(cat "$1")
	echo "$2" >"$1"
}

restore_settings() {
	local file
	for file in "${!before_now[@]}"; do
		echo "${before_now[$file]}" >"$file"
	done
}

# room NUMBER: for so many sessions, and for packets that come faster than the
# receiving end is scheduled
room() {
	for_now /proc/sys/net/netfilter/nf_conntrack_max "$1"
	for_now /proc/sys/net/core/netdev_max_backlog 100000
}

# What leaves the router for a port above 1023 is counted and forgotten.
sink() {
	on "$R" nft -f - <<-END || skip_all "needs nft's egress hook"
		table netdev sink {
			chain out {
				type filter hook egress device "wan" priority 0; policy accept;
				ip saddr $W udp dport 1024-65535 counter drop
			}
			chain in {
				type filter hook egress device "br0" priority 0; policy accept;
				ip daddr $LAN.0/24 udp dport 1024-65535 counter drop
			}
		}
	END
}

# sunk out|in
sunk() {
	on "$R" nft list chain netdev sink "$1" | sed -n 's/.*counter packets \([0-9]*\) .*/\1/p'
}

# Counts the UDP mappings, and writes their external ports to $TMP/ext in order.
ports_in_use() {
	on "$R" sed -n "s/^proto=udp .* ext=$W:\([0-9]*\) .*/\1/p" /proc/net/fullcone_nat/mappings |
		sort -n >"$TMP/ext"
	wc -l <"$TMP/ext"
}

# pktgen waits for its own threads, and they for their turn: what keeps the clock busy
# (clock-lib.sh) rests meanwhile.
# shellcheck disable=SC2016 # for the shell of the router
pktgen_quiet='
	quiet() {
		[ -z "$BUSY" ] || kill -STOP "$BUSY"
		echo "$1" >"/proc/net/pktgen/$2" || status=$?
		[ -z "$BUSY" ] || kill -CONT "$BUSY"
		return "${status:-0}"
	}'

pktgen_start() {
	BUSY=${pids[busy]:-} on "$R" sh -c "$pktgen_quiet"'; quiet start pgctrl'
}

# pktgen_load THREAD DEVICE COUNT SETTING...: what this processor's thread is to do;
# one process says it all, as there are hundreds of bursts
pktgen_load() {
	[[ ${macs[$R $2]:-} ]] || macs[$R $2]=$(mac_of "$R" "$2")
	# shellcheck disable=SC2016
	BUSY=${pids[busy]:-} on "$R" sh -c "$pktgen_quiet"'
		device=$2
		quiet rem_device_all "$1" && quiet "add_device $device" "$1" || exit
		shift 2
		for setting; do
			echo "$setting" >"/proc/net/pktgen/$device" || exit
		done' sh "kpktgend_$1" "$2" "xmit_mode netif_receive" "pkt_size 60" "delay 0" \
		"count $3" "dst_mac ${macs[$R $2]}" "${@:4}" || bail_out "pktgen: ${*:2}"
}
declare -A macs=()

# pktgen_run DEVICE COUNT SETTING...: so many packets come in there; prints what one
# cost, in ns
pktgen_run() {
	pktgen_load 0 "$@"
	pktgen_start
	# "Result: OK: 123(c100+d23) usec, ...": no finer than microseconds
	on "$R" sed -n 's/^Result: OK: \([0-9]*\)(.*/\1/p' "/proc/net/pktgen/$1" |
		awk -v n="$2" '{ printf "%d\n", $1 * 1000 / n }'
}

# pktgen_send PORT DST FIRST COUNT: X1:PORT sends one packet to each of COUNT ports
# of DST
pktgen_send() {
	pktgen_run br0 "$4" "dst $2" "src_min $LAN.2" "src_max $LAN.2" \
		"udp_src_min $1" "udp_src_max $1" "udp_dst_min $3" "udp_dst_max $(($3 + $4))"
}

# pktgen_ports SRC FIRST COUNT: each of COUNT ports of SRC sends one packet to A:3000;
# 65535 only alone
pktgen_ports() {
	local ends=("dst $A" "src_min $1" "src_max $1")

	[[ $FULLCONE_FAMILY == 4 ]] ||
		ends=("pkt_size 86" "flag UDPCSUM" "dst6 $(bare "$A")" "src6 $(bare "$1")")
	pktgen_run br0 "$3" "${ends[@]}" "udp_src_min $2" "udp_src_max $(($2 + ($3 > 1 ? $3 : 0)))" "udp_dst_min 3000" "udp_dst_max 3000"
}

# pktgen_knock SRC PORT FIRST COUNT: each of COUNT ports of SRC sends one packet to W:PORT
pktgen_knock() {
	pktgen_run wan "$4" "dst $W" "src_min $1" "src_max $1" \
		"udp_src_min $3" "udp_src_max $(($3 + $4))" "udp_dst_min $2" "udp_dst_max $2"
}

# Packets of a burst: enough for slab pages and other things that come now and then to
# even out, too few for a sweep to fall into it. Time that is skipped would bring one,
# and conntrack's own with all that is due by then: 4,000 instructions a packet.
burst=400

# bursts FIRST COMMAND ARGUMENT...: does COMMAND with three bursts from FIRST on, and
# prints what a packet of the middle one cost: anything else that the machine does adds
# to one
bursts() {
	local n

	for n in 0 1 2; do
		"${@:2}" $(($1 + n * burst)) $burst
	done | sort -n | sed -n 2p
}

# within PERCENT A B
within() {
	(($3 * 100 <= $2 * (100 + $1) && $3 * 100 >= $2 * (100 - $1)))
}
