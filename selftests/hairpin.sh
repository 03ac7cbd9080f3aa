#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Inside hosts reach each other by their external endpoints, and each sees the
# other's external endpoint as source: the one that everybody outside sees, too,
# even if the sender had none before.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_module
home_network
fullcone_on
firewall nft
reflectors

hairpin() {
	local proto=$1 port=$2 target e2 e3

	watch at-x1 "$X1" eth0
	endpoint "x1-$proto" "$X1" "$proto" "$port" $A:3000
	target=$(mapped "x1-$proto")
	expect_match "$proto: X1 has an endpoint outside" "^$W:[0-9]+\$" "$target"

	# X2 has X1's very port: its external one must be another.
	e2=$(probe "$X2" "$proto" "$port" "$target")
	expect_match "$proto: X2, without a mapping, reaches X1 and is seen with an external address" \
		"^$W:[0-9]+\$" "$e2"
	expect_other_endpoint "$proto: and not as X1" "$target" "$e2"
	expect_is "$proto: that endpoint is what a server sees of X2 afterwards" \
		"$e2" \
		"$(probe "$X2" "$proto" "$port" $A:3000)"

	e3=$(probe "$X3" "$proto" "$port" $B:3000)
	expect_is "$proto: X3, with a mapping, reaches X1 and is seen as the server saw it" \
		"$e3" \
		"$(probe "$X3" "$proto" "$port" "$target")"

	# A second socket of the same host.
	e2=$(probe "$X1" "$proto" $((port + 10)) "$target")
	expect_match "$proto: X1 reaches itself from a second socket" \
		"^$W:[0-9]+\$" "$e2"
	expect_other_endpoint "$proto: seen by the second socket's endpoint" \
		"$target" "$e2"
	expect_is "$proto: the one a server sees" \
		"$e2" "$(probe "$X1" "$proto" $((port + 10)) $A:3000)"

	expect_unlogged "$proto: no inside address came through to X1" \
		at-x1 "^$proto ($H2|$H3):.* > "
	stop at-x1
}

hairpin udp 5000
hairpin tcp 5001

# The classic STUN client's way to ask for hairpinning: from the very socket
# whose endpoint it is. probe prints as answer what comes from the endpoint it
# sent to, here its own text.
same_socket() {
	local seen

	seen=$(probe "$X1" udp 5020 $A:3000 "$W:5020" $B:3000)
	expect_is "udp: X1 reaches itself from the same socket" \
		"$W:5020 hello $W:5020" "${seen//$'\n'/ }"
}

switched_off() {
	must_knob hairpin 0
	PROBE_TIMEOUT=3
	probe "$X2" udp 5999 "$(mapped x1-udp)" >/dev/null
	PROBE_TIMEOUT=
	# From the outside it is still there: what X2 sent would have come
	# before.
	expect_is "hairpin=0: the endpoint is open to the outside" "$Z:6000" \
		"$(probe "$STRANGER" udp 6000 "$(mapped x1-udp)")"
	expect_logged "hairpin=0: X1 sees the stranger" x1-udp "^from $Z:6000 "
	expect_unlogged "hairpin=0: X1 does not see X2" \
		x1-udp "^from ($W|$H2):5999 "
}

# What the router does not forward opens nothing, least of all for a host whose address somebody else has taken.
not_forwarded() {
	local target nobody

	target=$(mapped x1-udp)
	nobody="$(inside_address 99):5900"
	on "$R" nft -f - <<-END
		table $nft_family owner {
			chain forward {
				type filter hook forward priority filter - 1; policy accept;
				iifname "br0" oifname "br0" drop
			}
		}
	END
	seg "$X2" udp "$nobody" "$target" spoofed
	expect_is "a forward chain that lets nobody through: X3 does not reach X1" none \
		"$(PROBE_TIMEOUT=2 probe "$X3" udp 5030 "$target")"
	expect_not "nor has X3 a mapping" state_of udp "$H3:5030"
	expect_not "nor has the owner of a source address that was forged" state_of udp "$nobody"
	on "$R" nft delete table "$nft_family" owner
	expect_match "without it X3 does" "^$W:[0-9]+\$" "$(probe "$X3" udp 5030 "$target")"
	seg "$X2" udp "$HR:5900" "$target" spoofed
	seg "$X2" udp "$nobody" "$target" last
	expect "a host that is let through has one" wait_for 10 state_of udp "$nobody"
	expect_not "the router itself never has" state_of udp "$HR:5900"
}

same_socket
[[ -n $FULLCONE_STANDIN ]] || not_forwarded
[[ -n $FULLCONE_STANDIN ]] || switched_off

finish
