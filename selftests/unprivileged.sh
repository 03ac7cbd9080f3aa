#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Who is not the router's root sees nobody's mappings and changes nothing: not an ordinary user, not one who is root of a user
# namespace of his own, not a root without capabilities, and not by a descriptor that root has opened for him. All may read the
# knobs and the module's parameters, as they may all of the kernel's.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/life-lib.sh
. "$(dirname "$0")/life-lib.sh"

need_module
[[ -z $FULLCONE_STANDIN ]] || skip_all "needs the module"
need_tools setpriv unshare
silent_network

knobs=/proc/sys/net/fullcone_nat
state=/proc/net/fullcone_nat
parameters=/sys/module/fullcone_nat/parameters
files=(mappings sessions stats status)

# Each of them runs in the router's network namespace.
user() {
	on "$R" setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

root_elsewhere() {
	user unshare -Ur "$@"
}

no_capabilities() {
	on "$R" setpriv --bounding-set=-all --inh-caps=-all "$@"
}

# modes DIRECTORY: of all that is below it, each once
modes() {
	on "$R" find "$1" -type f -printf '%m %U:%G %f\n' | sort
}

all_knobs() {
	on "$R" grep -r . $knobs | sort
}

lines() {
	on "$R" sed 's/ sessions=.*//' $state/mappings
}

# opened WHO COMMAND: what WHO can open, of all files: for COMMAND "read" or "write"
opened() {
	# shellcheck disable=SC2016
	"$1" bash -c 'shopt -s nullglob
		for file in "${@:2}"; do
			case $1 in
			read) exec 3<"$file" && echo "${file##*/}" ;;
			write) exec 3>>"$file" && echo "${file##*/}" ;;
			esac
		done 2>/dev/null' bash "$2" "${@:3}"
}

who_sees_what() {
	local who

	for who in user root_elsewhere; do
		expect_is "$who opens none of the state's files for reading" "" "$(opened $who read "${state_files[@]}")"
		expect_is "$who opens none for writing" "" "$(opened $who write "${state_files[@]}")"
		expect_is "$who opens no knob for writing" "" "$(opened $who write "${knob_files[@]}")"
		expect_is "$who opens no parameter for writing" "" "$(opened $who write "${parameter_files[@]}")"
		expect_is "$who reads all knobs" "${#knob_files[@]}" "$(opened $who read "${knob_files[@]}" | wc -l)"
		expect_is "$who reads all parameters" "${#parameter_files[@]}" \
			"$(opened $who read "${parameter_files[@]}" | wc -l)"
		expect_not "$who loads no rules" $who nft add table ip mine
	done
}

# gives WHO TEXT FILE: root opens the file and WHO writes to it
gives() {
	# shellcheck disable=SC2016
	on "$R" bash -c 'exec 3<>"$1"; "${@:3}" bash -c "echo \"\$1\" >&3" bash "$2"' bash "$3" "$2" \
		setpriv --reuid=65534 --regid=65534 --clear-groups "${@:4}" 2>&1
}

has_root_opened() {
	expect_match "a user can't flush by root's descriptor" "not permitted" "$(gives user flush $state/mappings)"
	expect_match "nor who is root elsewhere" "not permitted" "$(gives user flush $state/mappings unshare -Ur)"
	expect_match "nor add a static forward" "not permitted" \
		"$(gives user "add udp $LAN.2:5009 $W:5009" $state/mappings)"
	expect_match "nor raise max_mappings" "not permitted|I/O error" "$(gives user 2000000000 $knobs/max_mappings)"
	expect_match "nor have the log filled" "not permitted|I/O error" "$(gives user 1 $knobs/log)"
}

root_in_name_only() {
	expect_match "a root without capabilities can't flush" "not permitted" \
		"$(no_capabilities bash -c "echo flush >$state/mappings" 2>&1)"
	expect_match "nor raise max_mappings" "not permitted|I/O error" \
		"$(no_capabilities bash -c "echo 2000000000 >$knobs/max_mappings" 2>&1)"
	expect_match "nor have the log filled" "not permitted|I/O error" \
		"$(no_capabilities bash -c "echo 1 >$knobs/log" 2>&1)"
	expect_is "nor open a parameter for writing" "" "$(opened no_capabilities write "${parameter_files[@]}")"
}

# The files of his own namespace are his alone.
his_own() {
	expect_match "who is root of his own namespace reads its status" "^active=0" \
		"$(user unshare -Urn bash -c "echo 600 >$knobs/udp_timeout; cat $state/status" 2>&1)"
	# shellcheck disable=SC2016
	start his "$R" setpriv --reuid=65534 --regid=65534 --clear-groups unshare -Urn bash -c \
		'echo 600 >/proc/sys/net/fullcone_nat/udp_timeout && echo "ready $$"; exec sleep 1000'
	expect_not "another user does not read the state of his" \
		on "$R" setpriv --reuid=65533 --regid=65533 --clear-groups cat "/proc/${pids[his]}/net/fullcone_nat/status"
	expect_is "nor can he write there what he may not" "" \
		"$(on "$R" setpriv --reuid=65533 --regid=65533 --clear-groups bash -c \
			"exec 3<>/proc/${pids[his]}/net/fullcone_nat/mappings && echo opened" 2>/dev/null)"
	stop his
}

udp_out "$X1" $LAN.2:5000 $A:3000
expect_leaves "X1 has a mapping" $W:5000
had=$(all_knobs) lines=$(lines)

expect_is "the state is root's, and who may write may read" \
	"440 0:0 sessions 440 0:0 stats 440 0:0 status 640 0:0 mappings" "$(modes $state | tr '\n' ' ' | sed 's/ $//')"
expect_is "all knobs are root's to write" "" "$(modes $knobs | grep -v '^644 0:0 ')"
expect_is "parameters are nobody's to write" "" "$(modes $parameters | grep -v '^444 0:0 ')"
mapfile -t knob_files < <(on "$R" find $knobs -type f | sort)
mapfile -t parameter_files < <(find $parameters -type f | sort)
state_files=("${files[@]/#/$state/}")
expect "there are knobs" test ${#knob_files[@]} -ge 30
who_sees_what
has_root_opened
root_in_name_only
his_own
expect_is "nobody has changed a knob" "$had" "$(all_knobs)"
expect_is "nor a mapping" "$lines" "$(lines)"

finish
