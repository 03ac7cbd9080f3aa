#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# IPsec through NAT, ESP in UDP (RFC 3948), with a keepalive every four minutes only, as a telephone that saves its
# battery would have it: after 200 s of silence the far end still reaches the host at home.
#
# only: applications
# packages: strongswan-charon strongswan-swanctl libstrongswan-standard-plugins
# clock: skip

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/app-lib.sh
. "$HERE/app-lib.sh"

need_packages
need_module
need_tools swanctl /usr/lib/ipsec/charon
home_network
firewall nft
reflectors
on "$X1" ip xfrm state >/dev/null 2>&1 || skip_all "needs IPsec in the kernel"

# What a tunnel's ciphers need the kernel loads when they are first used, and where idle time is skipped that takes minutes: the
# daemons would give up.
ciphers() {
	ip -n "$X1" xfrm state flush
	ip -n "$X1" xfrm state add src "$H1" dst "$A" proto esp spi 1 mode tunnel \
		aead 'rfc4106(gcm(aes))' "0x$(printf '%040d' 1)" 128 &&
		ip -n "$X1" xfrm state add src "$H1" dst "$A" proto esp spi 2 mode tunnel \
			auth-trunc 'hmac(sha256)' "0x$(printf '%064d' 1)" 128 enc 'cbc(aes)' "0x$(printf '%032d' 1)"
}

wait_for 300 ciphers || skip_all "needs AES in the kernel"
ip -n "$X1" xfrm state flush

# charon_up NAME NS REST-OF-CONNECTION: a daemon of its own there, with what it believes to be /run
charon_up() {
	mkdir -p "$TMP/$1.d"
	cat >"$TMP/$1.d/strongswan.conf" <<-END
		charon {
			load_modular = no
			load = random nonce aes sha1 sha2 hmac kdf pem openssl curve25519 kernel-netlink socket-default updown vici
			keep_alive = 240s
			plugins { vici { socket = unix://$TMP/$1.d/vici } }
		}
	END
	cat >"$TMP/$1.d/swanctl.conf" <<-END
		connections {
			home {
				version = 2
				dpd_delay = 0
				$3
			}
		}
		secrets {
			ike { secret = "fullcone" }
		}
	END
	# shellcheck disable=SC2016 # for the shell inside
	launch "$1" "$2" env STRONGSWAN_CONF="$TMP/$1.d/strongswan.conf" \
		unshare -m sh -c 'mount -t tmpfs run /run && exec /usr/lib/ipsec/charon'
	wait_for 60 vici "$1" --stats || skip_all "charon does not start: $(tail -n 3 "$TMP/$1")"
	vici "$1" --load-all --file "$TMP/$1.d/swanctl.conf" >"$TMP/$1-load" 2>&1 ||
		bail_out "charon does not take its configuration: $(cat "$TMP/$1-load")"
}

# vici NAME ARGUMENT...: asks that daemon
vici() {
	swanctl "${@:2}" --uri "unix://$TMP/$1.d/vici"
}

ip -n "$SRV" addr add 10.10.0.1/32 dev lo
ip -n "$X1" addr add 10.10.0.2/32 dev lo

# far_end_reaches_home: a ping through the tunnel
far_end_reaches_home() {
	on "$SRV" "$HERE/icmpq" -t 5 ask 10.10.0.1:1 10.10.0.2
}

tunnel_up() {
	# the neighbour has the same, and speaks to the same server
	probe "$X2" udp 4500 $A:3000 >/dev/null
	PROBE_TIMEOUT=1 probe "$X2" udp 4500 $A:4500 >/dev/null
	charon_up far "$SRV" "
		local_addrs = $A
		local { auth = psk
			id = far }
		remote { auth = psk
			id = home }
		children { home {
			local_ts = 10.10.0.1/32
			remote_ts = 10.10.0.2/32 } }"
	charon_up home "$X1" "
		remote_addrs = $A
		local { auth = psk
			id = home }
		remote { auth = psk
			id = far }
		children { home {
			local_ts = 10.10.0.2/32
			remote_ts = 10.10.0.1/32 } }"
	expect "$1: the tunnel comes up" vici home --initiate --child home
	expect_match "$1: in UDP" "TUNNEL-in-UDP" "$(vici home --list-sas)"
	expect "$1: the far end reaches home" wait_for 10 far_end_reaches_home
}

tunnel_down() {
	stop home
	stop far
	on "$X1" ip xfrm state flush
	on "$X1" ip xfrm policy flush
	on "$SRV" ip xfrm state flush
	on "$SRV" ip xfrm policy flush
}

masquerade nft
tunnel_up MASQUERADE
pause 200
expect_not "MASQUERADE: after 200 s of silence it does not" far_end_reaches_home
row "IPsec, a keepalive every 240 s" masquerade "lost after two minutes of silence"
tunnel_down
masquerade_off nft

fullcone_on
flush_state
tunnel_up "the module"
pause 200
expect "the module: after 200 s of silence it does, too" far_end_reaches_home
row "IPsec, a keepalive every 240 s" module "reachable all the time"
moment "$R"
versions strongswan-charon

finish
