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
any=0.0.0.0
prefix=24

# for regular expressions: what is inside, and any address
inside_re="$LAN\\.[0-9]+"
address_re='[0-9.]+'

nft_family=ip
iptables=iptables
wan_knob=wan
