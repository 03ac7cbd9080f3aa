#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The doctor: for each thing that keeps a NAT from being full cone it says which it is, and the command that it names
# mends it.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

[[ -z $FULLCONE_STANDIN ]] || skip_all "needs the module"
need_tools busybox conntrack setpriv
need_target
home_network
reflectors
ip -n "$R" route add default via $A

# doctor [VARIABLE=VALUE...] [-- ARGUMENT...]: what it says to root, in the shell of small routers
doctor() {
	local variables=()

	while (($#)) && [[ $1 != -- ]]; do
		variables+=("$1")
		shift
	done
	on "$R" env -u LANG -u LC_ALL ${variables[@]+"${variables[@]}"} busybox ash "$HERE/../scripts/fullcone-doctor" "${@:2}"
}

# told DESCRIPTION NAME TEXT [VARIABLE=VALUE...]
told() {
	said=$(doctor "${@:4}")
	expect_match "$1: $2" "(^|"$'\n'")$2: [^"$'\n'"]*$3" "$said"
}

# mends NAME [DESCRIPTION]: the commands below that finding do
mends() {
	awk -v name="$1:" '/^[^ ]/ { here = $1 == name } here && /^ / { print }' <<<"$said" >"$TMP/remedy"
	expect "$1: its command can be run" on "$R" sh -e "$TMP/remedy"
	said=$(doctor)
	expect_not "$1: and mends it" grep -q "^$1:" <<<"$said"
}

healthy() {
	said=$(doctor)
	expect_is "$1: nothing is wrong" "0 " "$? $said"
}

stranger() {
	PROBE_TIMEOUT=${2:-10} probe "$STRANGER" udp "${3:-6000}" "$1"
}

# anew: the module as if just set up, its counters at zero
anew() {
	must_knob wan ""
	flush_state
	must_knob wan wan
}

firewall nft
must_knob wan wan
endpoint x1 "$X1" udp 5000 $A:3000
expect_is "a stranger gets in" $Z:6000 "$(stranger "$(mapped x1)")"
healthy "full cone"
expect_match "who is not root is told so" "^not-root: " \
	"$(on "$R" setpriv --reuid 65534 --clear-groups busybox ash -s <"$HERE/../scripts/fullcone-doctor")"

# Interfaces and routes
must_knob wan ""
told "no wan" inactive "nothing is translated"
mends inactive
must_knob wan eth7
told "a wrong name" no-interface "there is no interface eth7; .* leave by wan"
expect_not "and nothing else" grep -q "^other-line" <<<"$said"
mends no-interface
must_knob wan "eth7 br0"
told "a wrong name among others" no-interface "there is no interface eth7; .* leave by wan"
mends no-interface
expect_is "no-interface: the others stay" "wan br0" "$(on "$R" cat /proc/sys/net/fullcone_nat/wan)"
must_knob wan "ppp7 wan"
told "a second line that is not there" "note, other-interface" "no interface ppp7 just now; .* leave by wan"
expect_is "is no fault" 0 "$(doctor >/dev/null; echo $?)"
must_knob wan ppp7
ip -n "$R" route del default
told "the only line is not there" no-line "no interface ppp7, nor a route"
expect_is "no-line: and no knob is to be changed" "" "$(grep proc/sys <<<"$said")"
ip -n "$R" route add default via $A
must_knob wan wan
set_sysctl "$R" net.ipv6.conf.wan.disable_ipv6=0 net.ipv6.conf.all.forwarding=1
must_knob wan6 eth7
on "$R" ip -6 route add default dev wan
told "a wrong name for IPv6" no-interface "there is no interface eth7; .* leave by wan"
mends no-interface
expect_is "no-interface: for IPv6 it is wan6 that is mended" "wan wan" \
	"$(on "$R" cat /proc/sys/net/fullcone_nat/{wan,wan6} | xargs)"
must_knob wan6 ""
set_sysctl "$R" net.ipv6.conf.wan.disable_ipv6=1
ip -n "$R" link set wan down
told "the line is down" interface-down "wan is down"
mends interface-down
ip -n "$R" route replace default via $A
del_address "$R" wan $W
told "no address" no-address "wan has no address"
add_address "$R" wan 10.9.9.9
told "a private address" upstream-nat "wan has the private address 10.9.9.9"
del_address "$R" wan 10.9.9.9
add_address "$R" wan $W
ip -n "$R" route replace default via $A
ip -n "$R" route add default dev br0 metric 7
told "another line" other-line "leave by br0, and wan is wan"
mends other-line
ip -n "$R" route del default dev br0 metric 7
must_knob wan wan
set_sysctl "$R" net.ipv4.ip_forward=0
told "forwarding is off" forwarding "does not forward"
mends forwarding

# Firewalls
on "$R" nft -f - <<-END
	delete table inet fullcone
	table inet home {
		chain forward {
			type filter hook forward priority filter; policy drop;
			ct state established,related accept
			iifname != "wan" accept
		}
	}
END
anew
told "a firewall, before anybody came" firewall "lets in .* \(chain inet home forward\)"
endpoint x1 "$X1" udp 5000 $A:3000
for port in 6001 6002 6003; do
	expect_is "it drops a stranger" none "$(stranger "$(mapped x1)" 2 $port)"
done
told "a firewall" firewall-drops "\(3 of 3 flows\)"
mends firewall-drops
expect_match "what was dropped before is no fault" "^note, dropped: 3 of 3 [^"$'\n'"]*"$'\n'" [^"$'\n'"]*\$" "$said"
expect_is "a stranger gets in then" $Z:6004 "$(stranger "$(mapped x1)" 10 6004)"
on "$R" nft delete table inet home
on "$R" iptables -P FORWARD DROP
on "$R" iptables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
on "$R" iptables -A FORWARD ! -i wan -j ACCEPT
on "$R" iptables -A FORWARD -o tun0 -j ACCEPT
anew
told "iptables, before anybody came" firewall-iptables "lets in"
endpoint x1 "$X1" udp 5000 $A:3000
expect_is "it drops a stranger" none "$(stranger "$(mapped x1)" 2 6005)"
told "iptables" firewall-drops-iptables "\(1 of 1 flows\)"
mends firewall-drops-iptables
expect_is "a stranger gets in then" $Z:6006 "$(stranger "$(mapped x1)" 10 6006)"
on "$R" iptables -P FORWARD ACCEPT
on "$R" iptables -F FORWARD
anew

# closes CHAIN|none DESCRIPTION: a ruleset of nftables, or a chain of iptables where there is none of that name
closes() {
	on "$R" nft -f - || bail_out "nft does not take the rules: $2"
	expect_is "$2" "$1" "$(doctor | sed -n 's/^firewall.* (chain \(.*\))$/\1/p' | grep . || echo none)"
	on "$R" nft flush ruleset
}

closes "ip filter forward" "a table of one's own that is called filter, and a rule for the interface" <<-END
	table ip filter {
		chain forward {
			type filter hook forward priority filter;
			iifname "wan" counter drop comment "nobody"
		}
	}
END
closes "inet a forward" "two tables: what one lets in the other may drop" <<-END
	table inet b {
		chain forward {
			type filter hook forward priority filter; policy drop;
			ct status dnat accept
		}
	}
	table inet a {
		chain forward {
			type filter hook forward priority filter;
			iifname != { "br0", "lo" } ct state new counter drop
			ct status dnat accept
		}
	}
END
closes "inet fw forward" "what another chain lets in, of those it calls, or out to another interface" <<-END
	table inet fw {
		chain forward {
			type filter hook forward priority filter; policy drop;
			oifname "tun0" accept
			meta nfproto ipv6 accept
			iifname "br0" jump from_lan
			iifname "wan" jump from_wan
		}

		chain from_lan {
			ct status dnat accept
		}

		chain from_wan {
			drop
		}
	}
END
closes none "names with a star, a condition more" <<-END
	table inet fw {
		chain forward {
			type filter hook forward priority filter; policy drop;
			iifname { "wa*", "ppp*" } ip daddr 10.0.0.0/8 ct status dnat accept
		}
	}
END
on "$R" nft 'table bridge home { chain forward { type filter hook forward priority filter; policy drop; } }' 2>/dev/null ||
	note "no tables for bridges here"
closes none "what is not for IPv4, for another interface, or after it was taken, is none of it" <<-END
	table ip6 home {
		chain forward {
			type filter hook forward priority filter; policy drop;
		}
	}
	table inet home {
		set strangers {
			type ipv4_addr
			elements = { 192.0.2.1 }
		}

		chain forward {
			type filter hook forward priority filter; policy drop;
			iifname "tun0" drop
			ct state invalid drop
			iifname "wan" jump from_wan
			reject
		}

		chain from_wan {
			ip saddr @strangers drop
			ct status dnat accept
		}
	}
END
set_sysctl "$R" net.ipv6.conf.wan.disable_ipv6=0
on "$R" ip -6 addr add fd00:cb::1/64 dev wan nodad
must_knob wan ""
must_knob wan6 wan
closes "ip6 home forward" "IPv6 has rules of its own" <<-END
	table ip home {
		chain forward {
			type filter hook forward priority filter;
			ct status dnat accept
		}
	}
	table ip6 home {
		chain forward {
			type filter hook forward priority filter; policy drop;
		}
	}
END
on "$R" ip6tables -P FORWARD DROP
on "$R" ip -6 route add blackhole default metric 9999
told "ip6tables, before anybody came" firewall-iptables "lets in"
expect_not "a route to nowhere is no line" grep -q "^other-line" <<<"$said"
mends firewall-iptables
on "$R" ip6tables -P FORWARD ACCEPT
on "$R" ip6tables -F FORWARD
must_knob wan6 ""
on "$R" ip6tables -t nat -A POSTROUTING -o wan -j FULLCONENAT
told "rules for IPv6 alone" rule-missing "\(-i wan\) and none in PREROUTING"
expect_not "are rules" grep -q "^inactive" <<<"$said"
mends rule-missing
on "$R" ip6tables -t nat -F
on "$R" ip addr del fd00:cb::1/64 dev wan
set_sysctl "$R" net.ipv6.conf.wan.disable_ipv6=1
must_knob wan wan
anew

# Rules
must_knob order last
masquerade iptables
probe "$X1" udp 5001 $A:3000 >/dev/null
told "order=last" other-rules "decided 1 flows"
mends other-rules
anew
must_knob wan ""
rules nft <<-END
	-A POSTROUTING -o wan -j MASQUERADE
	-A POSTROUTING -o wan -j FULLCONENAT
END
told "rules" rule-missing "\(-i wan\) and none in PREROUTING"
mends rule-missing
told "rules" rule-order "another rule takes the packets"
mends rule-order
rules nft <<-END
	-A POSTROUTING -o tun0 -j MASQUERADE
	-A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE
	-A POSTROUTING -o wan -j FULLCONENAT
	-A PREROUTING -i wan -j FULLCONENAT
END
expect_not "rules for other packets may stand before" grep -q "^rule-order" <<<"$(doctor)"
ipt nft -F

# Flows from before
masquerade nft
flush_state
probe "$X1" udp 5002 $A:3000 >/dev/null
must_knob wan wan
told "flows from before" old-flows "[1-9] flows"
mends old-flows
masquerade_off nft

# Knobs
anew
must_knob filter_udp adf
told "a restricted cone" filter "filter_udp is adf"
mends filter
must_knob mapping apdm
told "a symmetric NAT" symmetric "apdm"
mends symmetric
must_knob protocols udp
must_knob inside $H1/32
must_knob exempt_mark 0x7/0xff
said=$(doctor)
expect_is "what may be meant so is no fault" 0 $?
for name in protocols inside exempt; do
	expect_match "but told: $name" "(^|"$'\n'")note, $name: " "$said"
done
must_knob protocols "udp tcp icmp"
must_knob inside ""
must_knob exempt_mark 0/0
must_knob host_max_mappings 1
probe "$X1" udp 5003 $A:3000 >/dev/null
PROBE_TIMEOUT=2 probe "$X1" udp 5004 $A:3000 >/dev/null
told "a limit" refusing "drop_host_max_mappings"
must_knob host_max_mappings 0
on "$R" sh -c "echo 'add udp $H1:7000 eth7:7000' >/proc/net/fullcone_nat/mappings"
told "a static forward at no address" static-waiting "1 static"
flush_state

# What can't be made here: other modules, kernels and keys
fake=$TMP/fake
mkdir -p "$fake/proc/sys/net/netfilter" "$fake/sys/kernel/security"
ln -s /proc/net "$fake/proc/net"
ln -s /proc/sys/net/fullcone_nat "$fake/proc/sys/net/fullcone_nat"
printf '%s 16384 0 - Live 0x0\n' shortcut_fe_cm nft_fullcone nf_nat >"$fake/proc/modules"
echo 4096 >"$fake/proc/sys/net/netfilter/nf_conntrack_count"
echo 4096 >"$fake/proc/sys/net/netfilter/nf_conntrack_max"
told "a module that passes conntrack by" offload "shortcut_fe_cm" FULLCONE_ROOT="$fake"
told "another full cone" other-module "nft_fullcone" FULLCONE_ROOT="$fake"
told "a full table" table-full "4096 of 4096" FULLCONE_ROOT="$fake"
rm "$fake/proc/net"
told "nothing is installed" not-installed "not installed" FULLCONE_ROOT="$fake"
mkdir -p "$fake/lib/modules/5.4.0-old/updates" "$fake/lib/modules/$(uname -r)/updates"
cp "$FULLCONE_KO" "$fake/lib/modules/5.4.0-old/updates/"
told "installed for another kernel" other-kernel "for kernel 5.4.0-old, and $(uname -r)" FULLCONE_ROOT="$fake"
mv "$fake/lib/modules/5.4.0-old/updates/fullcone_nat.ko" "$fake/lib/modules/$(uname -r)/updates/"
told "installed" not-loaded "not loaded" FULLCONE_ROOT="$fake"
echo "none [integrity] confidentiality" >"$fake/sys/kernel/security/lockdown"
told "Secure Boot" secure-boot "fullcone_nat.ko is not signed" FULLCONE_ROOT="$fake"
expect_match "in Chinese" "^secure-boot: .*没有签名" "$(doctor FULLCONE_ROOT="$fake" LC_ALL=zh_CN.UTF-8)"
expect_match "in Chinese, where it is asked for" "^secure-boot: .*没有签名" "$(doctor FULLCONE_ROOT="$fake" -- --lang zh)"
expect_match "in English, likewise" "^secure-boot: .*is not signed" "$(doctor FULLCONE_ROOT="$fake" LC_ALL=zh_CN.UTF-8 -- --lang en)"
expect_is "nothing else is taken" 2 "$(doctor -- --repair 2>/dev/null; echo $?)"

# names FUNCTION: that the doctor has there
names() {
	sed -n "/^$1() {/,/^}/s/^\t\([a-z0-9-]*\)) .*/\1/p" "$HERE/../scripts/fullcone-doctor"
}

expect_is "each finding has its words in Chinese" "$(names english)" "$(names chinese)"
expect_is "and a command" "$(names english)" "$(names remedy)"

finish
