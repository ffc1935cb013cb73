#!/usr/bin/env python3
"""The dashboard of a running corogate-server in a real browser.

    dashboard.py SERVER [unittest arguments]        the tests
    dashboard.py SERVER --pictures FOLDER           pictures of a run under load

Exit status 77: there is no browser.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from webdriver import TAB, Browser, Missing, free_port, until

program = ""
browser = None


class Server:
    """A corogate-server of its own, on a port that stays the same over a restart."""

    def __init__(self, *options, tokens=""):
        self.folder = tempfile.TemporaryDirectory()
        self.port = free_port()
        self.options = options
        self.environment = dict(os.environ, COROGATE_TOKENS=tokens)
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [program, "--port", str(self.port), "--data", self.folder.name, *self.options],
            stdout=subprocess.PIPE, text=True, env=self.environment,
        )
        line = self.process.stdout.readline()
        assert "listens on" in line, "the server did not start: " + line

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def end(self):
        self.kill()
        self.folder.cleanup()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def ask(self, method, target, body=None, **fields):
        """Status, header fields and body of an answer."""
        wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            if body is not None:
                fields["Content-Type"] = "application/json"
                if not isinstance(body, str):
                    body = json.dumps(body)
            wire.request(method, target, body,
                         {name.replace("_", "-"): value for name, value in fields.items()})
            answer = wire.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()
        finally:
            wire.close()

    def json(self, method, target, body=None, expect=200):
        status, _, text = self.ask(method, target, body)
        assert status == expect, f"{method} {target}: {status} {text}"
        return json.loads(text)

    def tasks(self, count, site="site-07"):
        return self.ask("POST", f"/tasks?count={count}&site={site}")[0]


class Page(unittest.TestCase):
    """Opens the page of a fresh server, and leaves none behind."""

    options = ("--limit", "4", "--queue", "400", "--task-duration", "100ms")

    def setUp(self):
        self.server = Server(*self.options)
        self.addCleanup(self.server.end)
        self.addCleanup(self.leave)
        browser.size(1440, 1000)
        browser.prefer(prefers_color_scheme="light")
        self.open()

    def leave(self):
        """Before the server ends, so that no page is left that looks for it."""
        browser.go("about:blank")
        browser.complaints()

    def open(self):
        browser.go(self.server.url)
        browser.js("localStorage.clear()")
        self.live()

    def live(self):
        until(lambda: browser.text("#link-text") == "Live", why="the page got no figures")
        until(lambda: browser.text("#tile-running b") != "–", why="the tiles stayed empty")

    def quiet(self):
        self.assertEqual(browser.complaints(), [])


class Loading(Page):
    def test_the_page_loads_without_a_word_in_the_console(self):
        until(lambda: browser.js("return document.getElementById('save-form').options.length"))
        self.assertEqual(browser.js("return document.querySelectorAll('#charts canvas').length"), 5)
        self.quiet()

    def test_its_policy_allows_nothing_inline_and_no_markup_from_text(self):
        _, fields, text = self.server.ask("GET", "/")
        policy = fields["Content-Security-Policy"]
        for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'",
                     "connect-src 'self'", "base-uri 'none'", "form-action 'none'",
                     "frame-ancestors 'none'", "require-trusted-types-for 'script'"):
            self.assertIn(part, policy)
        self.assertNotIn("unsafe", policy)
        self.assertEqual(fields["X-Content-Type-Options"], "nosniff")
        self.assertEqual(fields["Referrer-Policy"], "no-referrer")
        self.assertNotIn("style=", text)
        refused = browser.js("""
            try { document.createElement('p').innerHTML = '<b>x</b>'; return 'taken'; }
            catch (error) { return error.name; }""")
        self.assertEqual(refused, "TypeError")
        ran = browser.js("""
            const one = document.createElement('style');
            one.textContent = 'body { outline: 7px solid red }';
            document.head.append(one);
            return getComputedStyle(document.body).outlineWidth;""")
        self.assertNotEqual(ran, "7px")
        self.assertTrue(browser.complaints(), "the policy should have complained of both")

    def test_a_tenant_named_like_markup_stays_text(self):
        name = "<img src=x onerror=alert(1)>"
        self.assertEqual(self.server.tasks(300, "%3Cimg%20src=x%20onerror=alert(1)%3E"), 200)
        until(lambda: name in browser.text("#tenants"), why="the tenant was not shown")
        self.assertEqual(browser.js("return document.querySelectorAll('main img').length"), 0)
        self.quiet()


class Figures(Page):
    # Of the pixels of a chart, those that are blue (its main line) and above its middle.
    high = """
        const canvas = document.querySelector('#chart-depth canvas');
        const { width, height } = canvas;
        const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
        copy.drawImage(canvas, 0, 0);
        const at = copy.getImageData(0, 0, width, height >> 1).data;
        let n = 0;
        for (let i = 0; i < at.length; i += 4)
            n += at[i + 3] > 200 && at[i + 2] > 150 && at[i + 2] > at[i] + 80;
        return n;"""

    def test_charts_tiles_and_lists_move_under_load(self):
        time.sleep(1.5)  # some idle time is drawn first
        self.assertEqual(browser.js(self.high), 0)
        self.assertEqual(browser.text("#tile-waiting b"), "0")
        self.assertEqual(self.server.tasks(400), 200)
        self.assertIn(self.server.tasks(300), (429, 503))
        until(lambda: int(browser.text("#tile-waiting b")) > 100, why="the queue was not shown")
        until(lambda: browser.text("#tile-running b") == "4", why="the running ones were not shown")
        until(lambda: browser.js(self.high) > 10, why="the chart of the queue did not rise")
        until(lambda: "site-07" in browser.text("#tenants"), why="the tenant was not shown")
        until(lambda: browser.text("#running"), why="running tasks were not shown")
        until(lambda: browser.text("#refusals"), why="the refusal was not shown")
        until(lambda: "300" in browser.text("#tile-refused .foot"), why="the refused were not counted")
        until(lambda: float(browser.text("#tile-out b")) > 0, why="nothing came out")
        until(lambda: browser.text("#chart-service .legend b") != "–", why="no service time was shown")
        self.quiet()

    def test_a_lost_connection_is_said_and_made_good(self):
        self.server.kill()
        until(lambda: browser.text("#state-name") == "Connection lost")
        self.assertTrue(browser.js("return document.getElementById('pause').disabled"))
        self.server.start()
        until(lambda: browser.text("#state-name") == "Accepting", 60, "the page did not come back")
        self.live()
        # The attempts in between are in the console, and nothing else.
        for line in browser.complaints():
            self.assertIn("/v1/events", line)


class Stream(Page):
    def test_events_are_the_same_wherever_their_octets_are_cut(self):
        self.assertEqual(browser.js(r"""
            const text = ': beat\r\nretry: 2500\r\nid: 7\nevent: state\r\ndata: {"a":\ndata:1}\n\n' +
                'data\r\r' + 'event: job\rid: 8\rdata: x\r\r' + 'event: nothing\n\nid\ndata: y\n\n';
            return import('/assets/stream.js').then(({ parser }) => {
                const read = (pieces) => {
                    const got = [];
                    const take = parser({ event: (...one) => got.push(one), retry: (ms) => got.push(ms) });
                    for (const piece of pieces) take(piece);
                    return JSON.stringify(got);
                };
                const whole = read([text]);
                for (let at = 1; at < text.length; ++at)
                    if (read([text.slice(0, at), text.slice(at)]) !== whole) return 'cut at ' + at;
                if (read([...text]) !== whole) return 'one by one';
                return JSON.parse(whole);
            });"""), [
                2500, ["state", '{"a":\n1}', "7"], ["message", "", "7"], ["job", "x", "8"],
                ["message", "y", ""],
            ])


    def test_the_past_fills_what_the_page_has_not_seen(self):
        self.assertEqual(browser.js("""
            return import('/assets/charts.js').then(({ History }) => {
                const one = new History();
                one.add(107, { waiting: 7 });
                one.add(107.5, { waiting: 8 });
                one.add(120, { waiting: 9 });
                const time = [101, 102, 107.2, 110, 111], waiting = [1, 2, 99, 3, 4];
                one.fill({ time, waiting, running: [5, 5, 5, 5, 5], lent: [1, 1, 1, 1, 1] });
                return [one.time, one.columns.waiting, one.columns.running];
            });"""), [
                [101, 102, 102.5, 107, 107.5, 110, 111, 111.5, 120],
                [1, 2, None, 7, 8, 3, 4, None, 9],
                [4, 4, None, None, None, 4, 4, None, None],
            ])


class Jobs(Page):
    options = ("--limit", "4", "--queue", "400", "--task-duration", "1h")

    def row(self, job, what):
        return f'#jobs tr[data-key="{job}"] {what}'

    def state_of(self, job):
        return self.server.json("GET", f"/v1/jobs/{job}")["state"]

    def test_a_click_cancels_a_job_and_another_retries_it(self):
        self.assertEqual(self.server.tasks(4), 200)  # so that the analysis waits
        browser.click("#analyse")
        job = until(lambda: browser.js("return document.querySelector('#jobs tbody tr')?.dataset.key"))
        self.assertEqual(self.state_of(job), "queued")
        self.assertEqual(browser.text(self.row(job, ".pill")), "queued")
        browser.click(self.row(job, '[data-do="cancel"]'))
        until(lambda: browser.text(self.row(job, ".pill")) == "cancelled")
        self.assertEqual(self.state_of(job), "cancelled")
        browser.click('#jobs-filter [data-state="queued"]')
        until(lambda: not browser.js("return document.querySelectorAll('#jobs tbody tr').length"))
        browser.click('#jobs-filter [data-state="cancelled"]')
        until(lambda: browser.js("return document.querySelectorAll('#jobs tbody tr').length") == 1)
        browser.click('#jobs-filter [data-state=""]')
        browser.click(self.row(job, '[data-do="retry"]'))
        until(lambda: self.state_of(job) == "queued", why="it was not queued again")
        until(lambda: browser.text(self.row(job, ".pill")) == "queued")
        self.quiet()

    def test_a_job_that_others_start_appears_and_its_result_is_shown(self):
        made = self.server.json("POST", "/v1/analyses", {"study": "DEMO", "kind": "site-kri"}, 202)
        job = made["id"]
        until(lambda: browser.js("return !!document.querySelector(arguments[0])", self.row(job, "code")))
        until(lambda: browser.text(self.row(job, ".pill")) == "succeeded")
        browser.click(self.row(job, '[data-do="result"]'))
        shown = until(lambda: browser.text("#result-text"))
        self.assertEqual(json.loads(shown), self.server.json("GET", f"/v1/jobs/{job}/result"))
        self.quiet()


class Control(Page):
    def state(self):
        return self.server.json("GET", "/v1/pool")["state"]

    def test_pausing_asks_first(self):
        browser.click("#pause")
        until(lambda: browser.js("return document.getElementById('confirm-dialog').open"))
        browser.click('#confirm-dialog [value="no"]')
        self.assertEqual(self.state(), "accepting")
        browser.click("#pause")
        browser.click("#confirm-yes")
        until(lambda: self.state() == "paused")
        until(lambda: browser.text("#state-name") == "Paused")
        until(lambda: browser.text("#pause") == "Resume")
        browser.click("#pause")
        browser.click("#confirm-yes")
        until(lambda: browser.text("#state-name") == "Accepting")
        self.assertEqual(self.state(), "accepting")
        self.quiet()

    def test_the_limit_is_changed(self):
        browser.click("#limits")
        browser.click('#limits-form [value="fixed"]')
        browser.js("document.getElementById('limit-number').value = ''")
        browser.type("#limit-number", "7")
        browser.click("#limits-form .primary")
        until(lambda: self.server.json("GET", "/v1/pool")["limit"] == 7)
        until(lambda: "of 7" in browser.text("#tile-running"))
        self.quiet()


class Access(Page):
    reader, boss = "a-token-of-a-reader-1", "a-token-of-the-boss-22"

    def setUp(self):
        self.server = Server(tokens=f"lea read - {self.reader};eve admin - {self.boss}")
        self.addCleanup(self.server.end)
        self.addCleanup(self.leave)
        browser.go(self.server.url)

    def enter(self, token):
        until(lambda: browser.js("return document.getElementById('token-dialog').open"))
        browser.type("#token", token)
        browser.click("#token-form .primary")

    def test_a_token_is_asked_for_kept_in_the_tab_and_never_in_the_url(self):
        self.enter("no-token-of-this-server")
        until(lambda: "does not know" in browser.text("#token-message"))
        self.assertEqual(browser.text("#state-name"), "No access")
        self.enter(self.reader)
        self.live()
        browser.reload()
        self.live()
        kept = browser.js("return [location.href, JSON.stringify(localStorage), document.cookie]")
        self.assertEqual(kept[0], self.server.url)
        self.assertNotIn(self.reader, "".join(kept))
        for line in browser.complaints():
            self.assertIn("status of 401", line)

    def test_a_reader_cannot_pause_and_is_told_so(self):
        self.enter(self.reader)
        self.live()
        browser.click("#pause")
        browser.click("#confirm-yes")
        until(lambda: browser.text("#toast"), why="the refusal was not said")
        status, _, text = self.server.ask("GET", "/v1/pool", Authorization="Bearer " + self.reader)
        self.assertEqual((status, json.loads(text)["state"]), (200, "accepting"))
        browser.click("#access")
        self.enter(self.boss)
        self.live()
        browser.click("#pause")
        browser.click("#confirm-yes")
        until(lambda: browser.text("#state-name") == "Paused")
        for line in browser.complaints():
            self.assertRegex(line, "status of 40[13]")


class Saving(Page):
    def test_a_sample_form_is_saved_and_its_findings_are_shown(self):
        until(lambda: "VSTESTCD" in browser.js("return document.getElementById('save-body').value"))
        sample = browser.js("return document.getElementById('save-body').value")
        said = self.server.json("POST", "/v1/forms?study=DEMO&form=VS&site=01", sample)
        self.assertTrue(said["findings"])
        browser.click("#save .primary")
        until(lambda: browser.js("return !!document.querySelector('#save-result .verdict')"))
        shown = browser.js("return [...document.querySelectorAll('#save-result .finding p')].map((p) => p.textContent)")
        self.assertEqual(sorted(shown), sorted(one["message"] for one in said["findings"]))
        skips = browser.js("return [...document.querySelectorAll('#save-result .skips b')].map((b) => b.textContent)")
        self.assertEqual(sorted(skips), sorted(one["rule"] for one in said["skipped"]))
        self.quiet()

    def test_a_mistake_is_said_in_a_sentence(self):
        until(lambda: "VSTESTCD" in browser.js("return document.getElementById('save-body').value"))
        browser.js("document.getElementById('save-body').value = '{'")
        browser.click("#save .primary")
        until(lambda: "no JSON" in browser.text("#save-result"))
        self.quiet()


# Texts whose contrast with what is behind them is below 4.5 (3 for large ones), WCAG 2.
CONTRAST = """
    const rgb = (text) => {
        const numbers = (text.match(/[\\d.]+/g) ?? []).map(Number);
        const unit = text.startsWith('color(') ? 255 : 1;
        return [numbers[0] * unit, numbers[1] * unit, numbers[2] * unit, numbers[3] ?? 1];
    };
    const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3]));
    const behind = (node) => {
        const layers = [];
        for (let at = node; at; at = at.parentElement) layers.push(rgb(getComputedStyle(at).backgroundColor));
        return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
    };
    const light = (c) => {
        const [r, g, b] = c.map((v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
        return .2126 * r + .7152 * g + .0722 * b;
    };
    const bad = [];
    let seen = 0;
    for (const node of document.querySelectorAll('body *')) {
        const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
        const box = node.getBoundingClientRect();
        if (!own || box.width < 2 || box.height < 2 || node.closest('.hidden, noscript, :disabled')) continue;
        const style = getComputedStyle(node);
        if (style.visibility === 'hidden') continue;
        const ground = behind(node);
        const [a, b] = [light(over(rgb(style.color), ground)), light(ground)].sort((x, y) => y - x);
        const ratio = (a + .05) / (b + .05);
        const size = parseFloat(style.fontSize);
        const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
        ++seen;
        if (ratio < (large ? 3 : 4.5))
            bad.push(`${node.tagName}.${node.className} "${node.textContent.trim().slice(0, 20)}" ${ratio.toFixed(2)}`);
    }
    return { bad, seen };"""


class Look(Page):
    def busy(self):
        """Something of everything: tenants, running tasks, refusals, jobs, findings."""
        self.server.json("POST", "/v1/analyses", {"study": "DEMO", "kind": "site-kri"}, 202)
        self.server.tasks(400)
        self.server.tasks(400, "site-01")
        until(lambda: browser.js("return document.querySelectorAll('#jobs tbody tr').length"))
        until(lambda: browser.text("#refusals") and browser.text("#running"))
        until(lambda: "VSTESTCD" in browser.js("return document.getElementById('save-body').value"))

    def test_a_phone_of_360_pixels_scrolls_in_one_direction(self):
        self.busy()
        browser.size(360, 740, 2, phone=True)
        until(lambda: browser.js("return innerWidth") == 360, why="the page was wider than the phone")
        self.assertEqual(browser.js("return document.documentElement.scrollWidth"), 360)
        wide = browser.js("""
            return [...document.querySelectorAll('main > *, .card, .tile, canvas, #jobs td, dialog')]
                .filter((one) => one.getBoundingClientRect().right > 360)
                .map((one) => one.tagName + '#' + one.id + '.' + one.className);""")
        self.assertEqual(wide, [])
        lefts = browser.js("return [...document.querySelectorAll('.chart')].map((one) => one.offsetLeft)")
        self.assertEqual(len(set(lefts)), 1, "the charts are one column")
        self.quiet()

    def test_texts_can_be_read_in_both_themes(self):
        self.busy()
        for theme in ("light", "dark"):
            browser.prefer(prefers_color_scheme=theme, prefers_reduced_motion="reduce")
            until(lambda: browser.js("return document.documentElement.dataset.theme") == theme)
            found = browser.js(CONTRAST)
            self.assertGreater(found["seen"], 60)
            self.assertEqual(found["bad"], [], theme)

    def test_the_theme_follows_the_system_until_one_is_chosen(self):
        def ground():
            numbers = browser.js("return getComputedStyle(document.body).backgroundColor")
            return "dark" if int(numbers.split("(")[1].split(",")[0]) < 128 else "light"

        self.assertEqual(ground(), "light")
        browser.prefer(prefers_color_scheme="dark")
        until(lambda: ground() == "dark", why="it did not follow the system")
        self.assertEqual(browser.js("return document.getElementById('theme').ariaPressed"), "true")
        browser.click("#theme")
        until(lambda: ground() == "light", why="a click did not change it")
        browser.reload()
        self.live()
        self.assertEqual(ground(), "light")
        self.quiet()

    def test_the_beacon_rests_for_those_who_want_no_motion(self):
        moves = "return document.getAnimations().length"
        until(lambda: browser.js(moves) > 0, why="nothing moves at all")
        browser.prefer(prefers_reduced_motion="reduce")
        until(lambda: browser.js(moves) == 0, why="something still moves")

    def test_everything_is_reached_by_keyboard_and_shows_it(self):
        self.busy()
        wanted = set(browser.js("""
            let n = 0;
            const all = document.querySelectorAll('body a[href], body button, body input, body select, body textarea, body summary');
            return [...all].filter((one) => !one.disabled && one.checkVisibility() && !one.closest('dialog'))
                .map((one) => (one.dataset.probe = one.id || `probe-${++n}`));"""))
        self.assertGreater(len(wanted), 25)
        browser.js("document.activeElement.blur(); scrollTo(0, 0)")
        reached, dim = set(), []
        for _ in range(len(wanted) + 40):
            browser.press(TAB)
            name, seen = browser.js("""
                const at = document.activeElement;
                const style = getComputedStyle(at);
                return [at.dataset.probe ?? '', style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2];""")
            if name:
                reached.add(name)
                if not seen:
                    dim.append(name)
            if reached >= wanted:
                break
        # Rows may come and go meanwhile; what is still there must have been reached.
        there = set(browser.js("""
            return [...document.querySelectorAll('[data-probe]')].filter((one) => !one.disabled && one.checkVisibility())
                .map((one) => one.dataset.probe);"""))
        self.assertEqual((wanted & there) - reached, set())
        self.assertEqual(dim, [])

    def test_every_field_and_button_has_a_name(self):
        nodes = browser.devtools("Accessibility.getFullAXTree")["nodes"]
        roles = ("button", "textbox", "spinbutton", "combobox", "checkbox", "radio", "link", "image")
        asked = [node for node in nodes if node.get("role", {}).get("value") in roles]
        self.assertGreater(len(asked), 25)
        self.assertEqual(
            [node["role"]["value"] for node in asked if not node.get("name", {}).get("value")], []
        )


def pictures(folder):
    """A minute of mixed load on a server as a user starts it, then three pictures."""
    server = Server("--task-duration", "40ms", "--queue", "3000")
    stop = threading.Event()
    sites = ("site-07", "site-07", "site-07", "site-01", "site-12", "site-03", "site-22", "site-09")

    def load():
        turn = 0
        sample = server.ask("GET", "/assets/sample-vs.json")[2]
        while not stop.is_set():
            wave = 1 if turn % 120 < 70 else 3
            server.tasks(24 * wave, sites[turn % len(sites)])
            if turn % 3 == 0:
                server.ask("POST", f"/v1/forms?study=DEMO&form=VS&site={sites[turn % len(sites)]}", sample)
            if turn % 97 == 96:
                server.tasks(3000, "site-07")
            if turn % 160 == 40:
                server.ask("POST", "/v1/analyses", {"study": "DEMO", "kind": "site-kri"})
            turn += 1
            stop.wait(0.03)

    worker = threading.Thread(target=load)
    try:
        browser.size(1440, 1000)
        browser.prefer(prefers_color_scheme="light")
        browser.go(server.url)
        worker.start()
        time.sleep(60)
        browser.click("#save .primary")
        time.sleep(1)
        browser.js("document.activeElement.blur(); scrollTo(0, 0)")
        browser.picture(os.path.join(folder, "dashboard-light.png"))
        browser.prefer(prefers_color_scheme="dark")
        time.sleep(1)
        browser.picture(os.path.join(folder, "dashboard-dark.png"))
        browser.size(360, 780, 2, phone=True)
        browser.prefer(prefers_color_scheme="light")
        time.sleep(1)
        browser.picture(os.path.join(folder, "dashboard-phone.png"), 1500)
        print("\n".join(browser.complaints()) or "the console is empty")
    finally:
        stop.set()
        worker.join()
        server.end()


def main():
    global program, browser
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    program = os.path.abspath(sys.argv[1])
    try:
        with Browser() as browser:
            if sys.argv[2:3] == ["--pictures"]:
                pictures(sys.argv[3])
                return 0
            ran = unittest.main(argv=[sys.argv[0], "-v", *sys.argv[2:]], exit=False)
            return 0 if ran.result.wasSuccessful() else 1
    except Missing as why:
        print(f"skipped: {why}")
        return 77


if __name__ == "__main__":
    sys.exit(main())
