#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Rules with the target FULLCONENAT can be added, replaced and deleted at any time,
# while packets come from all sides. A mapping lives through every reload of the
# firewall, also when for a moment there is no rule at all.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/race-lib.sh
. "$(dirname "$0")/race-lib.sh"

need_target
race_network
must_knob wan ""
# what is looked at rests all the time, and on a slow machine that is longer than it lives
must_knob udp_timeout 3600

post="-A POSTROUTING -o wan -j FULLCONENAT"
pre="-A PREROUTING -i wan -j FULLCONENAT"
shared+=(post pre often)

# What one process of iptables-restore gets: each COMMIT is a transaction. Whether an
# old table is flushed before is --noflush's to say, so in these it is not.
changes() {
	local i

	for ((i = 0; i < often; i++)); do
		# a reload of all at once
		printf '%s\n' "*nat" "-F" "$post" "$pre" COMMIT
		# more rules, and fewer
		printf '%s\n' "*nat" "$post --to-source $W --persistent" "$post --filter adf" COMMIT
		printf '%s\n' "*nat" "-R POSTROUTING 1 -o wan -j FULLCONENAT --filter eif" "-D POSTROUTING 3" COMMIT
		# a reload in two steps
		printf '%s\n' "*nat" "-F" COMMIT
		printf '%s\n' "*nat" "$pre" "$post --random-fully" "$post" COMMIT
		printf '%s\n' "*nat" "-D POSTROUTING 1" COMMIT
	done
}

# X1's mapping of port 6500, as $ext and $age
look() {
	local line word

	ext='' age=''
	line=$(grep -F "proto=udp int=$LAN.2:6500 " "$state/mappings")
	for word in $line; do
		case $word in
		ext=*) ext=${word#*=} ;;
		age=*) age=${word#*=} ;;
		state=active) ;;
		state=*) complain "the mapping is ${word#*=}" ;;
		esac
	done
}

race() {
	local round=0 ext age first old=0 variant

	look
	first=$ext
	while ((round < rounds)); do
		for variant in legacy nft; do
			"iptables-$variant-restore" --noflush "$TMP/changes" ||
				complain "iptables-$variant-restore does not take the changes"
			count reloads $((often * 6))
			more flows_out 4 flows_in 1 || break 2
			look
			[[ $ext == "$first" ]] || complain "X1's endpoint is \"$ext\", was \"$first\""
			((age >= old)) || complain "X1's mapping is $age seconds old, was $old"
			old=$age
			"iptables-$variant" -w -t nat -F
		done
		((++round))
	done
	count rounds "$round"
}

changes >"$TMP/changes"
printf '%s\n' "$post" "$pre" | must_rules legacy
packets
endpoint kept "$X1" udp 6500 $A:3000
beside reader reader
run_race race look
note "reloads: $(counted race reloads)"
expect_beside reader readings
expect_is "as many rules are counted as there are" "rules=0" \
	"$(on "$R" grep -o 'rules=[0-9]*' /proc/net/fullcone_nat/status)"
printf '%s\n' "$post" "$pre" | must_rules legacy
expect_is "X1's endpoint is still the same for everybody" "$(mapped kept)" "$(ext_of udp "$LAN.2:6500")"
expect_is "and a stranger still gets in" "$Z:7100" "$(probe "$STRANGER" udp 7100 "$(mapped kept)")"
stop kept
settled

finish
