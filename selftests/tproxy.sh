#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A transparent proxy on the router (TPROXY) has the connections that are led to it, and its own, also those with a client's
# address as source, are masqueraded and open nothing. All else of the same hosts has endpoints as ever.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/beside-lib.sh
. "$HERE/beside-lib.sh"

need_module
need_tools socat conntrack
home_network
fullcone_on
firewall nft
reflectors

# What inside hosts send to port 3001 is led to the proxy, and so is what answers its own connections with their addresses.
on "$R" nft -f - <<-END || skip_all "needs tproxy in nftables"
	table ip proxy {
		chain prerouting {
			type filter hook prerouting priority mangle; policy accept;
			iifname "br0" tcp dport 3001 tproxy to :8080 meta mark set 1 accept
			iifname "wan" ct mark 1 meta mark set 1
		}
		chain output {
			type filter hook output priority mangle; policy accept;
			ip saddr { $LAN.2, $LAN.3 } tcp dport 3001 ct mark set 1
		}
	}
END
ip -n "$R" -batch - <<-END
	rule add fwmark 1 lookup 100
	route add local default dev lo table 100
END

# proxy [OPTIONS]: its own connections have those options of socat's
proxy() {
	launch proxy "$R" socat -d -d TCP4-LISTEN:8080,fork,reuseaddr,ip-transparent \
		SYSTEM:"exec socat - TCP4\:\$SOCAT_SOCKADDR\:\$SOCAT_SOCKPORT$1"
	wait_for 60 logged proxy "listening on" || bail_out "socat does not listen: $(cat "$TMP/proxy")"
}

beside() {
	local ns seen

	for ns in "$X1" "$X2"; do
		seen=$(probe "$ns" tcp 5000 $A:3001)
		expect_match "$1: a server sees a connection of the router's" "^$W:[0-9]+\$" "$seen"
		expect_logged "$1: the proxy had it" proxy "accepting connection from .*${ADDR[$ns]}:5000 "
		[[ $FULLCONE_STANDIN ]] ||
			expect_not "$1: it has no mapping" on "$R" grep -F "proto=tcp int=${ADDR[$ns]}:" /proc/net/fullcone_nat/mappings
		expect_is "$1: nobody gets in where the server saw it" none "$(PROBE_TIMEOUT=2 probe "$STRANGER" tcp 5000 "$seen")"
	done
	expect_full_cone "$1" tcp 5000
	expect_full_cone "$1" udp 5000
	seen=$(probe "$X3" tcp 5001 $A:3000 $A:3001)
	expect_is "$1: X3 has an endpoint beside the proxy's" $W:5001 "${seen%%$'\n'*}"
	stop x1-tcp
	flush_state
}

proxy ""
beside "with the router's address"
# shellcheck disable=SC2016 # for the shell behind socat
proxy '\,bind=$SOCAT_PEERADDR\:0\,ip-transparent'
beside "with a client's address"
probe "$X1" tcp 5005 $A:3001 >/dev/null
expect_match "the proxy's connection has a client's address, and outside the router's" \
	" src=$LAN.2 dst=$A sport=[0-9]+ dport=3001 src=$A dst=$W .* mark=1 " "$(ct -L -p tcp -s $LAN.2 --mark 1 2>/dev/null)"

finish
