"""A browser driven through WebDriver's HTTP, with nothing but Python's standard library."""

import base64
import http.client
import json
import shutil
import socket
import subprocess
import time

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
TAB = "\ue004"


class Missing(Exception):
    """There is no browser here."""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(what, seconds=30, why="it did not happen"):
    """The first truthy value of `what()`; an AssertionError where there is none in time."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{why} within {seconds} s")
        time.sleep(0.05)


class Browser:
    """A headless Chromium with one page. Use it in a `with`."""

    def __init__(self):
        driver = shutil.which("chromedriver")
        browser = shutil.which("chromium")
        if not driver or not browser:
            raise Missing("chromium and chromium-driver are not installed (libexec/setup all)")
        self.port = free_port()
        self.process = subprocess.Popen(
            [driver, f"--port={self.port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            until(self._listens, 20, "chromedriver did not start")
            # Root has no sandbox; containers have a small /dev/shm.
            arguments = [
                "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                "--no-first-run", "--disable-background-networking", "--disable-component-update",
                "--window-size=1440,1000",
            ]
            made = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": {
                "browserName": "chrome",
                "goog:loggingPrefs": {"browser": "ALL"},
                "goog:chromeOptions": {"binary": browser, "args": arguments},
            }}})
            self.session = "/session/" + made["sessionId"]
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self._ask("DELETE", self.session)
        finally:
            self.process.terminate()
            self.process.wait()

    def _listens(self):
        try:
            return self._ask("GET", "/status")["ready"]
        except OSError:
            return False

    def _ask(self, method, path, body=None):
        wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            text = None if body is None else json.dumps(body)
            wire.request(method, path, text, {"Content-Type": "application/json"})
            answer = wire.getresponse()
            value = json.loads(answer.read())["value"]
        finally:
            wire.close()
        if answer.status != 200:
            raise AssertionError(f"{value.get('error')}: {value.get('message', '')[:400]}")
        return value

    def _post(self, command, **body):
        return self._ask("POST", self.session + command, body)

    def devtools(self, command, **parameters):
        return self._post("/goog/cdp/execute", cmd=command, params=parameters)

    def go(self, url):
        self._post("/url", url=url)

    def reload(self):
        self._post("/refresh")

    def js(self, script, *arguments):
        return self._post("/execute/sync", script=script, args=list(arguments))

    def find(self, selector):
        return self._post("/element", using="css selector", value=selector)[ELEMENT]

    def click(self, selector):
        """A click as a person does it: scrolled to, in its middle, and refused where it is covered."""
        self._post(f"/element/{self.find(selector)}/click")

    def type(self, selector, text):
        self._post(f"/element/{self.find(selector)}/value", text=text)

    def text(self, selector):
        return self._ask("GET", f"{self.session}/element/{self.find(selector)}/text")

    def press(self, key):
        self._post("/actions", actions=[{"type": "key", "id": "keys", "actions": [
            {"type": "keyDown", "value": key}, {"type": "keyUp", "value": key},
        ]}])

    def size(self, width, height, scale=1, phone=False):
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height,
                      deviceScaleFactor=scale, mobile=phone)

    def prefer(self, **features):
        """`prefer(prefers_color_scheme="dark")`"""
        self.devtools("Emulation.setEmulatedMedia", features=[
            {"name": name.replace("_", "-"), "value": value} for name, value in features.items()
        ])

    def complaints(self):
        """What the console got since the last call, of any level that means something is wrong."""
        return [
            f"{line['level']} {line['source']}: {line['message']}"
            for line in self._post("/se/log", type="browser")
            if line["level"] in ("SEVERE", "WARNING")
        ]

    def picture(self, path, height=None):
        """The page from its top, all of it unless a height is given, as a PNG file."""
        box = self.js("const d = document.documentElement; return [d.clientWidth, d.scrollHeight]")
        data = self.devtools(
            "Page.captureScreenshot", format="png", captureBeyondViewport=True,
            clip={"x": 0, "y": 0, "width": box[0], "height": height or box[1], "scale": 1},
        )
        with open(path, "wb") as file:
            file.write(base64.b64decode(data["data"]))
