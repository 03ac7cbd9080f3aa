#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Software flow offload: iperf3 through a flowtable and without, behind MASQUERADE and behind the module; and ten minutes
# of a stream that conntrack sees nothing of, in which the mapping lives, and is open.
#
# only: applications
# packages: iperf3
# clock: skip

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/app-lib.sh
. "$HERE/app-lib.sh"

need_packages
need_module
need_tools iperf3
home_network
firewall nft
reflectors
launch iperf "$SRV" iperf3 -s -B $A

offload() {
	on "$R" nft -f - <<-END || skip_all "needs flowtables"
		table ip fast {
			flowtable f {
				hook ingress priority 0
				devices = { br0, x1, x2, x3, wan }
			}
			chain forward {
				type filter hook forward priority filter + 1; policy accept;
				ip protocol { tcp, udp } flow add @f
			}
		}
	END
}

offload_off() {
	on "$R" nft delete table ip fast
}

# What one connection has learned is not the next one's.
set_sysctl "$X1" net.ipv4.tcp_no_metrics_save=1
set_sysctl "$SRV" net.ipv4.tcp_no_metrics_save=1

# throughput PORT: from that, of a second or so, so that how a connection starts does not matter; the clock counts
# instructions, so it is a matter of work, not of luck
throughput() {
	# another host has had the port before
	probe "$X2" tcp "$1" $B:3000 >/dev/null
	on "$X1" iperf3 -c $A --cport "$1" -n 400M -J |
		awk '$1 == "\"bits_per_second\":" { rate = $2 } END { printf "%d", rate / 1000000 }'
}

# both BEHIND COLUMN PORT: megabits a second, without and with
both() {
	local plain offloaded

	plain=$(throughput "$3")
	offload
	offloaded=$(throughput $(($3 + 1)))
	offload_off
	note "$1: $plain Mbit/s, offloaded $offloaded"
	expect "$1: it goes faster through the flowtable ($plain, $offloaded)" test "$offloaded" -gt "$plain"
	row "iperf3, Mbit/s of this emulated router" "$2" "$plain; offloaded $offloaded"
}

in_flowtable() {
	ct -L -p udp --orig-src "$H1" 2>/dev/null | grep -q OFFLOAD
}

# stream BEHIND PORT: X1 sends for ten minutes through the flowtable, from the endpoint $e
stream() {
	offload
	# another host has had the port before
	probe "$X2" udp "$2" $A:5201 >/dev/null
	launch stream "$X1" iperf3 -c $A --cport "$2" -u -b 16K -l 200 -t 700
	expect "$1: a stream is offloaded" wait_for 60 in_flowtable
	e=$(ct -L -p udp --orig-src "$H1" --orig-port-src "$2" 2>/dev/null |
		sed -n "s/.* src=$A dst=\([^ ]*\) sport=5201 dport=\([0-9]*\) .*/\1:\2/p")
	expect_other_endpoint "$1: from an endpoint that is not its neighbour's" "$W:$2" "$e"
	pause 600
	expect "$1: after ten minutes it is offloaded still" in_flowtable
	watch inside "$X1" eth0
}

masquerade nft
wait_for 60 on "$X1" iperf3 -c $A -n 1K || bail_out "iperf3 does not answer: $(cat "$TMP/iperf")"
both MASQUERADE masquerade 5000
stream MASQUERADE 5100
seg "$STRANGER" udp $Z:6000 "$e" knock
# one of the stream's own comes later
expect "MASQUERADE: the stream goes on" wait_for 30 logged_times inside "^udp $H1:5100 > " 20
expect_unlogged "MASQUERADE: strangers do not get in" inside "^udp $Z:6000 > "
row "A stream through the flowtable for ten minutes" masquerade "strangers do not get in"
stop stream
# who watches X1's packets slows them down
stop inside
offload_off
masquerade_off nft

fullcone_on
flush_state
both "the module" module 5002
stream "the module" 5101
expect_is "the endpoint is the same" "$e" "$(ext_of udp $H1:5101)"
seg "$STRANGER" udp $Z:6000 "$e" knock
expect_logged "and strangers get in" inside "^udp $Z:6000 > $H1:5101"
row "A stream through the flowtable for ten minutes" module "strangers get in all the time"
moment "$R"
versions iperf3

finish
