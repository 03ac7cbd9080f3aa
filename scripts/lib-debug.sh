# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The debug kernel: the source of the distribution's own, built with everything
# on that complains (debug.config), and put into the cache like a stock kernel.
# Sourced by lib.sh.

DEBUG_CONFIG=$(realpath "${BASH_SOURCE[0]%/*}/debug.config")

# What is different in the source: of each allocation so many callers are noted. With
# the 64 and 16 that are there, to note them is a third of what starting a process costs.
DEBUG_DEPTHS="
	mm/kasan/kasan.h	KASAN_STACK_DEPTH	12
	mm/kmemleak.c		MAX_TRACE		8"

# Another configuration is another kernel.
debug_key() {
	{ grep '^CONFIG_' "$DEBUG_CONFIG"; printf '%s\n' "$DEBUG_DEPTHS"; } | sha256sum | cut -c 1-12
}

debug_build() {
	local new

	need make gcc libc6-dev flex bison bc libelf-dev perl xz-utils lz4 kmod
	say "building the debug kernel: half an hour or so, once"
	new=$(mktemp -d "$FULLCONE_CACHE/kernels/new.XXXXXX")
	if ! { kernel_source "$new/tree" && debug_edit "$new/tree" &&
			debug_compile "$new/tree" && debug_install "$new"; }; then
		rm -rf "$new"
		die "could not build the debug kernel"
	fi
	rm -rf "$KERNEL_DIR"
	mv "$new" "$KERNEL_DIR"
}

# A definition that is not there, or not like that, ends the build.
debug_edit() {
	local file name value

	while read -r file name value; do
		[[ $file ]] || continue
		sed -i "s/^\(#define $name\)[[:space:]].*/\1 $value/" "$1/$file" &&
			grep -qx "#define $name $value" "$1/$file" || return 1
	done <<<"$DEBUG_DEPTHS"
}

# What watches need not be watched by KASAN, nor what gives processes their pages:
# no bug of a module shows there first, and a process starts in half the time.
debug_compile() {
	local tree=$1 unwatched=() name

	quietly debug-config make -C "$tree" KCONFIG_ALLCONFIG="$DEBUG_CONFIG" allnoconfig || return 1
	debug_complete "$tree/.config" || return 1
	for name in lockdep kmemleak debugobjects extable stacktrace unwind_frame \
		fault memory rmap page_alloc mmap filemap maple_tree; do
		unwatched+=("KASAN_SANITIZE_$name.o=n")
	done
	quietly debug-build make -C "$tree" -j "$(nproc)" "${unwatched[@]}" bzImage modules
}

# What an option needs may be missing, and then it is off without a word.
debug_complete() {
	local missing

	missing=$(grep '^CONFIG_' "$DEBUG_CONFIG" | grep -vxFf "$1") || return 0
	say "options of ${DEBUG_CONFIG##*/} that this source does not have, or not like that:" "$missing"
	return 1
}

# Arranged like the unpacked packages of a stock kernel. Of the tree only that is
# kept which a module needs to be built.
debug_install() {
	local new=$1 tree=$1/tree release

	release=$(make -s -C "$tree" kernelrelease) || return 1
	kernel_names "${release}_$(debug_key)"
	mkdir -p "$new/usr/lib" "$new/usr/src" "$new/boot"
	ln -s usr/lib "$new/lib"
	quietly debug-install make -C "$tree" INSTALL_MOD_PATH="$new/usr" modules_install || return 1
	rm -f "$new/lib/modules/$release/"{build,source}
	cp "$tree/.config" "$new/boot/config-$release"
	cp "$tree/arch/x86/boot/bzImage" "$new/boot/vmlinuz-$release" || return 1

	(cd "$tree" && rm -rf Documentation block certs crypto drivers fs init io_uring ipc kernel lib \
		mm net rust samples security sound usr virt) || return 1
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
