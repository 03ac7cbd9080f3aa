#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# BitTorrent: a seeder at home is reached from outside, where only the leecher can connect. As the programs do that keep
# ports open (NATMap, Natter), a connection from the listening port to somewhere, which stays, makes the endpoint, and
# what arrives there is redirected on the host to the port that the seeder tells the tracker. The seeder's node of the
# distributed hash table is reached, too.
#
# only: applications
# packages: transmission-daemon transmission-cli opentracker aria2

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/app-lib.sh
. "$HERE/app-lib.sh"

need_packages
need_module
need_tools transmission-daemon transmission-create transmission-remote opentracker aria2c
home_network
firewall nft
reflectors
start outside "$STRANGER" "$HERE/sniff" -n 0 eth0

# The leecher's firewall: nobody connects to it.
on "$STRANGER" nft -f - <<-END || skip_all "needs nftables in a host"
	table ip leecher {
		chain input {
			type filter hook input priority filter; policy accept;
			tcp dport 6999 drop
		}
	}
END

mkdir -p "$TMP/seed" "$TMP/leech" "$TMP/config"
head -c 3000000 /dev/urandom >"$TMP/seed/file"
transmission-create -t "http://$A:6969/announce" -o "$TMP/file.torrent" "$TMP/seed/file" >"$TMP/create" 2>&1 ||
	bail_out "no torrent: $(cat "$TMP/create")"
# it runs as nobody, and knows only what it is told
mkdir "$TMP/known"
chmod 755 "$TMP" "$TMP/known"
transmission-show "$TMP/file.torrent" | sed -n 's/^ *Hash: //p' >"$TMP/known/hashes"
launch tracker "$SRV" opentracker -i $A -p 6969 -P 6969 -d "$TMP/known" -w hashes

# seeds PORT: transmission listens there, and says so to the tracker
seeds() {
	stop seeder
	cat >"$TMP/config/settings.json" <<-END
		{
			"bind-address-ipv4": "$H1", "peer-port": $1, "port-forwarding-enabled": false,
			"dht-enabled": true, "lpd-enabled": false, "pex-enabled": false, "utp-enabled": false,
			"download-dir": "$TMP/seed", "rpc-bind-address": "127.0.0.1", "rpc-whitelist-enabled": false
		}
	END
	echo "$A 6881" >"$TMP/config/dht.bootstrap"
	launch seeder "$X1" transmission-daemon -f -g "$TMP/config" --log-debug
	wait_for 60 remote -l || bail_out "transmission does not start: $(tail -n 5 "$TMP/seeder")"
	remote -a "$TMP/file.torrent" >/dev/null
	wait_for 120 seeding || bail_out "it does not seed: $(remote -l; remote -t 1 -it)"
}

remote() {
	on "$X1" transmission-remote 127.0.0.1:9091 "$@" 2>/dev/null
}

# It has told the tracker, which knows one seeder.
seeding() {
	[[ $(remote -t 1 -it) =~ "Got a list of" ]]
}

leech() {
	rm -f "$TMP/leech/"*
	launch leecher "$STRANGER" aria2c --enable-dht=false --bt-enable-lpd=false --enable-peer-exchange=false \
		--listen-port=6999 --seed-time=0 --bt-tracker-connect-timeout=10 --bt-stop-timeout="$1" \
		--disable-ipv6 -d "$TMP/leech" "$TMP/file.torrent"
	wait_for $((2 * $1)) process_ended "${pids[leecher]}"
	cmp -s "$TMP/seed/file" "$TMP/leech/file"
}

# keep_open SERVER: a connection from the port makes the endpoint and holds it
keep_open() {
	# the neighbour has had the port before
	probe "$X2" tcp 51413 "$1" >/dev/null
	probe "$X2" udp 51413 "$1" >/dev/null
	endpoint keeper "$X1" tcp 51413 "$1"
	mapped keeper
}

# redirect PORT: on the host, from the port that is kept open to that
redirect() {
	on "$X1" nft -f - <<-END
		table ip keeper
		delete table ip keeper
		table ip keeper {
			chain prerouting {
				type nat hook prerouting priority dstnat; policy accept;
				iifname "eth0" tcp dport 51413 redirect to :$1
			}
		}
	END
}

# The stranger asks the node of the hash table at a port of the router
dht_answers() {
	[[ $(on "$STRANGER" "$HERE/probe" -t 5 -p "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe" \
		udp "$Z:6998" "$W:$1") == *"1:rd2:id20:"* ]]
}

note "MASQUERADE"
masquerade nft
e=$(keep_open $A:3000)
redirect "${e##*:}"
seeds "${e##*:}"
expect_not "MASQUERADE: nothing is downloaded" leech 20
expect_not "MASQUERADE: the hash table's node is not reached" dht_answers "${e##*:}"
row "BitTorrent, a seeder at home" masquerade "not reachable"
stop seeder
stop keeper
masquerade_off nft

note "the module"
fullcone_on
flush_state
e=$(keep_open $B:3000)
expect_other_endpoint "the endpoint that is kept open is another than the neighbour's" "$W:51413" "$e"
redirect "${e##*:}"
seeds "${e##*:}"
expect "the download comes to its end, and is right" leech 120
expect_logged "the leecher has connected in" outside "^tcp $Z:[0-9]+ > $e S "
# where its own port leads to
dht=$(ext_of udp "$H1:${e##*:}")
expect "the hash table's node is reached" wait_for 60 dht_answers "${dht##*:}"
row "BitTorrent, a seeder at home" module "reachable, by TCP and by DHT"
moment "$R"
versions transmission-daemon opentracker aria2

finish
