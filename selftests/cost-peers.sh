#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A new peer on a mapping with 2,000 peers costs what one of the first did, within
# 2 %: instructions from the sender's device to the receiver's, by a clock that
# counts them. MASQUERADE's cost is measured in the same run, for the record.
#
# clock: skip

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

# Long enough for slab pages and other things that come now and then to even out,
# short enough for no sweep to fall into it.
burst=400

modprobe -q pktgen 2>/dev/null
[[ -e /proc/net/pktgen ]] || skip_all "needs pktgen"
grep -q . /proc/net/pktgen/kpktgend_0 || skip_all "needs pktgen"
need_module
home_network

# What arrives is counted and forgotten: answers would cost, too.
on "$SRV" nft -f - <<-END
	table ip sink {
		chain pre {
			type filter hook prerouting priority raw; policy accept;
			udp dport 1024-65535 counter drop
		}
	}
END

# A small machine's table would be full before the end.
max=/proc/sys/net/netfilter/nf_conntrack_max
old_max=$(cat "$max" 2>/dev/null) && echo 65536 >"$max"
at_exit restore_max
restore_max() {
	[[ -z $old_max ]] || echo "$old_max" >"$max"
}

gateway=$(on "$R" cat /sys/class/net/br0/address)

# pg FILE COMMAND...
pg() {
	# shellcheck disable=SC2016
	on "$X1" sh -c 'echo "$2" >"/proc/net/pktgen/$1"' sh "$1" "${*:2}" || bail_out "pktgen: $*"
}

# peers PORT FIRST COUNT: X1:PORT sends one packet to each of so many ports of A;
# prints what a packet cost, in ns, which are instructions here
peers() {
	pg kpktgend_0 rem_device_all
	pg kpktgend_0 add_device eth0
	pg eth0 count "$3"
	pg eth0 pkt_size 60
	pg eth0 delay 0
	pg eth0 dst "$A"
	pg eth0 src_min "$LAN.2"
	pg eth0 src_max "$LAN.2"
	pg eth0 dst_mac "$gateway"
	pg eth0 udp_src_min "$1"
	pg eth0 udp_src_max "$1"
	pg eth0 udp_dst_min "$2"
	pg eth0 udp_dst_max $(($2 + $3))
	pg pgctrl start
	# "Result: OK: 123(c100+d23) usec, ...": no finer than microseconds
	on "$X1" sed -n 's/^Result: OK: \([0-9]*\)(.*/\1/p' /proc/net/pktgen/eth0 |
		awk -v n="$3" '{ printf "%d\n", $1 * 1000 / n }'
}

arrived() {
	on "$SRV" nft list chain ip sink pre | sed -n 's/.*counter packets \([0-9]*\) .*/\1/p'
}

# Another mapping goes first, so that both find the machine in the same condition:
# code touched, memory that was freed used up.
measure() {
	flush_state
	peers 6000 20000 3000 >/dev/null
	peers 5000 2000 50 >/dev/null
	few=$(peers 5000 3000 $burst)
	peers 5000 10000 2000 >/dev/null
	many=$(peers 5000 4000 $burst)
}

masquerade nft
measure
note "MASQUERADE: $few instructions for a new peer at 50 peers, $many at 2,000"
masquerade_off nft

fullcone_on
before=$(arrived)
measure
note "full cone: $few instructions for a new peer at 50 peers, $many at 2,000"
expect_is "every packet arrived" $((before + 5050 + 2 * burst)) "$(arrived)"
expect_is "they all used one mapping" "$W:5000" "$(ext_of udp "$LAN.2:5000")"
expect "a new peer at 2,000 costs what it did at 50, within 2 % ($few, $many)" \
	test $((many * 100)) -le $((few * 102)) -a $((many * 100)) -ge $((few * 98))
finish
