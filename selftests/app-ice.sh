#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# ICE as WebRTC has it, two agents with STUN and TURN: with the module they find a direct way, and behind routers that
# masquerade, where neighbours have had the ports first, the relay.
#
# only: applications
# packages: coturn python3-aioice

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/app-lib.sh
. "$HERE/app-lib.sh"
# shellcheck source=selftests/lab-lib.sh
. "$HERE/lab-lib.sh"

need_packages
need_module
lab_network direct
lab_servers

ways() {
	local side

	lab_forget
	lab_ice
	for side in left right; do
		way[$side]=$(awk '$1 == "local" || $1 == "remote" { print $2 }' "$TMP/$side-ice" | xargs)
		expect_match "$1: $side hears the other" "heard I am" "$(cat "$TMP/$side-ice")"
	done
}

declare -A way=()
for side in left right; do
	lab_nat "${router[$side]}" masquerade
done
ways MASQUERADE
expect_match "MASQUERADE: left's way is by the relay" relay "${way[left]}"
row "ICE (WebRTC)" masquerade "relayed"

for side in left right; do
	lab_nat "${router[$side]}" full
done
ways "the module"
for side in left right; do
	expect_match "the module: $side's way is direct" "^(host|srflx|prflx) (host|srflx|prflx)$" "${way[$side]}"
done
row "ICE (WebRTC)" module "direct"
moment "${router[left]}"
versions python3-aioice coturn

finish
