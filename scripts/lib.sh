# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Functions shared by the scripts: messages, packages of the machine's own
# distribution, and kernels unpacked beside each other in a cache.
#
# To be sourced by bash with "set -euo pipefail" in effect. Nothing here installs
# a kernel or its headers on the machine.

# shellcheck source=scripts/lib-built.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib-built.sh"
# shellcheck source=scripts/lib-root.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib-root.sh"

FULLCONE_CACHE=${FULLCONE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/fullcone_nat}
export FULLCONE_CACHE

say() {
	printf '%s\n' "$*" >&2
}

die() {
	say "${0##*/}: $*"
	exit 1
}

# quietly LOGNAME COMMAND...: output goes to a log, and is seen when COMMAND fails.
quietly() {
	local log=$FULLCONE_CACHE/log/$1.log

	shift
	mkdir -p "${log%/*}"
	if "$@" >"$log" 2>&1 </dev/null; then
		return 0
	fi
	say "failed: $*"
	tail -n 20 "$log" >&2
	say "(all of it in $log)"
	return 1
}

installed() {
	[[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# not_installed PACKAGE...: prints those that are not installed
not_installed() {
	local package

	for package in "$@"; do
		installed "$package" || printf '%s\n' "$package"
	done
}

# need PACKAGE...: install what is missing. Scripts that run side by side may need the
# same, and apt lets nobody wait: one of them installs it.
need() {
	local missing lock

	command -v apt-get dpkg-query >/dev/null ||
		die "these scripts get what they need with apt, which is not here"
	mapfile -t missing < <(not_installed "$@")
	(( ${#missing[@]} )) || return 0
	(( EUID == 0 )) ||
		die "not installed: ${missing[*]} (install them, or run this as root)"

	mkdir -p "$FULLCONE_CACHE"
	exec {lock}>"$FULLCONE_CACHE/lock-apt"
	flock "$lock"
	mapfile -t missing < <(not_installed "$@")
	(( ! ${#missing[@]} )) || need_install "${missing[@]}"
	exec {lock}>&-
}

# The lists may be absent, as in a fresh container, or too old.
need_install() {
	say "installing $*"
	apt_install "$@" 2>/dev/null ||
		{ apt_update || :; apt_install "$@"; } ||
		die "could not install $*"
}

# A server that is only wanted as a program for the tests is not started here, now or
# when the machine starts next.
apt_install() {
	DEBIAN_FRONTEND=noninteractive SYSTEMD_OFFLINE=1 quietly apt-install \
		apt-get -o DPkg::Lock::Timeout=600 install --yes --no-install-recommends "$@" || return
	servers_off "$@" >/dev/null 2>&1 || :
}

# servers_off PACKAGE...: of those that have just been installed
servers_off() {
	local file

	dpkg -L "$@" | grep -Ev '/(kmod|procps|udev)(\.service)?$' | while read -r file; do
		case $file in
		*/systemd/system/*.service) SYSTEMD_OFFLINE=1 systemctl disable "${file##*/}" ;;
		/etc/init.d/*) update-rc.d "${file##*/}" disable ;;
		esac
	done
}

# The machine's own lists, once for a script and those it starts.
apt_update() {
	[[ ! ${FULLCONE_APT_UPDATED:-} ]] || return 0
	(( EUID == 0 )) || die "apt's package lists are too old to use: run this as root"
	quietly apt-update apt-get update || return 1
	export FULLCONE_APT_UPDATED=1
}

#
# Stock kernels
#
# kernel_fetch, kernel_renew and kernel_cached set, for the kernel asked for:
#
#	KERNEL_DIR	the unpacked packages
#	KERNEL_VERSION	of which version, if another release's or machine's
#	KERNEL_RELEASE	what uname -r says in it, such as 6.1.0-56-amd64
#	KERNEL_IMAGE	vmlinuz
#	KERNEL_MODULES	lib/modules/$KERNEL_RELEASE
#	KERNEL_BUILD	the build tree, for make -C
#

# kernel_fetch [VERSION]: the one in the cache, or the newest there is. A version
# stays the same kernel until it is renewed: what is built for it has to fit.
kernel_fetch() {
	local version=${1:-stock}

	kernel_cached "$version" && return 0
	kernel_lock "$version"
	# Another script may have fetched it while this one waited.
	kernel_cached "$version" || kernel_make "$version"
	exec {KERNEL_LOCK}>&-
}

# kernel_renew [VERSION]: the newest there is
kernel_renew() {
	local version=${1:-stock}

	kernel_lock "$version"
	is_built "$version" || root_is "$version" || apt_update ||
		die "could not renew the package lists"
	kernel_make "$version"
	exec {KERNEL_LOCK}>&-
}

# Who wants a kernel from the archive need not wait for one that is being built.
kernel_lock() {
	local file=$FULLCONE_CACHE/kernels/lock

	! is_built "$1" || file+=-$1
	mkdir -p "${file%/*}"
	exec {KERNEL_LOCK}>"$file"
	flock "$KERNEL_LOCK"
}

# kernel_cached VERSION: fails if it has not been fetched
kernel_cached() {
	local link

	link=$(kernel_link "$1") || exit 1
	[[ -e $link/complete ]] || return 1
	kernel_names "$(readlink "$link")"
}

# The symbolic link in the cache that says which kernel a version is.
kernel_link() {
	local name

	if is_built "$1"; then
		name=$1-$(built_key "$1")
	elif root_is "$1"; then
		name=$1
	else
		kernel_is_stock "$1" || return 1
		name=$(os_release VERSION_CODENAME)
	fi
	printf '%s\n' "$FULLCONE_CACHE/kernels/$name"
}

kernel_make() {
	if is_built "$1"; then
		built_make "$1"
	elif root_is "$1"; then
		root_make "$1"
	else
		kernel_from_archive
	fi
	ln -sfn "${KERNEL_DIR##*/}" "$(kernel_link "$1")"
}

kernel_from_archive() {
	kernel_choose_archive
	# What an old list names may be gone from the archive: ask for a new one.
	kernel_have || { apt_update && kernel_have; } ||
		die "could not fetch the kernel"
}

# kernel_is_stock VERSION: this machine's release's own
kernel_is_stock() {
	[[ $1 == stock || " $ROOT_RELEASES " == *" $1 "* ]] ||
		die "no kernel '$1': there are stock, ${ROOT_RELEASES// /, }, 6.1-MACHINE" \
			"(${ROOT_MACHINES// /, }), ${BUILT_KERNELS// /, }"
}

kernel_have() {
	kernel_resolve && { kernel_unpacked || kernel_download; }
}

# Where the packages come from: KERNEL_APT, options for apt, and KERNEL_META, the
# packages which depend on the newest kernel.
kernel_choose_archive() {
	KERNEL_META=(linux-image-amd64 linux-headers-amd64)
	[[ $(os_release ID) != ubuntu ]] ||
		KERNEL_META=(linux-image-generic linux-headers-generic)
	# A package cache of our own: some machines are told to keep none, and
	# then every question to apt takes a second.
	mkdir -p "$FULLCONE_CACHE/apt"
	KERNEL_APT=(
		-o Dir::Cache="$FULLCONE_CACHE/apt"
		-o Dir::Cache::pkgcache=pkgcache.bin
		-o Dir::Cache::srcpkgcache=srcpkgcache.bin
	)
}

os_release() {
	sed -n "s/^$1=\"\\?\\([^\"]*\\)\"\\?\$/\\1/p" /etc/os-release
}

# shellcheck disable=SC2016 # the variables are apt's
debian_mirror() {
	apt-get indextargets --format '$(LABEL) $(SITE)' 'Created-By: Packages' |
		awk -v label="$1" '$1 == label && !seen++ { print $2 }'
}

# Find the packages, and the folder they are or will be unpacked in.
kernel_resolve() {
	local image

	kernel_packages
	image=$(printf '%s\n' "${KERNEL_PACKAGES[@]}" | grep '^linux-image-[0-9]') || return 1
	kernel_names "${image#linux-image-}_$(package_version "$image")"
}

# The names of what is in a folder of the cache, RELEASE_PACKAGEVERSION.
# shellcheck disable=SC2034 # they are for the scripts which source this
kernel_names() {
	KERNEL_DIR=$FULLCONE_CACHE/kernels/$1
	KERNEL_VERSION=${1##*_}
	KERNEL_RELEASE=${1%_*}
	KERNEL_IMAGE=$KERNEL_DIR/boot/vmlinuz-$KERNEL_RELEASE
	KERNEL_MODULES=$KERNEL_DIR/lib/modules/$KERNEL_RELEASE
	KERNEL_BUILD=$KERNEL_DIR/usr/src/linux-headers-$KERNEL_RELEASE
}

# Follow the metapackages' dependencies through the kernel's own packages.
kernel_packages() {
	local found=("${KERNEL_META[@]}") package

	KERNEL_PACKAGES=()
	while (( ${#found[@]} )); do
		mapfile -t found < <(kernel_dependencies "${found[@]}")
		for package in "${!found[@]}"; do
			if [[ " ${KERNEL_PACKAGES[*]} " == *" ${found[package]} "* ]]; then
				unset "found[package]"
			else
				KERNEL_PACKAGES+=("${found[package]}")
			fi
		done
	done
}

# Of alternatives ("|Depends") the first is the one wanted.
kernel_dependencies() {
	apt-cache "${KERNEL_APT[@]}" depends "$@" 2>/dev/null |
		awk '
			/Depends: linux-(image|modules|modules-extra|headers|kbuild)-[0-9]/ &&
				!alternative && !seen[$2]++ { print $2 }
			{ alternative = /\|Depends:/ }'
}

package_version() {
	apt-cache "${KERNEL_APT[@]}" policy "$1" | awk '$1 == "Candidate:" { print $2 }'
}

kernel_unpacked() {
	[[ -e $KERNEL_DIR/complete ]]
}

# Unpacked beside its place and then moved, so that what is there is whole.
kernel_download() {
	local new

	say "fetching kernel $KERNEL_RELEASE"
	need kmod
	new=$(mktemp -d "$FULLCONE_CACHE/kernels/new.XXXXXX")
	if ! kernel_unpack "$new"; then
		rm -rf "$new"
		return 1
	fi
	rm -rf "$KERNEL_DIR"
	mv "$new" "$KERNEL_DIR"
}

# Called where "set -e" does not work, so every step is asked for its result.
kernel_unpack() {
	local new=$1 package

	(cd "$new" && quietly kernel-download \
		apt-get "${KERNEL_APT[@]}" download "${KERNEL_PACKAGES[@]}") || return 1
	for package in "$new"/*.deb; do
		dpkg -x "$package" "$new" && rm "$package" || return 1
	done
	kernel_arrange "$new" && chmod 755 "$new" && touch "$new/complete"
}

# The packages expect to be installed under /. Make them work where they are.
kernel_arrange() {
	local root=$1 build=$1/usr/src/linux-headers-$KERNEL_RELEASE

	# Newer releases ship /usr/lib/modules, older ones /lib/modules.
	if [[ -d $root/lib/modules ]]; then
		mv "$root/lib/modules" "$root/usr/lib/"
		rmdir "$root/lib"
	fi
	ln -s usr/lib "$root/lib"
	rm -f "$root/lib/modules/$KERNEL_RELEASE/"{build,source}

	if [[ ! -L $build/Makefile ]]; then
		sed -i "s|/usr/src/|$KERNEL_DIR/usr/src/|" "$build/Makefile"
	fi
	# Debian names the compiler of the kernel's own release.
	if [[ -e $build/.kernelvariables ]]; then
		sed -i 's/gcc-[0-9]\+$/gcc/' "$build/.kernelvariables"
	fi
	# type information would need pahole
	sed -i '/^CONFIG_DEBUG_INFO_BTF_MODULES=/d' "$build/include/config/auto.conf"
	kernel_boot_files "$root" "$KERNEL_RELEASE"
	depmod -b "$root" "$KERNEL_RELEASE"
}

# Of the newest kernels these files are with the modules.
kernel_boot_files() {
	local name

	mkdir -p "$1/boot"
	for name in vmlinuz config; do
		[[ -e $1/boot/$name-$2 ]] || ln -s "../lib/modules/$2/$name" "$1/boot/$name-$2"
	done
}

# kernel_source DIR [TAR-ARGUMENT...]: the source of this distribution's kernel,
# the whole tree or what the arguments select
kernel_source() {
	local dir=$1 package new status=0

	shift
	package=$(apt-cache depends linux-source 2>/dev/null |
		awk '/Depends: linux-source-/ && !n++ { print $2 }')
	package=${package:-linux-source}
	new=$(mktemp -d "$FULLCONE_CACHE/new.XXXXXX")
	say "fetching $package"
	{
		kernel_source_download "$new" "$package" ||
			{ apt_update && kernel_source_download "$new" "$package"; }
	} && dpkg -x "$new"/*.deb "$new" && kernel_source_unpack "$new" "$dir" "$@" || status=1
	rm -rf "$new"
	return "$status"
}

# kernel_source_unpack ROOT DIR [TAR-ARGUMENT...]: from the unpacked package in ROOT
kernel_source_unpack() {
	mkdir -p "$2" &&
		tar -xf "$(find "$1/usr/src" -type f -name '*.tar.*' ! -name '*.sig' -print -quit)" \
			-C "$2" --strip-components=1 "${@:3}"
}

kernel_source_download() {
	(cd "$1" && quietly kernel-source apt-get download "$2")
}

#
# The module
#

# module_copy NAME: a copy of its sources in the cache; prints the folder. Several
# kernels can be built for at once, and the work tree stays as it is.
module_copy() {
	local copy=$FULLCONE_CACHE/build/$1
	local tree=${BASH_SOURCE[0]%/*}/..

	mkdir -p "$copy"
	rm -rf "${copy:?}"/*
	(cd "$tree" && cp -r Kbuild VERSION ./*.c include selftests "$copy")
	find "$copy" -name '*.mod.c' -delete
	printf '%s\n' "$copy"
}

# module_build FOLDER [MAKE-ARGUMENT...]: for the kernel that was fetched last
module_build() {
	local folder=$1

	if root_is "$KERNEL_VERSION"; then
		root_module "$@"
		return
	fi
	shift
	make -C "$KERNEL_BUILD" M="$folder" CC=gcc "$@" modules
}
