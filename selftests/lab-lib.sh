# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The lab: two homes, each behind a router that is any type of NAT, each router behind
# its carrier's NAT or not, and servers on the Internet between them.
#
#   peer .2 ------+                                  203.0.113.1
#   neighbour .3 -+-- br0 [ router ] wan -- lan [ carrier ] wan --+
#   left: 192.168.1.0/24                                          +-- srv: STUN and TURN at
#   right: 192.168.2.0/24                                         |   A and B, meeting place
#   peer .2 ------+                                               |   at A:4000
#   neighbour .3 -+-- br0 [ router ] wan -- lan [ carrier ] wan --+
#                                                    203.0.113.2
#
# Namespaces are ${router[left]}, ${carrier[left]}, ${peer[left]}, ${neighbour[left]},
# likewise right. What is for nowhere ends at the servers, without a word, as on the
# Internet. IPv4 only: what NATs do to it is what the programs are about.
#
# shellcheck disable=SC2154 # the variables that lib.sh sets

declare -A router=() carrier=() peer=() neighbour=()
declare -A lab_lan=([left]=192.168.1 [right]=192.168.2) lab_wan=([left]=$W [right]=$W2)
STUN=$A:3478
MEET=$A:4000

# lab_network direct|carrier: without a carrier's NAT or with
lab_network() {
	make_ns NET net SRV srv
	ip -n "$NET" -batch - <<-END || bail_out "no bridge or veth devices here"
		link set lo up
		link add br0 type bridge forward_delay 0
		link set br0 up
		link add srv type veth peer name eth0 netns $SRV
		link set srv master br0 up
	END
	ADDR["$SRV"]=$A
	ip -n "$SRV" -batch - <<-END
		link set lo up
		$(address_command eth0 "$A")
		$(address_command eth0 "$B")
		link set eth0 up
		link add sink type veth peer name void
		link set void up
		link set sink up arp off
		route add default dev sink
	END
	lab_home left "$1"
	lab_home right "$1"
}

# lab_home SIDE direct|carrier
lab_home() {
	local side=$1 lan=${lab_lan[$1]} wan=${lab_wan[$1]} r x n c

	make_ns r "$side-r" x "$side-x" n "$side-n"
	router[$side]=$r peer[$side]=$x neighbour[$side]=$n
	ADDR["$x"]=$lan.2
	ADDR["$n"]=$lan.3
	ip -n "$r" -batch - <<-END
		link set lo up
		link add br0 type bridge forward_delay 0
		addr add $lan.1/24 dev br0
		link set br0 up
		link add p1 type veth peer name eth0 netns $x
		link set p1 master br0 up
		link add p2 type veth peer name eth0 netns $n
		link set p2 master br0 up
	END
	for x in "$x" "$n"; do
		ip -n "$x" -batch - <<-END
			link set lo up
			addr add ${ADDR[$x]}/24 dev eth0
			link set eth0 up
			route add default via $lan.1
		END
	done
	if [[ $2 == carrier ]]; then
		make_ns c "$side-c"
		carrier[$side]=$c
		ip -n "$c" -batch - <<-END
			link set lo up
			link add lan type veth peer name wan netns $r
			addr add 100.64.0.1/24 dev lan
			link set lan up
		END
		ip -n "$r" -batch - <<-END
			addr add 100.64.0.2/24 dev wan
			link set wan up
			route add default via 100.64.0.1
		END
		lab_outside "$c" "$side" "$wan"
		lab_nat "$c" carrier
	else
		lab_outside "$r" "$side" "$wan"
	fi
	set_sysctl "$r" net.ipv4.ip_forward=1
	R=$r firewall nft
	wait_for 60 answers "${peer[$side]}" "$lan.1" || bail_out "no way to the router"
}

# lab_outside NS SIDE ADDRESS: connects a router to the Internet
lab_outside() {
	ip -n "$1" -batch - <<-END
		link add wan type veth peer name $2 netns $NET
		addr add $3/24 dev wan
		link set wan up
		route add default via $A
	END
	ip -n "$NET" link set "$2" master br0 up
	set_sysctl "$1" net.ipv4.ip_forward=1
	ADDR["$1"]=$3
	wait_for 60 answers "$1" "$A" || bail_out "a router does not reach the servers"
}

# lab_nat NS TYPE: makes a router a NAT of that type, one of RFC 3489's or a carrier's, whose
# mappings are for everybody, whom only those may use who were spoken to
lab_nat() {
	local R=$1 mapping=eim filter

	case $2 in
	full) filter=eif ;;
	restricted) filter=adf ;;
	port-restricted | carrier) filter=apdf ;;
	symmetric) mapping=apdm filter=apdf ;;
	masquerade)
		fullcone_off
		on "$R" nft list table ip masq >/dev/null 2>&1 || masquerade nft
		return
		;;
	*) bail_out "no type of NAT: $2" ;;
	esac
	! on "$R" nft list table ip masq >/dev/null 2>&1 || masquerade_off nft
	must_knob wan wan
	must_knob mapping $mapping
	must_knob filter_udp $filter
	must_knob filter_tcp $filter
}

# lab_forget: what routers and carriers remember
lab_forget() {
	local R

	for R in "${router[@]}" ${carrier[@]+"${carrier[@]}"}; do
		flush_state
	done
}

# STUN over UDP and TCP at A and B, TURN for
# "user" with "secret", and a place to meet.
lab_servers() {
	need_tools turnserver
	launch turn "$SRV" turnserver -c /dev/null -n -a -u user:secret -r lab --no-cli --no-tls --no-dtls \
		--simple-log --log-file=stdout --pidfile=/dev/null -L "$A" -L "$B" -p 3478 --alt-listening-port=3479
	start meet "$SRV" "$HERE/punch" meet "$MEET"
	wait_for 120 on "$SRV" "$HERE/punch" tcp "$A:5998" "$STUN" || bail_out "the STUN server does not answer"
	wait_for 120 on "$SRV" "$HERE/punch" udp "$A:5999" "$STUN" || bail_out "the STUN server does not answer"
}

# lab_conflict PORT: the neighbours, who have learned their endpoints from the server at B,
# are in touch with each other from that port already, if they can be. MASQUERADE has given
# it to them, and gives it to the peers, too, who ask at A; and when these want to talk to
# each other it has to think of another.
lab_conflict() {
	local side proto

	for proto in udp tcp; do
		for side in left right; do
			launch "$side-$proto-first" "${neighbour[$side]}" "$HERE/punch" -k -t 3 $proto \
				"${ADDR[${neighbour[$side]}]}:$1" "$B:3478" "$MEET" "$proto-first"
		done
	done
	for proto in udp tcp; do
		for side in left right; do
			wait_for 60 logged "$side-$proto-first" '^(through|none)' ||
				bail_out "a neighbour gets no answer: $(cat "$TMP/$side-$proto-first")"
		done
	done
}

# lab_punch PROTO PORT [SECONDS]: both peers try; what they say is in $TMP/left-PROTO and
# $TMP/right-PROTO when lab_punched PROTO returns, which succeeds if both got through
lab_punch() {
	local side

	for side in left right; do
		launch "$side-$1" "${peer[$side]}" "$HERE/punch" -t "${3:-8}" "$1" \
			"${ADDR[${peer[$side]}]}:$2" "$STUN" "$MEET" "$1"
	done
}

lab_punched() {
	local side name through=0

	for side in left right; do
		name=$side-$1
		! wait "${pids[$name]}" || ((++through))
		unset "pids[$name]"
	done
	((through == 2))
}

# lab_ice: ICE agents in both homes find the best way; what they say is in $TMP/left-ice
# and $TMP/right-ice. Agents take any ports; here there are two meanwhile, and from these
# the neighbours are in touch with each other already.
lab_ice() {
	local side port role=controlling

	for port in 50000 50001; do
		launch "left-$port" "${neighbour[left]}" "$HERE/probe" -k -t 1 udp \
			"${lab_lan[left]}.3:$port" "$W2:50000" "$W2:50001"
		launch "right-$port" "${neighbour[right]}" "$HERE/probe" -k -t 1 udp \
			"${lab_lan[right]}.3:$port" "$W:50000" "$W:50001"
	done
	for side in left right; do
		for port in 50000 50001; do
			wait_for 30 logged "$side-$port" ^ready
		done
		set_sysctl "${peer[$side]}" net.ipv4.ip_local_port_range="50000 50001"
		launch "$side-ice" "${peer[$side]}" "$HERE/ice.py" "$A" "$MEET" ice $role
		role=controlled
	done
	for side in left right; do
		wait "${pids[$side-ice]}"
		unset "pids[$side-ice]"
		set_sysctl "${peer[$side]}" net.ipv4.ip_local_port_range="32768 60999"
	done
}
