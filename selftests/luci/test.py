# SPDX-License-Identifier: GPL-2.0
#
# LuCI's page: its files fit each other, and what a user of it sees and sets, in a browser
# against router.py. For scripts/luci-test, which tells of the arguments:
#
#	test.py CHROMIUM CHROMEDRIVER [--picture FILE]		without a browser's name its points skip

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import po
from browser import Browser
from router import Router

STATE = "/proc/net/fullcone_nat/"
KNOBS = "/proc/sys/net/fullcone_nat/"
COUNTERS = ["mappings_created", "flows_out", "flows_in", "drop_no_port", "drop_host_max_mappings", "drop_in_filtered",
            "drop_invalid_in", "peers_refused"]
HOSTILE = '<img src=x onerror="document.title=\'taken\'">'
DEVICE = '<b>eth3'

passed = failed = skipped = 0


def point(what, ok, *told):
    global passed, failed
    if ok:
        passed += 1
    else:
        failed += 1
    print("%s %d %s" % ("ok" if ok else "not ok", passed + failed + skipped, what), flush=True)
    for text in () if ok else told:
        print("# " + str(text).replace("\n", "\n# "), flush=True)
    return ok


def equal(what, want, got):
    return point(what, want == got, "expected: %r" % (want,), "got: %r" % (got,))


def wait(condition):
    """The value, once it is true; the last one after minutes"""
    end = time.monotonic() + 120
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.2)


# -- files ---------------------------------------------------------------------------


def loads(name):
    try:
        return json.loads(po.package(name))
    except (OSError, ValueError) as error:
        return error


def rights(acl, kind):
    """What a group of the acl grants, as lines"""
    for scope, those in acl[kind].items():
        for name in those:
            for function in [kind] if isinstance(those, list) else those[name]:
                yield "%s %s %s" % (scope, name, function)


def other_places(translations):
    """Texts whose translation has other places for values"""
    places = re.compile("%[a-z]")
    return [text for (_, text), said in translations.items() if sorted(places.findall(text)) != sorted(places.findall(said))]


def test_files():
    menu, acl = loads(po.MENU), loads(po.ACL)
    point("the menu is JSON", isinstance(menu, dict), menu)
    point("the acl is JSON", isinstance(acl, dict), acl)
    views = [node["action"]["path"] for node in menu.values() if node["action"]["type"] == "view"]
    point("the menu leads to a view that is there", views and all(
        os.path.exists("%s/htdocs/luci-static/resources/view/%s.js" % (po.PACKAGE, view)) for view in views), views)
    groups = [group for node in menu.values() for group in node["depends"]["acl"]]
    equal("and asks for a group that the acl has", set(acl), set(groups))
    group = acl[groups[0]]
    equal("who may read may write nothing", [], [line for line in rights(group, "read") if re.search(
        " (write|set|add|delete|apply|remove|upload)$", line)])
    equal("and run the doctor only", {"en", "zh"}, {line.split()[3] for line in rights(group, "read") if
                                                     line.startswith("file /usr/sbin/fullcone-doctor --lang ")})
    equal("nothing else", 2, sum(line.startswith("file ") and line.endswith(" exec") for line in rights(group, "read")))

    equal("the template has the texts of the page (else selftests/luci/po.py --update)", po.template(),
          po.package("po/templates/fullcone-nat.pot"))
    translations = po.read(os.path.join(po.PACKAGE, "po/zh_Hans/fullcone-nat.po"))
    equal("each has a translation into Chinese, and no other has", set(po.read(po.TEMPLATE)),
          {key for key, text in translations.items() if text})
    equal("with the same places for values", [], other_places(translations))
    if shutil.which("msgfmt"):
        done = subprocess.run(["msgfmt", "--check-format", "--check-domain", "-o", os.devnull,
                               os.path.join(po.PACKAGE, "po/zh_Hans/fullcone-nat.po")],
                              capture_output=True, text=True, check=False)
        equal("msgfmt takes it", 0, done.returncode)
    else:
        skip("msgfmt takes it", "no msgfmt")


def skip(what, why):
    global skipped
    skipped += 1
    print("ok %d %s # SKIP %s" % (passed + failed + skipped, what, why), flush=True)


# -- a router ------------------------------------------------------------------------


def mapping(proto, inside, outside, dev="pppoe-wan", state="active", sessions=1, expires=298, age=12):
    return "proto=%s int=%s ext=%s dev=%s state=%s sessions=%d expires=%d age=%d\n" % (
        proto, inside, outside, dev, state, sessions, expires, age)


def mappings():
    outside = "203.0.113.7:%d"
    return "".join([
        mapping("udp", "192.168.1.20:3074", outside % 3074, sessions=9, expires=287, age=4210),
        mapping("udp", "192.168.1.9:51820", outside % 51820, sessions=2, expires=300, age=86400),
        mapping("udp", "192.168.1.31:6881", outside % 6881, sessions=143, expires=299, age=5399),
        mapping("tcp", "192.168.1.31:6881", outside % 6881, sessions=27, expires=7433, age=5399),
        mapping("tcp", "192.168.1.9:50112", outside % 50112, state="draining", expires=61, age=702),
        mapping("udp", "192.168.1.44:40000", outside % 40000, state="holddown", sessions=0, expires=84, age=331),
        mapping("tcp", "192.168.1.5:8080", outside % 80, state="static", sessions=3, expires=0, age=172800),
        mapping("icmp", "192.168.1.20:77", outside % 77, expires=42, age=18),
        mapping("udp", "[fd00::31]:6881", "[2001:db8::7]:6881", sessions=12, expires=280, age=611),
    ])


def set_up(router):
    """A home with a line that is up and one whose provider has a NAT"""
    router.write(STATE + "status", (
        "active=1 order=first rules=0 forwarding=1\n"
        "wan=pppoe-wan exists=1 up=1 address=203.0.113.7 private=0 mapped=5214 in=812 in_refused=0 in_unconfirmed=0 by_rules=0\n"
        "wan=wwan0 exists=1 up=1 address=100.72.9.13 private=1 mapped=31 in=0 in_refused=0 in_unconfirmed=0 by_rules=0\n"
        "mappings=9 max_mappings=60190 refusing=drop_host_max_mappings\n"
        "static=1 waiting=0\n"))
    values = dict.fromkeys(COUNTERS, 0)
    values.update(mappings_created=6120, flows_out=5245, flows_in=812, drop_host_max_mappings=37, drop_invalid_in=4)
    router.write(STATE + "stats", "".join("%s %d\n" % pair for pair in values.items()))
    router.write(STATE + "mappings", mappings())
    for name, value in {"mapping": "eim", "filter_udp": "eif", "filter_tcp": "adf", "protocols": "udp tcp icmp",
                        "wan": "pppoe-wan wwan0", "exempt_mark": "0/0", "inside": ""}.items():
        router.write(KNOBS + name, value + "\n")
    router.write("/sys/module/fullcone_nat/parameters/version", "0.1.0\n")
    router.write("/proc/modules", "")
    router.hosts = {
        "02:00:00:00:00:20": {"ipaddrs": ["192.168.1.20"], "ip6addrs": [], "name": "playstation.lan"},
        "02:00:00:00:00:31": {"ipaddrs": ["192.168.1.31"], "ip6addrs": ["fd00::31"], "name": "nas.lan"},
        "02:00:00:00:00:09": {"ipaddrs": ["192.168.1.9"], "ip6addrs": [], "name": "laptop.lan"},
        "02:00:00:00:00:05": {"ipaddrs": ["192.168.1.5"], "ip6addrs": [], "name": "web.lan"},
        "02:00:00:00:00:99": {"ipaddrs": ["192.168.1.99"], "ip6addrs": []},
    }
    router.interfaces = [
        {"interface": "wan", "up": True, "proto": "pppoe", "l3_device": "pppoe-wan", "device": "eth1"},
        {"interface": "wan6", "up": True, "proto": "dhcpv6", "l3_device": "pppoe-wan", "device": "pppoe-wan"},
        {"interface": "wwan", "up": True, "proto": "qmi", "l3_device": "wwan0", "device": "wwan0"},
        {"interface": "backup", "up": False, "proto": "dhcp", "device": "eth2"},
        {"interface": "lan", "up": True, "proto": "static", "l3_device": "br-lan", "device": "br-lan"},
    ]
    router.uci = {
        "firewall": {
            "cfg01": {".type": "zone", ".name": "cfg01", "name": "lan", "network": ["lan"]},
            "cfg02": {".type": "zone", ".name": "cfg02", "name": "wan", "masq": "1",
                      "network": ["wan", "wan6", "wwan", "backup"]},
        },
        "fullcone_nat": {"main": {".type": "fullcone_nat", ".name": "main", "enabled": "1", "network": ["wan", "wwan"],
                                  "filter_tcp": "adf", "host_max_mappings": "2000"}},
    }


def tools(root):
    """What the doctor may find of programs, so that it looks at the folder and not at this machine"""
    os.makedirs(root + "/bin")
    for name in ("awk", "cat", "find", "grep", "head", "sed", "sort", "uname"):
        os.symlink(shutil.which(name), root + "/bin/" + name)
    with open(root + "/bin/id", "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\necho 0\n")
    os.chmod(root + "/bin/id", 0o755)


# -- what is on the page -------------------------------------------------------------


class Page:
    def __init__(self, browser, router):
        self.browser = browser
        self.router = router

    def open(self):
        self.router.refused.clear()
        self.browser.go(self.router.url)
        wait(lambda: self.browser.run("return document.body.dataset.ready || document.body.dataset.error"))
        return self

    def error(self):
        return self.browser.run("return document.body.dataset.error || ''")

    def text(self, css="#view"):
        return self.browser.run("return [...document.querySelectorAll(arguments[0])].map(e => e.innerText).join('\\n')", css)

    def rows(self):
        """of mappings: a list of texts each"""
        return self.browser.run("return [...document.querySelectorAll('#fullcone-mappings tr')].slice(1)"
                                ".map(tr => [...tr.children].map(td => td.textContent))")

    def column(self, at):
        return [row[at] for row in self.rows()]

    def search(self, text):
        self.browser.type("input[type=search]", text)
        return self.rows()

    def switches(self, tab):
        return self.browser.run("return [...document.querySelectorAll('[data-tab=' + arguments[0] + '] .cbi-value')]"
                                ".filter(e => e.id.includes('._network')).map(e => e.querySelector('label').innerHTML + "
                                "(e.querySelector('input').checked ? ' on' : ' off'))", tab)

    def option(self, name):
        return '[id="widget.cbid.fullcone_nat.main.%s"]' % name

    def save(self):
        self.router.calls.clear()
        self.browser.click(".cbi-button-apply")
        wait(lambda: ("uci", "apply", {"rollback": True}) in self.router.calls or
             self.text(".alert-message.danger").find("invalid") >= 0)

    def doctor(self):
        self.browser.click("#fullcone-doctor")
        return wait(lambda: self.text("#fullcone-findings"))


def main_of(router):
    return {name: value for name, value in router.uci["fullcone_nat"]["main"].items() if name[0] != "."}


def test_status(page, router):
    page.open()
    equal("the page is there without an error", "", page.error())
    equal("the acl allows all that the page does", [], router.refused)
    text = page.text()
    point("the module is loaded, with its version", "loaded, version 0.1.0" in text, text)
    summary = page.text("#fullcone-summary")
    point("UDP is full cone in plain words", re.search("NAT type for UDP\\s+full cone: anybody", summary), summary)
    point("TCP is a restricted cone", re.search("NAT type for TCP\\s+restricted cone: addresses", summary), summary)
    point("a NAT of the provider's is told", re.search("wwan0\\s+100.72.9.13\\s+has a private address", text), text)
    point("what is refused now is told", "refused now: a host had as many mappings as it may" in text, text)
    refusals = page.text("#fullcone-refusals")
    point("what was refused is counted", re.search("a host had as many mappings as it may\\s+37\\s+drop_host_max", refusals),
          refusals)
    point("what was not is not", "drop_no_port" not in refusals and "flows_in" not in refusals, refusals)
    router.write(KNOBS + "mapping", "apdm\n")
    router.write(KNOBS + "protocols", "udp\n")
    page.open()
    summary = page.text("#fullcone-summary")
    point("symmetric NAT is told", re.search("NAT type for UDP\\s+symmetric", summary), summary)
    point("so is a protocol that is left out", re.search("NAT type for TCP\\s+not mapped", summary), summary)
    set_up(router)


def test_mappings(page, router):
    page.open()
    rows = page.rows()
    equal("all mappings are shown", 9, len(rows))
    equal("with their hosts' names", ["udp", "192.168.1.20:3074", "playstation.lan", "203.0.113.7:3074", "pppoe-wan",
                                      "active", "9", "4:47", "1:10:10"],
          [row for row in rows if row[1] == "192.168.1.20:3074"][0])
    equal("hosts with IPv6 have names, too", ["nas.lan"], [row[2] for row in rows if row[1] == "[fd00::31]:6881"])
    equal("a static one does not expire", ["-"], [row[7] for row in rows if row[5] == "static"])
    equal("a search narrows", ["192.168.1.31:6881"] * 2 + ["[fd00::31]:6881"], sorted(row[1] for row in page.search("nas")))
    equal("by each of its words", [["tcp", "192.168.1.31:6881"]], [row[:2] for row in page.search("NAS tcp")])
    point("and says when nothing fits", "No mapping fits" in page.search("nobody")[0][0], page.rows())
    page.search("192")
    page.browser.click("[data-column=sessions]")
    equal("sorted by sessions, as numbers", ["0", "1", "1", "2", "3", "9", "27", "143"], page.column(6))
    page.browser.click("[data-column=sessions]")
    equal("and the other way", ["143", "27", "9", "3", "2", "1", "1", "0"], page.column(6))
    page.browser.click("[data-column=int]")
    equal("sorted by address, 9 before 20", ["192.168.1.5:8080", "192.168.1.9:50112", "192.168.1.9:51820",
                                             "192.168.1.20:77", "192.168.1.20:3074"], page.column(1)[:5])
    router.write(STATE + "mappings", mappings() + mapping("udp", "192.168.1.77:1234", "203.0.113.7:1234"))
    router.write(STATE + "stats", "drop_no_port 5\n")
    point("a new one comes by itself", wait(lambda: "192.168.1.77:1234" in page.column(1)), page.rows())
    equal("the search stays meanwhile", 9, len(page.rows()))
    point("so do counters", wait(lambda: "no free port was left" in page.text("#fullcone-refusals")))
    router.write(STATE + "mappings", "")
    point("no mappings is said in words", wait(lambda: "No mapping fits" in page.rows()[0][0]), page.rows())
    router.write(STATE + "mappings", "".join(mapping("udp", "192.168.1.%d:%d" % (i % 200 + 2, i % 60000), "203.0.113.7:%d" % i)
                                             for i in range(5000)))
    page.open()
    equal("of thousands a hundred are shown", 100, len(page.rows()))
    point("which is said", "The first 100 of 5000 are shown" in page.text(), page.text())
    equal("the search finds the others", ["192.168.1.201:4999"], [row[1] for row in page.search("201:4999")])
    set_up(router)


def test_hostile(page, router):
    router.hosts["02:00:00:00:00:44"] = {"ipaddrs": ["192.168.1.44"], "ip6addrs": [], "name": HOSTILE}
    router.write(STATE + "mappings", mappings() + mapping("udp", "192.168.1.50:1", "203.0.113.7:1", dev=DEVICE))
    router.write(STATE + "status", router.read(STATE + "status").replace("wwan0", DEVICE).replace("=drop_host", "=<i>drop"))
    router.write(STATE + "stats", "drop_<img> 1\n")
    router.write(KNOBS + "filter_udp", "<img>\n")
    router.write("/sys/module/fullcone_nat/parameters/version", "<img>\n")
    router.interfaces[2].update(l3_device=DEVICE)
    page.open()
    equal("a host name is text", [HOSTILE], [row[2] for row in page.rows() if row[1] == "192.168.1.44:40000"])
    found = page.doctor()
    point("so is what the doctor says of a device", DEVICE + " has the private address" in found, found)
    equal("nothing of it runs or is HTML", "OpenWrt - LuCI 0", page.browser.run(
        "return document.title + ' ' + document.querySelectorAll('#view img, #view b, #view i').length"))
    point("a device's name is text, too", page.text().count(DEVICE) >= 3, page.text())
    set_up(router)


def test_settings(page, router):
    page.open()
    equal("each network that masquerades has a switch", ["Full cone on " + it for it in ("wan on", "wwan on", "backup off")],
          page.switches("general"))
    equal("for IPv6, too", ["Full cone for IPv6 on " + it for it in ("wan off", "wan6 off", "wwan off", "backup off")],
          page.switches("ipv6"))
    before = main_of(router)
    page.save()
    equal("to save without a change changes nothing", before, main_of(router))
    page.browser.click(page.option("_network_wwan"))
    page.browser.click(page.option("_network_backup"))
    page.save()
    equal("switches are the list of networks", dict(before, network=["wan", "backup"]), main_of(router))
    page.browser.click(page.option("_network_wan"))
    page.browser.click(page.option("_network_backup"))
    page.save()
    equal("with all off there is none", {name: value for name, value in before.items() if name != "network"}, main_of(router))
    page.browser.click(page.option("_network_wan"))
    page.browser.run("document.querySelector(arguments[0]).value = 'apdf'", page.option("filter_udp"))
    page.browser.run("document.querySelector(arguments[0]).value = 'eif'", page.option("filter_tcp"))
    page.browser.click("li[data-tab=limits]")
    page.browser.type(page.option("max_mappings"), "20000")
    page.browser.type(page.option("host_max_mappings"), "")
    page.browser.type(page.option("reserved_ports"), "50000-50999 6000")
    page.browser.click("li[data-tab=ipv6]")
    page.browser.click(page.option("_network6_wan6"))
    page.save()
    equal("types and limits", {"enabled": "1", "network": ["wan"], "network6": ["wan6"], "filter_udp": "apdf",
                               "filter_tcp": "eif", "max_mappings": "20000", "reserved_ports": ["50000-50999", "6000"]}, main_of(router))
    equal("nothing that the acl does not allow", [], router.refused)
    equal("and saved is applied", ("uci", "apply", {"rollback": True}), router.calls[-1])
    before = main_of(router)
    page.browser.click("li[data-tab=limits]")
    page.browser.type(page.option("udp_timeout"), "60")
    page.save()
    equal("a time that the module refuses is refused here", before, main_of(router))
    router.writer = False
    page.open()
    equal("who may only read sees all", [9, ""], [len(page.rows()), page.error()])
    equal("and can't switch", True, page.browser.run("return document.querySelector(arguments[0]).disabled",
                                                     page.option("_network_wan")))
    point("but ask the doctor", page.doctor(), page.text())
    router.call("uci", "set", {"config": "fullcone_nat", "section": "main", "values": {"enabled": "0"}})
    equal("nor set by another way", "1", main_of(router)["enabled"])
    router.writer = True
    set_up(router)


def test_doctor(page, router):
    router.calls.clear()
    page.open()
    equal("the doctor is not asked unbidden", [], [call for call in router.calls if call[1] == "exec"])
    found = page.doctor()
    point("its findings are there after a click", "filter_tcp is adf: only those get in" in found, found)
    point("with what mends it", "echo eif > /proc/sys/net/fullcone_nat/filter_tcp" in found, found)
    router.lang = "zh-cn"
    page.open()
    found = page.doctor()
    point("in Chinese where the page is", "filter_tcp 是 adf：只有内部主机联系过的对端才能进来" in found, found)
    text = page.text()
    point("the page is in Chinese", "全锥形：任何人都能进来" in text, text)
    equal("no text of it is left in English", [], [words for _, words in po.extract() if len(words) > 12 and words in text])
    router.lang = "en"
    router.write(STATE + "status", router.read(STATE + "status").replace("drop_host_max_mappings", "none").replace(
        "private=1", "private=0"))
    router.write(KNOBS + "filter_tcp", "eif\n")
    page.open()
    equal("a healthy router is called so", "Nothing is wrong.", page.doctor())
    set_up(router)


def test_absent(page, router):
    shutil.rmtree(router.root + "/proc/net")
    shutil.rmtree(router.root + KNOBS)
    page.open()
    text = page.text()
    point("a module that is not loaded is said in words", "The kernel module is not loaded" in text, text)
    equal("without an error", "", page.error())
    point("and the settings are there", "Full cone on wan on" in page.switches("general"), text)
    set_up(router)
    point("when it comes the page has it", wait(lambda: "loaded, version" in page.text()), page.text())
    point("and its mappings", wait(lambda: len(page.rows()) == 9), page.rows())
    router.write(STATE + "status", "active=0 order=first rules=0 forwarding=0\nmappings=0 max_mappings=60190 refusing=none\n"
                 "static=0 waiting=0\n")
    page.open()
    text = page.text()
    point("nothing switched on is said", "No network is switched on" in text, text)
    point("so is forwarding that is off", "does not forward packets" in text, text)
    del router.acl["luci-app-fullcone-nat"]["read"]["cgi-io"]
    page.open()
    text = page.text()
    point("what may not be read is not taken for a module that is not there", "You may not read" in text, text)
    set_up(router)


def main():
    chromium, driver = sys.argv[1:3]
    picture = sys.argv[4] if sys.argv[3:4] == ["--picture"] else None
    root = tempfile.mkdtemp(prefix="fullcone-luci.")
    router = browser = None
    # so that no browser is left behind
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        if not picture:
            test_files()
        if not (chromium and driver):
            skip("what is on the page", "no chromium or no chromedriver")
            return
        tools(root)
        router = Router(root, {"zh-cn": po.catalog(os.path.join(po.PACKAGE, "po/zh_Hans/fullcone-nat.po"))})
        set_up(router)
        browser = Browser(chromium, driver)
        page = Page(browser, router)
        if picture:
            page.open()
            page.doctor()
            browser.picture(picture)
            return
        for test in (test_status, test_mappings, test_hostile, test_settings, test_doctor, test_absent):
            test(page, router)
    finally:
        if browser:
            browser.close()
        if router:
            router.close()
        shutil.rmtree(root, ignore_errors=True)


main()
if sys.argv[3:4] != ["--picture"]:
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
sys.exit(failed > 0)
