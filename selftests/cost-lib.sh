# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What packets cost beside MASQUERADE, in instructions. There is a router for each $who,
# in a namespace of its own: "plain" only forwards, "iptables" and "nft" have MASQUERADE
# and a port forward, "hooks" has the module's wan interface, "target" its rules. The
# kernel's pktgen hands packets to one end of a router, the other end, a dummy device,
# throws them away: what is between is the router's own. Sourced after lib.sh,
# pktgen-lib.sh and clock-lib.sh.
#
# shellcheck disable=SC2154 # the variables that the libraries set
# shellcheck disable=SC2317 # cases are called by their names

W=203.0.113.1
A=198.51.100.10
B=198.51.100.11
X1=192.168.0.2		# its port 5000 is forwarded
PORTS=64512		# 1024 to 65535

masqueraders="iptables nft"
cones="hooks target"
declare -A router=()

# need_routers: and the module
need_routers() {
	need_pktgen
	need_module
	need_target
	room 1200000
	for_now /proc/sys/net/netfilter/nf_conntrack_buckets 262144
	for who in plain $masqueraders $cones; do
		make_router "$who"
		nat_of "$who"
	done
}

# figure CASE AT VALUE: of this $who
figure() {
	printf '= %s %s %s %s\n' "$1" "$who" "$2" "$3"
}

# -- the routers ---------------------------------------------------------------

make_router() {
	new_ns R "$1"
	router[$1]=$R
	# devices that neither resolve addresses nor send anything
	ip -n "$R" -batch - <<-END || bail_out "no dummy devices here"
		link add lan type dummy
		link add lan2 type dummy
		link add wan type dummy
		addr add 192.168.0.1/16 dev lan
		addr add 172.16.0.1/16 dev lan2
		addr add 10.255.255.254/8 dev lan
		addr add $W/24 dev wan
		link set lan up
		link set lan2 up
		link set wan up
		route add default via 203.0.113.254
	END
	set_sysctl "$R" net.ipv4.ip_forward=1
	# a router that answers nobody
	on "$R" nft -f - <<-END || bail_out "no nftables here"
		table inet silent {
			chain input {
				type filter hook input priority filter; policy drop;
			}
		}
	END
}

nat_of() {
	local n

	R=${router[$1]}
	case $1 in
	iptables)
		must_rules legacy <<-END
			-A PREROUTING -i wan -p udp --dport 5000 -j DNAT --to-destination $X1:5000
			-A POSTROUTING -o wan -j MASQUERADE
		END
		;;
	nft)
		on "$R" nft -f - <<-END || bail_out "nft has no nat"
			table ip nat {
				chain prerouting {
					type nat hook prerouting priority dstnat;
					iifname "wan" udp dport 5000 dnat to $X1:5000
				}
				chain postrouting {
					type nat hook postrouting priority srcnat;
					oifname "wan" masquerade
				}
			}
		END
		;;
	hooks)
		must_knob wan wan
		;;
	target)
		must_rules legacy <<-END
			-A PREROUTING -i wan -j FULLCONENAT
			-A POSTROUTING -o wan -j FULLCONENAT
		END
		;;
	esac
	[[ $1 != hooks && $1 != target ]] || cone_knobs
}

cone_knobs() {
	must_knob guard 1
	must_knob max_mappings 2000000
	# what a refused host is told would count, too
	must_knob reject drop
}

is_cone() {
	[[ $who == hooks || $who == target ]]
}

# for_each WHO-LIST COMMAND...: with each of their routers in $R, as new
for_each() {
	for who in $1; do
		R=${router[$who]}
		as_new
		"${@:2}"
	done
}

# No flow and no mapping; but all code was run, and memory used, as it will be.
as_new() {
	forget
	outbound 1024 3000 "$B" >/dev/null
	anew 192.168.9.9 1024 3000 >/dev/null
	forget
}

forget() {
	[[ $who == plain ]] || on "$R" conntrack -F >/dev/null 2>&1
	! is_cone || flush_mappings
}

# -- traffic -------------------------------------------------------------------

# outbound FIRST COUNT [SERVER]: X1:5000 sends a packet to each of COUNT ports of a server;
# all these print what one cost
outbound() {
	pktgen_run lan "$2" "dst ${3:-$A}" "src_min $X1" "src_max $X1" \
		"udp_src_min 5000" "udp_src_max 5000" \
		"udp_dst_min $1" "udp_dst_max $(($1 + ($2 > 1 ? $2 : 0)))"
}

# Where strangers send to, so that the packet goes to X1.
outside_of_x1() {
	if [[ $who == plain ]]; then
		echo "$X1"
	else
		echo "$W"
	fi
}

# inbound FIRST COUNT [SERVER]: each of COUNT ports of a server sends a packet there
inbound() {
	pktgen_run wan "$2" "dst $(outside_of_x1)" "src_min ${3:-$A}" "src_max ${3:-$A}" \
		"udp_src_min $1" "udp_src_max $(($1 + ($2 > 1 ? $2 : 0)))" \
		"udp_dst_min 5000" "udp_dst_max 5000"
}

# anew HOST FIRST COUNT: each of COUNT ports of an inside host sends a packet to A:3000
anew() {
	pktgen_run lan "$3" "dst $A" "src_min $1" "src_max $1" \
		"udp_src_min $2" "udp_src_max $(($2 + ($3 > 1 ? $3 : 0)))" \
		"udp_dst_min 3000" "udp_dst_max 3000"
}

# anew_from FIRST COUNT HOST: the same, as bursts calls it
anew_from() {
	anew "$3" "$1" "$2"
}

# stray FIRST COUNT: each of COUNT ports of A sends a packet where nobody is
stray() {
	pktgen_run wan "$2" "dst $W" "src_min $A" "src_max $A" \
		"udp_src_min $1" "udp_src_max $(($1 + $2))" "udp_dst_min 9" "udp_dst_max 9"
}

# cost FIRST COMMAND [ARGUMENT...]: of a packet of the middle one of some bursts. What the kernel does besides, now and then,
# can be in more than one of three.
bursts=3
cost() {
	local n

	for ((n = 0; n < bursts; n++)); do
		"$2" $(($1 + n * burst)) "$burst" "${@:3}"
	done | sort -n | sed -n "$((bursts / 2 + 1))p"
}

# -- cases ---------------------------------------------------------------------

# How many flows are established at most, of how many peers a mapping has a new one, and
# how much of the ports is used. Whoever sources this may ask for less.
at_flows=100000
at_peers="1 100 2000 20000"
at_percent="50 90 99"

# What is subtracted from all: forwarding alone, and the sender.
plain() {
	for_each plain plain_costs
}

plain_costs() {
	figure plain-out 0 "$(cost 1024 outbound)"
	figure plain-in 0 "$(cost 1024 inbound)"
	figure plain-stray 0 "$(cost 1024 stray)"
}

established() {
	for_each "$masqueraders $cones" established_costs
}

established_costs() {
	flows 1
	figure established-out 1 "$(bursts=5 cost 1024 again_out)"
	figure established-in 1 "$(bursts=5 cost 1024 again_in)"
	((at_flows > 1)) || return 0
	flows 1000
	figure established-out 1000 "$(burst=300 cost 1024 outbound)"
	figure established-in 1000 "$(burst=300 cost 1024 inbound)"
	flows 50000
	outbound 1024 50000 "$B" >/dev/null
	inbound 1024 50000 "$B" >/dev/null
	figure established-out 100000 "$(cost 20000 outbound)"
	figure established-in 100000 "$(cost 20000 inbound)"
}

# flows COUNT: of X1:5000 with A, from port 1024 on, answered
flows() {
	outbound 1024 "$1" >/dev/null
	inbound 1024 "$1" >/dev/null
}

# again_out FIRST COUNT: packets of the first flow
again_out() {
	pktgen_run lan "$2" "dst $A" "src_min $X1" "src_max $X1" \
		"udp_src_min 5000" "udp_src_max 5000" "udp_dst_min 1024" "udp_dst_max 1024"
}

again_in() {
	pktgen_run wan "$2" "dst $(outside_of_x1)" "src_min $A" "src_max $A" \
		"udp_src_min 1024" "udp_src_max 1024" "udp_dst_min 5000" "udp_dst_max 5000"
}

flowtable() {
	for_each "$masqueraders $cones" flowtable_costs
}

flowtable_costs() {
	on "$R" nft -f - <<-END || bail_out "nft has no flowtable"
		table inet fast {
			flowtable f {
				hook ingress priority 0
				devices = { lan, wan }
			}
			chain forward {
				type filter hook forward priority filter;
				meta l4proto udp flow add @f
			}
		}
	END
	flows 1
	# the second packet of a direction finds it there
	outbound 1024 1 >/dev/null
	figure flowtable-out 1 "$(bursts=5 cost 1024 again_out)"
	figure flowtable-in 1 "$(bursts=5 cost 1024 again_in)"
	on "$R" nft delete table inet fast
}

peers() {
	for_each "$masqueraders $cones" peers_costs outbound new-peer
	for_each "$masqueraders $cones" peers_costs inbound new-inbound
}

# peers_costs outbound|inbound CASE: first X1:5000 speaks to so many ports of B
peers_costs() {
	local at before=0 first=2000

	outbound 1024 1 "$B" >/dev/null
	for at in $at_peers; do
		((at == 1)) || "$1" $((1024 + before)) $((at - before)) "$B" >/dev/null
		figure "$2" "$at" "$(cost "$first" "$1")"
		before=$at
		((first += 3 * burst))
	done
}

# So many percent of the ports are used, the wanted one among them.
ports() {
	for_each "$masqueraders $cones" ports_costs
}

ports_costs() {
	local percent taken=0 host=4 burst=50

	figure new-mapping 0 "$(cost 1024 anew_from 192.168.0.4)"
	forget
	for percent in $at_percent; do
		anew 192.168.0.3 $((1024 + taken)) \
			$((PORTS * percent / 100 - taken)) >/dev/null
		taken=$((PORTS * percent / 100))
		figure new-mapping "$percent" "$(cost 1024 anew_from "192.168.0.$host")"
		((host++))
	done
	is_cone && [[ $at_percent == *99 ]] || return 0
	anew 192.168.0.3 $((1024 + taken)) $((PORTS - 1 - taken)) >/dev/null
	anew 192.168.0.3 65535 1 >/dev/null
	figure refusal 100 "$(cost 1024 anew_from 192.168.0.8)"
	expect_is "$who: all ports are used" "$PORTS" "$(stat_of mappings)"
}

strays() {
	for_each "$masqueraders $cones" strays_costs
}

strays_costs() {
	# there are mappings, but not where it is sent to
	outbound 1024 100 >/dev/null
	figure stray 0 "$(cost 1024 stray)"
}
