#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# "order" can be switched at any time beside a MASQUERADE rule for the same flows, while packets come: now the module decides, now
# the rule. Endpoints that the module has made stay open to everybody meanwhile, and are nobody else's.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/race-lib.sh
. "$(dirname "$0")/race-lib.sh"

race_network
# The rule has ports of its own, which tell its sessions from the module's.
must_knob ports 1024-19999
rules_re=':2[0-9]{4}$'
on "$R" nft -f - <<-END || skip_all "needs masquerade in nftables"
	table ip masq {
		chain postrouting {
			type nat hook postrouting priority srcnat; policy accept;
			oifname "wan" meta l4proto { tcp, udp } masquerade to :20000-29999
		}
	}
END

# Flows that the rule has decided, into $value
by_rules() {
	local line

	while read -r line; do
		[[ $line != "wan=wan "* ]] || value=${line##*by_rules=}
	done <"$state/status"
	value=${value%% *}
}

switch() {
	local seen

	echo "$1" >"$knobs/order" || complain "order does not take $1"
	read -r seen <"$knobs/order"
	[[ $seen == "$1" ]] || complain "order reads as $seen after $1"
}

# rule_decides NUMBER: waits until it has decided so many
rule_decides() {
	local value end=$((SECONDS + 60))

	by_rules
	until ((value >= $1)); do
		if ((SECONDS > end)); then
			complain "the rule has decided $value flows, and does not come to $1 in 60 s"
			return 1
		fi
		pause 0.02
		by_rules
	done
}

race() {
	local round=0 value

	while ((round < rounds)); do
		by_rules
		switch last
		rule_decides $((value + 8)) || break
		more flows_in 1 flows_hairpin 1 || break
		((round % 3)) || pause 0.05
		switch first
		more flows_out 8 flows_in 1 || break
		# there and back, as fast as it goes
		switch last
		switch first
		((++round))
	done
	count rounds "$round"
}

taken_by_rules() {
	field by_rules "$(on "$R" grep "^wan=wan " $state/status)"
}

packets
# from the same ports as X1, so that all have to share
start others "$X3" "$HERE/churn" -c "$(second_cpu)" mixed "$LAN.4:$busy" "${targets[@]}"
beside reader reader
run_race race switch by_rules rule_decides
expect_beside reader readings
must_knob order last
before=$(taken_by_rules)
rule_goes_on() {
	(($(taken_by_rules) > before + 8))
}
expect "after the last round the rule decides with order=last" wait_for 60 rule_goes_on
translations >"$TMP/all"
on "$R" cat $state/mappings >"$TMP/mappings"
grep -Ev "$rules_re" "$TMP/all" >"$TMP/ours"
expect "the rule has sessions" grep -Eq "$rules_re" "$TMP/all"
expect "and the module has" test -s "$TMP/ours"
expect_is "no external endpoint of the module's has sessions of two inside endpoints, nor the other way round" "" \
	"$(confused "$TMP/ours")"
expect_is "none has a session without its mapping" "" "$(sed -E 's/^proto=(.*) int=(.*) ext=([^ ]*) .*/\1 \2 \3/' "$TMP/mappings" |
	grep -Fxvf - "$TMP/ours" | sort -u)"
stop others
must_knob order first
on "$R" nft delete table ip masq
# what the rule has translated is not ours to look at
on "$R" conntrack -F >/dev/null 2>&1
expect_flows "without the rule flows go on"
settled

finish
