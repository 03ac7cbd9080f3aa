# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Kernels built from the source of the distribution's own, and put into the cache like
# a stock one: "debug", with everything on that complains, "locks", which counts who waits for
# a lock, "native", which is user-mode Linux, "native-debug", that with KASAN and others, for
# millions of packets and thousands of rounds of races, "native-kcsan", that with an eye for data
# races, "bare" and "noproc", in which much is off that a kernel can do without. The source of
# native-debug and native-kcsan is Debian's newest: those before 6.19 have one processor there,
# and take six times as long to start a program. Sourced by lib.sh.

BUILT_KERNELS="debug locks native native-debug native-kcsan bare noproc"
BUILT_CONFIGS=$(realpath "${BASH_SOURCE[0]%/*}/kernels")

# What is different in the source of all, besides built_patch: of each allocation
# that is watched so many callers are noted. With the 64 and 16 that are there, to note them
# is a third of what starting a process costs.
BUILT_DEPTHS="
	mm/kasan/kasan.h	KASAN_STACK_DEPTH	12
	mm/kmemleak.c		MAX_TRACE		8"

# is_built VERSION
is_built() {
	[[ " $BUILT_KERNELS " == *" $1 "* ]]
}

# built_config VERSION: its options. What its own file, or that of its kind, says is not set,
# is not.
built_config() {
	local kind

	case $1 in
	native)		kind='' ;;
	native-*)	kind=native-smp.config ;;
	*)		kind=qemu.config ;;
	esac
	printf 'CONFIG_LOCALVERSION="-%s"\n' "$1"
	(
		cd "$BUILT_CONFIGS" || return
		awk '/ is not set$/ { off[$2] }
			/^CONFIG_/ { name = $1; sub(/=.*/, "", name); if (!(name in off)) print }' \
			"$1.config" ${kind:+"$kind"} {system,router}.config
	) | sort
}

# built_key VERSION: another configuration is another kernel.
built_key() {
	{
		built_config "$1"
		printf '%s\n' "$BUILT_DEPTHS"
		built_patch "$1"
	} | sha256sum | cut -c 1-12
}

# built_patch VERSION: what else is different in its source
built_patch() {
	[[ ! -e $BUILT_CONFIGS/$1.patch ]] || cat "$BUILT_CONFIGS/$1.patch"
}

# built_source DIR VERSION
built_source() {
	if [[ $2 == native-* ]]; then
		root_source "$1"
	else
		kernel_source "$1"
	fi
}

# built_make VERSION
built_make() {
	local new image=arch/x86/boot/bzImage
	local -x ARCH=x86

	if [[ $1 == native* ]]; then
		image=linux ARCH=um
	fi
	need make gcc libc6-dev flex bison bc libelf-dev perl xz-utils lz4 kmod patch
	say "building the $1 kernel: half an hour or so, once"
	new=$(mktemp -d "$FULLCONE_CACHE/kernels/new.XXXXXX")
	if ! { built_source "$new/tree" "$1" && built_edit "$new/tree" "$1" &&
			built_compile "$new/tree" "$1" && built_install "$new" "$1"; }; then
		rm -rf "$new"
		die "could not build the $1 kernel"
	fi
	rm -rf "$KERNEL_DIR"
	mv "$new" "$KERNEL_DIR"
}

# built_edit TREE VERSION: a definition that is not there, or not like that, ends the
# build.
built_edit() {
	local file name value

	while read -r file name value; do
		[[ $file ]] || continue
		sed -i "s/^\(#define $name\)[[:space:]].*/\1 $value/" "$1/$file" &&
			grep -qx "#define $name $value" "$1/$file" || return 1
	done <<<"$BUILT_DEPTHS"
	built_patch "$2" >"$1/wanted.patch"
	[[ ! -s $1/wanted.patch ]] || quietly "$2-patch" patch -d "$1" -p1 -i wanted.patch
}

# What watches need not be watched by KASAN, nor what gives processes their pages:
# no bug of a module shows there first, and a process starts in half the time.
built_compile() {
	local tree=$1 unwatched=() name

	built_config "$2" >"$tree/wanted.config"
	quietly "$2-config" make -C "$tree" KCONFIG_ALLCONFIG=wanted.config allnoconfig || return 1
	built_complete "$tree" "$2" || return 1
	for name in lockdep kmemleak debugobjects extable stacktrace unwind_frame \
		fault memory rmap page_alloc mmap filemap maple_tree; do
		unwatched+=("KASAN_SANITIZE_$name.o=n")
	done
	quietly "$2-build" make -C "$tree" -j "$(nproc)" "${unwatched[@]}" "${image##*/}" modules
}

# What an option needs may be missing, and then it is off without a word.
built_complete() {
	local missing

	missing=$(grep -vxFf "$1/.config" "$1/wanted.config") || return 0
	say "options of the $2 kernel that this source does not have, or not like that:" "$missing"
	return 1
}

# Arranged like the unpacked packages of a stock kernel. Of the tree only that is
# kept which a module needs to be built.
built_install() {
	local new=$1 tree=$1/tree release

	release=$(make -s -C "$tree" kernelrelease) || return 1
	kernel_names "${release}_$(built_key "$2")"
	mkdir -p "$new/usr/lib" "$new/usr/src" "$new/boot"
	ln -s usr/lib "$new/lib"
	quietly "$2-install" make -C "$tree" INSTALL_MOD_PATH="$new/usr" modules_install || return 1
	rm -f "$new/lib/modules/$release/"{build,source}
	cp "$tree/.config" "$new/boot/config-$release"
	cp "$tree/$image" "$new/boot/vmlinuz-$release" || return 1

	(cd "$tree" && rm -rf Documentation block certs crypto drivers fs init io_uring ipc kernel lib \
		mm net rust samples security sound usr virt) || return 1
	# What is built here later is for the same architecture.
	sed -i "s/^ARCH\([[:space:]]*\)?=.*/ARCH\1:= $ARCH/" "$tree/Makefile"
	find "$tree" -path "$tree/scripts" -prune -o -path "$tree/tools" -prune -o \
		-name '*.[oacS]' -exec rm {} +
	mv "$tree" "$new/usr/src/linux-headers-$release" || return 1
	chmod 755 "$new" && touch "$new/complete"
}

# debug_module FOLDER [MAKE-ARGUMENT...]: the module for the debug kernel. Its walks
# over lists are checked, too, and its arithmetic.
debug_module() {
	local folder=$1

	shift
	module_build "$folder" KCFLAGS=-DCONFIG_PROVE_RCU_LIST UBSAN_SANITIZE=y "$@"
}
