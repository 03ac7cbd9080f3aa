#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The module can be loaded, set up and taken away at any time, while packets come and its files are read: also beside a
# MASQUERADE rule, with which the flows live on.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/race-lib.sh
. "$(dirname "$0")/race-lib.sh"

race_network
[[ -n $we_loaded ]] || skip_all "needs a module that nobody else uses"

# Two of four rounds have the rule: one has it before the module goes and until that is back, one loses it in between. In the
# last of the four the module goes as soon as it is set up.
race() {
	local round=0 name value

	while ((round < rounds)); do
		((round % 4 == 3)) || more flows_out 8 flows_in 2 flows_hairpin 2 || break
		((round % 2)) || nft -f "$TMP/masquerade"
		for name in flows_out flows_in flows_hairpin; do
			counter "$name"
			count "$name" "$value"
		done
		rmmod fullcone_nat || break
		[[ ! -e $state ]] || complain "$state is still there"
		pause 0.05
		((round % 4)) || nft delete table ip masq
		insmod "$FULLCONE_KO" || break
		echo wan >"$knobs/wan" || break
		((round % 4 != 2)) || nft delete table ip masq
		((++round))
	done
	count rounds "$round"
}

# What is not there just now can't be read.
reader() {
	local n=0 file fd

	until [[ $stopped ]]; do
		for file in mappings sessions stats status; do
			if exec {fd}<"$state/$file"; then
				pause 0.02
				mapfile -t -u "$fd" && ((++n))
				exec {fd}<&-
			fi
		done
		read -r file <"$knobs/wan"
		pause 0.01
	done 2>/dev/null
	count readings "$n"
}

cat >"$TMP/masquerade" <<-END
	table ip masq {
		chain postrouting {
			type nat hook postrouting priority srcnat; policy accept;
			oifname "wan" masquerade
		}
	}
END
packets
beside reader reader
run_race race
expect_beside reader readings
# this module has counted nothing of what the others saw
for name in "${!flows[@]}"; do
	flows[$name]=-$(counted race "$name")
done
# what the rule has translated is not ours to look at
on "$R" conntrack -F >/dev/null 2>&1
expect_flows "flows go on after the last round"
settled

finish
