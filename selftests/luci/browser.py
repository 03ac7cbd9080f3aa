# SPDX-License-Identifier: GPL-2.0
#
# A browser without a screen, by the WebDriver protocol (https://www.w3.org/TR/webdriver2/) and
# chromedriver.

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
OPTIONS = ["--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync", "--disable-extensions", "--no-proxy-server", "--window-size=1140,900"]


# both are on this machine, whatever proxy the environment names
HERE = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class BrowserError(Exception):
    pass


class Browser:
    def __init__(self, chromium, driver):
        self.folder = tempfile.mkdtemp(prefix="fullcone-luci.")
        options = OPTIONS + ["--user-data-dir=%s/profile" % self.folder]
        if os.geteuid() == 0:
            options.append("--no-sandbox")
        # a port that is free now
        with open(self.folder + "/log", "w", encoding="utf-8") as log:
            self.driver = subprocess.Popen([driver, "--port=0"], stdout=log, stderr=log)
        self.session = None
        try:
            self.url = "http://127.0.0.1:%d" % self.port()
            self.session = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": {
                "browserName": "chrome", "goog:chromeOptions": {"binary": chromium, "args": options}}}})["sessionId"]
        except BaseException:
            self.close()
            raise

    def port(self):
        for _ in range(600):
            with open(self.folder + "/log", encoding="utf-8") as log:
                started = re.search(r"started successfully on port (\d+)", log.read())
            if started:
                return int(started[1])
            if self.driver.poll() is not None:
                break
            time.sleep(0.1)
        raise BrowserError("chromedriver does not start")

    def ask(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        try:
            with HERE.open(request, timeout=180) as reply:
                return json.load(reply)["value"]
        except urllib.error.HTTPError as error:
            raise BrowserError(json.load(error)["value"]["message"]) from error

    def tell(self, path, body=None, method="POST"):
        return self.ask(method, "/session/%s%s" % (self.session, path), {} if body is None and method == "POST" else body)

    def go(self, url):
        self.tell("/url", {"url": url})

    def run(self, script, *args):
        return self.tell("/execute/sync", {"script": script, "args": list(args)})

    def find(self, css):
        return self.tell("/element", {"using": "css selector", "value": css})[ELEMENT]

    def click(self, css):
        self.tell("/element/%s/click" % self.find(css))

    def type(self, css, text):
        self.tell("/element/%s/clear" % self.find(css))
        self.tell("/element/%s/value" % self.find(css), {"text": text})

    def picture(self, path):
        """of the whole page"""
        height = self.run("return document.documentElement.scrollHeight")
        self.tell("/window/rect", {"width": 1140, "height": height + 150})
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.tell("/screenshot", method="GET")))

    def close(self):
        try:
            if self.session:
                self.tell("", method="DELETE")
        finally:
            self.driver.terminate()
            self.driver.wait()
            shutil.rmtree(self.folder, ignore_errors=True)
