#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What people see of the target: help; rules are listed and saved as they were
# written, and what was saved loads as the same; what makes no sense is refused in
# a sentence, by the plugin where it can know, else in the kernel's log, and changes
# nothing.
#
# families: 4 6

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

[[ -z $FULLCONE_STANDIN ]] || skip_all "needs the target"
need_target
new_ns R r
ip -n "$R" link add wan type dummy

first=$(bare "$W")
last=${first%1}4

# As iptables-save prints them
written=(
	"-A PREROUTING -i wan -j FULLCONENAT"
	"-A POSTROUTING -o wan -j FULLCONENAT"
	"-A POSTROUTING -o wan -p udp -j FULLCONENAT --to-ports 40000-60000 --random-fully"
	"-A POSTROUTING -o wan -p tcp -j FULLCONENAT --to-ports 40000 --random"
	"-A POSTROUTING -o wan -j FULLCONENAT --to-source $first-$last --persistent"
	"-A POSTROUTING -o wan -j FULLCONENAT --to-source $first"
	"-A POSTROUTING -o wan -p udp -j FULLCONENAT --to-source $first --to-ports 1024-2047 --filter adf"
	"-A POSTROUTING -o wan -j FULLCONENAT --random --random-fully --filter apdf"
	"-A POSTROUTING -o wan -j FULLCONENAT --filter eif"
)

# saved legacy|nft
saved() {
	on "$R" "$iptables-$1-save" -t nat 2>/dev/null | grep FULLCONENAT | sed 's/ -m \(udp\|tcp\)//'
}

# refused DESCRIPTION REGEX ARGUMENT...: iptables says so, and no rule is there that
# was not before
refused() {
	local before out

	before=$(saved "$variant")
	if out=$(ipt "$variant" "${@:3}" 2>&1); then
		fail "$variant: $1" "was taken: ${*:3}"
	else
		expect_match "$variant: $1" "$2" "$out"
	fi
	expect_is "$variant: that changes nothing" "$before" "$(saved "$variant")"
}

# refused_by_kernel DESCRIPTION REGEX ARGUMENT...: the same, and the sentence is in
# the kernel's log
refused_by_kernel() {
	local lines

	lines=$(dmesg | wc -l)
	refused "$1" . "${@:3}"
	expect_match "$variant: the kernel's log says why" "$2" "$(dmesg | tail -n +$((lines + 1)))"
}

# Rules that a plugin would not let pass: the kernel does not either.
kernel_refuses() {
	local what=$1 lines

	lines=$(dmesg | wc -l)
	expect_not "kernel: wrong $what are refused" on "$R" "$HERE/blobs" -o "$what"
	expect_match "kernel: the log says why" "xt_FULLCONENAT: .*$2" "$(dmesg | tail -n +$((lines + 1)))"
}
ipt legacy -L >/dev/null
if [[ $FULLCONE_FAMILY == 4 ]]; then
	other=2001:db8::1 nobody=0.0.0.0
	kernel_refuses ports "--to-ports 40000-39999: the range is reversed"
	kernel_refuses port "--to-ports 0: nobody can have that port"
	kernel_refuses addresses "--to-source 203.0.113.1-203.0.113.0: the range is reversed"
	kernel_refuses address "--to-source 203.0.113.1-224.0.0.1: no host has such an address"
	kernel_refuses flags "flags 0x20 are unknown"
	kernel_refuses ranges "2 ranges: one is possible"
else
	other=203.0.113.1 nobody=::
fi
expect_is "kernel: no rule is there" "" "$(saved legacy)"

# ip6tables-legacy 1.8.9 does not: "-C" and "-D" take the first rule with the same target
compares_targets() {
	local same=1

	ipt $variant -A POSTROUTING -o lo -j SNAT --to-source "$first" || return
	ipt $variant -C POSTROUTING -o lo -j SNAT --to-source "$last" 2>/dev/null || same=
	ipt $variant -D POSTROUTING -o lo -j SNAT --to-source "$first"
	[[ ! $same ]]
}

for variant in legacy nft; do
	help=$(on "$R" "$iptables-$variant" -j FULLCONENAT --help)
	for option in to-source to-ports random random-fully persistent filter; do
		expect_match "$variant: the help has --$option" "--$option" "${help##*FULLCONENAT target}"
	done

	printf '%s\n' "${written[@]}" | must_rules $variant
	expect_is "$variant: rules are saved as they were written" \
		"$(printf '%s\n' "${written[@]}" | sed 's/-o wan -p \([a-z]*\)/-o wan -p \1/' | sort)" \
		"$(saved $variant | sed 's/-p \([a-z]*\) -o wan/-o wan -p \1/' | sort)"
	before=$(saved $variant)
	on "$R" "$iptables-$variant-save" -t nat >"$TMP/saved"
	ipt $variant -F
	expect "$variant: what was saved can be restored" on "$R" "$iptables-$variant-restore" "$TMP/saved"
	expect_is "$variant: and is the same" "$before" "$(saved $variant)"
	expect_match "$variant: a list has the options" \
		"FULLCONENAT .*to:$first-$last persistent" "$(ipt $variant -nL POSTROUTING)"
	expect "$variant: a rule is found again by what it says" \
		ipt $variant -C POSTROUTING -o wan -p udp -j FULLCONENAT --to-source "$W:1024-2047" --filter adf
	if compares_targets; then
		expect_not "$variant: and not by something else" \
			ipt $variant -C POSTROUTING -o wan -p udp -j FULLCONENAT --to-source "$W:1024-2047"
	else
		skip "$variant: and not by something else" "this $iptables compares no targets, SNAT neither"
	fi

	post=(-A POSTROUTING -o wan -p udp -j FULLCONENAT)
	refused "a reversed range of ports" "the range 60000-40000 is reversed" "${post[@]}" --to-ports 60000-40000
	refused "an empty range of ports" "the range 0 is empty" "${post[@]}" --to-ports 0
	refused "no port" '"" is not a port' "${post[@]}" --to-ports ""
	refused "a port that is none" '"65536" is not a port' "${post[@]}" --to-ports 65536
	refused "half a range" '"40000-" is not a port' "${post[@]}" --to-ports 40000-
	refused "ports without a protocol" "ports need -p tcp, udp" \
		-A POSTROUTING -o wan -j FULLCONENAT --to-ports 40000
	refused "ports of another protocol" "ports need -p tcp, udp" \
		-A POSTROUTING -o wan -p gre -j FULLCONENAT --to-ports 40000
	refused "ports twice" "ports are named twice" "${post[@]}" --to-source "$W:40000" --to-ports 40000
	refused "a reversed range of addresses" "the range $last-$first is reversed" \
		"${post[@]}" --to-source "$last-$first"
	refused "an address that is none" "\"wan\" is not an IPv$FULLCONE_FAMILY address" "${post[@]}" --to-source wan
	refused "an address of the other family" "is not an IPv$FULLCONE_FAMILY address" "${post[@]}" --to-source "$other"
	refused "an address that nobody has" "no host has the address $nobody" "${post[@]}" --to-source "$nobody"
	refused "a filter that there is not" "--filter is eif, adf or apdf" "${post[@]}" --filter open

	# only the kernel knows which chain it is
	for chain in INPUT OUTPUT; do
		refused_by_kernel "the chain $chain" "FULLCONENAT" -A $chain -j FULLCONENAT
		done
	lines=$(dmesg | wc -l)
	expect_not "$variant: another table is refused" on "$R" "$iptables-$variant" -t mangle -A POSTROUTING -j FULLCONENAT
	expect_match "$variant: the kernel's log says why" "FULLCONENAT target: only valid in nat table, not mangle" \
		"$(dmesg | tail -n +$((lines + 1)))"
	ipt $variant -F
done

finish
