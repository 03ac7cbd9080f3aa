#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A transparent proxy on the router (TPROXY) has the connections and datagrams that are led to it, and its own, also those with
# a client's address as source, are masqueraded and open nothing. All else of the same hosts has endpoints as ever.

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
			iifname "br0" udp dport 3001 tproxy to :8080 meta mark set 1 accept
			iifname "wan" ct mark 1 meta mark set 1
		}
		chain output {
			type filter hook output priority mangle; policy accept;
			ip saddr { $LAN.2, $LAN.3 } meta l4proto { tcp, udp } th dport 3001 ct mark set 1
		}
	}
END
ip -n "$R" -batch - <<-END
	rule add fwmark 1 lookup 100
	route add local default dev lo table 100
END

# proxy [OPTIONS]: its own sockets have those options of socat's. For a datagram it asks with a socket of its own, and hands on
# what comes back in the server's name.
proxy() {
	launch proxy-tcp "$R" socat -d -d TCP4-LISTEN:8080,fork,reuseaddr,ip-transparent \
		SYSTEM:"exec socat - TCP4\:\$SOCAT_SOCKADDR\:\$SOCAT_SOCKPORT$1"
	cat >"$TMP/datagram" <<-END
		socat -t 10 - "UDP4:$A:3001${1//\\/}" |
			socat -u - "UDP4-SENDTO:\$SOCAT_PEERADDR:\$SOCAT_PEERPORT,bind=$A:3001,reuseaddr,ip-transparent"
	END
	launch proxy-udp "$R" socat -d -d -u UDP4-RECVFROM:8080,fork,reuseaddr,ip-transparent SYSTEM:"bash $TMP/datagram"
	wait_for 60 logged proxy-tcp "listening on" || bail_out "socat does not listen: $(cat "$TMP/proxy-tcp")"
	wait_for 60 waits || bail_out "socat does not wait: $(cat "$TMP/proxy-udp")"
}

waits() {
	[[ $(on "$R" ss -Hlun "sport = :8080") ]]
}

# led PROTO WHAT: what of it goes to the proxy
led() {
	local proto=$1 what="$2, $1" ns seen

	for ns in "$X1" "$X2"; do
		seen=$(probe "$ns" "$proto" 5000 $A:3001)
		expect_match "$what: a server sees the router" "^$W:[0-9]+\$" "$seen"
		expect_logged "$what: the proxy had it" "proxy-$proto" " from .*${ADDR[$ns]}:5000( |\$)"
		[[ $FULLCONE_STANDIN ]] ||
			expect_not "$what: it has no mapping" on "$R" grep -F "proto=$proto int=${ADDR[$ns]}:" /proc/net/fullcone_nat/mappings
		expect_is "$what: nobody gets in where the server saw it" none "$(PROBE_TIMEOUT=2 probe "$STRANGER" "$proto" 5000 "$seen")"
	done
}

beside() {
	local seen proto

	led tcp "$1"
	led udp "$1"
	expect_full_cone "$1" tcp 5000
	expect_full_cone "$1" udp 5000
	for proto in tcp udp; do
		seen=$(probe "$X3" $proto 5001 $A:3000 $A:3001)
		expect_is "$1: X3 has an endpoint beside the proxy's, $proto" $W:5001 "${seen%%$'\n'*}"
		stop x1-$proto
	done
	flush_state
}

proxy ""
beside "with the router's address"
# shellcheck disable=SC2016 # for the shell behind socat
proxy '\,bind=$SOCAT_PEERADDR\:0\,ip-transparent'
beside "with a client's address"
for proto in tcp udp; do
	probe "$X1" $proto 5005 $A:3001 >/dev/null
	expect_match "what the proxy sends has a client's address, and outside the router's, $proto" \
		" src=$LAN.2 dst=$A sport=[0-9]+ dport=3001 src=$A dst=$W .* mark=1 " "$(ct -L -p $proto -s $LAN.2 --mark 1 2>/dev/null)"
done

finish
