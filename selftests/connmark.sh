#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What rules of the owner tie to a connection stays with it: a mark that an inside host's flow or a stranger's gets in
# prerouting or postrouting comes back with every answer, and a label likewise. A mapping outlives
# sessions that a rule makes short.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/beside-lib.sh
. "$HERE/beside-lib.sh"

need_module
need_tools conntrack
home_network
fullcone_on
firewall nft
reflectors

# Marks are set on a connection's first packet and counted on its answers, where they have been put back onto the packet.
on "$R" nft -f - <<-END || skip_all "needs connection marks and labels in nftables"
	table ip owner {
		counter back-in { }
		counter back-out { }
		counter labelled { }
		chain prerouting {
			type filter hook prerouting priority mangle; policy accept;
			iifname "br0" udp sport 5000 ct state new ct mark set 0x11 ct label set 5
			iifname "wan" udp sport 5900 ct state new ct mark set 0x22
			meta mark set ct mark
		}
		chain postrouting {
			type filter hook postrouting priority mangle; policy accept;
			oifname "wan" tcp sport 5000 ct state new ct mark set 0x33
			ct direction reply oifname "br0" meta mark { 0x11, 0x33 } counter name back-in
			ct direction reply oifname "wan" meta mark 0x22 counter name back-out
			ct direction reply ct label 5 counter name labelled
		}
	}
END

# counted COUNTER
counted() {
	[[ ! $(on "$R" nft list counter ip owner "$1") =~ "packets 0 " ]]
}

# fresh_counters
fresh_counters() {
	on "$R" nft reset counters table ip owner >/dev/null
}

# entry ARGUMENT...: conntrack's lines for these
entry() {
	ct -L "$@" 2>/dev/null
}

expect_full_cone "marked inside" udp 5000
expect_match "marked inside, udp: conntrack has the mark" " mark=17 " "$(entry -p udp -s $LAN.2 --sport 5000 -d $A)"
expect "marked inside, udp: the answers have it" counted back-in
expect "marked inside, udp: and the label" counted labelled
fresh_counters
expect_full_cone "marked in postrouting" tcp 5000
expect_match "marked in postrouting, tcp: conntrack has the mark" " mark=51 " "$(entry -p tcp -s $LAN.2 --sport 5000 -d $A)"
expect "marked in postrouting, tcp: the answers have it" counted back-in
fresh_counters
expect_full_cone "strangers marked" udp 5900
expect_match "strangers marked, udp: conntrack has the mark" " mark=34 " "$(entry -p udp -s $Z --sport 5900)"
expect "strangers marked, udp: the answers have it" counted back-out
on "$R" nft delete table ip owner

# A rule may make sessions shorter than conntrack would: the mapping is there for longer.
if ! on "$R" nft -f - 2>"$TMP/nft" <<-END; then
	table ip owner {
		ct timeout short {
			protocol udp;
			l3proto ip;
			policy = { unreplied : 2, replied : 2 };
		}
		chain prerouting {
			type filter hook prerouting priority filter; policy accept;
			iifname "br0" udp sport 5100 ct timeout set "short"
		}
	}
END
	skip "sessions made short by a rule" "$(head -n 1 "$TMP/nft")"
	finish
fi

# Conntrack has, and the module has looked since.
forgotten() {
	[[ ! $(entry -p udp --sport 5100) && ($FULLCONE_STANDIN ||
		$(state_of udp "$LAN.2:5100") =~ " sessions=0 ".*" age="[1-9][0-9]) ]]
}

probe "$X2" udp 5100 "$A:3000" >/dev/null
endpoint x1-udp "$X1" udp 5100 $A:3000
e=$(mapped x1-udp)
expect "made short: conntrack has forgotten them" wait_for 60 forgotten
expect_stranger "made short" udp 5101
expect_other_endpoint "made short: X1, whose port X2 had first, has another" $W:5100 "$e"
endpoint x1-udp "$X1" udp 5100 $B:3000 $A:3000
expect_is "made short: it is the same as before" "$e $e" "$(mapped x1-udp) $(mapped x1-udp 2)"

finish
