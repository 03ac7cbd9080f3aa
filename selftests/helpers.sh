#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# No payload is touched unless the owner asks for it (RFC 4787, REQ-10; RFC 5382, REQ-6): SIP and FTP pass to the letter. A
# conntrack helper that he attaches by a rule does its work (REQ-10a), and what it expects gets in whatever the filter: it writes
# what it writes beside MASQUERADE, with the endpoint that the host has here.

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

# ftp: X1 asks A for a file, actively. As a client does it, who waits for each answer: the helper reads from a second line on.
# The reflector tells what it hears, and answers; who closes without having read that resets the connection.
ftp() {
	# shellcheck disable=SC2016 # for the bash inside
	launch ftp "$X1" bash -c 'exec 3<>"/dev/tcp/$1/21" && printf "USER x\r\n" >&3 && read -rN 18 -u 3 &&
		printf "PORT 192,168,1,2,19,136\r\n" >&3 && cat <&3' bash $A
}

ftp
expect_logged "tcp port 21: \"PORT ...\" arrives to the letter" helped "^tcp .* > $A:21 PORT 192,168,1,2,19,136"
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
		ct helper ftp { type "ftp" protocol tcp; }
		ct helper sip { type "sip" protocol udp; }
		chain prerouting {
			type filter hook prerouting priority filter; policy accept;
			udp dport 69 ct helper set "tftp"
			tcp dport 21 ct helper set "ftp"
			udp dport 5060 ct helper set "sip"
		}
	}
END
	skip "with helpers" "$(head -n 1 "$TMP/nft")"
	finish
fi
expect_is "with a helper it does" "$A:7101" "$(tftp 5101 7101)"
expect_is "and others do not" none "$(PROBE_TIMEOUT=2 probe "$STRANGER" udp 7102 "$(ext_of udp $LAN.2:5101)")"

# said REGEX: what the servers that are helped have heard of it
said() {
	grep -oE -- "$1" "$TMP/helped" | tail -n 1
}

# helped_ftp BY: the server is told an endpoint, and gets through to the client there
helped_ftp() {
	local told

	endpoint data "$X1" tcp 5000
	ftp
	expect_logged "$1, FTP: the server is told an address of the router's" helped "PORT 203,0,113,1,[0-9]+,[0-9]+"
	told=$(said 'PORT 203,0,113,1,[0-9]+,[0-9]+')
	IFS=, read -r _ _ _ _ high low <<<"$told"
	expect_is "$1, FTP: it gets through there" "$A:7200" "$(probe "$SRV" tcp $A:7200 "$W:$((high * 256 + low))")"
	expect_logged "$1, FTP: it is the client who hears it" data "^from $A:7200 "
	stop ftp
	stop data
}

# sip METHOD NUMBER [BODY]: a message of X1's telephone; the answer, so where A sees it
sip() {
	local text body=${3:-}

	printf -v text '%s\r\n' "$1 sip:y@$A SIP/2.0" "Via: SIP/2.0/UDP $H1:5060;branch=z9hG4bK$2" "From: <sip:x@$A>;tag=1" \
		"To: <sip:y@$A>" "Call-ID: $2@x" "CSeq: $2 $1" "Contact: <sip:x@$H1:5060>" "Content-Type: application/sdp" \
		"Content-Length: ${#body}" ""
	on "$X1" "$HERE/probe" -t 10 -p "$text$body" udp $H1:5060 $A:5060
}

# helped_sip BY: what a telephone says of itself is true outside, and the sound of a call gets in
helped_sip() {
	local seen told offer

	probe "$X2" udp 5060 $A:3000 >/dev/null
	seen=$(sip REGISTER 1)
	expect_match "$1, SIP: a telephone registers" "^$W:[0-9]+\$" "$seen"
	expect_logged "$1, SIP: its contact is where the server sees it" helped "^Contact: <sip:x@${seen//./\\.}>"
	expect_logged "$1, SIP: and so is where it wants answers" helped "^Via: SIP/2.0/UDP ${seen//./\\.};branch=z9hG4bK1"
	printf -v offer '%s\r\n' v=0 "o=x 1 1 IN IP4 $H1" s=- "c=IN IP4 $H1" "t=0 0" "m=audio 6000 RTP/AVP 8"
	endpoint sound "$X1" udp 6000
	expect_is "$1, SIP: it calls" "$seen" "$(sip INVITE 2 "$offer")"
	expect_logged "$1, SIP: it wants sound at an address of the router's" helped "^c=IN IP4 ${W//./\\.}"
	told=$(said 'm=audio [0-9]+')
	expect_is "$1, SIP: sound gets in there" "$A:7300" "$(probe "$SRV" udp $A:7300 "$W:${told##* }")"
	expect_logged "$1, SIP: it is the telephone that hears it" sound "^from $A:7300 "
	expect_is "$1, SIP: only the other end's" none "$(PROBE_TIMEOUT=2 probe "$STRANGER" udp 7301 "$W:${told##* }")"
	stop sound
}

helped_ftp "the module"
helped_sip "the module"
expect_other_endpoint "the module, SIP: the telephone's endpoint is not its neighbour's" $W:5060 "$(ext_of udp $H1:5060)"

fullcone_off
[[ $FULLCONE_STANDIN ]] || masquerade nft
flush_state
start helped "$SRV" "$HERE/reflect" $A:5060 $A:21 $A:69
helped_ftp MASQUERADE
helped_sip MASQUERADE

finish
