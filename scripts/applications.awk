# SPDX-License-Identifier: GPL-2.0
#
# The parts of docs/applications.md out of what scripts/check --applications prints: with
# -v part=rows the table, with -v part=moments the mappings of each scenario; status 1 if a
# scenario has not been seen behind both. Its notes are
# lines "# row: SCENARIO | masquerade|module | TEXT", "# version: PACKAGE VERSION" and
# "# mapping: LINE" below a line with the test's name.

/^# / {
	test = $2
}

$1 == "#" && $2 == "row:" {
	sub(/^ *# row: /, "")
	split($0, word, / \| /)
	if (!(word[1] in of)) {
		scenario[++scenarios] = word[1]
		of[word[1]] = test
	}
	told[word[1], word[2]] = word[3]
}

$1 == "#" && $2 == "version:" {
	# Debian's revision says nothing to who has another system
	sub(/-[^-]*$/, "", $4)
	sub(/^[0-9]+:/, "", $4)
	with[test] = with[test] (with[test] ? ", " : "") $3 " " $4
}

$1 == "#" && $2 == "mapping:" {
	sub(/^ *# mapping: /, "")
	mappings[test] = mappings[test] $0 "\n"
}

END {
	for (i = 1; i <= scenarios; i++)
		if (part == "rows")
			row(scenario[i])
		else
			moment(scenario[i])
	exit missing || !scenarios
}

function row(what,    test) {
	test = of[what]
	if (!((what, "masquerade") in told) || !((what, "module") in told))
		missing = 1
	if (i == 1)
		print "| what | behind MASQUERADE | behind the module | with | test |\n|---|---|---|---|---|"
	printf "| %s | %s | %s | %s | `%s` |\n", what, told[what, "masquerade"], told[what, "module"], with[test], test
}

function moment(what,    test) {
	test = of[what]
	if (!(test in mappings))
		return
	printf "### %s\n\n```\n%s```\n\n", what, mappings[test]
	delete mappings[test]
}
