# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The home network over IPv4, see lib.sh. Sourced by it.
#
# shellcheck disable=SC2034 # they are for the tests

LAN=192.168.1	# for tests that are about IPv4
W=203.0.113.1
W2=203.0.113.2
A=203.0.113.10
B=203.0.113.20
Z=203.0.113.30
HR=$LAN.1
H1=$LAN.2
H2=$LAN.3
H3=$LAN.4
# of a network that is not there at first
W9=198.51.100.1
A9=198.51.100.10
# in no network of the router's
ROUTED=198.51.100.7
any=0.0.0.0
LAN_NET=$LAN.0/24
prefix=24
host_prefix=32

# for regular expressions: what is inside, and any address
inside_re="$LAN\\.[0-9]+"
address_re='[0-9.]+'

nft_family=ip
iptables=iptables
wan_knob=wan

# wan_address N: the address with that number in the network outside
wan_address() {
	echo "203.0.113.$1"
}

# inside_address N: likewise inside
inside_address() {
	echo "$LAN.$1"
}

# wan_range FIRST LAST [PORTS]: those from one to another, as --to-source takes them
wan_range() {
	echo "203.0.113.$1-203.0.113.$2${3:+:$3}"
}
