#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Strangers who go on knocking where an inside host refuses them, by a port unreachable or a reset, neither keep its mapping
# nor pin its port.
#
# clock: skip
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
life_network

# X2's own kernel refuses; it has no socket anywhere.
on "$X2" nft delete table "$firewall_family" silence

port_unreach=3/3
[[ $FULLCONE_FAMILY == 4 ]] || port_unreach=1/4

watch x2 "$X2" eth0
# a stranger whom the router's own firewall refuses
on "$R" nft -f - <<-END || bail_out "no filter"
	table inet owner {
		chain forward {
			type filter hook forward priority filter - 1; policy accept;
			iifname "wan" udp sport 7100-7199 drop
		}
	}
END

# Each refusal has to be seen leaving: of UDP an ICMP error, of TCP a reset.
refusal() {
	knock "$@"
	if [[ $1 == udp ]]; then
		refused="^icmp $W > $Z $port_unreach \\(udp $stranger > $2\\)"
	else
		refused="^tcp $2 > $stranger RA "
	fi
}

entries_of() {
	ct -L -p "$1" --orig-src "$Z" 2>/dev/null | grep "dport=$2 "
}

zero
seg "$X2" udp $H2:5000 $A:3000 out
expect_logged "udp: X2 has an endpoint" outside "^udp $W:5000 > $A:3000 "
seg "$X2" tcp $H2:5001 $A:3000 S 1
expect_logged "tcp: X2 has an endpoint" outside "^tcp $W:5001 > $A:3000 "
seg "$X2" udp $H2:5002 $A:3000 out
expect_logged "udp: X2 has another" outside "^udp $W:5002 > $A:3000 "
for ((t = 5; t < 300; t += 20)); do
	at $t
	udp_in "$STRANGER" "$Z:$((7100 + t / 20))" $W:5002
	udp_in "$STRANGER" "$Z:7150" $W:5002
	refusal udp $W:5000 $Z:7000
	refusal udp $W:5000
	((t > 5)) || expect_logged "udp: a stranger is refused" wan "$refused"
	refusal tcp $W:5001 $Z:7001
	refusal tcp $W:5001
	((t > 5)) || expect_logged "tcp: a stranger is refused" wan "$refused"
done
expect_logged "tcp: a stranger is still refused after 285 s" wan "$refused"
at 312
expect_unlogged "whom the firewall refuses does not arrive" x2 "^udp $Z:71"
expect_state "nor does he keep the mapping" holddown udp $H2:5002
knock udp $W:5000
wait_for 30 logged wan "$knocked" || bail_out "the stranger does not reach the router"
expect_state "udp: the port is held down after 312 s" holddown udp $H2:5000
expect_not "udp: no stranger's entry is left" entries_of udp 5000
expect_unlogged "udp: no stranger arrives after 312 s" x2 "$knocked"
# conntrack keeps a SYN for 120 s, and then come the four minutes.
for ((t = 320; t < 360; t += 10)); do
	at $t
	knock tcp $W:5001 $Z:7001
done
at 377
expect_state "tcp: the port is held down after 377 s" holddown tcp $H2:5001
expect_not "tcp: no stranger's entry is left" entries_of tcp 5001
knock tcp $W:5001
wait_for 30 logged wan "$knocked" || bail_out "the stranger does not reach the router"
seg "$R" udp "$HR:9" "$H2:9" after
wait_for 30 logged x2 "after\$" || bail_out "the router does not reach X2"
expect_unlogged "tcp: no stranger arrives after 377 s" x2 "$knocked"

finish
