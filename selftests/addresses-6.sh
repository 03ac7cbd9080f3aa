# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The home network over IPv6, see lib.sh. Sourced by it.
#
# shellcheck disable=SC2034 # they are for the tests

W="[2001:db8::1]"
W2="[2001:db8::2]"
A="[2001:db8::10]"
B="[2001:db8::20]"
Z="[2001:db8::30]"
HR="[fd00::1]"
H1="[fd00::2]"
H2="[fd00::3]"
H3="[fd00::4]"
W9="[2001:db8:0:1::1]"
A9="[2001:db8:0:1::10]"
ROUTED="[2001:db8:0:1::7]"
any="[::]"
LAN_NET=fd00::/64
prefix=64
host_prefix=128

# for regular expressions: what is inside, and any address
inside_re='[fd00::[0-9a-f]+]'
address_re='\[[0-9a-f:]+\]'

nft_family=ip6
iptables=ip6tables
wan_knob=wan6

wan_address() {
	echo "[2001:db8::$1]"
}

inside_address() {
	echo "[fd00::$1]"
}

wan_range() {
	echo "[2001:db8::$1-2001:db8::$2]${3:+:$3}"
}
