# SPDX-License-Identifier: GPL-2.0
#
# The table of docs/benchmarks.md out of the figures of scripts/bench-router, lines
# "= CASE WHO AT VALUE". All costs are instructions per packet above plain forwarding; with
# -v wall=1 the other table, of nanoseconds.

$1 == "=" { value[$2, $3, $4] = $5 }

END {
	if (wall) {
		wall_table()
		exit
	}
	print "| what | at | iptables | nftables | hooks | target | bar | verdict |"
	print "|---|---|---|---|---|---|---|---|"

	out = "plain-out"
	in_ = "plain-in"
	row("established, outbound", "established-out", out, "1 1000 100000", 1.005)
	row("established, inbound", "established-in", in_, "1 1000 100000", 1.005)
	row("flowtable, outbound", "flowtable-out", out, "1", 1.01)
	row("flowtable, inbound", "flowtable-in", in_, "1", 1.01)
	row("new peer, outbound", "new-peer", out, "1 100 2000 20000", 0.92)
	flat("new peer, outbound", "new-peer", out, "1 100 2000 20000")
	row("new peer, inbound", "new-inbound", in_, "1 100 2000 20000", 1.00)
	flat("new peer, inbound", "new-inbound", in_, "1 100 2000 20000")
	row("new mapping", "new-mapping", out, "0", 1.00)
	for (at = 50; at <= 99; at += at == 50 ? 40 : 9)
		own("new mapping, wanted port taken", "new-mapping", at " %", at, \
		    "new-mapping", 0, 1.10, "times the empty table")
	own("refusal, all ports used", "refusal", "100 %", 100, "new-mapping", 0, 1, \
	    "times a new mapping")
	row_more("packet to no mapping", "stray", "plain-stray", 150)
	own("growth", "growth", "1,000,000 mappings", 1000000, "growth", 1000, 1.03, \
	    "times 1,000 mappings")
	share("sweep, 40,000 sessions", "sweep", "hooks", 40000, 300)
	share("sweep, 1,000,000 idle mappings", "sweep-idle", "target", 1000000, 500)
	limit("memory of a mapping, bytes", "bytes", 1000000, 128)
	limit("reading `mappings`, an entry", "read", 1000000, 2000)
	limit("`flush`, a mapping", "flush", 1000000, 500)
	limit("`rmmod`, a mapping", "rmmod", 1000000, 500)
	lines("established, outbound", "lines-established-out")
	lines("established, inbound", "lines-established-in")
	lines("new peer, outbound", "lines-new-peer")
	lines("new peer, inbound", "lines-new-inbound")
	lines("new mapping", "lines-new-mapping")
	lines("packet to no mapping", "lines-stray")
	locks("new mappings", "locks-mapping", 60000)
	locks("new mappings, every other port taken", "locks-taken", 60000)
	locks("new peers", "locks-peer", 60000)
	stated("longest stretch with softirqs off, 100,000 mappings ending", "longest", 100000)
	exit missed > 125 ? 125 : missed
}

function has(name, who, at) {
	return (name, who, at) in value
}

# above plain forwarding; "" if it was not measured
function cost(name, who, at, plain) {
	return has(name, who, at) ? value[name, who, at] - value[plain, "plain", 0] : ""
}

function min(a, b) {
	return a == "" ? b : b == "" ? a : a < b ? a : b
}

function max(a, b) {
	return a == "" ? b : b == "" ? a : a > b ? a : b
}

function verdict(met) {
	missed += !met
	return met ? "met" : "**missed**"
}

function line(what, at, name, at_value, plain, bar, met) {
	printf "| %s | %s | %s | %s | %s | %s | %s | %s |\n", what, at, \
		cost(name, "iptables", at_value, plain), cost(name, "nft", at_value, plain), \
		cost(name, "hooks", at_value, plain), cost(name, "target", at_value, plain), \
		bar, verdict(met)
}

# The dearer of ours is at most so many times the cheaper of MASQUERADE's.
function row(what, name, plain, ats, factor,    list, n, i, ours, masq, ratio) {
	n = split(ats, list, " ")
	for (i = 1; i <= n; i++) {
		masq = min(cost(name, "iptables", list[i], plain), cost(name, "nft", list[i], plain))
		ours = max(cost(name, "hooks", list[i], plain), cost(name, "target", list[i], plain))
		if (ours == "" || masq == "")
			continue
		# with a flowtable both are below plain forwarding, which is below zero
		ratio = 1 + (ours - masq) / (masq < 0 ? -masq : masq)
		line(what, list[i] + 0 ? list[i] : "", name, list[i], plain, \
		     sprintf("≤ %.4g times MASQUERADE; %.3f", factor, ratio), ratio <= factor)
	}
}

function row_more(what, name, plain, more,    ours, masq) {
	masq = min(cost(name, "iptables", 0, plain), cost(name, "nft", 0, plain))
	ours = max(cost(name, "hooks", 0, plain), cost(name, "target", 0, plain))
	if (ours != "" && masq != "")
		line(what, "", name, 0, plain, "≤ MASQUERADE + " more "; " sprintf("%+d", ours - masq), \
		     ours <= masq + more)
}

# From the cheapest to the dearest of ours there are two percent each way at most.
function flat(what, name, plain, ats,    list, n, i, who, most, least, spread) {
	n = split(ats, list, " ")
	for (who = "hooks"; who; who = who == "hooks" ? "target" : "") {
		most = least = ""
		for (i = 1; i <= n; i++) {
			most = max(most, cost(name, who, list[i], plain))
			least = min(least, cost(name, who, list[i], plain))
		}
		if (most == "")
			continue
		spread = 100 * (most - least) / (most + least)
		printf "| %s, %s, flat | | | | | | ± 2 %%; ± %.1f %% | %s |\n", what, who, \
			spread, verdict(spread <= 2)
	}
}

# Ours at most so many times another of ours.
function own(what, name, at, at_value, other, other_at, factor, of,    who, ratio, worst) {
	worst = ""
	for (who = "hooks"; who; who = who == "hooks" ? "target" : "")
		if (has(name, who, at_value) && has(other, who, other_at)) {
			ratio = cost(name, who, at_value, "plain-out") / cost(other, who, other_at, "plain-out")
			worst = max(worst, ratio)
		}
	if (worst != "")
		line(what, at, name, at_value, "plain-out", \
		     sprintf("≤ %.4g %s; %.3f", factor, of, worst), worst <= factor)
}

# of a processor of 1 GHz, in thousandths of a percent
function share(what, name, who, at, most) {
	if (has(name, who, at))
		printf "| %s | | | | %s | %s | ≤ %.1f %% of 1 GHz | %s |\n", what, \
			who == "hooks" ? value[name, who, at] / 1000 " %" : "", \
			who == "target" ? value[name, who, at] / 1000 " %" : "", \
			most / 1000, verdict(value[name, who, at] <= most)
}

# of the times that a lock is taken, in thousandths of a percent
function locks(what, name, at,    worst) {
	worst = max(value[name, "hooks", at], value[name, "target", at])
	if (worst != "")
		printf "| lock waited for, %s on two processors | | | | %s %% | %s %% | ≤ 1 %% of the times; %s %% | %s |\n", \
			what, value[name, "hooks", at] / 1000, value[name, "target", at] / 1000, \
			worst / 1000, verdict(worst <= 1000)
}

# of 64 bytes of data, above plain forwarding
function lines(what, name) {
	if (has(name, "hooks", 0))
		printf "| lines of data, %s | | %d | %d | %d | %d | | measured |\n", what, \
			cost(name, "iptables", 0, name), cost(name, "nft", 0, name), \
			cost(name, "hooks", 0, name), cost(name, "target", 0, name)
}

function stated(what, name, at) {
	if (has(name, "target", at))
		printf "| %s | | | | | %d | | measured |\n", what, value[name, "target", at]
}

function limit(what, name, at, most) {
	if (has(name, "target", at))
		printf "| %s | %d mappings | | | | %d | ≤ %d | %s |\n", what, at, \
			value[name, "target", at], most, verdict(value[name, "target", at] <= most)
}

function wall_table() {
	print "| what | iptables | nftables | hooks | target | hooks to iptables: median, quartiles | target |"
	print "|---|---|---|---|---|---|---|"
	wall_row("established, outbound, one flow", "wall-out-one")
	wall_row("established, outbound, 50,000 flows in turn", "wall-out")
	wall_row("established, inbound, one flow", "wall-in-one")
	wall_row("established, inbound, 50,000 flows in turn", "wall-in")
	wall_row("new peer, outbound", "wall-peer")
	wall_row("new peer, inbound", "wall-inbound")
	wall_row("new mapping", "wall-mapping")
}

function wall_row(what, name) {
	if (has(name, "plain", 1))
		printf "| %s | %d | %d | %d | %d | %s | %s |\n", what, \
			wall_median(name, "iptables"), wall_median(name, "nft"), \
			wall_median(name, "hooks"), wall_median(name, "target"), \
			wall_ratio(name, "hooks"), wall_ratio(name, "target")
}

# The ratio is taken in each round.
function wall_ratio(name, who,    round, ratio) {
	for (round = 1; has(name, who, round); round++)
		ratio[round] = wall_cost(name, who, round) / wall_cost(name, "iptables", round)
	return sprintf("%.2f, %.2f to %.2f", quantile(ratio, 0.5), quantile(ratio, 0.25), \
		       quantile(ratio, 0.75))
}

function wall_cost(name, who, round) {
	return value[name, who, round] - value[name, "plain", round]
}

function wall_median(name, who,    round, list) {
	for (round = 1; has(name, who, round); round++)
		list[round] = wall_cost(name, who, round)
	return quantile(list, 0.5)
}

function quantile(list, part,    sorted, n) {
	n = asort(list, sorted)
	return sorted[1 + int(part * (n - 1) + 0.5)]
}
