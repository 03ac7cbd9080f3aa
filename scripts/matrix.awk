# SPDX-License-Identifier: GPL-2.0
#
# What the hole-punching tests have noted, lines "# cell: LEFT RIGHT udp|tcp|relay yes|no" below
# a line with the test's name: as tables, or with -v svg=1 as a picture.

BEGIN {
	title["punch-matrix"] = "Two homes"
	title["punch-carrier"] = "Two homes, each behind a carrier's NAT"
	title["punch-masquerade"] = "MASQUERADE, a neighbour has the port"
	order = split("punch-matrix punch-carrier punch-masquerade", panel, " ")
	name["full"] = "full cone"
	name["restricted"] = "restricted"
	name["port-restricted"] = "port-restricted"
	name["symmetric"] = "symmetric"
	name["masquerade"] = "MASQUERADE"
	cell = 96
	colour["direct"] = "#2e8b57"
	colour["relay"] = "#d9a521"
	colour["no way"] = "#b0413e"
}

/^# / {
	test = $2
}

$1 == "#" && $2 == "cell:" && test in title {
	seen[test, $3, $4, $5] = $6
	if (!((test, $3) in known)) {
		known[test, $3]
		type[test, ++types[test]] = $3
	}
}

END {
	if (svg)
		picture()
	else
		for (p = 1; p <= order; p++)
			if (types[panel[p]])
				table(panel[p])
	for (p = 1; p <= order; p++)
		if (!types[panel[p]])
			exit 1
}

# What becomes of a pair
function outcome(test, left, right,    udp, tcp) {
	udp = seen[test, left, right, "udp"]
	tcp = seen[test, left, right, "tcp"]
	if (udp == "yes" && tcp == "yes")
		return "direct"
	if (udp == "yes" || tcp == "yes")
		return udp == "yes" ? "UDP only" : "TCP only"
	return seen[test, left, right, "relay"] == "yes" ? "relay" : "no way"
}

function table(test,    i, j, n) {
	n = types[test]
	printf "**%s**\n\n| left, right |", title[test]
	for (j = 1; j <= n; j++)
		printf " %s |", name[type[test, j]]
	printf "\n|---|"
	for (j = 1; j <= n; j++)
		printf "---|"
	print ""
	for (i = 1; i <= n; i++) {
		printf "| %s |", name[type[test, i]]
		for (j = 1; j <= n; j++)
			printf " %s |", outcome(test, type[test, i], type[test, j])
		print ""
	}
	print ""
}

# Two panels beside each other, and what comes after below them
function picture(    p, x, y, below, wide, high) {
	x = 10
	for (p = 1; p <= order; p++) {
		if (p > 1 && p % 2) {
			x = 10
			y = below
		}
		place[p] = x " " y
		x += 130 + cell * types[panel[p]]
		wide = x > wide ? x : wide
		high = y + 70 + 36 * types[panel[p]]
		below = high > below ? high : below
	}
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\"", \
		wide, below, wide, below
	print " font-family=\"sans-serif\" font-size=\"12\">"
	print "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>"
	for (p = 1; p <= order; p++) {
		split(place[p], at, " ")
		draw(panel[p], at[1], at[2])
	}
	print "</svg>"
}

function text(x, y, anchor, fill, what) {
	printf "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\" fill=\"%s\">%s</text>\n", x, y, anchor, fill, what
}

function draw(test, x, y,    i, j, what) {
	printf "<text x=\"%d\" y=\"%d\" font-size=\"14\" font-weight=\"bold\" fill=\"#222\">%s</text>\n", \
		x, y + 22, title[test]
	for (i = 1; i <= types[test]; i++) {
		text(x + 110 + cell * (i - 1) + cell / 2, y + 48, "middle", "#222", name[type[test, i]])
		text(x + 104, y + 76 + 36 * (i - 1), "end", "#222", name[type[test, i]])
		for (j = 1; j <= types[test]; j++) {
			what = outcome(test, type[test, i], type[test, j])
			printf "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"32\" rx=\"4\" fill=\"%s\"/>\n", \
				x + 110 + cell * (j - 1), y + 56 + 36 * (i - 1), cell - 4, \
				what in colour ? colour[what] : "#777"
			text(x + 110 + cell * (j - 1) + cell / 2 - 2, y + 76 + 36 * (i - 1), "middle", "white", what)
		}
	}
}
