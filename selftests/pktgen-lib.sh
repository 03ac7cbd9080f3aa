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

# What leaves the router is counted and forgotten.
sink() {
	on "$R" nft -f - <<-END || skip_all "needs nft's egress hook"
		table netdev sink {
			chain out {
				type filter hook egress device "wan" priority 0; policy accept;
				ip saddr $W udp dport 1024-65535 counter drop
			}
		}
	END
}

sunk() {
	on "$R" nft list chain netdev sink out | sed -n 's/.*counter packets \([0-9]*\) .*/\1/p'
}

# pktgen FILE COMMAND...
pktgen() {
	# shellcheck disable=SC2016
	on "$R" sh -c 'echo "$2" >"/proc/net/pktgen/$1"' sh "$1" "${*:2}" || bail_out "pktgen: $*"
}

# What keeps the clock busy (clock-lib.sh) rests meanwhile: a turn of its own would be
# some milliseconds.
pktgen_start() {
	# shellcheck disable=SC2016
	on "$R" sh -c '
		[ -z "$1" ] || kill -STOP "$1"
		echo start >/proc/net/pktgen/pgctrl
		[ -z "$1" ] || kill -CONT "$1"' sh "${pids[busy]:-}"
}

# pktgen_send PORT DST FIRST COUNT: X1:PORT sends one packet to each of COUNT ports
# of DST; prints what a packet cost, in ns
pktgen_send() {
	pktgen kpktgend_0 rem_device_all
	pktgen kpktgend_0 add_device br0
	pktgen br0 xmit_mode netif_receive
	pktgen br0 count "$4"
	pktgen br0 pkt_size 60
	pktgen br0 delay 0
	pktgen br0 dst "$2"
	pktgen br0 src_min "$LAN.2"
	pktgen br0 src_max "$LAN.2"
	pktgen br0 dst_mac "$(mac_of "$R" br0)"
	pktgen br0 udp_src_min "$1"
	pktgen br0 udp_src_max "$1"
	pktgen br0 udp_dst_min "$3"
	pktgen br0 udp_dst_max $(($3 + $4))
	pktgen_start
	# "Result: OK: 123(c100+d23) usec, ...": no finer than microseconds
	on "$R" sed -n 's/^Result: OK: \([0-9]*\)(.*/\1/p' /proc/net/pktgen/br0 |
		awk -v n="$4" '{ printf "%d\n", $1 * 1000 / n }'
}
