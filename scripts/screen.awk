# SPDX-License-Identifier: GPL-2.0
#
# A picture in SVG of a terminal's screen, for scripts/top-picture: standard input is what
# "tmux capture-pane -p -e -N" prints, lines of ASCII with the escapes of colours. -v columns=N
# is the width, 80 by default, and -v title=TEXT what a reader who can't see it is told.
#
# Words are set one by one, as the font is the reader's.

BEGIN {
	ESC = "\033["
	if (!columns)
		columns = 80
	em = 8.4
	high = 18
	margin = 12
	# as of the terminal: 0 to 7
	split("#1d2127 #f4645f #7ec46f #e3b341 #6ca6f5 #c792ea #56c2d6 #d5dae1", colour, " ")
	paper = colour[1]
	ink = colour[8]
	faint = "#8b949e"
}

{
	plain()
	x = 0
	rest = $0
	while (rest != "") {
		at = index(rest, ESC)
		if (at != 1) {
			piece = at ? substr(rest, 1, at - 1) : rest
			rest = at ? substr(rest, at) : ""
			show(piece)
			continue
		}
		match(rest, /[a-zA-Z]/)
		if (substr(rest, RSTART, 1) == "m")
			set(substr(rest, 3, RSTART - 3))
		rest = substr(rest, RSTART + 1)
	}
}

function plain() {
	bold = dim = reverse = 0
	front = ""
}

function set(codes,	n, i, code) {
	n = split(codes, code, ";")
	if (!n)
		plain()
	for (i = 1; i <= n; i++) {
		if (code[i] == 0)
			plain()
		else if (code[i] == 1)
			bold = 1
		else if (code[i] == 2)
			dim = 1
		else if (code[i] == 7)
			reverse = 1
		else if (code[i] >= 30 && code[i] <= 37)
			front = colour[code[i] - 29]
		else if (code[i] == 39)
			front = ""
	}
}

function show(text,	fill, y, word) {
	y = margin + (NR - 1) * high
	fill = front != "" ? front : dim ? faint : ink
	if (reverse) {
		body = body sprintf("<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n",
				    margin + x * em, y, length(text) * em, high, fill)
		fill = paper
	}
	# each word at its place, whatever the font
	while (match(text, /[^ ]+/)) {
		word = substr(text, RSTART, RLENGTH)
		body = body sprintf("<text x=\"%.1f\" y=\"%d\" textLength=\"%.1f\" fill=\"%s\"%s>%s</text>\n",
				    margin + (x + RSTART - 1) * em, y + 13, RLENGTH * em, fill,
				    bold ? " font-weight=\"bold\"" : "", escaped(word))
		x += RSTART - 1 + RLENGTH
		text = substr(text, RSTART + RLENGTH)
	}
	x += length(text)
}

function escaped(text) {
	gsub(/&/, "\\&amp;", text)
	gsub(/</, "\\&lt;", text)
	gsub(/>/, "\\&gt;", text)
	return text
}

END {
	wide = 2 * margin + columns * em
	tall = 2 * margin + NR * high
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" " \
	       "role=\"img\" font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"14\">\n",
	       wide, tall, wide, tall
	printf "<title>%s</title>\n", escaped(title)
	printf "<rect width=\"100%%\" height=\"100%%\" rx=\"6\" fill=\"%s\"/>\n%s</svg>\n", paper, body
}
