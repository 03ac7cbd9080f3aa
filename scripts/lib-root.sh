# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Kernels of other Debian releases and for other machines: in the cache as the root of a
# small system, unpacked and never installed. One of another release has that release's
# compiler, and the module is built in it; one for another machine has the programs the
# tests need, and is also a disk that vrouter boots into: over 9p an error is a number of
# this machine's, which MIPS takes for another. Sourced by lib.sh.
#
# shellcheck disable=SC2034 # what is set is for the scripts that source this

ROOT_RELEASES="5.10 6.1 6.12 newest"
ROOT_MACHINES="i386 mixed arm64 s390x mipsel"

# root_is VERSION: a kernel of such a root; not if it is this machine's own
root_is() {
	root_is_machine "$1" ||
		{ [[ " $ROOT_RELEASES " == *" $1 "* ]] && ! root_is_ours "$1"; }
}

# root_is_machine VERSION: it is for another machine
root_is_machine() {
	[[ $1 == 6.1-* && " $ROOT_MACHINES " == *" ${1#6.1-} "* ]]
}

# root_machine_versions: 6.1-i386 and so on
root_machine_versions() {
	echo "6.1-${ROOT_MACHINES// / 6.1-}"
}

root_is_ours() {
	[[ $(root_suite "$1") == "$(os_release VERSION_CODENAME)" ]]
}

# The newest kernel of all is built for the release before the next.
root_suite() {
	case $1 in
	5.10)	echo bullseye ;;
	6.12)	echo trixie ;;
	newest)	echo trixie-backports ;;
	*)	echo bookworm ;;
	esac
}

# machine_of VERSION
machine_of() {
	root_is_machine "$1" && echo "${1#6.1-}" || echo amd64
}

# machine_traits MACHINE: sets
#
#	MACHINE_ARCH	what Debian calls it
#	MACHINE_KERNEL	which of Debian's kernels
#	MACHINE_CROSS	prefix of the compiler for its programs, and
#	MACHINE_KCROSS	of that for its kernel
#	MACHINE_QEMU	qemu's command, and
#	MACHINE_PACKAGE	the package that has it
#	MACHINE_CONSOLE	the serial port
#	MACHINE_SMP	processors
#	MACHINE_SKIPS	whether the clock that skips idle time is faster than waiting
#
# "mixed" has 32-bit programs on a 64-bit kernel, as many a small router.
machine_traits() {
	MACHINE_ARCH=$1 MACHINE_KERNEL=$1 MACHINE_CONSOLE=ttyS0 MACHINE_SMP=2 MACHINE_SKIPS=yes
	case $1 in
	amd64)
		MACHINE_CROSS=x86_64-linux-gnu-
		MACHINE_QEMU=(qemu-system-x86_64 -machine q35 -cpu max)
		MACHINE_PACKAGE=qemu-system-x86
		;;
	i386)
		MACHINE_CROSS=i686-linux-gnu- MACHINE_KERNEL=686-pae
		# shellcheck disable=SC2054 # the comma is qemu's
		MACHINE_QEMU=(qemu-system-i386 -machine q35 -cpu max,vendor=GenuineIntel)
		MACHINE_PACKAGE=qemu-system-x86
		;;
	mixed)
		machine_traits amd64
		MACHINE_ARCH=i386 MACHINE_CROSS=i686-linux-gnu- MACHINE_KERNEL=amd64:amd64
		return
		;;
	arm64)
		MACHINE_CROSS=aarch64-linux-gnu- MACHINE_CONSOLE=ttyAMA0
		MACHINE_QEMU=(qemu-system-aarch64 -machine virt -cpu cortex-a57)
		MACHINE_PACKAGE=qemu-system-arm
		;;
	s390x)
		MACHINE_CROSS=s390x-linux-gnu- MACHINE_CONSOLE=ttysclp0
		MACHINE_QEMU=(qemu-system-s390x -machine s390-ccw-virtio -cpu max)
		MACHINE_PACKAGE=qemu-system-misc
		;;
	mipsel)
		# a 24Kf is one processor; by the skipping clock it does not boot in five minutes
		MACHINE_CROSS=mipsel-linux-gnu- MACHINE_KERNEL=4kc-malta MACHINE_SKIPS=
		MACHINE_QEMU=(qemu-system-mipsel -machine malta -cpu 24Kf) MACHINE_SMP=1
		MACHINE_PACKAGE=qemu-system-mips
		;;
	esac
	MACHINE_KCROSS=$MACHINE_CROSS
}

# root_make VERSION: into the cache
root_make() {
	local new

	say "unpacking a root with the $1 kernel"
	need mmdebstrap debian-archive-keyring e2fsprogs kmod
	new=$(mktemp -d "$FULLCONE_CACHE/kernels/new.XXXXXX")
	if ! { root_unpack "$1" "$new" && root_arrange "$new" && root_disk "$1" "$new"; }; then
		rm -rf "$new"
		die "could not unpack the $1 kernel"
	fi
	kernel_names "$(root_release "$new")_$1"
	rm -rf "$KERNEL_DIR"
	mv "$new" "$KERNEL_DIR"
	# the headers of a machine are used from outside
	! root_is_machine "$1" ||
		sed -i "s|/usr/src/|$KERNEL_DIR/usr/src/|" "$KERNEL_BUILD/Makefile"
}

# From the mirrors that this machine uses; what its own apt knows stays as it is.
root_unpack() {
	local suite base main security packages architectures sources=()

	suite=$(root_suite "$1") base=${suite%-backports}
	machine_traits "$(machine_of "$1")"
	main=$(root_mirror) || return

	sources=("deb $main $suite main")
	[[ $suite == "$base" ]] || sources+=("deb $main $base main")
	if root_is_machine "$1"; then
		packages=$(root_programs)
		# what builds its modules runs here
		architectures=$MACHINE_ARCH,amd64
	else
		packages=$(root_compiler "$suite")
		architectures=$MACHINE_ARCH
		security=$(debian_mirror Debian-Security)
		sources+=("deb ${security:-${main%/}-security} $base-security main")
	fi
	quietly "root-$1" mmdebstrap --variant=extract --mode=root --format=directory \
		--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
		--architectures="$architectures" --include="$packages" "$base" "$2" "${sources[@]}"
}

# root_mirror: where this machine gets Debian's packages
root_mirror() {
	local main

	main=$(debian_mirror Debian)
	if [[ ! $main ]]; then
		apt_update
		main=$(debian_mirror Debian)
	fi
	[[ $main ]] || die "this kernel is Debian's, and apt has no Debian mirror configured here"
	printf '%s\n' "$main"
}

# root_source DIR: the whole source of the newest kernel
root_source() {
	local suite base main new status=0

	suite=$(root_suite newest) base=${suite%-backports}
	need mmdebstrap debian-archive-keyring
	main=$(root_mirror) || return
	new=$(mktemp -d "$FULLCONE_CACHE/new.XXXXXX")
	say "fetching the newest linux-source"
	quietly newest-source mmdebstrap --variant=extract --mode=root --format=directory \
		--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --architectures=amd64 \
		--include="linux-source/$suite" "$base" "$new" "deb $main $suite main" "deb $main $base main" &&
		kernel_source_unpack "$new" "$1" || status=1
	rm -rf "$new"
	return "$status"
}

# root_compiler SUITE: packages, separated by commas. Backports have to be asked for.
root_compiler() {
	local from='' tools=bash,coreutils,dash,findutils,grep,mawk,perl,sed

	[[ $1 != *-backports ]] || from=/$1
	echo "linux-image-$MACHINE_KERNEL$from,linux-headers-$MACHINE_KERNEL$from,gcc,make,libc6-dev,$tools"
}

root_programs() {
	local kernel="linux-image-$MACHINE_KERNEL,linux-headers-$MACHINE_KERNEL,linux-kbuild-6.1:amd64"
	local system=base-files,base-passwd,bash,busybox-static,coreutils,dash,diffutils,findutils
	local tests=iproute2,nftables,iptables,conntrack,coturn,stun-server,stun-client,iputils-ping

	echo "$kernel,$system,grep,kmod,mawk,mount,procps,sed,util-linux,$tests,socat,libxtables-dev"
}

# root_arrange ROOT: what the packages' own scripts would have done
root_arrange() {
	local root=$1 release name

	release=$(root_release "$root") || return 1
	kernel_boot_files "$root" "$release"
	ln -s mawk "$root/usr/bin/awk"
	mkdir -p "$root/mnt" "$root/proc"
	for name in passwd group; do
		[[ ! -e $root/usr/share/base-passwd/$name.master ]] ||
			cp "$root/usr/share/base-passwd/$name.master" "$root/etc/$name"
	done
	for name in ip{,6}tables{,-restore,-save}; do
		[[ ! -e $root/usr/sbin/xtables-nft-multi ]] ||
			ln -s xtables-nft-multi "$root/usr/sbin/$name"
	done
	depmod -b "$root" "$release" && touch "$root/complete"
}

# root_disk VERSION ROOT: a file system of it
root_disk() {
	local size

	root_is_machine "$1" || return 0
	size=$(du -sm "$2" | cut -f 1)
	quietly "disk-$1" mke2fs -q -t ext4 -d "$2" "$2.disk" "$(( size * 5 / 4 + 100 ))m" &&
		mv "$2.disk" "$2/disk"
}

# root_release ROOT: of the kernel in it
root_release() {
	local found=("$1"/usr/lib/modules/*)

	(( ${#found[@]} == 1 )) && [[ -d ${found[0]} ]] && echo "${found[0]##*/}"
}

# root_module FOLDER [MAKE-ARGUMENT...]: the module, for the kernel that was fetched
# last
root_module() {
	local folder=$1

	shift
	if root_is_machine "$KERNEL_VERSION"; then
		machine_traits "$(machine_of "$KERNEL_VERSION")"
		need "$(cross_package "$MACHINE_KCROSS")"
		make -C "$KERNEL_BUILD" M="$folder" CROSS_COMPILE="$MACHINE_KCROSS" \
			CC="${MACHINE_KCROSS}gcc" "$@" modules
	else
		# objtool looks into /proc
		# shellcheck disable=SC2016
		LANG=C unshare --mount -- sh -ec '
			root=$1 folder=$2 build=$3
			shift 3
			mount -t proc proc "$root/proc"
			mount --bind "$folder" "$root/mnt"
			exec chroot "$root" make -C "$build" M=/mnt "$@" modules
		' sh "$KERNEL_DIR" "$folder" "${KERNEL_BUILD#"$KERNEL_DIR"}" "$@"
	fi
}

# cross_package PREFIX: what has the compiler of that prefix
cross_package() {
	local name=${1%-}

	[[ $name == x86_64-linux-gnu ]] && echo gcc || echo "gcc-$name"
}

# root_helpers TREE: the tests' helpers and the plugin, for the programs of the machine
# whose kernel was fetched last
root_helpers() {
	machine_traits "$(machine_of "$KERNEL_VERSION")"
	need "$(cross_package "$MACHINE_CROSS")" "libc6-dev-$MACHINE_ARCH-cross"
	make -C "$1/selftests" clean
	make -C "$1/iptables" clean
	make -C "$1/selftests" CC="${MACHINE_CROSS}gcc"
	# what loads it has what it needs
	make -C "$1/iptables" CC="${MACHINE_CROSS}gcc" PKG_CONFIG=: \
		CFLAGS="-O2 -g -idirafter $KERNEL_DIR/usr/include"
}
