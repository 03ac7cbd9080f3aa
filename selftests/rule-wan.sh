#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Wan interfaces and rules together: whoever decides, an inside endpoint has one
# external endpoint. Rules alone need theirs in PREROUTING for strangers, and none
# for hairpinning; a mapping made by a rule outlives the interface's leaving `wan`,
# and the other way round.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

[[ -z $FULLCONE_STANDIN ]] || skip_all "needs the target"
need_target
need_tools conntrack
home_network
firewall nft
reflectors
port=4000

post="-A POSTROUTING -o wan -j FULLCONENAT"
pre="-A PREROUTING -i wan -j FULLCONENAT"

# reach DESCRIPTION yes|no NAME: does a stranger reach this started endpoint?
reach() {
	local seen

	((++port))
	seen=$(PROBE_TIMEOUT=3 probe "$STRANGER" udp $port "$(mapped "$3")")
	if [[ $2 == yes ]]; then
		expect_is "$1: a stranger gets in" $Z:$port "$seen"
	else
		expect_is "$1: a stranger does not get in" none "$seen"
	fi
}

# of "status" the line that says whether the hooks are there, if they are
status() {
	if [[ $FULLCONE_FAMILY == 4 ]]; then
		on "$R" grep "^active=1 " /proc/net/fullcone_nat/status
	else
		on "$R" grep "^active6=1 " /proc/net/fullcone_nat/status
	fi
}

note "flows that were masqueraded before there were rules"
masquerade nft
allow_in udp 7777
probe "$X1" udp 7000 $A:3000 >/dev/null
probe "$X1" udp 7777 $A:3000 >/dev/null
start own "$R" "$HERE/reflect" $W:7777
masquerade_off nft
printf '%s\n' "$post" "$pre" | must_rules legacy
expect_is "a port is kept for its endpoint" $W:7000 "$(ext_of udp $H1:7000)"
expect_is "and gone to it when it speaks" $W:7000 "$(probe "$X1" udp 7000 $B:3000)"
expect_is "a stranger gets in then" "active" "$(field state "$(state_of udp $H1:7000)")"
expect_not "a port that the router uses is not" state_of udp $H1:7777
expect_is "the router's own service is reached as before" $Z:6999 "$(probe "$STRANGER" udp 6999 $W:7777)"
stop own
flush_state

note "flows that a rule of before had given an address of its own"
add_address "$R" wan $W2
printf '%s\n' "-A POSTROUTING -o wan -j SNAT --to-source $(bare $W2)" \
	"-A PREROUTING -i wan -p udp --dport 7300 -j DNAT --to-destination $H3:5555" | must_rules legacy
probe "$X1" udp 7200 $A:3000 >/dev/null
endpoint x3 "$X3" udp 5555
probe "$STRANGER" udp 6998 $W2:7300 >/dev/null
# what has no rule for less than ten seconds is being reloaded
pause 11
printf '%s\n' "-A POSTROUTING -o wan -j FULLCONENAT --to-source $(bare $W2)" "$pre" | must_rules legacy
expect_other_endpoint "a port is not given to another host" $W2:7200 "$(probe "$X2" udp 7200 $B:3000)"
expect_is "its endpoint goes on there" $W2:7200 "$(probe "$X1" udp 7200 $B:3000)"
expect_other_endpoint "nor one that only a stranger's flow names" $W2:7300 "$(probe "$X2" udp 7300 $B:3000)"
stop x3
ipt legacy -F
del_address "$R" wan $W2
flush_state

printf '%s\n' "$post" "$pre" | must_rules legacy
must_knob max_mappings 3
for proto in udp tcp icmp; do
	seen=$(probe "$X1" $proto 7100 "$([[ $proto == icmp ]] && echo $A || echo $A:3000)")
	expect_is "of few mappings all can be made: $proto" $W:7100 "$seen"
done
must_knob max_mappings 1000
ipt legacy -F
flush_state

for variant in legacy nft; do
	note "$iptables-$variant: only the rule in POSTROUTING"
	must_rules $variant <<<"$post"
	expect_match "status counts the rule" "rules6?=1 " "$(status)"
	endpoint x1 "$X1" udp 5000 $A:3000
	endpoint x2 "$X2" udp 5000 $B:3000
	expect_is "X1 keeps its port" $W:5000 "$(mapped x1)"
	expect_other_endpoint "X2 with the same port has another" $W:5000 "$(mapped x2)"
	reach "without a rule in PREROUTING" no x1
	expect_match "X3 reaches X1 by its endpoint, without a rule for that" "^$W:[0-9]+\$" \
		"$(probe "$X3" udp 5000 "$(mapped x1)")"

	note "$iptables-$variant: and one in PREROUTING"
	printf '%s\n' "$post" "$pre" | must_rules $variant
	reach "with a rule in PREROUTING" yes x1
	reach "X2, too" yes x2

	note "$iptables-$variant: a port forward decides first"
	printf '%s\n' "-A PREROUTING -i wan -p udp --dport 5000 -j DNAT --to-destination $H3:5555" \
		"$post" "$pre" | must_rules $variant
	endpoint x3 "$X3" udp 5555
	((++port))
	expect_is "the forward's host answers" $Z:$port "$(probe "$STRANGER" udp $port $W:5000)"
	expect_logged "it was that host" x3 "^from $Z:$port "
	stop x3

	note "$iptables-$variant: no rule, the interface in wan instead"
	must_knob $wan_knob wan
	ipt $variant -F
	expect_is "X1's endpoint is the same" $W:5000 "$(probe "$X1" udp 5001 $A:3000 >/dev/null; mapped x1)"
	reach "by the interface" yes x1
	reach "X2, too" yes x2
	expect_is "X2's next peers see the same endpoint" "$(ext_of udp $H2:5000)" "$(mapped x2)"

	note "$iptables-$variant: both"
	printf '%s\n' "$post --filter apdf" "$pre" | must_rules $variant
	for order in first last; do
		must_knob order $order
		seen=$(probe "$X1" udp 5100 $A:3000 $B:3000 | sort -u)
		expect_match "order=$order: one endpoint" "^$W:[0-9]+\$" "$seen"
		[[ $order == first ]] || expect_match "order=$order: that of before" "$before" "$seen"
		before=$seen
		endpoint x4 "$X3" udp $((5200 + ${#order})) $A:3000
		# first: the hook decides, as the knobs say; last: the rule, as it says
		reach "order=$order" "$([[ $order == first ]] && echo yes || echo no)" x4
		stop x4
		flush_mappings
	done
	must_knob order first
	flush_state

	note "$iptables-$variant: what made a mapping goes"
	must_knob $wan_knob ""
	printf '%s\n' "$post" "$pre" | must_rules $variant
	endpoint x1 "$X1" udp 5300 $A:3000
	must_knob $wan_knob wan
	must_knob $wan_knob ""
	expect "a rule's mapping stays when the interface leaves wan" state_of udp $H1:5300
	reach "afterwards" yes x1
	ipt $variant -F
	expect "it stays when the rules go" state_of udp $H1:5300
	reach "without rules" no x1
	printf '%s\n' "$post" "$pre" | must_rules $variant
	expect_is "with the rules back X1 has the same endpoint" "$(mapped x1)" "$(ext_of udp $H1:5300)"
	reach "with the rules back" yes x1
	stop x1
	stop x2
	ipt $variant -F
	flush_state
done

inactive() {
	[[ ! $(status) ]]
}
expect "without rules and interfaces the hooks go, a while later" wait_for 120 inactive

finish
