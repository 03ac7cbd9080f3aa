#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What the options of FULLCONENAT do, as the other end sees it; and that rules and
# the knobs go together: what has no mapping is translated within the same range,
# two rules on one address share its ports, a port outside of `ports` is not used.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_target
home_network
firewall nft
reflectors
must_knob reject drop
for i in 2 3 4 5; do
	add_address "$R" wan "$(wan_address $i)"
done

port=4000

# one_endpoint DESCRIPTION PROTO PORT: the order that tells (see mapping.sh), X1 and
# X2 on one local port; sets e1 and e2
one_endpoint() {
	local rest

	e1=$(probe "$X1" "$2" "$3" $A:3000)
	e2=$(probe "$X2" "$2" "$3" $B:3000)
	rest=$(probe "$X2" "$2" "$3" $A:3000 $A:3001 $Z:3000 | sort -u)
	expect_other_endpoint "$1, $2: X2 on the same port does not share X1's endpoint" "$e1" "$e2"
	expect_is "$1, $2: X2 shows that endpoint to everybody" "$e2" "$rest"
	expect_is "$1, $2: X1 shows its own to everybody" "$e1" \
		"$(probe "$X1" "$2" "$3" $B:3000 $Z:3000 | sort -u)"
}

# in_range PORT FIRST LAST
in_range() {
	(($1 >= $2 && $1 <= $3))
}

no_mapping() {
	! state_of "$@"
}

# The knobs' limits hold for rules, too, and who is refused is told.
limits() {
	local unreach=3/1

	[[ $FULLCONE_FAMILY == 4 ]] || unreach=1/3
	must_rules legacy <<-END
		-A POSTROUTING -o wan -p udp -j FULLCONENAT --to-ports 4000
		-A POSTROUTING -o wan -p tcp -j FULLCONENAT
		-A PREROUTING -i wan -j FULLCONENAT
	END
	must_knob reject host-unreach
	expect_is "X1 has the only port of a rule" $W:4000 "$(probe "$X1" udp 4000 $A:3000)"
	expect_is "X2 is told that there is none" "icmp $unreach" "$(probe "$X2" udp 4000 $A:3999)"
	must_knob reject drop
	must_knob host_max_mappings 2
	probe "$X1" tcp 4100 $A:3000 >/dev/null
	probe "$X1" tcp 4101 $A:3000 >/dev/null
	expect_is "X1 has two connections' endpoints, and no third" none "$(PROBE_TIMEOUT=2 probe "$X1" tcp 4102 $A:3000)"
	expect_is "X2 has one" $W:4102 "$(probe "$X2" tcp 4102 $A:3000)"
	must_knob host_max_mappings 0
	must_knob mapping_max_sessions 1
	endpoint x1 "$X1" udp 4000
	expect_is "one stranger comes in" $Z:4200 "$(probe "$STRANGER" udp 4200 $W:4000)"
	expect_is "another does not" none "$(PROBE_TIMEOUT=2 probe "$STRANGER" udp 4201 $W:4000)"
	must_knob mapping_max_sessions 0
	stop x1
	ipt legacy -F
	flush_state
}

limits
for variant in legacy nft; do
	note "$iptables-$variant: --to-ports"
	must_rules $variant <<-END
		-A POSTROUTING -o wan -p udp -j FULLCONENAT --to-ports 40000-40003
		-A POSTROUTING -o wan -p tcp -j FULLCONENAT --to-ports 4000-4999
		-A PREROUTING -i wan -j FULLCONENAT
	END
	flush_state
	one_endpoint "--to-ports" udp $((++port))
	expect "--to-ports, udp: X1's port is of the range" in_range "${e1##*:}" 40000 40003
	expect "--to-ports, udp: X2's port is of the range" in_range "${e2##*:}" 40000 40003
	one_endpoint "--to-ports" tcp $((++port))
	expect_is "--to-ports, tcp: a port of the range is preserved" $W:$port "$e1"
	expect "--to-ports, tcp: X2's port is of the range" in_range "${e2##*:}" 4000 4999
	# four ports, two of them taken: two more flows get one, the fifth none
	probe "$X1" udp $((port + 100)) $A:3000 >/dev/null
	probe "$X1" udp $((port + 101)) $A:3000 >/dev/null
	PROBE_TIMEOUT=2
	expect_is "--to-ports, udp: with all ports taken there is no endpoint" none \
		"$(probe "$X3" udp $((port + 102)) $A:3000)"
	PROBE_TIMEOUT=
	expect_is "that is counted" 1 "$(($(stat_of drop_no_port) > 0))"
	expect_is "--to-ports, udp: who has one keeps it" "$(ext_of udp $H1:$((port + 100)))" \
		"$(probe "$X1" udp $((port + 100)) $B:3000)"

	note "$iptables-$variant: --random"
	for option in --random --random-fully; do
		must_rules $variant <<-END
			-A POSTROUTING -o wan -j FULLCONENAT $option
			-A PREROUTING -i wan -j FULLCONENAT
		END
		flush_state
		preserved=0
		for i in 1 2 3; do
			((++port))
			e1=$(probe "$X1" udp $port $A:3000)
			expect_match "$option: X1 has an endpoint" "^$W:[0-9]+\$" "$e1"
			[[ $e1 != "$W:$port" ]] || ((++preserved))
			expect_is "$option: X1 shows one endpoint to everybody" "$e1" \
				"$(probe "$X1" udp $port $B:3000 $Z:3000 | sort -u)"
		done
		expect "$option: of three ports hardly one is preserved" test $preserved -le 1
	done

	note "$iptables-$variant: --to-source"
	must_rules $variant <<-END
		-A POSTROUTING -o wan -s $(bare $H3) -j FULLCONENAT --to-source $(bare "$(wan_address 5)")
		-A POSTROUTING -o wan -j FULLCONENAT --to-source $(wan_range 2 4) --persistent
		-A PREROUTING -i wan -j FULLCONENAT
	END
	flush_state
	for ns in "$X1" "$X2"; do
		((++port))
		seen=$({
			probe "$ns" udp $port $A:3000 $B:3000 $Z:3000
			probe "$ns" tcp $port $A:3000 $B:3000
			probe "$ns" icmp $port $A $B
		} | sed 's/:[0-9]*$//' | sort -u)
		expect_match "--to-source: ${ADDR["$ns"]} has one address of the range for all protocols" \
			"^($(wan_address 2)|$(wan_address 3)|$(wan_address 4))\$" "$seen"
	done
	# what gets no mapping (here as the knob says) has that address, too
	must_knob protocols udp
	((++port))
	expect_is "--to-source: also for what gets no mapping" "$seen" \
		"$(probe "$X2" tcp $port $A:3000 | sed 's/:[0-9]*$//')"
	must_knob protocols "udp tcp icmp"
	((++port))
	endpoint x3 "$X3" udp $port $A:3000
	expect_is "--to-source: another rule gives another address" "$(wan_address 5):$port" "$(mapped x3)"
	expect_is "--to-source: a stranger gets in there" "$Z:6000" \
		"$(probe "$STRANGER" udp 6000 "$(wan_address 5):$port")"
	stop x3
	# X1 has another address: X3 is seen there as everywhere
	endpoint x1 "$X1" udp $((port + 1)) $A:3000
	expect_is "--to-source: an inside host elsewhere sees that address, too" "$(wan_address 5):$port" \
		"$(probe "$X3" udp $port "$(mapped x1)")"
	stop x1

	note "$iptables-$variant: an address that is routed to the router, not its own"
	ip -n "$SRV" route replace "$(bare $ROUTED)" via "$(bare $W)"
	add_address "$R" wan "$(wan_address 9)"
	must_rules $variant <<-END
		-A POSTROUTING -o wan -s $(bare $H2) -j FULLCONENAT --to-source $(bare "$(wan_address 9)")
		-A POSTROUTING -o wan -p udp -j FULLCONENAT --to-source $ROUTED:5000-5999
		-A PREROUTING -i wan -j FULLCONENAT
	END
	flush_state
	probe "$X2" udp 5002 $A:3000 >/dev/null
	endpoint x1 "$X1" udp 5001 $A:3000
	expect_is "--to-source A:p-q, a routed address" "$ROUTED:5001" "$(mapped x1)"
	expect_is "from outside it is reached" "$B:6001" "$(probe "$SRV" udp $B:6001 $ROUTED:5001)"
	expect "an address of the router's has a mapping" state_of udp $H2:5002
	del_address "$R" wan "$(wan_address 9)"
	expect "it goes with the address" wait_for 60 no_mapping udp $H2:5002
	expect "the one of the routed address stays" state_of udp $H1:5001
	stop x1

	note "$iptables-$variant: two rules on one address"
	must_rules $variant <<-END
		-A POSTROUTING -o wan -s $(bare $H1) -j FULLCONENAT
		-A POSTROUTING -o wan -s $(bare $H2) -j FULLCONENAT --to-source $(bare $W)
		-A PREROUTING -i wan -j FULLCONENAT
	END
	flush_state
	one_endpoint "two rules" udp $((++port))
	expect_is "two rules: the addresses are the same" "${e1%:*}" "${e2%:*}"

	note "$iptables-$variant: ports that the knob does not allow"
	must_knob ports 40000-65535
	must_rules $variant <<-END
		-A POSTROUTING -o wan -p udp -j FULLCONENAT --to-ports 30000-40000
		-A PREROUTING -i wan -j FULLCONENAT
	END
	flush_state
	expect_is "--to-ports narrows the knob ports" $W:40000 "$(probe "$X1" udp $((++port)) $A:3000)"
	must_knob ports 1024-65535
	ipt $variant -F
done

finish
