#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A daemon for UPnP and NAT-PMP on the router, with a range of ports that is reserved for it: what programs ask of it is
# forwarded as ever, and no mapping takes a port of that range.
#
# only: applications
# packages: miniupnpd miniupnpd-nftables miniupnpc natpmpc

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/app-lib.sh
. "$HERE/app-lib.sh"

need_packages
need_module
need_tools miniupnpd natpmpc upnpc
home_network
firewall nft
reflectors

# Its own chains, as its documentation wants them.
on "$R" nft -f - <<-END || skip_all "needs NAT in nftables"
	table inet upnp {
		chain forward {
			type filter hook forward priority filter - 1; policy accept;
			jump miniupnpd
		}
		chain prerouting {
			type nat hook prerouting priority dstnat; policy accept;
			jump prerouting_miniupnpd
		}
		chain postrouting {
			type nat hook postrouting priority srcnat; policy accept;
			jump postrouting_miniupnpd
		}
		chain miniupnpd { }
		chain prerouting_miniupnpd { }
		chain postrouting_miniupnpd { }
	}
END
# It knows addresses for documentation, and would not believe in them.
cat >"$TMP/upnp.conf" <<-END
	ext_ifname=wan
	ext_ip=8.8.4.4
	listening_ip=br0
	http_port=5555
	enable_natpmp=yes
	enable_upnp=yes
	system_uptime=yes
	secure_mode=yes
	uuid=00000000-0000-0000-0000-000000000000
	upnp_table_name=upnp
	upnp_nat_table_name=upnp
	upnp_forward_chain=miniupnpd
	upnp_nat_chain=prerouting_miniupnpd
	upnp_nat_postrouting_chain=postrouting_miniupnpd
	allow 50000-50999 $LAN_NET 1024-65535
	deny 0-65535 0.0.0.0/0 0-65535
END

start_daemon() {
	launch upnpd "$R" miniupnpd -d -f "$TMP/upnp.conf" -P /dev/null
	wait_for 60 natpmp || bail_out "miniupnpd does not answer: $(tail -n 5 "$TMP/upnpd")"
}

# natpmp ARGUMENT...: what X1 asks
natpmp() {
	on "$X1" natpmpc -g "$HR" "$@"
}

# upnp ARGUMENT...: likewise
upnp() {
	on "$X1" upnpc -u "http://$HR:5555/rootDesc.xml" "$@"
}

# stranger_at PORT [FROM [SECONDS]]: what he is told by who answers there
stranger_at() {
	PROBE_TIMEOUT=${3:-10} probe "$STRANGER" udp "${2:-6000}" "$W:$1"
}

forwards() {
	endpoint x1-natpmp "$X1" udp 5010
	endpoint x1-upnp "$X1" udp 5011
	expect "$1: X1 asks for a port by NAT-PMP" natpmp -a 50010 5010 udp 600
	expect_is "$1: strangers get in there" "$Z:6000" "$(stranger_at 50010)"
	expect "$1: and for another one by UPnP" upnp -a $H1 5011 50011 udp
	expect_is "$1: strangers get in there, too" "$Z:6000" "$(stranger_at 50011)"
}

masquerade nft
start_daemon
forwards MASQUERADE
row "UPnP and NAT-PMP (miniupnpd)" masquerade "forwards work"
stop upnpd
masquerade_off nft
on "$R" nft flush chain inet upnp prerouting_miniupnpd

must_knob reserved_ports 50000-50999
fullcone_on
flush_state
start_daemon
forwards "the module"
e=$(probe "$X2" udp 50010 $A:3000)
expect_other_endpoint "X2, whose port is forwarded to X1, gets another" "$W:50010" "$e"
e=$(probe "$X2" udp 50500 $A:3000)
expect_other_endpoint "nor does it get one that is only reserved" "$W:50500" "$e"
expect_is "what is forwarded stays so" "$Z:6000" "$(stranger_at 50010)"
expect "X1 gives it back" natpmp -a 50010 5010 udp 0
expect_is "new strangers get in no longer" none "$(stranger_at 50010 6001 3)"
row "UPnP and NAT-PMP (miniupnpd)" module "forwards work, and their ports are kept for them"
moment "$R"
versions miniupnpd-nftables natpmpc miniupnpc

finish
