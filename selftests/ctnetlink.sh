#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Whoever writes to conntrack's table (conntrack -U, -D, -I) has his will with sessions of ours, and the module's files tell
# the same as conntrack afterwards. Mappings are not sessions: a host keeps its endpoint.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/beside-lib.sh
. "$HERE/beside-lib.sh"

need_module
[[ -z $FULLCONE_STANDIN ]] || skip_all "needs the module"
need_tools conntrack
home_network
fullcone_on
firewall nft
reflectors

# sessions PATTERN: how many lines of "sessions" match
sessions() {
	on "$R" grep -c "$1" /proc/net/fullcone_nat/sessions
}

# What the last sweep has counted, added up. A session has one mapping, as nothing is hairpinned here.
swept() {
	# shellcheck disable=SC2016 # awk's
	on "$R" awk '{ sub("sessions=", "", $6); sum += $6 } END { print sum + 0 }' /proc/net/fullcone_nat/mappings
}

files_agree() {
	(($(swept) == $(sessions .)))
}

# expect_endpoint WHAT: X1 speaks to both servers once more, and listens
expect_endpoint() {
	endpoint x1-udp "$X1" udp 5000 $A:3000 $B:3000
	expect_is "$1: X1 has its endpoint" "$e $e" "$(mapped x1-udp) $(mapped x1-udp 2)"
}

# entry ARGUMENT...: conntrack's lines for these
entry() {
	ct -L -o extended,id "$@" 2>/dev/null
}

expect_full_cone "at first" udp 5000
p=${e#*:}
mine=(-p udp -s "$LAN.2" --sport 5000)
expect "the files agree" wait_for 60 files_agree
expect_is "X1 has three sessions of its own, and a stranger's" 4 "$(sessions "int=$LAN.2:5000 ")"

# -U
ct -U "${mine[@]}" -d $A --timeout 2000 >/dev/null 2>&1 || bail_out "conntrack can't change a timeout"
ct -U "${mine[@]}" -d $B --mark 0x77 >/dev/null 2>&1
expect_match "timeout: conntrack has it" " (1[89]..|2000) src=" "$(entry "${mine[@]}" -d $A)"
expect_match "mark: conntrack has it" " mark=119 " "$(entry "${mine[@]}" -d $B)"
expect_endpoint "changed"
expect_stranger "changed" udp 5001
expect "changed: the files agree" wait_for 60 files_agree

# -D
ct -D "${mine[@]}" -d $A >/dev/null 2>&1
expect_is "one deleted: it is not told" 0 "$(sessions "int=$LAN.2:5000 .*peer=$A:")"
expect_is "one deleted: others are" 1 "$(sessions "int=$LAN.2:5000 .*peer=$B:3000 ")"
expect_stranger "one deleted" udp 5002
expect "one deleted: the files agree" wait_for 60 files_agree
ct -D -p udp --reply-src $LAN.2 >/dev/null 2>&1
ct -D "${mine[@]}" >/dev/null 2>&1
expect_is "all deleted: none is told" 0 "$(sessions "int=$LAN.2:5000 ")"
expect "all deleted: the files agree" wait_for 60 files_agree
expect_match "all deleted: X1 has its mapping" " ext=$e .* state=active sessions=0 " "$(state_of udp $LAN.2:5000)"
expect_stranger "all deleted" udp 5003
expect_endpoint "all deleted"

# -I: a session of X1's endpoint, opened from either side
insert() {
	on "$R" conntrack -I -p udp -t 300 "$@" >/dev/null 2>"$TMP/insert" || bail_out "conntrack -I: $(cat "$TMP/insert")"
}
insert -s $LAN.2 --sport 5000 -d $A --dport 3001 --src-nat "$W:$p"
insert -s $Z --sport 6500 -d $W --dport "$p" --dst-nat $LAN.2:5000
expect_is "inserted: X1's session is told" 1 "$(sessions "int=$LAN.2:5000 .*peer=$A:3001 dir=out ")"
expect_is "inserted: and the stranger's" 1 "$(sessions "int=$LAN.2:5000 .*peer=$Z:6500 dir=in ")"
endpoint x1-udp "$X1" udp 5000 $A:3001
expect_is "inserted: X1 is seen there with its endpoint" "$e" "$(mapped x1-udp)"
expect_stranger "inserted" udp 6500
expect "inserted: the files agree" wait_for 60 files_agree

# one that makes X3 somebody at a port that is no mapping's
insert -s $LAN.4 --sport 5600 -d $A --dport 3000 --src-nat $W:5601
expect_is "another's: X3 is seen as it says" $W:5601 "$(probe "$X3" udp 5600 $A:3000)"
expect_is "another's: X3 has a mapping for all else" $W:5600 "$(probe "$X3" udp 5600 $B:3000)"
expect_is "another's: it is no mapping's session" 1 "$(sessions "int=$LAN.4:5600 ")"
expect_is "another's: X2 has port 5601, too, for others" $W:5601 "$(probe "$X2" udp 5601 $B:3000)"
expect_is "another's: but not where it would be taken for X3" none "$(PROBE_TIMEOUT=2 probe "$X2" udp 5601 $A:3000)"
expect "another's: the files agree" wait_for 60 files_agree

flush_mappings
expect_is "flushed: no session is told" 0 "$(sessions .)"
expect_is "flushed: conntrack has none with X1" "" "$(entry -p udp | grep -F "=$LAN.2 ")"
expect_match "flushed: what was not the module's is there" "dport=5601" "$(entry -p udp -s $LAN.4)"

finish
