#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# WireGuard between two homes without a forwarded port. Both peers talk to a third one, in public, which has their
# endpoints put into the DNS, by the records of service discovery (RFC 6763). One of the two looks up the other and
# calls; the other, which knows no endpoint of it, is called. It lasts over a redial on either side, and a silence
# in which only the mapping is left.
#
# only: applications
# packages: wireguard-tools bind9 bind9-dnsutils
# clock: skip

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/app-lib.sh
. "$HERE/app-lib.sh"
# shellcheck source=selftests/lab-lib.sh
. "$HERE/lab-lib.sh"

need_packages
need_module
need_tools wg named nsupdate dig
lab_network direct
ip -n "${peer[left]}" link add wg0 type wireguard 2>/dev/null || skip_all "needs WireGuard in the kernel"
ip -n "${peer[left]}" link del wg0
lab_servers

declare -A key=() public=() inner=([left]=10.9.0.1 [right]=10.9.0.2 [third]=10.9.0.3)
declare -A of=([left]=${peer[left]} [right]=${peer[right]} [third]=$SRV)

# wg_up NAME: its interface, which listens on the usual port
wg_up() {
	key[$1]=$(wg genkey)
	public[$1]=$(wg pubkey <<<"${key[$1]}")
	ip -n "${of[$1]}" -batch - <<-END
		link add wg0 type wireguard
		addr add ${inner[$1]}/24 dev wg0
	END
	echo "${key[$1]}" >"$TMP/key"
	on "${of[$1]}" wg set wg0 private-key "$TMP/key" listen-port 51820 || bail_out "wg: no key"
	ip -n "${of[$1]}" link set wg0 up
}

# knows NAME OTHER [OPTION...]: a peer, and what is known of it
knows() {
	on "${of[$1]}" wg set wg0 peer "${public[$2]}" allowed-ips "${inner[$2]}/32" "${@:3}" ||
		bail_out "$1 does not take $2"
}

# endpoint_at NAME OTHER: where NAME sends what is for OTHER
endpoint_at() {
	on "${of[$1]}" wg show wg0 endpoints | awk -v key="${public[$2]}" '$1 == key { print $2 }'
}

# reaches NAME OTHER
reaches() {
	on "${of[$1]}" "$HERE/icmpq" -t 2 ask "${inner[$1]}:1" "${inner[$2]}"
}

name_server() {
	cat >"$TMP/lab.zone" <<-END
		\$TTL 1
		@ SOA ns root 1 60 60 60 1
		@ NS ns
		ns A $A
	END
	cat >"$TMP/named.conf" <<-END
		options {
			directory "$TMP";
			pid-file none;
			session-keyfile none;
			listen-on { $A; };
			listen-on-v6 { none; };
			recursion no;
			dnssec-validation no;
		};
		controls { };
		zone "lab" {
			type primary;
			file "lab.zone";
			allow-update { $A; };
		};
	END
	chmod 755 "$TMP"
	launch named "$SRV" named -g -n 1 -c "$TMP/named.conf"
	wait_for 120 look_up ns.lab A || bail_out "no name server: $(tail -n 5 "$TMP/named")"
}

# look_up NAME TYPE: what the left peer's resolver is told
look_up() {
	on "${peer[left]}" dig +short +tries=1 "@$A" "$1" "$2" | grep .
}

# What a watcher beside the third peer does all the time
publish() {
	local name e

	for name in left right; do
		e=$(endpoint_at third $name)
		[[ $e == *.*:* ]] || return
		cat <<-END
			server $A
			local $A
			update delete $name._wireguard._udp.lab
			update delete $name.lab
			update add _wireguard._udp.lab 1 PTR $name._wireguard._udp.lab
			update add $name._wireguard._udp.lab 1 SRV 0 0 ${e##*:} $name.lab
			update add $name._wireguard._udp.lab 1 TXT "pub=${public[$name]}"
			update add $name.lab 1 A ${e%:*}
			send
		END
	done | on "$SRV" nsupdate
}

# discovered NAME: its endpoint, by the DNS alone; the service is known by its key
discovered() {
	local service port target _

	for service in $(look_up _wireguard._udp.lab PTR); do
		[[ $(look_up "$service" TXT) == *"pub=${public[$1]}"* ]] || continue
		read -r _ _ port target <<<"$(look_up "$service" SRV)"
		echo "$(look_up "$target" A):$port"
	done
}

# endpoint_is OTHER ADDRESS: the third peer sees it there
endpoint_is() {
	[[ $(endpoint_at third "$1") == "$2":* ]]
}

# moved: left reaches right, and right sends to the new address
moved() {
	reaches left right && [[ $(endpoint_at right left) == 203.0.113.5:* ]]
}

# redial SIDE ADDRESS: the router gets another one
redial() {
	ip -n "${router[$1]}" -batch - <<-END
		addr flush dev wan
		addr add $2/24 dev wan
	END
}

# behind TYPE: both homes; a neighbour is first at WireGuard's port
behind() {
	local side

	for side in left right; do
		lab_nat "${router[$side]}" "$1"
	done
	lab_forget
	lab_conflict 51820
}

name_server
for name in left right third; do
	wg_up $name
done
for name in left right; do
	knows third $name
	knows $name third endpoint $A:51820 persistent-keepalive 25
done

note "MASQUERADE"
behind masquerade
for name in left right; do
	expect "MASQUERADE: $name talks to the third peer" wait_for 60 reaches $name third
done
publish
knows left right endpoint "$(discovered right)"
knows right left
expect_not "MASQUERADE: left does not reach right" wait_for 30 reaches left right
row "WireGuard between two homes" masquerade "no handshake"
for name in left right; do
	for other in left right third; do
		on "${of[$name]}" wg set wg0 peer "${public[$other]}" remove
	done
done

note "the module"
behind full
for name in left right; do
	knows $name third endpoint $A:51820 persistent-keepalive 25
done
for name in left right; do
	expect "$name talks to the third peer" wait_for 60 reaches $name third
	expect_other_endpoint "$name: from another port than its own, which a neighbour has" "${lab_wan[$name]}:51820" \
		"$(endpoint_at third $name)"
done
expect "the third peer's watcher publishes their endpoints" publish
e=$(discovered right)
expect_is "left finds right's in the DNS" "$(endpoint_at third right)" "$e"
knows left right endpoint "$e"
# it knows the key, and no endpoint: it can be called, and can't call
knows right left
expect "left calls right, and they talk" wait_for 60 reaches left right
expect_is "right has learned left's endpoint from that" "$(endpoint_at third left)" "$(endpoint_at right left)"
expect "right talks to left" reaches right left
row "WireGuard between two homes" module "direct tunnel"
moment "${router[right]}"

note "a silence"
for name in left right; do
	knows $name third persistent-keepalive off
done
pause 250
expect "after 250 s of silence right reaches left: the mapping is there yet" wait_for 10 reaches right left
for name in left right; do
	knows $name third persistent-keepalive 25
done

note "redials"
redial left 203.0.113.5
expect "left's router has redialled: left reaches right, which has learned the new address" wait_for 60 moved
redial right 203.0.113.6
expect "right's router has redialled: the third peer hears of it" wait_for 120 endpoint_is right 203.0.113.6
publish
e=$(discovered right)
expect_match "left finds the new one in the DNS" "^203\.0\.113\.6:" "$e"
knows left right endpoint "$e"
expect "left reaches right there" wait_for 60 reaches left right

versions wireguard-tools bind9

finish
