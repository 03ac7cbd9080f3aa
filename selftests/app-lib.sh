# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What tests of real programs share: their packages, and notes of what came of each
# scenario behind MASQUERADE and behind the module, with what, in a form that can be
# gathered.
#
# shellcheck disable=SC2154 # the variables that lib.sh sets

# need_packages: those of the line "# packages:" in the test; on a Debian machine they are
# installed
need_packages() {
	local package wanted missing=()

	read -ra wanted <<<"$(sed -n 's/^# packages: //p' "$0")"
	for package in "${wanted[@]}"; do
		dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
			missing+=("$package")
	done
	((${#missing[@]})) || return 0
	DEBIAN_FRONTEND=noninteractive SYSTEMD_OFFLINE=1 apt-get install --yes \
		--no-install-recommends "${missing[@]}" >"$TMP/apt" 2>&1 ||
		skip_all "needs the packages ${missing[*]}"
}

# row SCENARIO masquerade|module TEXT: what has come of it, if no point has failed since the
# row before
told=0
row() {
	note "row: $1 | $2 | $( ((failures == told)) && echo "$3" || echo "test failed")"
	told=$failures
}

# versions PACKAGE...: what was run
versions() {
	dpkg-query -W -f '# version: ${Package} ${Version}\n' "$@" 2>/dev/null || :
}

# moment NS: the mappings of the router there, when it matters
moment() {
	on "$1" sed 's/^/# mapping: /' /proc/net/fullcone_nat/mappings
}
