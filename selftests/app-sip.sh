#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A telephone at home, without an ALG: it asks how its endpoints look from outside, as all telephones can, and says so in
# what it signals. Somebody calls whom it has never spoken to, and both hear each other.
#
# only: applications
# packages: sip-tester

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/app-lib.sh
. "$HERE/app-lib.sh"

need_packages
need_module
need_tools sipp
home_network
firewall nft
reflectors
start inside "$X1" "$HERE/sniff" -n 0 eth0
start outside "$STRANGER" "$HERE/sniff" -n 0 eth0
# a second and a half of sound
head -c 12000 /dev/urandom >"$TMP/sound"

# sdp: the body of a message; what is in brackets sipp fills in
sdp='
      v=0
      o=user 1 1 IN IP4 [public_ip]
      s=-
      c=IN IP4 [public_ip]
      t=0 0
      m=audio [public_media] RTP/AVP 8
      a=rtpmap:8 PCMA/8000
'

cat >"$TMP/answers.xml" <<END
<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="answers">
  <recv request="INVITE" crlf="true"></recv>
  <send><![CDATA[

      SIP/2.0 200 OK
      [last_Via:]
      [last_From:]
      [last_To:];tag=[pid]SIPpTag01[call_number]
      [last_Call-ID:]
      [last_CSeq:]
      Contact: <sip:[public_ip]:[public_port]>
      Content-Type: application/sdp
      Content-Length: [len]
$sdp
    ]]></send>
  <recv request="ACK" rtd="true" crlf="true"></recv>
  <recv request="BYE"></recv>
  <send><![CDATA[

      SIP/2.0 200 OK
      [last_Via:]
      [last_From:]
      [last_To:]
      [last_Call-ID:]
      [last_CSeq:]
      Content-Length: 0

    ]]></send>
</scenario>
END
cat >"$TMP/calls.xml" <<END
<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="calls">
  <send retrans="500"><![CDATA[

      INVITE sip:home@[remote_ip]:[remote_port] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      From: <sip:caller@[local_ip]:[local_port]>;tag=[pid]SIPpTag00[call_number]
      To: <sip:home@[remote_ip]:[remote_port]>
      Call-ID: [call_id]
      CSeq: 1 INVITE
      Contact: <sip:caller@[local_ip]:[local_port]>
      Max-Forwards: 70
      Content-Type: application/sdp
      Content-Length: [len]
${sdp//public_media/media_port}
    ]]></send>
  <recv response="200" timeout="20000"></recv>
  <send><![CDATA[

      ACK sip:home@[remote_ip]:[remote_port] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      From: <sip:caller@[local_ip]:[local_port]>;tag=[pid]SIPpTag00[call_number]
      To: <sip:home@[remote_ip]:[remote_port]>[peer_tag_param]
      Call-ID: [call_id]
      CSeq: 1 ACK
      Max-Forwards: 70
      Content-Length: 0

    ]]></send>
  <nop><action><exec rtp_stream="$TMP/sound,1,8,PCMA/8000"/></action></nop>
  <pause milliseconds="3000"/>
  <send retrans="500"><![CDATA[

      BYE sip:home@[remote_ip]:[remote_port] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      From: <sip:caller@[local_ip]:[local_port]>;tag=[pid]SIPpTag00[call_number]
      To: <sip:home@[remote_ip]:[remote_port]>[peer_tag_param]
      Call-ID: [call_id]
      CSeq: 2 BYE
      Max-Forwards: 70
      Content-Length: 0

    ]]></send>
  <recv response="200" timeout="20000"></recv>
</scenario>
END

# at_home: the telephone asks a server for its two endpoints, in $sip and $rtp, and waits for calls
at_home() {
	local port

	stop telephone
	for port in 5060 6000; do
		# the neighbour has the same telephone
		probe "$X2" udp $port $B:3000 >/dev/null
		probe "$X2" udp $port $A:3000 >/dev/null
	done
	sip=$(probe "$X1" udp 5060 $A:3000)
	rtp=$(probe "$X1" udp 6000 $A:3000)
	launch telephone "$X1" sipp -sf "$TMP/answers.xml" -i $H1 -p 5060 -mp 6000 -rtp_echo -nostdin \
		-key public_ip "${sip%:*}" -key public_port "${sip##*:}" -key public_media "${rtp##*:}"
	wait_for 60 listens || bail_out "the telephone does not listen: $(cat "$TMP/telephone")"
}

listens() {
	[[ $(on "$X1" ss -Hlun "sport = :5060") ]]
}

# call: somebody calls from outside, once
call() {
	(cd "$TMP" && on "$STRANGER" timeout 90 sipp -sf "$TMP/calls.xml" -i "$Z" -p 5070 -mp 7000 -m 1 -nostdin \
		-timeout 60 -key public_ip "$Z" "$sip") >"$TMP/call" 2>&1
}

masquerade nft
at_home
expect_not "MASQUERADE: the call does not get through" call
row "A call to a telephone at home (SIP and RTP, no ALG)" masquerade "no call"
masquerade_off nft

fullcone_on
flush_state
at_home
expect_other_endpoint "its signalling has another port outside than the neighbour's" $W:5060 "$sip"
expect_other_endpoint "and its sound" $W:6000 "$rtp"
expect "the call gets through, and ends as it should" call
expect_logged "sound arrives at home" inside "^udp $Z:7000 > $H1:6000 "
expect_logged "and comes back to the caller, from where he sends" outside "^udp ${rtp//./\\.} > $Z:7000 "
row "A call to a telephone at home (SIP and RTP, no ALG)" module "both hear each other"
moment "$R"
versions sip-tester

finish
