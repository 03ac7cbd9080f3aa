# SPDX-License-Identifier: GPL-2.0
#
# A router as LuCI's page sees it: uhttpd with LuCI's files, rpcd with its plugins "file" and
# "uci", cgi-io, and files in a folder. The rights are those of the package's acl file and
# nothing else, but for what LuCI itself may do; patterns are fnmatch's, as rpcd has them:
#
#	ubus	OBJECT: METHOD			every call
#	file	PATH or COMMAND LINE: read, exec	rpcd's plugin "file"; cgi-io, too
#	cgi-io	download			cgi-io
#	uci	CONFIG				"read" for get, "write" for set and delete
#
# As rpcd since 2023, it takes no environment for a program; and of a file in /proc its "read"
# returns no more than 4096 bytes.

import fnmatch
import http.server
import json
import os
import subprocess
import threading
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
PACKAGE = os.path.join(TREE, "openwrt", "luci-app-fullcone-nat")
DOCTOR = os.path.join(TREE, "scripts", "fullcone-doctor")

OK, INVALID, NOT_FOUND, NO_DATA, PERMISSION = 0, 2, 4, 5, 6

# What luci-base allows for its own sake
LUCI = {"uci": ["get", "set", "delete", "changes", "apply"]}

PAGE = """<!DOCTYPE html>
<html lang="%(lang)s"><head><meta charset="utf-8"><title>OpenWrt - LuCI</title>
<link rel="stylesheet" href="/luci.css"></head>
<body><header><a class="brand">OpenWrt</a>%(menu)s</header>
<div id="maincontent"><div id="view"><em>Loading view…</em></div></div>
<script>window.TR = %(catalog)s; window.PAGE = %(page)s;</script>
<script src="/luci.js"></script></body></html>
"""


class Router:
    def __init__(self, root, catalog):
        """root: the folder that has its files; catalog: translations by language"""
        self.root = root
        self.catalog = catalog
        self.lang = "en"
        self.writer = True
        self.uci = {}
        self.hosts = {}
        self.interfaces = []
        self.refused = []
        self.calls = []
        self.acl = json.load(open(os.path.join(PACKAGE, "root/usr/share/rpcd/acl.d/luci-app-fullcone-nat.json")))
        self.menu = json.load(open(os.path.join(PACKAGE, "root/usr/share/luci/menu.d/luci-app-fullcone-nat.json")))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:%d/" % self.server.server_address[1]

    def close(self):
        self.server.shutdown()

    # -- rights ------------------------------------------------------------------

    def allowed(self, scope, name, function):
        """As rpcd's sessions have it: in a list stand names, which the group's kind is the function of"""
        for group in self.acl.values():
            for kind in ("read", "write") if self.writer else ("read",):
                rights = group.get(kind, {}).get(scope, {})
                if isinstance(rights, list):
                    rights = {one: [kind] for one in rights}
                if any(fnmatch.fnmatchcase(name, one) and function in rights[one] for one in rights):
                    return True
        if scope == "ubus" and function in LUCI.get(name, []):
            return True
        self.refused.append("%s %s %s" % (scope, name, function))
        return False

    # -- files -------------------------------------------------------------------

    def read(self, path):
        try:
            with open(self.root + path, encoding="utf-8") as file:
                return file.read()
        except OSError:
            return None

    def write(self, path, text):
        os.makedirs(os.path.dirname(self.root + path), exist_ok=True)
        with open(self.root + path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.root + path + ".new", self.root + path)

    def exec(self, command, params):
        """The real doctor, with what it finds in the folder, and no program of the network's"""
        if not self.allowed("file", " ".join([command] + params), "exec"):
            return PERMISSION, None
        done = subprocess.run(["/bin/sh", DOCTOR] + params, capture_output=True, text=True, check=False,
                              env={"PATH": self.root + "/bin", "FULLCONE_ROOT": self.root})
        return OK, {"code": done.returncode, "stdout": done.stdout, "stderr": done.stderr}

    # -- calls -------------------------------------------------------------------

    def call(self, name, method, args):
        self.calls.append((name, method, args))
        if name == "session" and method == "access":
            return OK, {"access": self.allowed(args["scope"], args["object"], args["function"])}
        if not self.allowed("ubus", name, method):
            return PERMISSION, None
        if name == "file" and method == "read":
            if not self.allowed("file", args["path"], "read"):
                return PERMISSION, None
            text = self.read(args["path"])
            if text is None:
                return NOT_FOUND, None
            return (OK, {"data": text[:4096]}) if text else (NO_DATA, None)
        if name == "file" and method == "exec":
            if args.get("env"):
                return PERMISSION, None
            return self.exec(args["command"], args.get("params") or [])
        if name == "luci-rpc" and method == "getHostHints":
            return OK, self.hosts
        if name == "network.interface" and method == "dump":
            return OK, {"interface": self.interfaces}
        if name == "uci":
            return self.call_uci(method, args)
        return NOT_FOUND, None

    def call_uci(self, method, args):
        if method == "apply":
            return OK, {}
        config = args["config"]
        if not self.allowed("uci", config, "read" if method == "get" else "write"):
            return PERMISSION, None
        if config not in self.uci:
            return NOT_FOUND, None
        sections = self.uci[config]
        if method == "get":
            return OK, {"values": sections}
        if method == "set":
            sections[args["section"]].update(args["values"])
        elif method == "delete":
            for option in args["options"]:
                sections[args["section"]].pop(option, None)
        return OK, {}

    def page(self):
        action = [node for node in self.menu.values() if node["action"]["type"] == "view"][0]
        title = self.catalog.get(self.lang, {}).get(action["title"], action["title"])
        menu = "".join("<a>%s</a>" % word for word in ("Status", "System", "Network", "Logout"))
        return PAGE % {"lang": self.lang, "menu": menu + "<a class=\"here\">%s</a>" % title,
                       "catalog": json.dumps(self.catalog.get(self.lang, {})),
                       "page": json.dumps({"view": action["action"]["path"]})}

    def handler(router):
        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def answer(self, status, kind, body):
                if isinstance(body, str):
                    body = body.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                path = urllib.parse.urlsplit(self.path).path
                files = {"/luci.js": (HERE, "text/javascript"), "/luci.css": (HERE, "text/css")}
                if path == "/":
                    self.answer(200, "text/html; charset=utf-8", router.page())
                elif path in files or path.startswith("/luci-static/"):
                    folder, kind = files.get(path, (PACKAGE + "/htdocs", "text/javascript"))
                    try:
                        with open(folder + path, "rb") as file:
                            self.answer(200, kind + "; charset=utf-8", file.read())
                    except OSError:
                        self.answer(404, "text/plain", "")
                else:
                    self.answer(404, "text/plain", "")

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                if self.path == "/ubus":
                    request = json.loads(body)
                    code, data = router.call(*request["params"][1:])
                    self.answer(200, "application/json", json.dumps(
                        {"jsonrpc": "2.0", "id": request["id"], "result": [code, data] if data is not None else [code]}))
                elif self.path == "/cgi-bin/cgi-download":
                    path = urllib.parse.parse_qs(body)["path"][0]
                    if not router.allowed("cgi-io", "download", "read") or not router.allowed("file", path, "read"):
                        return self.answer(403, "text/plain", "")
                    text = router.read(path)
                    self.answer(404 if text is None else 200, "application/octet-stream", text or "")
                else:
                    self.answer(404, "text/plain", "")
        return Handler
