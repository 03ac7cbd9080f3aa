#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Both sides of the router are in one VRF, and the wan interface is given as the device that it is: all is as
# without one. Strangers stay strangers, though their packets are forwarded as if they had come by the VRF.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/beside-lib.sh
. "$HERE/beside-lib.sh"

need_module
modprobe -q vrf
home_network
ip -n "$R" -batch - <<-END || skip_all "needs VRF devices"
	link add blue type vrf table 10
	link set blue up
	link set br0 master blue
	link set wan master blue
END
fullcone_on
firewall nft
reflectors
watch inside "$X1" eth0

for proto in udp tcp; do
	expect_full_cone "in a VRF" $proto 5000

	# hairpin
	seen=$(probe "$X3" $proto 5000 "$e")
	expect_match "hairpin, $proto: X3 reaches X1 and has an external address" "^$W:" "$seen"
	expect_is "hairpin, $proto: a server sees the same of X3" "$seen" "$(probe "$X3" $proto 5000 $B:3000)"
done
expect_unlogged "no inside address came through to X1" inside "^(udp|tcp) ($H2|$H3):"
expect_is "icmp: X1 is seen with the external address" $W:77 "$(probe "$X1" icmp 77 $A)"
expect_not "nobody outside has a mapping" on "$R" grep -Ev " int=$inside_re:" /proc/net/fullcone_nat/mappings

must_knob hairpin 0
expect_stranger "hairpin off, tcp" tcp 5001
must_knob hairpin 1
expect_match "status counts strangers who have come in, and none as dropped" " in=[1-9][0-9]* in_refused=0 in_unconfirmed=0 " \
	"$(on "$R" grep "^wan=wan " /proc/net/fullcone_nat/status)"

# What is bound to the VRF is not seen: see README.
must_knob reserved_ports 5300
expect_other_endpoint "a reserved port is not handed out" $W:5300 "$(probe "$X1" udp 5300 $A:3000)"

finish
