#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What conntrack calls INVALID stops at a wan interface, whatever the filter table says: nothing leaves with an inside
# address, and the router's own TCP resets no connection of an inside host.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
need_tools conntrack
# no firewall at all: nothing else drops anything
home_network
fullcone_on
silence "$X1" "$SRV" "$STRANGER"
watch inside "$X1" eth0
watch outside "$SRV" eth0
watch wan "$R" wan

# forgotten PORT: conntrack loses the connection of X1's port, and finds it again with the next data
forgotten() {
	ct -D -p tcp --orig-port-src "$1" >/dev/null 2>&1 || bail_out "conntrack has no entry to lose"
}

# flows_again: what was sent before has got to where it was going, or nowhere
flows_again() {
	what="$1, then data"
	exchange 5000
}

# dropped NAME: how many packets that counter has
dropped() {
	[[ $FULLCONE_STANDIN ]] || stat_of "drop_invalid_$1"
}

# expect_dropped DESCRIPTION NAME BEFORE
expect_dropped() {
	[[ $FULLCONE_STANDIN ]] || expect_is "$1" $(($3 + 1)) "$(dropped "$2")"
}

inside_out() {
	local flags before

	for flags in FA R RA SA; do
		forgotten 5000
		before=$(dropped forwarded)
		seg "$X1" tcp "$H1:5000" "$A:3000" "$flags" 7777 0 0
		flows_again "$flags of X1 in a connection that conntrack lost"
		expect_unlogged "$flags of X1: does not leave with its inside address" wan "^tcp $H1:5000 > .* seq=7777 "
		expect_dropped "$flags of X1: counted" forwarded "$before"
	done
	if [[ $FULLCONE_FAMILY == 6 ]]; then
		# IPv4 lets none in that has a source of the router's
		before=$(dropped forwarded)
		seg "$X1" tcp "$HR:5000" "$A:3000" FA 7777 0 0
		flows_again "FA with the router's own source"
		expect_unlogged "FA with the router's own source: does not leave" wan "^tcp $HR:5000 > .* seq=7777 "
		expect_dropped "FA with the router's own source: counted" forwarded "$before"
		for_neighbours
		return
	fi
	# about a flow that nobody knows; of IPv6 it would be the same code
	before=$(dropped forwarded)
	seg "$X1" 1 "$H1" "$A" "$(exceeded "$A" "$H1")"
	flows_again "an ICMP error about nothing"
	expect_unlogged "an ICMP error about nothing does not leave" wan "^icmp $H1 > "
	expect_dropped "an ICMP error about nothing: counted" forwarded "$before"
}

# Conntrack takes no notice of them. Types 133 to 136 and 143: solicitations, advertisements, a multicast report
for_neighbours() {
	local type before

	for type in 133 134 135 136 143; do
		before=$(dropped forwarded)
		seg "$X1" error "$H1" "$A" $type/0 udp "$A:3000" "$H1:5000" full
		flows_again "a message for neighbours, $type"
		expect_unlogged "a message for neighbours, $type: does not leave" wan "^icmp $H1 > $A $type/"
		expect_dropped "a message for neighbours, $type: counted" forwarded "$before"
	done
}

# exceeded SRC DST: 11/0 about a datagram of SRC's to DST, in hex
exceeded() {
	local packet

	packet="4500001c00000000""4011""0000$(hex_address "$1")$(hex_address "$2")""1389138a00080000"
	printf '0b00%s00000000%s' "$(checksum "0b00000000000000$packet")" "$packet"
}

hex_address() {
	local a b c d

	IFS=. read -r a b c d <<<"$1"
	printf '%02x%02x%02x%02x' "$a" "$b" "$c" "$d"
}

# checksum HEX: the Internet's
checksum() {
	local i sum=0

	for ((i = 0; i < ${#1}; i += 4)); do
		sum=$((sum + 0x${1:i:4}))
	done
	sum=$(((sum & 0xffff) + (sum >> 16)))
	printf '%04x' $((~(sum + (sum >> 16)) & 0xffff))
}

outside_in() {
	local flags before

	for flags in FA R SA; do
		forgotten 5000
		before=$(dropped in)
		seg "$SRV" tcp "$A:3000" "$W:5000" "$flags" 8888 0 0
		wait_for 30 logged wan "^tcp $A:3000 > $W:5000 $flags seq=8888 " || bail_out "the server does not reach the router"
		flows_again "$flags of the peer in a connection that conntrack lost"
		expect_unlogged "$flags of the peer: the router does not answer" wan "^tcp $W:5000 > $A:3000 R"
		expect_dropped "$flags of the peer: counted" in "$before"
	done
	seg "$STRANGER" tcp "$Z:7000" "$W:6501" FA 1 1
	seg "$STRANGER" tcp "$Z:7001" "$W:6500" FA 1 1
	expect_logged "the router answers for its own service" wan "^tcp $W:6500 > $Z:7001 R"
	expect_unlogged "and for no port that is nobody's" wan "^tcp $W:6501 > "
}

left_alone() {
	on "$R" nft -f - <<-END || bail_out "nft does not take a notrack rule"
		table $nft_family owner {
			chain prerouting {
				type filter hook prerouting priority raw; policy accept;
				udp dport 9999 notrack
				udp dport 9998 meta mark set 0x10
			}
		}
	END
	seg "$X1" udp "$H1:5001" "$A:9999" untracked
	expect_logged "what the owner wants untracked leaves as it is" outside "^udp $H1:5001 > $A:9999 .*untracked"
	# the reset belongs to no connection
	on "$R" nft add rule "$nft_family" owner prerouting tcp sport 5002 meta mark set 0x10
	must_knob exempt_mark 0x10/0x10
	seg "$X1" tcp "$H1:5002" "$A:3000" R 7777
	expect_logged "what is exempt leaves as it is" outside "^tcp $H1:5002 > $A:3000 R "
	must_knob exempt_mark 0/0
}

# The same network without it: all that was seen above is its doing.
switched_off() {
	must_knob guard 0
	forgotten 5000
	seg "$X1" tcp "$H1:5000" "$A:3000" FA 9999 0 0
	expect_logged "guard=0: it leaves with its inside address" wan "^tcp $H1:5000 > $A:3000 FA seq=9999 "
	if [[ $FULLCONE_FAMILY == 4 ]]; then
		seg "$X1" 1 "$H1" "$A" "$(exceeded "$A" "$H1")"
		expect_logged "guard=0: so does the ICMP error" wan "^icmp $H1 > $A 11/0 "
	else
		seg "$X1" error "$H1" "$A" 136/0 udp "$A:3000" "$H1:5000" full
		expect_logged "guard=0: so does a message for neighbours" wan "^icmp $H1 > $A 136/0 "
	fi
	seg "$STRANGER" tcp "$Z:7002" "$W:6501" FA 1 1
	expect_logged "guard=0: the router answers with a reset" wan "^tcp $W:6501 > $Z:7002 R"
}

start router "$R" "$HERE/reflect" $W:6500
what="at first"
connect 5000 $A:3000
inside_out
outside_in
if [[ ! $FULLCONE_STANDIN ]]; then
	left_alone
	switched_off
fi

finish
