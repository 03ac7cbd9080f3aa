# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the scripts share that show the module at work: in the virtual router, or on this
# machine's own kernel. Sourced after lib.sh, by a script that says which "packages" it
# wants.
#
# shellcheck disable=SC2154 # here and packages are the script's

# show_in_vrouter OPTION... -- ARGUMENT...: the script itself once more, inside, with
# --here and these arguments
show_in_vrouter() {
	local options=()

	while [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	kernel_fetch stock
	show_prepare
	say "booting a stock $KERNEL_RELEASE kernel; a minute or three ..."
	VROUTER_ENV=FULLCONE_KO "$here/vrouter" ${options[@]+"${options[@]}"} -- "$here/${0##*/}" --here "${@:2}"
}

show_on_this_kernel() {
	KERNEL_BUILD=/lib/modules/$(uname -r)/build
	[[ -e /proc/modules ]] || die "this kernel can't load modules"
	[[ -d $KERNEL_BUILD ]] || need "linux-headers-$(uname -r)"
	show_prepare
}

show_prepare() {
	local copy

	say "installing what is needed ..."
	need make gcc libc6-dev kmod iproute2 nftables iptables conntrack util-linux \
		libxtables-dev pkg-config "${packages[@]}"
	say "building the module ..."
	pushd "$here/.." >/dev/null || return
	copy=$(module_copy "${0##*/}")
	quietly build-module module_build "$copy"
	export FULLCONE_KO=$copy/fullcone_nat.ko
	quietly build-helpers make -C selftests
	quietly build-plugin make -C iptables
	popd >/dev/null || return
}

# After the tests' library: its ways to end are not for who only looks.
# shellcheck disable=SC2317 # the library calls them
show_plainly() {
	bail_out() {
		die "$@"
	}
	skip_all() {
		die "$@"
	}
}
