#!/usr/bin/env python3
"""The page /docs of a running corogate-server in a real browser: docs.py SERVER

Exit status 77: there is no browser.
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest
import urllib.request

from webdriver import Browser, Missing, until

browser = None
url = ""


class Docs(unittest.TestCase):
    def setUp(self):
        browser.size(1280, 900)
        browser.go("about:blank")
        self.open("/docs")

    def open(self, target):
        browser.go(url + target)
        until(lambda: browser.js("return document.querySelectorAll('details.operation').length"),
              why="no operation was shown")

    def shown(self):
        return browser.js("""return [...document.querySelectorAll('details.operation')]
            .filter((one) => one.offsetHeight > 0)
            .map((one) => one.querySelector('.method').textContent + ' ' + one.querySelector('.path').textContent)""")

    def test_it_shows_every_operation_without_a_word_in_the_console(self):
        with urllib.request.urlopen(url + "/openapi.json") as answer:
            document = json.load(answer)
        verbs = ("get", "post", "put", "patch", "delete")
        operations = {f"{verb.upper()} {path}" for path, item in document["paths"].items()
                      for verb in item if verb in verbs}
        self.assertEqual(set(self.shown()), operations)
        self.assertEqual(len(self.shown()), len(operations))
        browser.js("for (const one of document.querySelectorAll('details')) one.open = true")
        text = browser.text("main")
        for word in ("undefined", "[object", "NaN"):
            self.assertNotIn(word, text)
        self.assertEqual(browser.complaints(), [])

    def test_every_link_inside_leads_somewhere(self):
        lost = browser.js("""return [...document.querySelectorAll('a[href^="#"]')]
            .map((one) => one.hash.slice(1)).filter((id) => !document.getElementById(id))""")
        self.assertEqual(lost, [])

    def test_an_address_opens_its_operation(self):
        browser.go("about:blank")
        self.open("/docs#cancelJob")
        self.assertTrue(browser.js("return document.getElementById('cancelJob').open"))
        browser.click("nav a[href='#getPool']")
        until(lambda: browser.js("return document.getElementById('getPool').open"))

    def test_the_filter_leaves_what_holds_the_word(self):
        browser.type("#filter", "/cancel")
        until(lambda: len(self.shown()) <= 2, why="nothing was filtered")
        self.assertIn("POST /v1/jobs/{id}/cancel", self.shown())
        browser.js("""const box = document.getElementById('filter');
            box.value = ''; box.dispatchEvent(new Event('input'))""")
        self.assertGreater(len(self.shown()), 20)

    def test_a_line_for_curl_works_as_it_stands(self):
        browser.js("for (const one of document.querySelectorAll('details')) one.open = true")
        for name, answered in (("runTasks", '"message"'), ("isAlive", "ok"),
                               ("saveForm", '"findings"'), ("startAnalysis", '"queued"')):
            line = browser.text(f"#{name} .curl pre")
            said = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
            self.assertIn(answered, said.stdout, line)

    def test_it_fits_a_phone(self):
        browser.size(360, 740, 2, phone=True)
        browser.js("for (const one of document.querySelectorAll('details')) one.open = true")
        wide = browser.js("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        self.assertLessEqual(wide, 0)


def main():
    global browser, url
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen([os.path.abspath(sys.argv[1]), "--port", "0", "--data", folder],
                                  stdout=subprocess.PIPE, text=True)
        try:
            line = server.stdout.readline()
            assert "listens on" in line, "the server did not start: " + line
            url = line.split(" listens on ")[1].split(" ")[0]
            with Browser() as browser:
                ran = unittest.main(argv=[sys.argv[0], "-v", *sys.argv[2:]], exit=False)
                return 0 if ran.result.wasSuccessful() else 1
        except Missing as why:
            print(f"skipped: {why}")
            return 77
        finally:
            server.kill()
            server.wait()
            server.stdout.close()


if __name__ == "__main__":
    sys.exit(main())
