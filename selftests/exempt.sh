#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What gets no mapping: packets with the exempt mark leave as they came, other
# protocols leave with the router's address as with MASQUERADE, hosts outside of
# "inside" are not ours.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_module
home_network
fullcone_on
firewall nft
reflectors
watch wire "$SRV" eth0

# Marks the packets of one host.
mark() {
	on "$R" nft -f - <<-END
		table $nft_family marks {
			chain prerouting {
				type filter hook prerouting priority mangle; policy accept;
				$nft_family saddr $(bare "$1") meta mark set $2
			}
		}
	END
}

exempt_mark() {
	must_knob exempt_mark 0x10/0xf0
	mark $H2 0x15
	PROBE_TIMEOUT=2
	for proto in udp tcp; do
		probe "$X2" $proto 5000 $A:3000 >/dev/null
		expect_logged "exempt_mark: $proto of X2 leaves with its own source" \
			wire "^$proto $H2:5000 > $A:3000 "
		[[ -n $FULLCONE_STANDIN ]] ||
			expect_not "exempt_mark: it has no $proto mapping" \
				state_of $proto $H2:5000
		expect_is "exempt_mark: X1, not marked, is translated" \
			"$W:5000" "$(probe "$X1" $proto 5000 $A:3000)"
	done
	PROBE_TIMEOUT=
	on "$R" nft delete table "$nft_family" marks
	expect_match "exempt_mark: X2, no longer marked, is translated" \
		"^$W:" "$(probe "$X2" udp 5002 $A:3000)"
}

# The same by where a packet goes (RFC 6888, REQ-6): all else of the endpoint is as ever.
exempt_destination() {
	must_knob exempt_mark 0x10/0xf0
	on "$R" nft -f - <<-END
		table $nft_family marks {
			chain prerouting {
				type filter hook prerouting priority mangle; policy accept;
				$nft_family daddr $(bare "$A") udp dport 3001 meta mark set 0x15
			}
		}
	END
	probe "$X2" udp 5300 $A:3000 >/dev/null
	e=$(probe "$X1" udp 5300 $B:3000)
	expect_other_endpoint "exempt destination: X1 has an endpoint" "$W:5300" "$e"
	PROBE_TIMEOUT=2 probe "$X1" udp 5300 $A:3001 >/dev/null
	expect_logged "exempt destination: there X1 is seen with its own source" wire "^udp $H1:5300 > $A:3001 "
	expect_is "exempt destination: elsewhere with its endpoint" "$e" "$(probe "$X1" udp 5300 $A:3000 $B:3000 $Z:3000 | sort -u)"
	on "$R" nft delete table "$nft_family" marks
}

other_protocols() {
	# Kernels that compute the checksum as if it were UDP's take UDP-Lite
	# for invalid.
	set_sysctl "$R" net.netfilter.nf_conntrack_checksum=0
	seg "$X1" udplite $H1:5000 $A:3000
	seg "$X1" 47 $H1 $A 0000080045000014
	seg "$X1" 253 $H1 $A 0102030405060708
	# DCCP: a request of port 5001 to 5002; SCTP: INIT
	seg "$X1" 33 $H1 $A 1389138a05000000010000000000000100000000
	seg "$X1" 132 $H1 $A 1389138a0000000000000000010000140000000100010000000100010000000a
	expect_logged "UDP-Lite leaves with the router's address" \
		wire "^136 $W > $A "
	expect_logged "GRE leaves with the router's address" wire "^47 $W > $A "
	expect_logged "an unknown protocol leaves with the router's address" \
		wire "^253 $W > $A "
	expect_logged "SCTP leaves with the router's address" wire "^132 $W > $A "
	expect_logged "DCCP leaves with the router's address" wire "^33 $W > $A "
	expect_unlogged "none of them with the inside one" \
		wire "^(136|47|253|132|33) $inside_re"
	[[ -n $FULLCONE_STANDIN ]] ||
		expect_not "none of them has a mapping" \
			on "$R" grep -vE '^proto=(udp|tcp|icmp) ' /proc/net/fullcone_nat/mappings
}

protocols() {
	must_knob protocols udp
	expect_is "protocols=udp: TCP leaves with the router's address" \
		"$W:5100" "$(probe "$X1" tcp 5100 $A:3000)"
	expect_not "protocols=udp: TCP has no mapping" state_of tcp $H1:5100
	expect_is "protocols=udp: UDP is translated" \
		"$W:5100" "$(probe "$X1" udp 5100 $A:3000)"
	expect "protocols=udp: UDP has a mapping" state_of udp $H1:5100
	must_knob protocols "udp tcp icmp"
}

inside() {
	must_knob inside "$(bare "$H1")/$host_prefix 10.0.0.0/8"
	expect_is "inside: X1 is translated" \
		"$W:5200" "$(probe "$X1" udp 5200 $A:3000)"
	expect "inside: X1 has a mapping" state_of udp $H1:5200
	PROBE_TIMEOUT=2 probe "$X2" udp 5201 $A:3000 >/dev/null
	expect_not "inside: X2, not in the list, has none" state_of udp $H2:5201
	must_knob inside ""
	expect_match "inside empty: X2 is translated" \
		"^$W:" "$(probe "$X2" udp 5202 $A:3000)"
	expect "inside empty: X2 has a mapping" state_of udp $H2:5202
}

exempt_mark
[[ $FULLCONE_STANDIN ]] || exempt_destination
other_protocols
if [[ -z $FULLCONE_STANDIN ]]; then
	protocols
	inside
fi

finish
