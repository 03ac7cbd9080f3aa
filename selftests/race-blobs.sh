#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The root of a user namespace, who is nobody outside, hands the kernel rules whose
# target data is rubbish, while packets go through them. Whatever is taken or
# refused, nothing breaks, and nothing of it is seen outside of his namespace.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/race-lib.sh
. "$(dirname "$0")/race-lib.sh"

need_target
need_tools setpriv unshare
race_network
U=203.0.113.7
user="fc-u-$$" host="fc-h-$$"
namespaces+=("$user" "$host")

# A home of his own
setpriv --reuid=65534 --regid=65534 --clear-groups unshare -U -r -n sleep infinity &
pids[user]=$!
user_is_there() {
	[[ $(readlink "/proc/${pids[user]}/ns/net") != "$(readlink /proc/self/ns/net)" &&
		$(cat "/proc/${pids[user]}/uid_map") == *65534* ]]
}
wait_for 60 user_is_there || skip_all "needs user namespaces"
if ! ip netns attach "$user" "${pids[user]}" || ! ip netns add "$host"; then
	bail_out "can't make namespaces"
fi
another_home "$user" "$host" $U

# as_user COMMAND...: as the root of his namespace
as_user() {
	nsenter -t "${pids[user]}" -U -n -S 0 -G 0 "$@"
}

# What he needs: our folder and iptables' own lock may not be his to open.
his=$(mktemp -d /tmp/fullcone-his.XXXXXX)
cp "$HERE/blobs" "$HERE/../iptables/libxt_FULLCONENAT.so" "$his" && touch "$his/lock" &&
	chown -R 65534 "$his" && chmod 755 "$his"
his_libdir=$his:${XTABLES_LIBDIR#*:}
at_exit remove_his
remove_his() {
	rm -rf "$his"
}

# his_rules ARGUMENT...: iptables as he calls it
his_rules() {
	as_user env XTABLES_LOCKFILE="$his/lock" XTABLES_LIBDIR="$his_libdir" iptables-legacy -t nat "$@"
}

# the table's module, if it is one, is not his to load
ipt legacy -L >/dev/null

expect "he is root in his namespace: the knobs there are his" \
	as_user sysctl -q -w net.fullcone_nat.port_holddown=0
expect_match "and nowhere else" "you must be root" \
	"$(nsenter -t "${pids[user]}" -U -S 0 -G 0 env XTABLES_LOCKFILE="$his/lock" iptables-legacy -t nat -F 2>&1)"

packets
start lan "$host" "$HERE/churn" -c 0 mixed "$LAN.2:2000-2015" "${targets[@]}"
start wan "$STRANGER" "$HERE/churn" -c "$(second_cpu)" mixed "$Z:4200-4203" "$U:2000-2015"

# Other rubbish each time; who wants the same again finds the seed here. Of thirty rules none may make sense, of all some do.
taken=0
refused=0
for ((i = 0; i < rounds; i++)); do
	seed=$RANDOM
	said=$(as_user "$his/blobs" -s $seed $((often * 10)) 2>&1)
	if [[ ! $said =~ ^taken\ ([0-9]+),\ refused\ ([0-9]+)$ ]]; then
		fail "round $i, seed $seed: rules are taken or refused" "$said"
		break
	fi
	((taken += BASH_REMATCH[1], refused += BASH_REMATCH[2]))
	note "seed $seed: $said"
done
rounds_done "$i"
expect "some rules are taken, others refused: $taken, $refused" test "$taken" -gt 0 -a "$refused" -gt 0
stop lan
stop wan
expect_is "afterwards his table has its four chains, and nothing in them" "-P -P -P -P" \
	"$(his_rules -S | cut -d ' ' -f 1 | xargs)"
expect_is "and no rule is counted" "rules=0" "$(on "$user" grep -o 'rules=[0-9]*' /proc/net/fullcone_nat/status)"

his_rules -A POSTROUTING -o wan -j FULLCONENAT
his_rules -A PREROUTING -i wan -j FULLCONENAT
endpoint his "$host" udp "$LAN.2:6500" $A:3000
expect_is "a rule that makes sense works" $U:6500 "$(mapped his)"
expect_is "a stranger gets in by it" $Z:7100 "$(probe "$STRANGER" udp 7100 $U:6500)"
stop his
stop user
ip netns del "$user"
ip netns del "$host"
settled

finish
