#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The module comes to a router that has flows: no external port that one of them uses
# goes to another host as long as it lives (RFC 6888, REQ-8), though MASQUERADE has
# given one host several ports, and several hosts one.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_tools conntrack
need_module
[[ -z $FULLCONE_STANDIN ]] || skip_all "needs the module"
home_network
reflectors
masquerade nft

# not_for_others PORT: X3, who uses it inside, gets another
not_for_others() {
	expect_other_endpoint "port $1 is not given to another host" "$W:$1" "$(probe "$X3" udp "$1" $A:3000)"
}

# del ADDRESS: its mapping at port 5000
del() {
	on "$R" sh -c "echo 'del udp $1:5000' >/proc/net/fullcone_nat/mappings"
}

is_free() {
	del "$LAN.4" 2>/dev/null
	[[ $(PROBE_TIMEOUT=1 probe "$X3" udp 5000 "$A:3000") == "$W:5000" ]]
}

# X2's port 6000 is outside the same for one server, and another for one to whom X1
# speaks from there.
expect_is "before: X1 has port 5000" $W:5000 "$(probe "$X1" udp 5000 $A:3000)"
expect_is "before: so has X2, to another server" $W:5000 "$(probe "$X2" udp 5000 $B:3000)"
expect_is "before: X1 has port 6000" $W:6000 "$(probe "$X1" udp 6000 $A:3000)"
expect_is "before: so has X2, to another server" $W:6000 "$(probe "$X2" udp 6000 $B:3000)"
e=$(probe "$X2" udp 6000 $A:3000)
expect_other_endpoint "before: and a second port to that of X1" $W:6000 "$e"

fullcone_on
expect_is "X1's flow goes on" $W:5000 "$(probe "$X1" udp 5000 $A:3000)"
expect_is "X2's, too" $W:5000 "$(probe "$X2" udp 5000 $B:3000)"
expect_is "and the one that has a port of its own" "$e" "$(probe "$X2" udp 6000 $A:3000)"
expect_is "and the one that shares one" $W:6000 "$(probe "$X2" udp 6000 $B:3000)"
not_for_others 5000
not_for_others 6000
not_for_others "${e#*:}"

# Which of the two got the mapping depends on conntrack's hash.
if [[ $(ext_of udp $LAN.2:5000) == "$W:5000" ]]; then
	owner=$LAN.2 other=$X2 address=$LAN.3 server=$B
else
	owner=$LAN.3 other=$X1 address=$LAN.2 server=$A
fi
expect "one of those who share port 5000 has the mapping" del $owner
del $LAN.4
expect_not "which has ended" state_of udp $owner:5000
not_for_others 5000
expect_is "while the other's flow goes on there" $W:5000 "$(probe "$other" udp 5000 $server:3000)"
on "$R" conntrack -D -p udp -s $address --sport 5000 >/dev/null 2>&1
expect "when that has ended the port is free" wait_for 60 is_free

# A flow that shares a port holds it, too: on a slow machine for two minutes.
on "$R" conntrack -F >/dev/null 2>&1
finish
