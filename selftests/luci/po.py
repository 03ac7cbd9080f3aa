#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# The texts of LuCI's page and their translations.
#
#	selftests/luci/po.py --update	writes po/templates/fullcone-nat.pot anew, from _('...') in the
#					page, the title in the menu, and what the acl is described by;
#					and po/*/fullcone-nat.po, with the translations that they had

import glob
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = os.path.join(os.path.dirname(os.path.dirname(HERE)), "openwrt", "luci-app-fullcone-nat")
VIEW = "htdocs/luci-static/resources/view/fullcone-nat.js"
MENU = "root/usr/share/luci/menu.d/luci-app-fullcone-nat.json"
ACL = "root/usr/share/rpcd/acl.d/luci-app-fullcone-nat.json"
TEMPLATE = os.path.join(PACKAGE, "po/templates/fullcone-nat.pot")
HEAD = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8"\n'

STRING = r"'((?:[^'\\]|\\.)*)'"
# a text that is not a plain string would not be found
CALL = re.compile(r"\b_\((?:%s(?:, %s)?\)|(.*))" % (STRING, STRING))


def package(name):
    with open(os.path.join(PACKAGE, name), encoding="utf-8") as file:
        return file.read()


def extract():
    """(context, text) and where: each once, as they come"""
    found = {}

    def add(key, where):
        found.setdefault(key, []).append(where)

    for number, line in enumerate(package(VIEW).split("\n"), 1):
        for text, context, odd in CALL.findall(line):
            if odd:
                raise ValueError("%s:%d: not a plain string: _(%s" % (VIEW, number, odd))
            add((context or None, text.replace("\\'", "'")), "%s:%d" % (VIEW, number))
    for node in json.loads(package(MENU)).values():
        add((None, node["title"]), MENU)
    for group in json.loads(package(ACL)).values():
        add((None, group["description"]), ACL)
    return found


def quote(text):
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')


def template(head=HEAD, translations=None):
    entries = [head]
    for (context, text), places in extract().items():
        lines = ["#: %s" % place for place in places]
        if context:
            lines.append("msgctxt " + quote(context))
        said = (translations or {}).get((context, text), "")
        entries.append("\n".join(lines + ["msgid " + quote(text), "msgstr " + quote(said), ""]))
    return "\n".join(entries)


def update():
    with open(TEMPLATE, "w", encoding="utf-8") as file:
        file.write(template())
    for path in glob.glob(os.path.join(PACKAGE, "po/*/*.po")):
        with open(path, encoding="utf-8") as file:
            head = file.read().split("\n\n")[0] + "\n"
        text = template(head, read(path))
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def read(path):
    """Of a .po file: (context, text) and its translation"""
    found, entry, field = {}, {}, None

    def finish():
        if "msgid" in entry:
            found[entry.get("msgctxt"), entry["msgid"]] = entry.get("msgstr", "")

    with open(path, encoding="utf-8") as file:
        for line in file.read().split("\n") + [""]:
            words = re.match(r'(?:(msgctxt|msgid|msgstr) )?(".*")$', line)
            if words:
                if words[1]:
                    field = words[1]
                    if field == "msgctxt" or field == "msgid" and "msgid" in entry:
                        finish()
                        entry = {}
                entry[field] = entry.get(field, "") + json.loads(words[2])
            elif not line:
                finish()
                entry = {}
    found.pop((None, ""), None)
    return found


def catalog(path):
    """as LuCI's _() looks it up"""
    return {(context + "\x01" if context else "") + text: translation
            for (context, text), translation in read(path).items() if translation}


if __name__ == "__main__":
    if sys.argv[1:] != ["--update"]:
        sys.exit("usage: selftests/luci/po.py --update")
    update()
