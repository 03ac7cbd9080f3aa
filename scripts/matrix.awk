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
	name["restricted"] = "restricted cone"
	name["port-restricted"] = "port-restricted"
	name["symmetric"] = "symmetric"
	name["masquerade"] = "MASQUERADE"
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

function picture(    x, p, width, most) {
	for (p = 1; p <= order; p++) {
		x += panel_width(panel[p])
		most = types[panel[p]] > most ? types[panel[p]] : most
	}
	width = x + 20
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n", \
		width, 100 + 44 * most
	printf "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
	x = 10
	for (p = 1; p <= order; p++) {
		draw(panel[p], x)
		x += panel_width(panel[p])
	}
	print "</svg>"
}

function panel_width(test) {
	return types[test] ? 140 + 108 * types[test] : 0
}

function text(x, y, anchor, fill, what) {
	printf "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\" fill=\"%s\">%s</text>\n", x, y, anchor, fill, what
}

function draw(test, x,    i, j, n, what) {
	n = types[test]
	if (!n)
		return
	printf "<g><title>%s</title>\n", title[test]
	printf "<text x=\"%d\" y=\"24\" font-size=\"15\" font-weight=\"bold\" fill=\"#222\">%s</text>\n", x, title[test]
	for (i = 1; i <= n; i++) {
		text(x + 120 + 108 * (i - 1) + 52, 56, "middle", "#222", name[type[test, i]])
		text(x + 112, 90 + 44 * (i - 1), "end", "#222", name[type[test, i]])
		for (j = 1; j <= n; j++) {
			what = outcome(test, type[test, i], type[test, j])
			printf "<rect x=\"%d\" y=\"%d\" width=\"104\" height=\"40\" rx=\"4\" fill=\"%s\"/>\n", \
				x + 120 + 108 * (j - 1), 66 + 44 * (i - 1), what in colour ? colour[what] : "#777"
			text(x + 120 + 108 * (j - 1) + 52, 90 + 44 * (i - 1), "middle", "white", what)
		}
	}
	print "</g>"
}
