#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# OpenWrt's service: with its configuration hosts have open endpoints, at the device that a network has just now, and its
# firewall lets strangers in. What only OpenWrt has is made up here: rc.common, UCI's functions for the shell,
# netifd's, and the frame of firewall4.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

[[ -z $FULLCONE_STANDIN ]] || skip_all "needs the module"
need_tools busybox conntrack
need_module
home_network
reflectors
files=$HERE/../openwrt/fullcone-nat/files
root=$TMP/root
mkdir -p "$root/lib/functions" "$root/etc/config" "$root/networks" "$root/var/run"
ln -s /proc "$root/proc"
cp "$files/fullcone_nat.config" "$root/etc/config/fullcone_nat"

cat >"$root/lib/functions/network.sh" <<-'END'
	network_flush_cache() { :; }
	network_get_device() { [ -e "$ROOT/networks/$2" ] && eval "$1=\$(cat \"\$ROOT/networks/$2\")"; }
END
: >"$root/log"

# UCI's files by sections; its functions as OpenWrt documents them
cat >"$root/rc.common" <<-'END'
	ROOT=$FULLCONE_ROOT
	config_load() { config=$ROOT/etc/config/$1; }
	config_foreach() {
		local section
		for section in $(sed -n "s/^config $2 '\(.*\)'/\1/p" "$config"); do
			"$1" "$section"
		done
	}
	config_lines() { sed -n "/^config [a-z_]* '$1'/,/^config [^']*'[^$1]/s/^[[:blank:]]*$2 $3 '\(.*\)'/\1/p" "$config"; }
	config_get() {
		local lines
		lines=$(config_lines "$2" option "$3")
		[ "$lines" ] || lines=$(config_lines "$2" list "$3" | tr '\n' ' ' | sed 's/ $//')
		eval "$1=\$lines"
	}
	config_get_bool() { config_get "$1" "$2" "$3"; eval "$1=\${$1:-$4}"; }
	logger() { echo "$*" >>"$ROOT/log"; }
	procd_add_reload_trigger() { echo "reload with $*"; }
	. "$1"
	case $2 in
	start) start_service ;;
	stop) stop_service ;;
	reload) reload_service ;;
	triggers) service_triggers ;;
	esac
END

# service start|stop|reload
service() {
	on "$R" env FULLCONE_ROOT="$root" busybox ash "$root/rc.common" "$files/fullcone_nat.init" "$1"
}

# hotplug ACTION: as netifd tells it of an interface
hotplug() {
	sed "s|/etc/init.d/fullcone_nat|busybox ash $root/rc.common $files/fullcone_nat.init|; s|/var/run|$root&|" \
		"$files/fullcone_nat.hotplug" >"$TMP/hotplug"
	on "$R" env FULLCONE_ROOT="$root" ACTION="$1" INTERFACE=wan busybox ash "$TMP/hotplug"
}

# configure LINE...: these instead of the packaged ones
configure() {
	printf '%s\n' "config fullcone_nat 'main'" "$@" >"$root/etc/config/fullcone_nat"
}

knob_is() {
	expect_is "$1" "$3" "$(on "$R" cat "/proc/sys/net/fullcone_nat/$2")"
}

# firewall4's forward chain and that of the zone: rules of the owner's, what a package puts after them, and what else it does
on "$R" nft -f - <<-END || bail_out "nft does not take the include"
	table inet fw4 {
		chain forward {
			type filter hook forward priority filter; policy drop;
			ct state established,related accept
			iifname "wan" jump forward_wan
			iifname "br0" accept
		}
		chain forward_wan {
			udp sport 6666 drop
			include "$files/fullcone_nat.nft"
			drop
		}
	}
END

service start
knob_is "the line is not up yet: no interface" wan ""
echo wan >"$root/networks/wan"
hotplug ifup
knob_is "when it is up its device is there" wan wan
probe "$X2" udp 5000 $B:3000 >/dev/null
endpoint x1 "$X1" udp 5000 $A:3000
e=$(mapped x1)
expect_other_endpoint "X1 has an endpoint, not its neighbour's" "$W:5000" "$e"
expect_is "strangers get in through the firewall" $Z:6000 "$(probe "$STRANGER" udp 6000 "$e")"
expect_is "but for those whom a rule of the owner's keeps out" none "$(PROBE_TIMEOUT=2 probe "$STRANGER" udp 6666 "$e")"
created=$(stat_of mappings_created)
service reload
expect_is "to load it once more ends nothing" $Z:6001 "$(probe "$STRANGER" udp 6001 "$e")"
expect_is "and makes nothing" "$created" "$(stat_of mappings_created)"

configure "	option enabled '1'" "	list network 'wan'" "	list network 'wan_6'" "	option udp_timeout '500'" \
	"	list reserved_ports '50000-50999'" "	list reserved_ports '6000'"
service reload
knob_is "a network without a device does not matter" wan wan
knob_is "an option is a knob" udp_timeout 500
knob_is "so is a list" reserved_ports "6000,50000-50999"
echo br0 >"$root/networks/wan_6"
hotplug ifdown
knob_is "only what comes up is looked at" wan wan
hotplug ifup
knob_is "a second network" wan "wan br0"
configure "	list network 'wan'" "	option filter_udp 'open'"
service reload
knob_is "an option that is no longer there has the value from before" udp_timeout 300
knob_is "likewise a list" reserved_ports ""
knob_is "one that makes no sense changes nothing" filter_udp eif
expect_match "and is told in the log" "filter_udp does not take \"open\"" "$(cat "$root/log")"
expect_match "procd calls again when the configuration changes" "reload with fullcone_nat" "$(service triggers)"
configure "	option enabled '1'" "	list network 'wan'" "	option filter_udp 'apdf'" "	option filter_tcp 'eif'" \
	"	option max_mappings '2000'" "	option host_max_mappings '500'" "	option host_max_rate '50'" \
	"	option mapping_max_sessions '100'" "	list network6 'wan'"
service reload
for knob in filter_udp=apdf filter_tcp=eif max_mappings=2000 host_max_mappings=500 host_max_rate=50 mapping_max_sessions=100 wan6=wan; do
	knob_is "what LuCI's page sets: ${knob%=*}" "${knob%=*}" "${knob#*=}"
done
configure "	option enabled '1'" "	option network 'wan'"
service reload
knob_is "one network as an option" wan wan
configure "	option enabled '0'" "	list network 'wan'"
service reload
knob_is "switched off" wan ""
configure "	list network 'wan'"
service start
knob_is "and on" wan wan
configure "	list network 'wan'" "config fullcone_nat 'second'" "	option enabled '0'"
service reload
knob_is "of several sections the first counts" wan wan
: >"$root/etc/config/fullcone_nat"
service reload
knob_is "without any it is off" wan ""
configure "	list network 'wan'"
service reload
service stop
knob_is "stopped" wan ""
hotplug ifup
knob_is "and a line that comes up does not start it" wan ""

finish
