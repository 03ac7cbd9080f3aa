#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Who may come in is each rule's to say: anybody, addresses or endpoints that the
# inside has spoken to. The mapping is endpoint-independent all the same, and whom
# a host has spoken to once may come as long as the mapping lives, though
# conntrack has forgotten the session. A rule that does not say leaves it to the
# knobs.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/filter-lib.sh
. "$HERE/filter-lib.sh"

need_target
need_tools conntrack
home_network
firewall nft
reflectors

for variant in legacy nft; do
	note "$iptables-$variant"
	must_rules $variant <<-END
		-A POSTROUTING -o wan -s $(bare "$H1") -j FULLCONENAT --filter apdf
		-A POSTROUTING -o wan -s $(bare "$H2") -j FULLCONENAT --filter adf
		-A POSTROUTING -o wan -j FULLCONENAT --filter eif
		-A PREROUTING -i wan -j FULLCONENAT
	END
	flush_state
	refused=$(stat_of drop_in_filtered)
	for proto in udp tcp; do
		filters $proto "$X1" apdf
		filters $proto "$X2" adf
		filters $proto "$X3" eif
	done
	expect "what was refused is counted" test "$(stat_of drop_in_filtered)" -gt "$refused"

	# An inside host is a stranger like any other, by its external endpoint.
	((++port))
	endpoint x1 "$X1" udp $port $A:3000
	comes_in "apdf: another inside host" no "$X2" udp $((port + 100)) "$(mapped x1)"
	stop x1
	endpoint x3 "$X3" udp $port $A:3000
	expect_match "eif: another inside host gets in, as outside" "^$W:[0-9]+\$" \
		"$(probe "$X1" udp $((port + 200)) "$(mapped x3)")"
	stop x3

	# Who was only ever in touch with another inside host lets nobody in before its own rule.
	((++port))
	endpoint x3 "$X3" udp $port $A:3000
	endpoint x1 "$X1" udp $((port + 100)) "$(mapped x3)"
	comes_in "a stranger, to a host that only spoke to another inside," no "$STRANGER" udp $((port + 2000)) \
		"$(ext_of udp "$H1:$((port + 100))")"
	stop x1
	stop x3
	ipt $variant -F
done

note "a rule that does not say"
must_knob filter_udp adf
must_rules legacy <<-END
	-A POSTROUTING -o wan -s $(bare "$H1") -j FULLCONENAT
	-A POSTROUTING -o wan -j FULLCONENAT --filter eif
	-A PREROUTING -i wan -j FULLCONENAT
END
flush_state
filters udp "$X1" adf
filters udp "$X2" eif
filters tcp "$X1" eif
must_knob filter_udp eif
flush_state

note "a new value of the knob is for what is made afterwards"
((++port))
endpoint x1 "$X1" udp $((port + 500)) $A:3000
comes_in "before: a stranger" yes "$STRANGER" udp $((port + 2000)) "$(mapped x1)"
stop x1
must_knob filter_udp apdf
endpoint x1 "$X1" udp $((port + 500)) $B:3000
comes_in "afterwards, when the host has spoken to another: a stranger" yes "$STRANGER" udp $((port + 2100)) "$(mapped x1)"
stop x1
printf '%s\n' "-A POSTROUTING -o wan -j FULLCONENAT --filter apdf" "-A PREROUTING -i wan -j FULLCONENAT" | must_rules legacy
endpoint x1 "$X1" udp $((port + 500)) $B:3001
comes_in "but a rule that says apdf is obeyed: a stranger" no "$STRANGER" udp $((port + 2200)) "$(mapped x1)"
stop x1
must_knob filter_udp eif
ipt legacy -F

finish
