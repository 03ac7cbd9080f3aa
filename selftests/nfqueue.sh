#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Packets go by user space in all hooks, before and after translation: endpoints are what they are without, whether they come
# back at once, with another mark, or out of order. One whose mapping is ended meanwhile reaches nobody whom it is not for.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/beside-lib.sh
. "$HERE/beside-lib.sh"

need_module
home_network
fullcone_on
firewall nft
reflectors
watch wire "$SRV" eth0
watch inside "$X1" eth0

declare -A place=(
	[before-dstnat]="prerouting priority dstnat - 10"
	[after-dstnat]="prerouting priority dstnat + 10"
	[forward]="forward priority filter - 10"
	[before-srcnat]="postrouting priority srcnat - 10"
	[after-srcnat]="postrouting priority srcnat + 10"
)

# detour OPTIONS PLACE...: there all goes by user space but what is to or from port 3001, see queue.c
detour() {
	local name

	# shellcheck disable=SC2086 # options
	start queue "$R" "$HERE/queue" $1 7
	{
		printf '%s\n' "table ip detour" "delete table ip detour" "table ip detour {"
		for name in "${@:2}"; do
			printf '%s\n' "chain $name {" "type filter hook ${place[$name]}; policy accept;" \
				"th sport 3001 accept" "th dport 3001 accept" "meta l4proto { tcp, udp } queue num 7" "}"
		done
		echo "}"
	} | on "$R" nft -f - || skip_all "needs queues in nftables"
}

let_go() {
	kill -USR1 "${pids[queue]}"
}

port=5000
everywhere() {
	detour "$2" "${!place[@]}"
	for proto in udp tcp; do
		expect_full_cone "$1" $proto $((++port))
		expect_match "$1, $proto: X3 reaches X1 by hairpin" "^$W:" "$(probe "$X3" $proto $port "$e")"
	done
}

everywhere "at once" ""
for hook in 0 2 4; do
	expect_logged "packets have been by user space in hook $hook" queue "^hook $hook$"
done
everywhere "out of order" -r
on "$R" nft -f - <<-END
	table ip marked {
		counter marked { }
		chain postrouting {
			type filter hook postrouting priority 300; policy accept;
			meta mark 0x99 counter name marked
		}
	}
END
everywhere "with another mark" "-m 0x99"
expect_not "the mark is there" grep "packets 0 " <(on "$R" nft list counter ip marked marked)

# The first two packets of a flow, wherever they are held, and the second goes on first.
for name in "${!place[@]}"; do
	((++port))
	probe "$X2" udp $port $A:3001 >/dev/null
	detour -k "$name"
	seg "$X1" udp "$H1:$port" $A:3000 "one-$name"
	wait_for 60 logged_times queue "^hook" 1
	seg "$X1" udp "$H1:$port" $A:3000 "two-$name"
	wait_for 60 logged_times queue "^hook" 2
	let_go
	expect_logged "two held in $name: the second arrives" wire "^udp $W:[0-9]+ > $A:3000 .* two-$name$"
	seen=$(grep -E "^udp .* (one|two)-$name$" "$TMP/wire" | cut -d ' ' -f 2 | sort -u)
	expect_other_endpoint "two held in $name: they have one endpoint, which is not X2's" "$W:$port" "$seen"
	seg "$X1" udp "$H1:$port" $B:3000 "three-$name"
	expect_logged "two held in $name: another server sees the same" wire "^udp $seen > $B:3000 .* three-$name$"
done

# The mapping of a held packet is ended, and the port goes to another host.
detour -k after-srcnat
seg "$X1" udp $H1:5900 $A:3000 late-out
wait_for 60 logged queue "^hook 4"
flush_mappings
endpoint x2-udp "$X2" udp 5900 $B:3001
expect_is "ended while held: X2 has the port now" $W:5900 "$(mapped x2-udp)"
let_go
expect_logged "ended while held: the packet arrives as it was" wire "^udp $W:5900 > $A:3000 .* late-out$"
seg "$X1" udp $H1:5900 $B:3000 later
expect_logged "ended while held: what X1 sends elsewhere is another endpoint's" wire "^udp $W:[0-9]+ > $B:3000 .* later$"
expect_unlogged "ended while held: not X2's" wire "^udp $W:5900 > $B:3000 .* later$"
expect_is "ended while held: a stranger reaches X2" $Z:5900 "$(probe "$STRANGER" udp 5900 $W:5900)"
expect_logged "ended while held: it is X2 who hears him" x2-udp "^from $Z:5900 "

flush_state
endpoint x1-udp "$X1" udp 5910 $A:3000
detour -k after-dstnat
seg "$STRANGER" udp $Z:5910 $W:5910 late-in
wait_for 60 logged queue "^hook 0"
flush_mappings
endpoint x2-udp "$X2" udp 5910 $B:3001
let_go
expect_logged "ended while held: a stranger's packet gets to X1, whom it was for" x1-udp "^from $Z:5910 late-in"
expect_is "ended while held: the next stranger's reaches X2" $Z:5911 "$(probe "$STRANGER" udp 5911 $W:5910)"
expect_logged "ended while held: it is X2 who hears him" x2-udp "^from $Z:5911 "
expect_unlogged "ended while held: X2 hears nothing of what was X1's" x2-udp "late-in"

finish
