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
any="[::]"
prefix=64

# for regular expressions: what is inside, and any address
inside_re='[fd00::[0-9a-f]+]'
address_re='\[[0-9a-f:]+\]'

nft_family=ip6
iptables=ip6tables
wan_knob=wan6
