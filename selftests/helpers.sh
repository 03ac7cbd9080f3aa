#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# No payload is touched unless the owner asks for it (RFC 4787, REQ-10; RFC 5382, REQ-6): SIP and FTP pass to the letter. A
# conntrack helper that he attaches by a rule does its work (REQ-10a), and what it expects gets in whatever the filter.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

need_module
home_network
fullcone_on
firewall nft
for name in nf_nat_sip nf_nat_ftp nf_nat_tftp; do
	modprobe -q "$name"
done
reflectors
start helped "$SRV" "$HERE/reflect" $A:5060 $A:21 $A:69

# X2 has the port, so that X1's is another one outside
probe "$X2" udp 5000 $A:3000 >/dev/null
# as a helper would read it, line by line
on "$X1" "$HERE/probe" -t 10 -p $'INVITE sip:x@'"$A"$' SIP/2.0\r\nVia: SIP/2.0/UDP '"$H1"$':5000\r\n\r\n' \
	udp $H1:5000 $A:5060 >/dev/null
expect_logged "udp port 5060: the address in a SIP header arrives to the letter" helped "^Via: SIP/2.0/UDP ${H1//./\\.}:5000"
# A connection's first words are probe's own; the reflector tells what it hears. It answers at once, and who closes without
# having read that resets the connection, maybe before the reflector has looked.
# shellcheck disable=SC2016 # for the bash inside
launch ftp "$X1" bash -c 'exec 3<>"/dev/tcp/$1/21" && printf "PORT 192,168,1,2,19,136" >&3 && cat <&3' bash $A
expect_logged "tcp port 21: \"PORT ...\" arrives to the letter" helped "^tcp .* > $A:21 PORT 192,168,1,2,19,136\$"
stop ftp

# A server of TFTP answers from another port, which a port-restricted cone does not let in.
must_knob filter_udp apdf

# tftp PORT FROM: X1 asks A for a file from that port; what happens to the answer from A's port FROM
tftp() {
	local request

	# a read request: to port 69, 21 bytes, no checksum; "file", "octet"
	printf -v request '%04x0045001500000001%s00%s00' "$1" 66696c65 6f63746574
	seg "$X1" 17 "$LAN.2" $A "$request"
	wait_for 10 ext_of udp "$LAN.2:$1"
	endpoint "x1-$1" "$X1" udp "$1"
	PROBE_TIMEOUT=3 probe "$SRV" udp $A:"$2" "$(ext_of udp "$LAN.2:$1")"
}

expect_is "without a helper a server of TFTP gets no answer" none "$(tftp 5100 7100)"
if ! on "$R" nft -f - 2>"$TMP/nft" <<-END; then
	table ip owner {
		ct helper tftp { type "tftp" protocol udp; }
		chain prerouting {
			type filter hook prerouting priority filter; policy accept;
			udp dport 69 ct helper set "tftp"
		}
	}
END
	skip "with a helper it does" "$(head -n 1 "$TMP/nft")"
else
	expect_is "with a helper it does" "$A:7101" "$(tftp 5101 7101)"
	expect_is "and others do not" none "$(PROBE_TIMEOUT=2 probe "$STRANGER" udp 7102 "$(ext_of udp $LAN.2:5101)")"
fi

finish
