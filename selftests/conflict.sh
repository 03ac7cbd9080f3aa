#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A session that would look outside, or inside, like another one that is there is
# refused and counted. The other goes on, and nobody gets an endpoint that is not his.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_module
[[ -z $FULLCONE_STANDIN ]] || skip_all "needs the module"
home_network
fullcone_on
firewall none
reflectors

# more than $before of strangers' packets
clashed() {
	(($(stat_of drop_in_conflict) > before))
}

expect_is "X1 has an endpoint" $W:5000 "$(probe "$X1" udp 5000 $A:3000)"
expect_is "the router itself speaks to B from there" $W:5000 "$(probe "$R" udp 5000 $B:3000)"
before=$(stat_of drop_out_conflict)
expect_is "X1 does not reach B, which would take it for the router" none \
	"$(PROBE_TIMEOUT=2 probe "$X1" udp 5000 $B:3000)"
expect "which is counted" test "$(stat_of drop_out_conflict)" -gt "$before"
expect_is "the router goes on" $W:5000 "$(probe "$R" udp 5000 $B:3000)"
expect_is "X1 reaches B elsewhere" $W:5000 "$(probe "$X1" udp 5000 $B:3001)"
expect_is "and another host does" $W:5001 "$(probe "$X2" udp 5001 $B:3000)"

# What X1 has sent to Z untranslated would look like its answer to Z.
must_knob exempt_mark 0x5e
on "$R" nft -f - <<-END || bail_out "can't mark"
	table $nft_family marks {
		chain prerouting {
			type filter hook prerouting priority mangle;
			iifname "br0" udp dport 6000 meta mark set 0x5e
		}
	}
END
seg "$X1" udp "$H1:5000" $Z:6000 untranslated
on "$R" nft delete table "$nft_family" marks
watch inside "$X1" eth0
before=$(stat_of drop_in_conflict)
killed=$(stat_of strays_killed)
seg "$STRANGER" udp $Z:6000 "$W:5000" first
expect "a stranger's packet that clashes is counted" wait_for 10 clashed
expect_is "what was in the way has gone, as nobody had answered" $((killed + 1)) "$(stat_of strays_killed)"
seg "$STRANGER" udp $Z:6000 "$W:5000" second
expect_logged "he comes in with the next, and as himself" inside "^udp $Z:6000 > .* second\$"
expect_unlogged "but not with the first" inside " first\$"

finish
