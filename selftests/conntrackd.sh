#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# conntrackd tells a second router of our sessions while the module does as ever. When the second takes over, with the same
# addresses, commits what it was told and gets "wan" after that, hosts keep their endpoints: in sessions that go on, towards
# others, and for strangers.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/beside-lib.sh
. "$HERE/beside-lib.sh"

need_module
need_tools conntrack conntrackd
home_network
new_ns STANDBY standby
fullcone_on
firewall nft
reflectors

# daemon NAME NS OWN-ADDRESS OTHER-ADDRESS
daemon() {
	cat >"$TMP/$1.conf" <<-END
		Sync {
			Mode FTFW {
			}
			UDP {
				IPv4_address $3
				IPv4_Destination_Address $4
				Port 3780
				Interface sync
				Checksum on
			}
		}
		General {
			HashSize 1024
			HashLimit 4096
			LockFile $TMP/$1.lock
			UNIX {
				Path $TMP/$1.socket
			}
			Filter From Userspace {
				Protocol Accept {
					TCP
					UDP
				}
				Address Ignore {
					IPv4_address $3
					IPv4_address $4
				}
			}
		}
	END
	set_sysctl "$2" net.netfilter.nf_conntrack_events=1
	launch "$1" "$2" conntrackd -C "$TMP/$1.conf"
	wait_for 60 tell "$1" "$2" -s || bail_out "conntrackd does not run: $(cat "$TMP/$1")"
}

# tell NAME NS OPTION...: a word to the daemon
tell() {
	on "$2" conntrackd -C "$TMP/$1.conf" "${@:3}"
}

# known REGEX: what the second router has been told of
known() {
	tell second "$STANDBY" -e | grep -Eq "$1"
}

# A cable between the routers, and for the second the same lan and wan, which nobody sees yet
ip -n "$R" -batch - <<-END
	link add sync type veth peer name sync netns $STANDBY
	addr add 10.9.9.1/30 dev sync
	link set sync up
	link add r2 type veth peer name lan netns $STANDBY
	link set r2 master br0 up
END
ip -n "$STANDBY" -batch - <<-END
	addr add 10.9.9.2/30 dev sync
	link set sync up
	link add wan type veth peer name r2 netns $NET
END
ip -n "$NET" link set r2 master br0 up
set_sysctl "$STANDBY" net.ipv4.ip_forward=1
daemon first "$R" 10.9.9.1 10.9.9.2
daemon second "$STANDBY" 10.9.9.2 10.9.9.1

declare -A had
for proto in udp tcp; do
	expect_full_cone "beside conntrackd" $proto 5000
	had[$proto]=$e
	expect "$proto: the second is told of X1's session" wait_for 60 known "^$proto .* src=$LAN.2 dst=$A sport=5000 dport=3000 "
	expect "$proto: and of the stranger's" wait_for 60 known "^$proto .* src=$Z dst=$W sport=5000 dport=${e#*:} "
done

# The first is gone, all at once. What it had inside goes on as a switch.
ip -n "$R" link set sync down
stop first
ip -n "$R" link set wan down
del_address "$R" br0 $HR
add_address "$STANDBY" lan $HR
add_address "$STANDBY" wan $W
ip -n "$STANDBY" link set lan up
ip -n "$STANDBY" link set wan up
for ns in "$X1" "$X2" "$X3" "$SRV" "$STRANGER"; do
	ip -n "$ns" neigh flush all
done
R=$STANDBY
firewall nft
[[ ! $FULLCONE_STANDIN ]] || fullcone_on
expect "the second commits what it knows" tell second "$R" -c
for proto in udp tcp; do
	expect_match "$proto: answers come to the endpoint that X1 had" " src=$A dst=$W sport=3000 dport=${had[$proto]#*:} " \
		"$(ct -L -p $proto -s $LAN.2 --sport 5000 -d $A 2>/dev/null)"
	expect_match "$proto: X1 is who answers the stranger" " src=$LAN.2 dst=$Z sport=5000 dport=5000 " \
		"$(ct -L -p $proto -s $Z --sport 5000 2>/dev/null)"
done
[[ $FULLCONE_STANDIN ]] || fullcone_on

for proto in udp tcp; do
	e=${had[$proto]}
	endpoint x1-$proto "$X1" $proto 5000 $B:3001 $A:3000
	expect_is "taken over, $proto: X1 has its endpoint towards others" "$e" "$(mapped x1-$proto)"
	expect_is "taken over, $proto: and in the session that goes on" "$e" "$(mapped x1-$proto 2)"
	expect_stranger "taken over, $proto" $proto 5001
	expect_is "taken over, $proto: so has X2" $W:5000 "$(probe "$X2" $proto 5000 $B:3001)"
	expect_other_endpoint "taken over, $proto: X3, who is new with that port, has another" $W:5000 \
		"$(probe "$X3" $proto 5000 $B:3001)"
done

finish
