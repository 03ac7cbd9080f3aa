#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Rule sets as the documentation of the packages has them that had the target
# FULLCONENAT first load unchanged, with both iptables, and make a full cone by
# themselves, without a wan interface: for a second host with the same local port
# just as for the first.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/stun-lib.sh
. "$HERE/stun-lib.sh"

need_tools conntrack
absent=$(stun_missing) || skip_all "needs $absent"
need_target
# the table's module, if it is one
modprobe -q "${iptables/s/}_nat"
home_network
firewall nft
at_exit stun_servers_stop
stun_servers "$SRV" $A $B || bail_out "the STUN servers do not listen"
# a range of addresses for --to-source
for i in 2 3 4; do
	add_address "$R" wan "$(wan_address $i)"
done

# The first three are from those packages' README files; eth0 is wan here, eth1 br0.
plain() {
	cat <<-END
		-A POSTROUTING -o wan -j FULLCONENAT
		-A PREROUTING -i wan -j FULLCONENAT
	END
}

random_range() {
	cat <<-END
		-A POSTROUTING -o wan ! -p udp -j MASQUERADE
		-A POSTROUTING -o wan -p udp -j FULLCONENAT --to-ports 40000-60000 --random-fully
		-A PREROUTING -i wan -p udp -m multiport --dports 40000:60000 -j FULLCONENAT
	END
}

hairpin_rules() {
	cat <<-END
		-A POSTROUTING -o wan -j FULLCONENAT
		-A POSTROUTING -o br0 -s $LAN_NET -j MASQUERADE
		-A PREROUTING -i wan -j FULLCONENAT
		-A PREROUTING -i br0 -j FULLCONENAT
	END
}

to_source() {
	cat <<-END
		-A POSTROUTING -o wan -j FULLCONENAT --to-source $(wan_range 1 4) --persistent
		-A PREROUTING -i wan -j FULLCONENAT
	END
}

# In chains of their own, as OpenWrt's firewall3 puts them
zones() {
	cat <<-END
		:zone_wan_postrouting - [0:0]
		:zone_wan_prerouting - [0:0]
		-A POSTROUTING -o wan -m comment --comment "!fw3" -j zone_wan_postrouting
		-A PREROUTING -i wan -m comment --comment "!fw3" -j zone_wan_prerouting
		-A zone_wan_postrouting -m comment --comment "!fw3" -j FULLCONENAT
		-A zone_wan_prerouting -m comment --comment "!fw3" -j FULLCONENAT
	END
}

# is_full_cone NAME: for the first and the second host on one local port
is_full_cone() {
	local ns host

	for ns in "$X1" "$X2"; do
		host=${ADDR["$ns"]}
		expect_is "$1, $host: RFC 5780 mapping" "Endpoint Independent Mapping" \
			"$(stun_mapping "$ns" "$host" 5000 $A)"
		expect_is "$1, $host: RFC 5780 filtering" "Endpoint Independent Filtering" \
			"$(stun_filtering "$ns" "$host" 5010 $A)"
		expect_is "$1, $host: RFC 5780 hairpinning" "hairpin" \
			"$(stun_hairpin "$ns" "$host" 5020 $A)"
		# the classic programs speak IPv4
		[[ $FULLCONE_FAMILY == 6 ]] || expect_match "$1, $host: RFC 3489" \
			"^Independent Mapping, Independent Filter.*will hairpin" "$(stun_classic "$ns" 5030 $A)"
	done
}

# Rules as the earlier packages' plugin hands them to the kernel, revision 0: IPv4 only
if [[ $FULLCONE_FAMILY == 4 && -z $FULLCONE_STANDIN ]]; then
	expect "the kernel takes rules of the earlier packages' plugin" on "$R" "$HERE/blobs" -o
	is_full_cone "revision 0"
	expect_not "revision 0: all external ports are of its range" \
		on "$R" grep -Ev " ext=$W:[456][0-9]{4} " /proc/net/fullcone_nat/mappings
	flush_state
fi

for variant in legacy nft; do
	for set in plain random_range hairpin_rules to_source zones; do
		"$set" | must_rules $variant
		is_full_cone "$iptables-$variant, $set"
		flush_state
	done
	ipt $variant -F
done

finish
