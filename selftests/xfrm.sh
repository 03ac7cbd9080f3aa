#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What an IPsec policy takes is left alone: it enters the tunnel with its inside
# source, and nothing leaves in clear text.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_module
home_network
reflectors

# An ESP tunnel between W and A; behind A is 10.9.0.1.
key=0x0102030405060708090a0b0c0d0e0f1011121314

# half NS SRC DST SPI: one direction's state
half() {
	on "$1" ip xfrm state add src "$2" dst "$3" proto esp spi "$4" reqid 1 mode tunnel \
		aead 'rfc4106(gcm(aes))' $key 128
}

# policy NS DIR SRC-NET DST-NET SRC DST
policy() {
	on "$1" ip xfrm policy add dir "$2" src "$3" dst "$4" \
		tmpl src "$5" dst "$6" proto esp reqid 1 mode tunnel
}

tunnel() {
	local ns
	for ns in "$R" "$SRV"; do
		half "$ns" $W $A 0x100 && half "$ns" $A $W 0x200 || return 1
	done
	policy "$R" out $LAN.0/24 10.9.0.0/24 $W $A &&
		policy "$R" in 10.9.0.0/24 $LAN.0/24 $A $W &&
		policy "$R" fwd 10.9.0.0/24 $LAN.0/24 $A $W &&
		policy "$SRV" in $LAN.0/24 10.9.0.0/24 $W $A &&
		policy "$SRV" out 10.9.0.0/24 $LAN.0/24 $A $W
}

tunnel 2>"$TMP/xfrm" || skip_all "needs IPsec ESP in the kernel: $(cat "$TMP/xfrm")"
ip -n "$SRV" addr add 10.9.0.1/32 dev lo
ip -n "$SRV" route add $LAN.0/24 via $W
ip -n "$R" route add 10.9.0.0/24 via $A
start behind "$SRV" "$HERE/reflect" 10.9.0.1:3000
watch wire "$R" wan

# Before the module, so that a failure below is not the tunnel's.
[[ $(probe "$X1" udp 4999 10.9.0.1:3000) == "$LAN.2:4999" ]] ||
	skip_all "needs a working ESP tunnel"

fullcone_on
firewall nft
for proto in udp tcp; do
	expect_is "$proto: through the tunnel the inside source is unchanged" \
		"$LAN.2:5000" \
		"$(probe "$X1" $proto 5000 10.9.0.1:3000)"
	expect_is "$proto: beside the tunnel the same endpoint is translated" \
		"$W:5000" \
		"$(probe "$X1" $proto 5000 $A:3000)"
	expect_is "$proto: and through the tunnel still is not" "$LAN.2:5001" \
		"$(probe "$X1" $proto 5001 10.9.0.1:3000)"
done
expect_logged "the tunnel's packets are on the wire" wire "^50 $W > $A "
expect_unlogged "nothing for behind the tunnel is in clear text on the wire" \
	wire " > 10\.9\.0\.1[: ]"
expect_unlogged "no inside source is on the wire" wire "^[a-z0-9]+ $LAN\."

finish
