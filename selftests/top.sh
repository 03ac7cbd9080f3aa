#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The live view, in a terminal of tmux: mappings by host with the right numbers, what is refused, keys, a terminal that
# changes its size and gets back all its settings; under Debian's shell and under that of small routers, there also without
# stty.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

[[ -z $FULLCONE_STANDIN ]] || skip_all "needs the module"
need_tools busybox setpriv stty tmux
need_module
home_network
firewall nft
reflectors
fullcone_on
# what was made at the start shall be there at the end, at whatever speed
for knob in udp_timeout tcp_close_timeout tcp_rst_timeout icmp_timeout; do
	must_knob $knob 7440
done
set_sysctl "$R" net.netfilter.nf_conntrack_udp_timeout=3600 net.netfilter.nf_conntrack_udp_timeout_stream=3600
must_knob max_mappings 4096
# a host is charged what it makes under a quota
must_knob host_max_mappings 100

top=$HERE/../scripts/fullcone-top
esc=$'\e'
at_exit terminal_gone

# pane COMMAND...: of tmux. Each start has a server of its own: one that ends takes its socket along when it likes.
servers=0
pane() {
	tmux -S "$TMP/tmux-$servers" -f /dev/null "$@"
}

terminal_gone() {
	pane kill-server 2>/dev/null
}

screen() {
	pane capture-pane -p
}

# shows REGEX: some line of the screen
shows() {
	screen | grep -Eq -- "$1"
}

# expect_shows DESCRIPTION REGEX
expect_shows() {
	if wait_for 60 shows "$2"; then
		pass "$1"
	else
		fail "$1" "expected: $2" "seen:" "$(screen)"
	fi
}

key() {
	pane send-keys "$@"
}

# start_top SHELL...: in a terminal of 100 columns and 30 rows, all that is written to it in $TMP/raw. What it leaves is in
# $TMP/status, and in $TMP/before and $TMP/after what stty says.
start_top() {
	cat >"$TMP/session" <<-END
		trap : INT
		echo "what stood here before"
		stty -g >$TMP/before
		sh -c 'echo \$\$ >$TMP/pid; exec "\$@"' sh $* $top -d 1
		echo \$? >$TMP/status.new
		stty -g >$TMP/after
		mv $TMP/status.new $TMP/status
		sleep 1000
	END
	rm -f "$TMP/status" "$TMP/raw"
	terminal_gone
	((++servers))
	on "$R" tmux -S "$TMP/tmux-$servers" -f /dev/null new-session -d -x 100 -y 30 "sleep 1000" || bail_out "tmux does not start"
	pane pipe-pane "cat >$TMP/raw"
	pane set-option remain-on-exit on
	pane respawn-pane -k sh "$TMP/session"
}

ended() {
	[[ -e $TMP/status ]]
}

# left DESCRIPTION STATUS: it has ended with that, and the terminal is as it was
left() {
	expect "$1: it ends" wait_for 60 ended
	expect_is "$1: exit status" "$2" "$(cat "$TMP/status")"
	expect_is "$1: the terminal's settings are as before" "$(cat "$TMP/before")" "$(cat "$TMP/after")"
	expect_is "$1: the screen is, and the cursor is there" "0 1" "$(pane display-message -p '#{alternate_on} #{cursor_flag}')"
	expect_shows "$1: and shows what stood there" "^what stood here before"
}

# The pieces of the last picture that was written to its end, "ROW TEXT", without colours
last_picture() {
	tr '\n' ' ' <"$TMP/raw" | sed "s/$esc\[1;1H/\n&/g" | sed '1d; $d' | tail -n 1 |
		sed "s/$esc\[\([0-9]*\);1H$esc\[2K/\n\1 /g; s/$esc\[[0-9;]*[mJ]//g" | sed 1d
}

# fits ROWS COLUMNS: as high as it may be, and as wide
fits() {
	last_picture | awk -v rows="$1" -v columns="$2" '
		{ wide = length($0) - length($1) - 1; if (wide > widest) widest = wide; last = $1 }
		last != NR { bad = 1 }
		END { exit !(!bad && last <= rows && widest == columns) }'
}

# hosts: their addresses, from above
hosts() {
	screen | awk '/^host / { theirs = 1; next } theirs { print $1 }' | xargs
}

ordered() {
	[[ $(hosts) == "$1" ]]
}

# expect_order DESCRIPTION HOST...
expect_order() {
	if wait_for 60 ordered "${*:2}"; then
		pass "$1"
	else
		fail "$1" "expected: ${*:2}" "seen:" "$(screen)"
	fi
}

# once [COMMAND...]: the picture for a pipe
once() {
	on "$R" "$@" "$top" --once </dev/null
}

# one mapping more of X3's, then X3's host line in the picture
more=5020
one_more() {
	probe "$X3" udp $((more++)) $A:3000 >/dev/null
	total=$((total + 1))
}

# lives NAME SHELL...: what it shows, and which keys it takes
lives() {
	local name=$1

	start_top "${@:2}"
	expect_shows "$name: the interface and its address" "^wan +$W +mapped [0-9]+ "
	expect_shows "$name: the type" "full cone \(eim, eif\)"
	expect_shows "$name: how many mappings of how many" "^mappings +$total of 4096 "
	expect_shows "$name: X1: two of udp, one of icmp" "^$H1 +3 +2 +0 +1 "
	expect_shows "$name: X2: with X1's port, and tcp" "^$H2 +3 +1 +2 +0 "
	expect_shows "$name: X3" "^$H3 +$((total - 6)) +$((total - 6)) +0 +0 "
	expect_shows "$name: ports in use" "^$W +$((total - 3)) +[0-9.]+% +2 +[0-9.]+% +1 "
	one_more
	expect_shows "$name: one more" "^$H3 +$((total - 6)) "
	expect_shows "$name: and its flow" "^per second +[0-9]"

	expect_order "$name: by mappings" $H3 $H1 $H2
	key t
	expect_order "$name: t: by tcp" $H2 $H1 $H3
	key a
	expect_order "$name: a: by address" $H1 $H2 $H3
	key u
	expect_order "$name: u: by udp" $H3 $H1 $H2
	key '?'
	expect_shows "$name: ?: help" "^sort: m mappings"
	key Space
	expect_shows "$name: space: paused" "^fullcone_nat .* paused "
	one_more
	key t
	expect_order "$name: it still sorts" $H2 $H1 $H3
	expect "$name: but does not look" shows "^$H3 +$((total - 7)) "
	key Space
	expect_shows "$name: until the next space" "^$H3 +$((total - 6)) "

	expect "$name: a picture fits 30 rows, 100 columns" wait_for 60 fits 30 100
	pane resize-window -x 33 -y 8
	expect "$name: a picture fits 8 rows, 33 columns" wait_for 60 fits 8 33
	expect_shows "$name: and has the hosts there is room for" "^  and 2 more"
	key q
	left "$name, q" 0
}

# The hosts: X1 and X2 with the same port
total=10
expect_is "X1 has an endpoint" $W:5000 "$(probe "$X1" udp 5000 $A:3000)"
expect_other_endpoint "X2 has another for the same port" $W:5000 "$(probe "$X2" udp 5000 $A:3000)"
probe "$X1" udp 5002 $A:3000 >/dev/null
probe "$X1" icmp 77 $A >/dev/null
probe "$X2" tcp 5004 $A:3000 >/dev/null
probe "$X2" tcp 5005 $A:3000 >/dev/null
for port in 5010 5011 5012 5013; do
	probe "$X3" udp $port $A:3000 >/dev/null
done

mkdir "$TMP/bin" "$TMP/bare"
for applet in awk cat dd sed stty; do
	ln -s "$(command -v busybox)" "$TMP/bin/$applet"
	[[ $applet == stty ]] || ln -s "$(command -v busybox)" "$TMP/bare/$applet"
done
lives "sh" sh
lives "busybox" env PATH="$TMP/bin" "$(command -v busybox)" ash
lives "without stty" env PATH="$TMP/bare" "$(command -v busybox)" ash

# Other ways out
start_top sh
expect_shows "interrupted" "^host "
key C-c
left "interrupted" 130
start_top sh
expect_shows "ended" "^host "
kill "$(cat "$TMP/pid")"
left "ended" 143

# Sessions are as of the last sweep.
ct -F >/dev/null 2>&1
probe "$X2" udp 5000 $A:3000 $B:3000 $B:3001 >/dev/null
start_top sh -u
key s
expect_shows "X2 has three sessions" "^$H2 +3 +1 +2 +0 +3 "
expect_order "s: by sessions" $H2 $H1 $H3

# A refusal
must_knob host_max_mappings 3
must_knob reject drop
expect_is "X3 is refused a further mapping" none "$(PROBE_TIMEOUT=2 probe "$X3" udp 6000 $A:3000)"
before=$(stat_of drop_host_max_mappings)
expect_shows "which is shown, as what goes on now" "^drop_host_max_mappings +$before .* NOW +a host has its share"
expect "in bold" grep -q "$esc\[1;31mdrop_host_max_mappings " "$TMP/raw"
expect_shows "with how much of its quota each host has" "^$H1 .* 67%\$"
must_knob host_max_mappings 0
key q
left "at last" 0

# Once
once sh >"$TMP/once"
expect_is "once: exit status" 0 $?
expect_not "once: no escape" grep -q "$esc" "$TMP/once"
expect_is "once: each host" "$H3 $H1 $H2" "$(awk '/^host / { theirs = 1; next } theirs { print $1 }' "$TMP/once" | xargs)"
expect_is "once: the same under busybox" "$(sed '/^conntrack/d' "$TMP/once")" \
	"$(once env PATH="$TMP/bare" "$(command -v busybox)" ash | sed '/^conntrack/d')"

# What can't be made here in little time: a table with everything
fake=$TMP/fake
mkdir -p "$fake/proc/net/fullcone_nat" "$fake/proc/sys/net"
ln -s /proc/uptime "$fake/proc/uptime"
on "$R" cp -r /proc/sys/net/fullcone_nat "$fake/proc/sys/net"
on "$R" sed 's/^\(drop_.*\|peers_refused\) .*/\1 7/' /proc/net/fullcone_nat/stats >"$fake/proc/net/fullcone_nat/stats"
echo 0 >"$fake/proc/sys/net/fullcone_nat/host_max_mappings"
echo 1024-1523,2000-2099 >"$fake/proc/sys/net/fullcone_nat/ports"
echo 1500-2049 >"$fake/proc/sys/net/fullcone_nat/reserved_ports"
echo adf >"$fake/proc/sys/net/fullcone_nat/filter_tcp"
cat >"$fake/proc/net/fullcone_nat/status" <<-END
	active=1 order=first rules=2 forwarding=1
	wan=ppp0 exists=1 up=1 address=10.0.0.1 private=1 mapped=1 in=2 in_refused=3 in_unconfirmed=4 by_rules=5
	wan=${esc}[2J exists=0 mapped=0 in=0 in_refused=0 in_unconfirmed=0 by_rules=0
	wan6=ppp0 exists=1 up=1 address=fd00::9 private=1 mapped=1 in=2 in_refused=3 in_unconfirmed=4 by_rules=5
	mappings=9 max_mappings=10 refusing=none
	static=1 waiting=1
END
cat >"$fake/proc/net/fullcone_nat/mappings" <<-END
	proto=udp int=192.168.1.10:1 ext=203.0.113.1:1024 dev=ppp0 state=active sessions=2 expires=1 age=1
	proto=udp int=192.168.1.10:2 ext=203.0.113.1:1025 dev=ppp0 state=holddown sessions=0 expires=1 age=1
	proto=udp int=192.168.1.10:3 ext=203.0.113.2:1025 dev=ppp0 state=draining sessions=1 expires=1 age=1
	proto=tcp int=192.168.1.10:3 ext=203.0.113.2:80 dev=ppp0 state=static sessions=5 expires=0 age=1
	proto=tcp int=192.168.1.10:3 ext=203.0.113.2:1026 dev=ppp0 state=active sessions=1 expires=1 age=1 zone=4
	proto=icmp int=192.168.1.9:3 ext=203.0.113.2:3 dev=ppp0 state=active sessions=1 expires=1 age=1
	proto=udp int=[fd00::2]:5 ext=[2001:db8::1]:1024 dev=ppp0 state=active sessions=7 expires=1 age=1
END
# columns: mappings, udp, tcp, icmp, sessions, held down
said=$(FULLCONE_ROOT=$fake once sh -u)
for line in "192.168.1.10 +4 +2 +1 +0 +8 +1 +57.1%" "192.168.1.10@4 +1 +0 +1 +0 +1 +0 +14.3%" \
	"\[fd00::2\] +1 +1 +0 +0 +7 +0 +14.3%" "192.168.1.9 +1 +0 +0 +1 +1 +0 +14.3%"; do
	expect "a host of another table: ${line%% *}" grep -Eq "^$line\$" <<<"$said"
done
expect_match "ports that may be used" "udp of 526 +tcp of 526 +icmp of 65536" "$said"
expect_match "one address" $'\n'"203.0.113.1 +2 +0.4% +0 +0.0% +0 " "$said"
expect_match "and another" $'\n'"203.0.113.2 +1 +0.2% +2 +0.4% +1 " "$said"
expect_match "a NAT upstream, and flows that are lost" "ppp0 +10.0.0.1 .*another NAT.* refused 3  unconfirmed 4  by rules 5" "$said"
expect_match "private IPv6 is none" "ppp0 +fd00::9 +mapped" "$said"
expect_match "what others have named can't write to the terminal" "\?\[2J +is not there" "$said"
expect_match "a type for each protocol" "udp full cone .*tcp restricted cone .*rules 2" "$said"
expect_is "each refusal, with what it means" "$(grep -Ec '^(drop_|peers_refused)' "$fake/proc/net/fullcone_nat/stats")" \
	"$(grep -Ec '^(drop_|peers_refused)[^ ]* +7 +- +[A-Za-z]' <<<"$said")"

# What is wrong
expect_match "no terminal" "this is not a terminal" "$(on "$R" "$top" 2>&1 </dev/null)"
expect_match "not root" "only root" "$(on "$R" setpriv --reuid 65534 --regid 65534 --clear-groups sh -s -- --once 2>&1 <"$top")"
expect_match "no module" "not loaded" "$(FULLCONE_ROOT=$TMP/nothing "$top" --once 2>&1)"
expect_match "a wrong option" "takes seconds" "$("$top" -d 26 2>&1)"
expect_match "no such option" "print one picture" "$("$top" --help 2>&1)"
start_top env FULLCONE_ROOT="$fake" sh
expect_shows "a module that goes" "^host "
rm -r "$fake/proc/net/fullcone_nat"
left "a module that goes" 1
expect_shows "and it says so" "the module has gone"

finish
