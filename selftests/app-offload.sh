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

# throughput PORT: from that; the clock counts instructions, so it is a matter of work, not of luck
throughput() {
	# another host has had the port before
	probe "$X2" tcp "$1" $B:3000 >/dev/null
	on "$X1" iperf3 -c $A --cport "$1" -n 20M -J |
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

masquerade nft
wait_for 60 on "$X1" iperf3 -c $A -n 1K || bail_out "iperf3 does not answer: $(cat "$TMP/iperf")"
both MASQUERADE masquerade 5000
masquerade_off nft
fullcone_on
flush_state
both "the module" module 5002

offload
probe "$X2" udp 5100 $B:3000 >/dev/null
launch stream "$X1" iperf3 -c $A --cport 5100 -u -b 16K -l 200 -t 700
expect "a stream is offloaded" wait_for 60 in_flowtable
e=$(ext_of udp $H1:5100)
expect_other_endpoint "X1 has an endpoint for it, not its neighbour's" $W:5100 "$e"
pause 600
expect "after ten minutes it is offloaded still" in_flowtable
expect_is "the endpoint is the same" "$e" "$(ext_of udp $H1:5100)"
watch inside "$X1" eth0
seg "$STRANGER" udp $Z:6000 "$e" knock
expect_logged "and strangers get in" inside "^udp $Z:6000 > $H1:5100"
row "A stream through the flowtable for ten minutes" masquerade "strangers do not get in"
row "A stream through the flowtable for ten minutes" module "strangers get in all the time"
moment "$R"
versions iperf3

finish
