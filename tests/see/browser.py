#!/usr/bin/env python3
"""browser.py URL DIRECTORY: opens the exporter's page in headless Chromium and sees that its charts show a load.

The load runs meanwhile, made by who calls. Says what is wrong and fails, or
leaves light.png and dark.png in the directory. Speaks the debugging protocol
over a WebSocket of its own.
"""
import base64
import json
import os
import re
import socket
import struct
import subprocess
import sys
import time
import urllib.request

url, directory = sys.argv[1:]


class Socket:
    """A WebSocket client, as far as the protocol's messages need it."""

    def __init__(self, address):
        host, port, path = re.fullmatch(r"ws://([^:/]+):(\d+)(/.*)", address).groups()
        self.sock = socket.create_connection((host, int(port)), timeout=30)
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall(("GET %s HTTP/1.1\r\nHost: %s:%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n" % (path, host, port, key)).encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self.sock.recv(4096)
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        assert b" 101 " in head.split(b"\r\n")[0], head

    def take(self, n):
        while len(self.buffer) < n:
            more = self.sock.recv(65536)
            assert more, "the browser has gone"
            self.buffer += more
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def send(self, text):
        data = text.encode()
        mask = os.urandom(4)
        size = struct.pack("!BB", 0x81, 0x80 | len(data)) if len(data) < 126 else struct.pack("!BBH", 0x81, 0x80 | 126, len(data))
        self.sock.sendall(size + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    def receive(self):
        message = b""
        while True:
            first, second = self.take(2)
            n = second & 127
            if n == 126:
                n = struct.unpack("!H", self.take(2))[0]
            elif n == 127:
                n = struct.unpack("!Q", self.take(8))[0]
            data = self.take(n)
            if first & 15 in (0, 1):
                message += data
                if first & 128:
                    return json.loads(message)


class Page:
    def __init__(self, address):
        self.socket = Socket(address)
        self.n = 0
        self.complaints = []

    def note(self, m):
        if m.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(m["params"]["exceptionDetails"])
        elif m.get("method") == "Runtime.consoleAPICalled" and m["params"]["type"] in ("error", "warning", "assert"):
            self.complaints.append(m["params"]["args"])
        elif m.get("method") == "Log.entryAdded" and m["params"]["entry"]["level"] in ("error", "warning"):
            self.complaints.append(m["params"]["entry"])
        elif m.get("method") == "Network.requestWillBeSent":
            asked = m["params"]["request"]["url"]
            if not asked.startswith((url, "data:")):
                self.complaints.append("it asks elsewhere: " + asked)

    def call(self, method, **params):
        self.n += 1
        self.socket.send(json.dumps({"id": self.n, "method": method, "params": params}))
        while True:
            m = self.socket.receive()
            if m.get("id") == self.n:
                assert "error" not in m, m
                return m["result"]
            self.note(m)

    def value(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def shot(self, name, scheme):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        time.sleep(0.6)
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        with open(os.path.join(directory, name), "wb") as out:
            out.write(base64.b64decode(data))


def start():
    browser = subprocess.Popen(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
         "--user-data-dir=" + os.path.join(directory, "profile"), "--remote-debugging-port=0",
         "--remote-allow-origins=*", "--window-size=1280,1700", "--hide-scrollbars", "about:blank"],
        stdout=subprocess.DEVNULL, stderr=open(os.path.join(directory, "chromium.log"), "w"))
    port_file = os.path.join(directory, "profile", "DevToolsActivePort")
    for _ in range(300):
        if os.path.exists(port_file) and open(port_file).read().count("\n") >= 1:
            break
        assert browser.poll() is None, "chromium has ended: " + open(os.path.join(directory, "chromium.log")).read()
        time.sleep(0.1)
    port = open(port_file).read().split()[0]
    for _ in range(100):
        pages = json.load(urllib.request.urlopen("http://127.0.0.1:%s/json/list" % port, timeout=20))
        pages = [p for p in pages if p["type"] == "page"]
        if pages:
            return browser, Page(pages[0]["webSocketDebuggerUrl"])
        time.sleep(0.1)
    raise AssertionError("chromium has no page")


def looks(page, more):
    """Waits for that many more looks of the page at the mounts."""
    count = "window.btfuse ? btfuse.looks.length : 0"
    want = (page.value(count) or 0) + more
    for _ in range(120):
        if (page.value(count) or 0) >= want:
            return
        time.sleep(0.5)
    raise AssertionError("the page does not look any more")


def come_and_go(page):
    """A mount goes and comes again: no rate shows a gap for it, or less than nothing, and its counters are right."""
    for done, wait in (("seen", "gone"), ("missed", "back")):
        open(os.path.join(directory, done), "w").close()
        for _ in range(300):
            if os.path.exists(os.path.join(directory, wait)):
                break
            time.sleep(0.1)
        looks(page, 2)
    for c in json.loads(page.value("JSON.stringify(btfuse.charts.slice(0, 2).map(c => [c.title, c.data.slice(1).flat()]))")):
        assert all(v is not None and v >= 0 for v in c[1]), c
    made = page.value("btfuse.looks.at(-1).ops.setxattr.all")
    assert made == 3, "%s operations instead of 3 on a mount that came" % made


def look(page):
    for domain in ("Runtime", "Log", "Network", "Page"):
        page.call(domain + ".enable")
    page.call("Page.navigate", url=url + "/")
    looks(page, 6)
    tiles = json.loads(page.value(
        "JSON.stringify(Object.fromEntries([...document.querySelectorAll('.tile b')].map(e => [e.id, e.textContent])))"))
    print("tiles:", tiles)
    wrong = [k for k, v in tiles.items() if v == "–" or (v.startswith("0") and v[1:2] != "." and k not in ("tile-open",))]
    assert len(tiles) == 8 and not wrong, wrong
    assert re.search(r"\d [kM]$", tiles["tile-ops"]), "the load was some thousand operations a second"
    # Each chart has data, and has drawn: pixels that differ.
    charts = json.loads(page.value("""JSON.stringify(btfuse.charts.map(c => {
        const canvas = c.box.querySelector('canvas');
        const px = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        const colours = new Set();
        for (let i = 0; i < px.length; i += 4) if (px[i + 3] > 200) colours.add(px[i] << 16 | px[i + 1] << 8 | px[i + 2]);
        const values = c.data.slice(1).flat().filter(v => v != null);
        return {title: c.title, n: values.length, max: Math.max(0, ...values), colours: colours.size};
    }))"""))
    for c in charts:
        print("chart: %(title)s: %(n)d values, up to %(max)g" % c)
        assert c["n"] > 0 and c["colours"] > 2, c
        assert c["max"] > 0 or c["title"].startswith(("Faults", "Invalidations", "Handed", "Rings")), c
    assert len(charts) >= 12
    throughput = page.value("Math.max(...btfuse.charts[1].data[1].filter(v => v != null))")
    assert throughput > 1000, throughput
    rows = page.value("document.querySelector('#ops').tBodies[0].rows.length")
    assert rows >= 5, rows
    assert page.value("document.querySelector('#state').textContent").startswith("live"), "not live"
    assert page.value("document.documentElement.scrollWidth <= innerWidth"), "it is wider than the window"
    come_and_go(page)
    page.shot("light.png", "light")
    page.shot("dark.png", "dark")
    back = page.value("getComputedStyle(document.body).backgroundColor")
    assert max(int(v) for v in re.findall(r"\d+", back)) < 60, "dark is not dark: " + back
    assert not page.complaints, page.complaints


browser, page = start()
try:
    look(page)
finally:
    browser.terminate()
    browser.wait(20)
