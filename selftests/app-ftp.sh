#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# FTP, passive and active: for the active kind, in which the server connects to the client, the owner attaches the
# kernel's helper by a rule. It does with the module what it does with MASQUERADE.
#
# only: applications
# packages: vsftpd curl

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/app-lib.sh
. "$HERE/app-lib.sh"

need_packages
need_module
need_tools vsftpd curl
home_network
firewall nft
reflectors
modprobe -qa nf_conntrack_ftp nf_nat_ftp || skip_all "needs the kernel's helper for FTP"

mkdir -p "$TMP/files" "$TMP/empty"
chmod 755 "$TMP" "$TMP/files" "$TMP/empty"
head -c 300000 /dev/urandom >"$TMP/files/file"
chmod 644 "$TMP/files/file"
cat >"$TMP/vsftpd.conf" <<-END
	listen=YES
	listen_address=$A
	background=NO
	anonymous_enable=YES
	no_anon_password=YES
	anon_root=$TMP/files
	secure_chroot_dir=$TMP/empty
	seccomp_sandbox=NO
	connect_from_port_20=YES
	xferlog_enable=NO
END
launch server "$SRV" vsftpd "$TMP/vsftpd.conf"

# The client takes one of ten ports, and the neighbour has had them all.
set_sysctl "$X1" net.ipv4.ip_local_port_range="5100 5109"
neighbour() {
	local port

	for port in {5100..5109}; do
		probe "$X2" tcp "$port" $B:3000 >/dev/null
	done
}

helper() {
	on "$R" nft -f - <<-END || skip_all "needs helpers in nftables"
		table ip owner {
			ct helper ftp { type "ftp" protocol tcp; }
			chain prerouting {
				type filter hook prerouting priority filter; policy accept;
				tcp dport 21 ct helper set "ftp"
			}
		}
	END
}

# gets CURL-OPTION...: the file comes, and is right
gets() {
	on "$X1" curl -s --max-time 30 --disable-epsv --disable-eprt "$@" -o "$TMP/file" "ftp://$A/file" &&
		cmp -s "$TMP/file" "$TMP/files/file"
}

# files BEHIND: without the helper, and with it
files() {
	neighbour
	expect "$1: passive FTP" wait_for 60 gets
	expect_not "$1: active FTP can't work without the helper" gets --ftp-port -
	helper
	flush_state
	neighbour
	expect "$1: active FTP works with it" gets --ftp-port -
	expect "$1: passive FTP, too" gets
	on "$R" nft delete table ip owner
}

masquerade nft
files MASQUERADE
row "FTP, passive and active with the kernel's helper" masquerade "works"
masquerade_off nft

fullcone_on
flush_state
files "the module"
row "FTP, passive and active with the kernel's helper" module "works"
moment "$R"
versions vsftpd curl

# The helper's data connections have ports of their own, which are kept for them longer than any mapping.
stop server
flush_state

finish
