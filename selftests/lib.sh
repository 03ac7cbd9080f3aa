# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the tests share: verdicts in KTAP, a home network in namespaces, the
# module, a firewall. Sourced by each test; a test ends with "finish".
#
# FULLCONE_FAMILY=6 runs a test over IPv6, if it says "# families: 4 6": run.sh
# does so by itself.
#
# A test that could not fail proves nothing: FULLCONE_STANDIN=masquerade runs it
# with a MASQUERADE rule in the module's place, and whatever tells the two apart
# must then say "not ok". Who wants to know whether one point fails can have the test
# end there: FULLCONE_STOP_AT is a regular expression for its line.

set -u

export LC_ALL=C
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
FULLCONE_KO=${FULLCONE_KO:-$HERE/../fullcone_nat.ko}
# the iptables target is beside the module
FULLCONE_XT=${FULLCONE_KO%/*}/xt_FULLCONENAT.ko
FULLCONE_STANDIN=${FULLCONE_STANDIN:-}
FULLCONE_STOP_AT=${FULLCONE_STOP_AT:-}
FULLCONE_FAMILY=${FULLCONE_FAMILY:-4}
TMP=$(mktemp -d "${TMPDIR:-/tmp}/fullcone.XXXXXX") || exit 1
# nothing ever comes out of it, see pause
mkfifo "$TMP/never" || exit 1
exec {never}<>"$TMP/never"

# -- verdicts ------------------------------------------------------------------

tests=0
failures=0
finished=

note() {
	local line
	while IFS= read -r line; do
		printf '# %s\n' "$line"
	done <<<"$*"
}

pass() {
	printf 'ok %d %s\n' $((++tests)) "$1"
}

# fail DESCRIPTION [DETAIL...]
fail() {
	local what=$1

	printf 'not ok %d %s\n' $((++tests)) "$what"
	((++failures))
	shift
	for detail; do
		note "$detail"
	done
	[[ -z $FULLCONE_STOP_AT || ! "not ok $tests $what" =~ $FULLCONE_STOP_AT ]] || exit 1
	return 1
}

skip() {
	printf 'ok %d %s # SKIP %s\n' $((++tests)) "$1" "$2"
}

# The whole test can't be run here: $* names what is missing.
skip_all() {
	printf '1..0 # SKIP %s\n' "$*"
	finished=skip
	exit 4
}

# The test can't go on.
bail_out() {
	printf 'Bail out! %s\n' "$*"
	exit 1
}

# expect_is DESCRIPTION EXPECTED SEEN
expect_is() {
	if [[ $3 == "$2" ]]; then
		pass "$1"
	else
		fail "$1" "expected: $2" "seen:     $3"
	fi
}

# expect_other_endpoint DESCRIPTION NOT-EXPECTED SEEN: an endpoint, and not that
# one
expect_other_endpoint() {
	if [[ $3 =~ ^$address_re:[0-9]+$ && $3 != "$2" ]]; then
		pass "$1"
	else
		fail "$1" "expected: an endpoint other than $2" "seen:     $3"
	fi
}

# re EXTENDED-REGEX: sets $regex to that, with the brackets of our own IPv6 addresses
# meant literally
re() {
	regex=${1//\[2001:db8:/\\[2001:db8:}
	regex=${regex//\[fd00::/\\[fd00::}
}

# expect_match DESCRIPTION EXTENDED-REGEX TEXT
expect_match() {
	re "$2"
	if [[ $3 =~ $regex ]]; then
		pass "$1"
	else
		fail "$1" "expected: $2" "seen:     $3"
	fi
}

# expect DESCRIPTION COMMAND...: the command succeeds
expect() {
	local desc=$1 out
	shift
	if out=$("$@" 2>&1); then
		pass "$desc"
	else
		fail "$desc" "expected to succeed: $*" "seen: ${out:-status not 0}"
	fi
}

# expect_not DESCRIPTION COMMAND...: the command fails
expect_not() {
	local desc=$1 out
	shift
	if out=$("$@" 2>&1); then
		fail "$desc" "expected to fail: $*" "seen: ${out:-status 0}"
	else
		pass "$desc"
	fi
}

# expect_logged DESCRIPTION NAME REGEX: the output of a started command gets
# such a line
expect_logged() {
	if wait_for 30 logged "$2" "$3"; then
		pass "$1"
	else
		fail "$1" "expected: $3" "seen by $2:" "$(tail -n 20 "$TMP/$2")"
	fi
}

# expect_unlogged DESCRIPTION NAME REGEX: right now it has none; make sure first
# that something later has arrived
expect_unlogged() {
	if logged "$2" "$3"; then
		fail "$1" "expected no: $3" "seen by $2:" "$(grep -E -- "$regex" "$TMP/$2")"
	else
		pass "$1"
	fi
}

finish() {
	finished=yes
	exit
}

# -- waiting -------------------------------------------------------------------

# pause SECONDS: without a process, which where all is emulated costs more than
# most that is waited for
pause() {
	read -rt "$1" -u "$never" || :
}

# wait_for SECONDS PREDICATE...: succeeds as soon as the predicate does. The
# time is a bound for a machine that hangs, not an opinion about speed: under
# emulation everything may take a hundred times longer.
wait_for() {
	local deadline=$((SECONDS + $1)) naps=(0.05 0.1 0.2 0.4) nap=0

	shift
	until "$@" >/dev/null 2>&1; do
		if ((SECONDS >= deadline)); then
			# the clock may have jumped since
			"$@" >/dev/null 2>&1
			return
		fi
		# a look may cost more than what is waited for
		pause "${naps[nap]}"
		((nap += nap < 3, 1))
	done
}

# logged NAME REGEX
logged() {
	re "$2"
	grep -Eq -- "$regex" "$TMP/$1"
}

# logged_times NAME REGEX COUNT: at least so many lines
logged_times() {
	(($(times_logged "$1" "$2") >= $3))
}

# times_logged NAME REGEX: how many lines
times_logged() {
	re "$2"
	grep -Ec -- "$regex" "$TMP/$1"
}

# -- begin and end -------------------------------------------------------------

declare -A pids=()		# started commands by name
declare -A ADDR=()		# a namespace's address
namespaces=()
exit_commands=()
we_loaded=
we_loaded_target=
module_parameters=()
marker="fullcone selftest $$ $RANDOM: ${0##*/}"
# Out-of-tree modules taint by being loaded; what counts is 5, "bad page", which is KASAN's,
# too, 7, "died", and 9, "warned".
taint_mask=$((1 << 5 | 1 << 7 | 1 << 9))
taint_before=0

begin() {
	trap cleanup EXIT
	trap 'exit 1' INT TERM
	printf 'KTAP version 1\n'
	[[ $EUID == 0 ]] || skip_all "needs root"
	build_helpers
	need_tools ip nft
	taint_before=$(($(cat /proc/sys/kernel/tainted) & taint_mask))
	echo "$marker" 2>/dev/null >/dev/kmsg
}

build_helpers() {
	local source
	for source in "$HERE"/*.c; do
		! is_newer "${source%.c}" "$source" "$HERE"/*.h || continue
		make -s -C "$HERE" all >&2 || bail_out "the helpers can't be built"
		return
	done
}

# is_newer FILE OTHER...: than all of them
is_newer() {
	local other

	for other in "${@:2}"; do
		[[ $1 -nt $other ]] || return
	done
}

kernel_complaints() {
	# The marker may have been pushed out of the buffer: then all that is
	# left is new. Data races without a module's name are the kernel's own.
	dmesg | awk -v marker="$marker" '{ line[++n] = $0 } index($0, marker) { n = 0 }
		END { for (i = 1; i <= n; i++) print line[i] }' |
		grep -E -e 'WARNING:|BUG[: ]|Oops|general protection|KASAN|UBSAN|suspicious RCU|possible .*deadlock' \
			-e '\[fullcone_nat\] .*deprecated' |
		grep -v 'BUG: KCSAN: [^[]*$'
}

cleanup() {
	local status=$? ns found
	trap - EXIT INT TERM

	for ns in ${exit_commands[@]+"${exit_commands[@]}"}; do
		$ns
	done
	for ns in "${!pids[@]}"; do
		stop "$ns"
	done
	[[ $finished != yes ]] || count_mappings
	printf 'netns del %s\n' ${namespaces[@]+"${namespaces[@]}"} | ip -force -batch - 2>/dev/null
	[[ -z $we_loaded ]] || unload_module
	if [[ $finished == skip ]]; then
		rm -rf "$TMP"
		exit 4
	fi

	if ((($(cat /proc/sys/kernel/tainted) & taint_mask) != taint_before)); then
		fail "the kernel did not complain" \
			"taint is $(cat /proc/sys/kernel/tainted)" "$(kernel_complaints)"
	elif found=$(kernel_complaints 2>/dev/null); then
		fail "the kernel did not complain" "$found"
	else
		pass "the kernel did not complain"
	fi
	if [[ -z $finished ]]; then
		fail "the test came to its end" "it stopped with status $status"
	fi
	printf '1..%d\n' "$tests"
	rm -rf "$TMP"
	exit $((failures != 0))
}

# Every mapping the router made ends once nobody uses it any more.
count_mappings() {
	local made

	[[ -z $FULLCONE_STANDIN && -n ${R:-} ]] && module_loaded &&
		on "$R" test -e /proc/net/fullcone_nat 2>/dev/null || return
	flush_mappings
	wait_for 60 mappings_are 0
	expect_is "after a flush the router has no mapping" 0 "$(stat_of mappings)"
	made=$(($(stat_of mappings_created) + $(stat_of mappings_adopted)))
	expect_is "as many mappings have ended as were made" "$made" \
		"$(($(stat_of mappings_expired) + $(stat_of mappings_ended)))"
}

mappings_are() {
	(($(stat_of mappings) == $1))
}

# With its namespaces everything goes that the module has made. A reference that
# somebody has kept would let rmmod wait for ever; rules that are not gone hold
# their module. A kernel that can't remove any counts no references.
unload_module() {
	local removable=

	[[ ! -e /sys/module/fullcone_nat/refcnt ]] || removable=yes
	if [[ $removable && $we_loaded_target ]] && ! wait_for 60 rmmod xt_FULLCONENAT; then
		fail "the target can be removed: no rule is left" "$(grep FULLCONENAT /proc/modules)"
	fi
	if ! wait_for 60 slabs_empty; then
		fail "the module's objects are gone with the namespaces" "$(slab_objects)"
	fi
	[[ $removable ]] || return 0
	rmmod fullcone_nat >"$TMP/rmmod" 2>&1 &
	wait_for 120 process_ended $!
	! module_loaded || fail "the module can be removed" "$(cat "$TMP/rmmod")"
}

process_ended() {
	! kill -0 "$1"
}

# "NAME N" for each of the module's caches that this kernel has not merged with
# others; what processors and KASAN keep of freed objects is given back first.
slab_objects() {
	local slab objects

	for slab in /sys/kernel/slab/fullcone_nat_*; do
		[[ -d $slab && ! -L $slab && $(<"$slab/aliases") == 0 ]] || continue
		echo 1 >"$slab/shrink"
		read -r objects _ <"$slab/objects"
		echo "${slab##*/} $objects"
	done
}

slabs_empty() {
	! slab_objects | grep -v ' 0$'
}

# at_exit COMMAND: cleanup runs it first
at_exit() {
	exit_commands+=("$1")
}

need_tools() {
	local tool
	for tool; do
		command -v "$tool" >/dev/null || skip_all "needs $tool"
	done
}

# -- namespaces and commands in them -------------------------------------------

# new_ns VARIABLE NAME: makes a namespace with a random name and puts that into
# VARIABLE
new_ns() {
	make_ns "$@"
	ip -n "${!1}" link set lo up
}

# make_ns VARIABLE NAME...: several at once, their loopback devices still down
make_ns() {
	local newcomers=() ns

	while (($#)); do
		ns="fc-$2-$$-$RANDOM"
		newcomers+=("$ns")
		printf -v "$1" '%s' "$ns"
		shift 2
	done
	namespaces+=("${newcomers[@]}")
	printf 'netns add %s\n' "${newcomers[@]}" | ip -batch - || bail_out "can't make a namespace"
	for ns in "${newcomers[@]}"; do
		clean_sysctls "$ns"
	done
}

# A namespace may inherit what the machine has set for itself.
clean_sysctls() {
	set_sysctl "$1" "net.ipv6.conf.default.disable_ipv6=$((FULLCONE_FAMILY == 4))" \
		"net.ipv6.conf.all.disable_ipv6=$((FULLCONE_FAMILY == 4))" \
		net.ipv6.conf.default.accept_ra=0 net.ipv6.conf.all.forwarding=0 \
		net.ipv6.icmp.ratelimit=0 net.ipv6.icmp.echo_ignore_all=0 \
		net.ipv4.conf.all.rp_filter=0 \
		net.ipv4.conf.default.rp_filter=0 net.ipv4.icmp_ratelimit=0 \
		net.ipv4.icmp_echo_ignore_all=0 net.ipv4.ip_forward=0
}

# set_sysctl NS NAME=VALUE...: those the kernel does not have are passed over
set_sysctl() {
	on "$1" sysctl -qe -w "${@:2}"
}

# on NS COMMAND...: runs it there. "ip netns exec" would make a mount namespace
# each time, too, for a /sys of its own.
on() {
	"$HERE/within" "$@"
}

# start NAME NS COMMAND...: runs it in the background, its output in $TMP/NAME,
# and returns when it said "ready"
start() {
	launch "$@"
	wait_for 60 logged "$1" '^ready' || bail_out "$1 did not start: $(cat "$TMP/$1")"
}

# launch NAME NS COMMAND...: the same for a command that does not say when it is
# ready
launch() {
	local name=$1 ns=$2
	shift 2
	stop "$name"
	# before the command runs: what the last one of that name has said is not its
	: >"$TMP/$name"
	# not "on": $! shall be the command's
	"$HERE/within" "$ns" "$@" >"$TMP/$name" 2>&1 </dev/null &
	pids[$name]=$!
}

stop() {
	[[ -n ${pids[$1]:-} ]] || return 0
	kill "${pids[$1]}" 2>/dev/null
	wait "${pids[$1]}" 2>/dev/null
	unset "pids[$1]"
}

# watch NAME NS INTERFACE [FILTER...]: records packets, see sniff.c; look at
# them with logged, expect_logged
watch() {
	start "$1" "$2" "$HERE/sniff" -n 0 "${@:3}"
}

# mac_of NS INTERFACE
mac_of() {
	ip -n "$1" link show "$2" | awk '$1 == "link/ether" { print $2 }'
}

# -- the home network ----------------------------------------------------------
#
#  x1 192.168.1.2 --+                                  +-- A 203.0.113.10, B 203.0.113.20 in srv
#  x2 192.168.1.3 --+-- br0 192.168.1.1 [ r ] wan W ---+
#  x3 192.168.1.4 --+                  203.0.113.1     +-- Z 203.0.113.30 in stranger
#
# Outside nobody has a route to 192.168.1.0/24: what leaves untranslated is seen
# there and never answered. In r the ports of br0 are called x1, x2, x3; every
# host's own interface is eth0.
#
# Over IPv6 the same with fd00::1 to fd00::4 inside and 2001:db8::1, ::10, ::20,
# ::30 outside. Addresses are written as in an endpoint, "$W:5000", so with
# brackets then; a bare one is "$(bare $W)". H1, H2 and H3 are the addresses of x1,
# x2 and x3, HR is the router's inside, W2 another that it may have outside.

# shellcheck source=selftests/addresses-4.sh
. "$HERE/addresses-$FULLCONE_FAMILY.sh"

# bare ADDRESS: without brackets
bare() {
	local addr=${1#[}
	echo "${addr%]}"
}

# address_command INTERFACE ADDRESS: what "ip -batch" takes to add it
address_command() {
	echo "addr add $(bare "$2")/$prefix dev $1$([[ $FULLCONE_FAMILY == 4 ]] || echo " nodad")"
}

# add_address NS INTERFACE ADDRESS...
add_address() {
	local addr

	for addr in "${@:3}"; do
		address_command "$2" "$addr"
	done | ip -n "$1" -batch - || bail_out "$1: $2 does not take ${*:3}"
}

# del_address NS INTERFACE ADDRESS
del_address() {
	ip -n "$1" addr del "$(bare "$3")/$prefix" dev "$2"
}

home_network() {
	local i ns

	make_ns R r NET net X1 x1 X2 x2 X3 x3 SRV srv STRANGER z
	ADDR=([$R]=$W [$X1]=$H1 [$X2]=$H2 [$X3]=$H3 [$SRV]=$A [$STRANGER]=$Z)

	# with an address of its own a bridge keeps it whatever ports it gets
	ip -n "$R" -batch - <<-END || bail_out "no bridge or veth devices here"
		link set lo up
		link add br0 address 02:00:00:00:01:00 type bridge forward_delay 0
		$(address_command br0 "$HR")
		link set br0 up
		link add wan type veth peer name r netns $NET
		$(address_command wan "$W")
		link set wan up
	END
	i=1
	for ns in "$X1" "$X2" "$X3"; do
		ip -n "$ns" -batch - <<-END
			link set lo up
			link add eth0 type veth peer name x$i netns $R
			$(address_command eth0 "${ADDR[$ns]}")
			link set eth0 up
			route add default via $(bare "$HR")
		END
		((++i))
	done
	printf 'link set %s master br0 up\n' x1 x2 x3 | ip -n "$R" -batch -

	ip -n "$NET" -batch - <<-END
		link set lo up
		link add br0 type bridge forward_delay 0
		link set br0 up
		link set r master br0 up
		link add srv type veth peer name eth0 netns $SRV
		link set srv master br0 up
		link add z type veth peer name eth0 netns $STRANGER
		link set z master br0 up
	END
	ip -n "$SRV" -batch - <<-END
		link set lo up
		$(address_command eth0 "$A")
		$(address_command eth0 "$B")
		link set eth0 up
	END
	ip -n "$STRANGER" -batch - <<-END
		link set lo up
		$(address_command eth0 "$Z")
		link set eth0 up
	END
	set_sysctl "$R" net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0
	[[ $FULLCONE_FAMILY == 4 ]] || set_sysctl "$R" net.ipv6.conf.all.forwarding=1

	for ns in "$X1" "$X2" "$X3"; do
		wait_for 60 answers "$ns" "$HR" || bail_out "$ns does not reach the router"
	done
	for i in $A $B $Z; do
		wait_for 60 answers "$R" "$i" || bail_out "the router does not reach $i"
	done
}

# another_home ROUTER HOST ADDRESS: makes of two namespaces a router with that
# external address, its lan, and a host there that has the very address of X1
another_home() {
	ip -n "$1" -batch - <<-END || bail_out "can't make a second router"
		link set lo up
		link add lan type veth peer name eth0 netns $2
		addr add $LAN.1/24 dev lan
		link set lan up
		link add wan type veth peer name h$3 netns $NET
		addr add $3/24 dev wan
		link set wan up
	END
	ip -n "$NET" link set "h$3" master br0 up
	ip -n "$2" -batch - <<-END
		addr add $LAN.2/24 dev eth0
		link set eth0 up
		route add default via $LAN.1
	END
	set_sysctl "$1" net.ipv4.ip_forward=1
	ADDR[$1]=$3
	ADDR[$2]=$LAN.2
}

# answers NS ADDRESS: a ping gets through
answers() {
	on "$1" "$HERE/icmpq" -t 1 ask "${ADDR[$1]}:1" "$2"
}

# Servers at A, B and Z, port 3000 and 3001: everyone who asks them is told the
# endpoint they see.
reflectors() {
	start srv "$SRV" "$HERE/reflect" $A:3000 $A:3001 $B:3000 $B:3001
	set_sysctl "$SRV" net.ipv4.icmp_echo_ignore_all=1 net.ipv6.icmp.echo_ignore_all=1
	start srv-icmp "$SRV" "$HERE/icmpq" serve $A $B
	start stranger "$STRANGER" "$HERE/reflect" $Z:3000 $Z:3001
	set_sysctl "$STRANGER" net.ipv4.icmp_echo_ignore_all=1 net.ipv6.icmp.echo_ignore_all=1
	start stranger-icmp "$STRANGER" "$HERE/icmpq" serve $Z
}

# own_endpoint NS PORT: "ADDR:PORT" as it is
own_endpoint() {
	case $2 in
	*:*) echo "$2" ;;
	*) echo "${ADDR[$1]}:$2" ;;
	esac
}

# probe NS PROTO PORT DST...: sends from the namespace's PORT (ICMP: query id)
# to each destination and prints for each the endpoint that it saw, or none,
# refused, icmp T/C. DST is ADDR:PORT, for ICMP ADDR. PROBE_TIMEOUT: seconds, 10
# by default.
probe() {
	local ns=$1 proto=$2 from
	from=$(own_endpoint "$ns" "$3")
	shift 3
	if [[ $proto == icmp ]]; then
		on "$ns" "$HERE/icmpq" -t "${PROBE_TIMEOUT:-10}" ask "$from" "$@"
	else
		on "$ns" "$HERE/probe" -t "${PROBE_TIMEOUT:-10}" "$proto" "$from" "$@"
	fi
}

# external_port NS PROTO PORT DST: of what probe prints only the port or id
external_port() {
	local seen

	seen=$(probe "$@")
	echo "${seen##*:}"
}

# endpoint NAME NS PROTO PORT [DST...]: as probe, but the socket stays and
# answers whoever comes; $TMP/NAME has first the answers, then "ready", then a
# line "from ADDR:PORT text" for each datagram or connection.
endpoint() {
	start "$1" "$2" "$HERE/probe" -k -t "${PROBE_TIMEOUT:-10}" "$3" \
		"$(own_endpoint "$2" "$4")" "${@:5}"
}

# mapped NAME [N]: the Nth answer that a started endpoint got, the first by
# default
mapped() {
	grep -v '^from' "$TMP/$1" | sed -n "${2:-1}p"
}

# seg NS ...: a handmade packet, see seg.c
seg() {
	on "$1" "$HERE/seg" "${@:2}" || bail_out "can't send: $*"
}

# The kernel of a namespace shall not answer handmade TCP with resets. No
# connection tracking is used for it.
no_resets() {
	on "$1" nft -f - <<-END || bail_out "can't keep $1 from resetting"
		table $nft_family noreset {
			chain output {
				type filter hook output priority raw; policy accept;
				meta mark != 0x5e9 tcp flags & rst == rst drop
			}
		}
	END
}

# -- the module ----------------------------------------------------------------

module_loaded() {
	[[ -d /proc/net/fullcone_nat ]]
}

need_module() {
	local out

	if [[ -n $FULLCONE_STANDIN ]]; then
		note "no module: $FULLCONE_STANDIN stands in"
		return
	fi
	module_loaded && return
	[[ -e $FULLCONE_KO ]] || skip_all "needs $FULLCONE_KO"
	# insmod does not resolve dependencies
	# shellcheck disable=SC2046 # a list
	modprobe -qa nf_nat $(modinfo -F depends "$FULLCONE_KO" | tr , ' ') 2>/dev/null
	if ! out=$(insmod "$FULLCONE_KO" ${module_parameters[@]+"${module_parameters[@]}"} 2>&1); then
		fail "the module can be loaded" "$out" "$(dmesg 2>/dev/null | tail -n 5)"
		finish
	fi
	we_loaded=yes
	module_loaded || bail_out "the module is loaded but has no /proc/net/fullcone_nat"
}

# knob NAME VALUE: in the router
knob() {
	[[ -z $FULLCONE_STANDIN ]] || return 0
	# shellcheck disable=SC2016
	on "$R" sh -c 'echo "$2" >/proc/sys/net/fullcone_nat/"$1"' sh "$1" "$2"
}

# must_knob NAME VALUE: the test makes no sense without
must_knob() {
	knob "$@" || bail_out "can't set $1 to $2"
}

# need_tracepoints: the module's, in $tracing
need_tracepoints() {
	tracing=/sys/kernel/tracing
	if [[ ! -d $tracing/events ]]; then
		mount -t tracefs tracefs $tracing 2>/dev/null && at_exit "umount $tracing"
	fi
	[[ -d $tracing/events/fullcone_nat ]] || skip_all "needs tracefs"
}

# need_target: the iptables target and its plugin, too
need_target() {
	local out libdir

	need_tools "$iptables-legacy-restore" "$iptables-nft-restore"
	need_module
	[[ -z $FULLCONE_STANDIN ]] || return 0
	"$iptables-legacy" -t nat -L -n >/dev/null 2>&1 || skip_all "needs a nat table of $iptables"
	if [[ ! -d /sys/module/xt_FULLCONENAT ]]; then
		[[ -e $FULLCONE_XT ]] || skip_all "needs $FULLCONE_XT"
		modprobe -q x_tables
		if ! out=$(insmod "$FULLCONE_XT" 2>&1); then
			fail "the target can be loaded" "$out" "$(dmesg 2>/dev/null | tail -n 5)"
			finish
		fi
		we_loaded_target=yes
	fi
	[[ -e $HERE/../iptables/libxt_FULLCONENAT.so ]] || make -s -C "$HERE/../iptables" >&2 ||
		skip_all "needs iptables/libxt_FULLCONENAT.so"
	for libdir in /usr/lib/*/xtables /usr/lib/xtables; do
		[[ ! -e $libdir/libxt_standard.so ]] || break
	done
	export XTABLES_LIBDIR=$HERE/../iptables:$libdir
}

fullcone_on() {
	if [[ $FULLCONE_STANDIN == masquerade ]]; then
		masquerade nft
	else
		must_knob $wan_knob wan
	fi
}

fullcone_off() {
	must_knob $wan_knob ""
}

# state_of PROTO ADDR:PORT: the line of that inside endpoint in "mappings"
state_of() {
	on "$R" grep -F "proto=$1 int=$2 " /proc/net/fullcone_nat/mappings
}

# field NAME LINE: the value of NAME=value
field() {
	local word
	for word in $2; do
		if [[ $word == "$1="* ]]; then
			echo "${word#*=}"
			return
		fi
	done
	return 1
}

# ext_of PROTO ADDR:PORT: its external endpoint according to procfs, empty
# without a mapping
ext_of() {
	field ext "$(state_of "$1" "$2")"
}

# stat_of NAME: a counter of "stats", 0 where there is none
stat_of() {
	local name value seen=0

	while read -r name value; do
		[[ $name != "$1" ]] || seen=$value
	done < <(on "$R" cat /proc/net/fullcone_nat/stats)
	echo "$seen"
}

flush_mappings() {
	on "$R" sh -c 'echo flush >/proc/net/fullcone_nat/mappings'
}

# ct ARGUMENT...: conntrack in the router; addresses as everywhere here
ct() {
	on "$R" conntrack -f "ipv$FULLCONE_FAMILY" "${@//[][]/}"
}

# flush_state: no mapping and no connection is left in the router
flush_state() {
	if [[ -z $FULLCONE_STANDIN ]]; then
		flush_mappings || bail_out "can't flush the mappings"
	fi
	ct -F >/dev/null 2>&1 || bail_out "can't flush the connections"
}

# -- rules of the router -------------------------------------------------------

# masquerade nft|iptables: the rule that every router has already
masquerade() {
	case $1 in
	nft)
		on "$R" nft -f - <<-END || skip_all "needs masquerade in nftables"
			table $nft_family masq {
				chain postrouting {
					type nat hook postrouting priority srcnat; policy accept;
					oifname "wan" masquerade
				}
			}
		END
		;;
	iptables)
		need_tools iptables
		on "$R" iptables -t nat -A POSTROUTING -o wan -j MASQUERADE ||
			skip_all "needs MASQUERADE in iptables"
		;;
	esac
}

masquerade_off() {
	case $1 in
	nft) on "$R" nft delete table "$nft_family" masq ;;
	iptables) on "$R" iptables -t nat -D POSTROUTING -o wan -j MASQUERADE ;;
	esac
}

# firewall nft|iptables|none [INTERFACES]: the ready firewall files, for wan, or, of nft, for others
# as that writes them. Without IPv6 a kernel has no tables for both families.
[[ -d /proc/sys/net/ipv6 ]] && firewall_family=inet || firewall_family=ip

firewall() {
	local edit="s/^\(define wan *= *\).*/\1${2:-\"wan\"}/"

	case $1 in
	nft)
		[[ $firewall_family == inet ]] || edit+='; s/table inet/table ip/; /icmpv6/d'
		sed "$edit" "$HERE/../scripts/firewall.nft" | on "$R" nft -f - || bail_out "nft does not take firewall.nft"
		;;
	iptables)
		need_tools iptables-restore
		sed 's/ eth0 / wan /' "$HERE/../scripts/firewall.iptables" |
			on "$R" iptables-restore || bail_out "iptables-restore does not take firewall.iptables"
		;;
	esac
}

# rules legacy|nft: replaces the nat table by the rules on standard input, "-A ..."
# as in iptables-save
rules() {
	{
		echo "*nat"
		if [[ $FULLCONE_STANDIN == masquerade ]]; then
			sed '/prerouting.* FULLCONENAT/Id; s/ FULLCONENAT.*/ MASQUERADE/'
		else
			cat
		fi
		echo COMMIT
	} >"$TMP/rules"
	on "$R" "$iptables-$1-restore" "$TMP/rules"
}

# must_rules legacy|nft: the test makes no sense without
must_rules() {
	rules "$1" || bail_out "$iptables-$1-restore does not take $(cat "$TMP/rules")"
}

# ipt legacy|nft ARGUMENT...: iptables in the router, nat table
ipt() {
	on "$R" "$iptables-$1" -w -t nat "${@:2}"
}

# allow_in PROTO PORT: a service of the router itself, open to the outside;
# needs "firewall nft"
allow_in() {
	on "$R" nft insert rule "$firewall_family" fullcone input "$1" dport "$2" accept ||
		bail_out "can't open $1 port $2 of the router"
}

begin
