#!/usr/bin/env python3
"""Golden vectors of the limiters: computed here from the published formulas (and, for the adaptive
one, from the rules in its header), in another language and by other code than the library's.

    limiters.py           writes limiters.hpp beside itself
    limiters.py --check   compares, and fails where they differ

A small model of a pool answers each limit with a window: so many tasks a second, so long; with
noise, steps and loads that lead each limiter through all of its rules. What is recorded is the
windows and the limits that must follow.
"""
import math
import pathlib
import sys

MS = 1_000_000
SECOND = 1_000_000_000
START = 3600 * SECOND  # a clock never starts at zero


class Noise:
    """Knuth's MMIX linear congruential generator: the same everywhere."""

    def __init__(self, seed):
        self.state = seed

    def next(self):  # in [0, 1)
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 11) / 2.0**53

    def around(self, spread):
        return 1 + spread * (2 * self.next() - 1)


class Window:
    def __init__(self, length, completed, timed_out, peak, mean_in_flight, delay, median, mean, least):
        self.length = length
        self.completed = completed
        self.timed_out = timed_out
        self.peak = peak
        self.mean_in_flight = mean_in_flight
        self.delay = delay
        self.median = median
        self.mean = mean
        self.least = least


# ---- the formulas: Netflix' AIMDLimit, Gradient2Limit, VegasLimit ----


class Aimd:
    def __init__(self):
        self.limit = 20

    def update(self, w, _now):
        if w.timed_out > 0 or w.mean > 5 * SECOND:
            limit = int(self.limit * 0.9)
        elif w.peak * 2 >= self.limit:
            limit = self.limit + 1
        else:
            limit = self.limit
        self.limit = min(200, max(20, limit))

    def exact(self):
        return float(self.limit)


class Gradient:
    def __init__(self):
        self.estimate = 20.0
        self.samples = []
        self.long = 0.0

    def update(self, w, _now):
        short = float(w.mean)
        if len(self.samples) < 10:
            self.samples.append(short)
            self.long = sum(self.samples) / len(self.samples)
        else:
            k = 2.0 / 601
            self.long = self.long * (1 - k) + short * k
        long = self.long
        if long / short > 2:
            self.long *= 0.95
        if w.peak < self.estimate / 2:
            return
        gradient = max(0.5, min(1.0, 1.5 * long / short))
        new = self.estimate * gradient + 4
        new = self.estimate * 0.8 + new * 0.2
        self.estimate = max(20.0, min(200.0, new))

    def exact(self):
        return self.estimate


class Vegas:
    def __init__(self, seed=1):
        self.estimate = 20.0
        self.best = 0.0
        self.count = 0
        self.random = seed * 2 + 1
        self.jitter()

    def jitter(self):
        x = self.random
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        self.random = x
        self.part = 0.5 + 0.5 * (x / 2**32)

    def update(self, w, _now):
        rtt = float(w.mean)
        self.count += 1
        if self.part * 30 * self.estimate <= self.count:
            self.jitter()
            self.count = 0
            self.best = rtt
            return
        if self.best == 0 or rtt < self.best:
            self.best = rtt
            return
        log = max(1, len(str(int(self.estimate))) - 1)
        queue = math.ceil(self.estimate * (1 - self.best / rtt))
        if w.timed_out > 0:
            new = self.estimate - log
        elif w.peak * 2 < self.estimate:
            return
        elif queue <= log:
            new = self.estimate + 6 * log
        elif queue < 3 * log:
            new = self.estimate + log
        elif queue > 6 * log:
            new = self.estimate - log
        else:
            return
        self.estimate = max(1.0, min(1000.0, new))

    def exact(self):
        return self.estimate


# ---- the rules of adaptive.hpp ----


class Adaptive:
    def __init__(self, workers):
        self.floor = float(workers)
        self.ceiling = 4096.0
        self.value = 2.0 * workers
        self.moved = None
        self.buckets = [0.0] * 6
        self.newest = 0
        self.free = 0.0
        self.smooth = 0.0
        self.cut_from = None
        self.reference = None  # (limit, service) after the first cut
        self.slow_sum = None  # [limit, tasks, seconds, tasks x service]
        self.mode = "open"
        self.anchor = None  # [limit, tasks, seconds]
        self.here = None
        self.undo = None
        self.steps = 0
        self.stride = 1.0
        self.give = 0.03
        self.held_service = None

    def exact(self):
        return self.value

    def best(self):
        known = [b for b in self.buckets if b > 0]
        return min(known) if known else 0.0

    def move(self, to, now):
        self.value = min(self.ceiling, max(self.floor, to))
        self.moved = now

    @staticmethod
    def pace(sight):
        return sight[1] / sight[2]

    def update(self, w, now):
        length = w.length / 1e9
        service = w.median / 1e9
        peak_reached = w.peak >= 0.9 * math.floor(self.value)
        saturated = w.mean_in_flight >= 0.9 * self.value

        # The best service time: six times five seconds of freedom, of a smoothed median.
        if not saturated:
            self.free += length
        if self.free >= 5:
            self.free = 0.0
            self.newest = (self.newest + 1) % 6
            self.buckets[self.newest] = 0.0
        if service > 0:
            part = min(1.0, w.completed / 512) if self.smooth > 0 else 1
            self.smooth += part * (service - self.smooth)
            if self.buckets[self.newest] == 0 or self.smooth < self.buckets[self.newest]:
                self.buckets[self.newest] = self.smooth
        best = self.best()

        if w.mean_in_flight > 1.1 * self.value + 1:
            return
        settled = self.moved is None or (now - self.moved) / 1e9 - length / 2 >= service
        excess = (w.delay / 1e9) / max(0.0015, best / 4) - 1
        slow = excess <= -0.5 and best > 0 and service > 2 * best and service > best + 0.003
        seen = (now, w.completed, length, service, best)
        if excess > 0:
            self.mode = "open"
            self.cut_from = None
            self.move(self.value * max(0.7, 1 - 0.1 * excess), now)
        elif w.timed_out > w.completed:
            self.mode = "open"
            if settled:
                self.move(self.value / 2, now)
        elif slow and (self.judgeable() or not (saturated and self.value <= self.floor)):
            if settled:
                self.too_slow(seen)
        elif peak_reached and saturated:
            self.cut_from = None
            if settled:
                self.raise_checked(seen)
        else:
            self.cut_from = None
            self.mode = "open"
            self.stride = 1.0
            if peak_reached:
                self.step(now)

    def judgeable(self):
        return (self.cut_from is not None and self.reference is not None
                and self.value <= 0.7 * self.reference[0])

    def too_slow(self, seen):
        now, tasks, length, service, best = seen
        if self.mode in ("rising", "judging"):
            if self.anchor[0] <= self.floor or self.pays_well(tasks / length):
                self.raise_checked(seen)
            else:
                self.fail(now)
            return
        if self.cut_from is None:
            self.cut_from = self.value
            self.reference = None
        else:
            self.slow_sum[1] += tasks
            self.slow_sum[2] += length
            self.slow_sum[3] += tasks * service
            if self.slow_sum[1] < 256 and self.slow_sum[2] < 0.5:
                return
            average = self.slow_sum[3] / self.slow_sum[1]
            if self.reference is None:
                self.reference = (self.slow_sum[0], average)
            elif self.judgeable():
                shortened = math.log(self.reference[1] / average)
                share = math.log(self.reference[0] / self.value)
                if shortened < 0.5 * share:  # no queue
                    self.believe(average)
                    self.move(self.cut_from, now)
                    self.cut_from = None
                    self.mode = "open"
                    return
                self.reference = (self.slow_sum[0], average)
        self.move(self.value * max(0.5, 2 * best / service), now)
        self.slow_sum = [self.value, 0, 0.0, 0.0]
        self.here = [self.value, 0, 0.0]
        self.undo = None

    def pays_well(self, pace):
        share = math.log(self.value / self.anchor[0])
        return math.log(pace / self.pace(self.anchor)) >= 0.5 * share

    def believe_gain(self, tasks, service, gain):
        share = math.log(self.value / self.anchor[0])
        if service > 2 * self.best() and gain > 0.5 * share + 1 / math.sqrt(tasks):
            self.believe(service)

    def believe(self, service):
        self.buckets = [0.0] * 6
        self.buckets[self.newest] = service
        self.smooth = service

    def new_anchor(self, sight):
        self.anchor = sight
        self.undo = None
        self.give = 0.03

    def step(self, now):
        usual = max(1.0, 0.5 * math.sqrt(self.value), self.value / 12)
        self.move(self.value + min(self.stride * usual, max(self.value / 3, usual)), now)
        self.steps += 1

    def start(self, now):
        self.mode = "rising"
        self.steps = 0
        self.stride = 1.0
        self.step(now)

    def raise_checked(self, seen):
        now, tasks, length, service, _ = seen
        if self.mode == "open":
            self.new_anchor([self.value, tasks, length])
            self.start(now)
        elif self.mode == "rising":
            share = math.log(self.value / self.anchor[0])
            gain = math.log((tasks / length) / self.pace(self.anchor))
            well = self.pays_well(tasks / length)
            if not well and self.steps >= 3:
                self.mode = "judging"
                self.here = [self.value, 0, 0.0]
                self.judge(seen)
                return
            self.stride = 2 * self.stride if well else 1.0
            if well and share >= 0.2:
                self.believe_gain(tasks, service, gain)
                self.new_anchor([self.value, tasks, length])
                self.steps = 0
            self.step(now)
        elif self.mode == "judging":
            self.judge(seen)
        else:
            self.hold(seen)

    def judge(self, seen):
        now, tasks, length, service, _ = seen
        self.here[1] += tasks
        self.here[2] += length
        if self.here[1] < 1024 and self.here[2] < 1:
            return
        gain = math.log(self.pace(self.here) / self.pace(self.anchor))
        if gain < 0.15 * math.log(self.value / self.anchor[0]):
            self.fail(now)
            return
        self.believe_gain(tasks, service, gain)
        self.new_anchor(list(self.here))
        self.start(now)

    def fail(self, now):
        # A moment's anchor is half believed: half of the way back, in proportion.
        known = self.anchor[2] > 0.3
        self.undo = list(self.anchor) if known else None
        back = self.anchor[0] if known else math.sqrt(self.anchor[0] * self.value)
        self.move(back * (1 - self.give), now)
        self.give = min(0.25, 2 * self.give)
        self.mode = "holding"
        self.here = [self.value, 0, 0.0]
        self.held_service = None

    def hold(self, seen):
        now, tasks, length, service, _ = seen
        self.here[1] += tasks
        self.here[2] += length
        if not self.held_service:
            self.held_service = service
        chance = 2.5 / math.sqrt(tasks) if tasks else 1
        better = tasks / length > (1 + chance) * self.pace(self.anchor)
        if better or service < (1 - chance) * self.held_service:
            self.anchor = [self.value, tasks, length]
            self.undo = None
            self.start(now)
            return
        over = self.here[2] >= 2 or (self.here[2] >= 0.5 and self.here[1] >= 1024)
        if over and self.undo is not None:
            loss = math.log(self.pace(self.undo) / self.pace(self.here))
            if loss > 0.25 * math.log(self.undo[0] / self.value):
                self.new_anchor(self.undo)
                self.move(self.anchor[0], now)
                self.here = [self.value, 0, 0.0]
                return
        if over:
            self.anchor = list(self.here)
            self.start(now)


# ---- the model of a pool ----


class Pool:
    """Tasks of `service` ns, of which `cpu` ns on one of `workers` threads; `places` behind them."""

    def __init__(self, seed, workers=8, service=8 * MS, cpu=2 * MS, places=10**6):
        self.noise = Noise(seed)
        self.workers = workers
        self.service = service
        self.cpu = cpu
        self.places = places
        self.demand = None  # tasks a second; None: more than enough
        self.timeouts = 0
        self.spread = 0.05
        self.bursts = False
        self.in_flight = 0.0

    def window(self, limit, length):
        threads = self.workers / self.cpu * SECOND
        behind = self.places / (self.service - self.cpu) * SECOND
        able = min(limit / self.service * SECOND, threads, behind)
        pace = able if self.demand is None else min(able, self.demand)
        saturated = self.demand is None or self.demand >= able
        in_flight = float(limit) if saturated else pace * self.service / SECOND
        in_flight = max(in_flight, self.in_flight - pace * length / SECOND)  # those go on
        self.in_flight = in_flight
        time = in_flight / pace * SECOND  # Little's law: what is too much waits
        delay = 0.0
        if saturated and able == threads:
            delay = (time - self.service) / 4
        length = max(length, int(8 / pace * 1.2 * SECOND))  # at least eight tasks
        around = self.noise.around
        completed = int(pace * length / SECOND * around(self.spread))
        mean = int(time * around(self.spread))
        return Window(
            length, completed, self.timeouts if completed else 0,
            math.ceil(in_flight) if saturated else
            limit if self.bursts else min(limit, int(1.3 * in_flight) + 1),
            in_flight if saturated else float(int(in_flight)),
            int(delay * around(0.2)), int(0.85 * mean), mean, int(0.4 * mean))


def run(limiter, pool, length, script, workers=None):
    """script: windows -> what changes before them. Yields windows and what must follow."""
    rows = []
    now = START
    end = max(script)
    for i in range(end):
        if i in script:
            script[i](pool)
        w = pool.window(max(1, int(limiter.exact() + (0.5 if workers else 0))), length)
        now += w.length
        limiter.update(w, now)
        exact = limiter.exact()
        rows.append((now, w, exact, int(exact + (0.5 if workers else 0))))
    return rows


def setting(**values):
    def apply(pool):
        for name, value in values.items():
            setattr(pool, name, value)
    return apply


END = setting()


def vectors():
    # Up; a window with timeouts, then some more; free permits; slower than 5 s.
    yield "aimd", run(Aimd(), Pool(1), 100 * MS, {
        30: setting(timeouts=1), 33: setting(timeouts=0), 50: setting(demand=500.0),
        60: setting(demand=None, service=6 * SECOND), 63: setting(service=8 * MS), 70: END})
    # Up; slower behind; permanent overload; back to normal (the average loses 5 %); free permits.
    yield "gradient", run(Gradient(), Pool(2), SECOND, {
        0: setting(places=40), 60: setting(places=12), 90: setting(places=3),
        120: setting(places=1000, service=3 * MS, cpu=MS), 150: setting(demand=500.0), 160: END})
    # Up; slower; faster; timeouts; free permits; long enough for two renewals of the best.
    yield "vegas", run(Vegas(), Pool(3), 100 * MS, {
        0: setting(places=60, spread=0.02), 80: setting(places=12), 140: setting(places=60),
        200: setting(timeouts=2), 215: setting(timeouts=0), 230: setting(demand=300.0),
        240: setting(demand=None, spread=0.2), 500: END})
    # Cold start, threads short; behind short; very short (floor), but for a moment; a slower service;
    # back; a slower service, which is no queue; back with free permits; bursts; very short; timeouts;
    # slower threads; very slow service, with tasks that go on after a cut; fast again.
    yield "adaptive", run(Adaptive(8), Pool(4), 100 * MS, {
        0: setting(spread=0.03), 60: setting(places=12), 180: setting(places=3), 216: setting(places=30), 228: setting(places=3),
        235: setting(places=8, service=24 * MS), 290: setting(places=4, service=8 * MS),
        310: setting(places=10**6, service=60 * MS), 340: setting(service=8 * MS),
        360: setting(service=32 * MS), 400: setting(service=8 * MS, demand=1500.0),
        450: setting(bursts=True), 455: setting(demand=None, places=2, bursts=False),
        500: setting(timeouts=5000, places=12), 504: setting(timeouts=0),
        520: setting(places=10**6, cpu=4 * MS),
        550: setting(service=SECOND, cpu=2 * MS), 620: setting(service=SECOND, places=50),
        700: setting(service=8 * MS, places=10**6), 730: END}, workers=8)


def text():
    out = [
        "// Written by limiters.py: windows, and the limits that follow from the formulas.",
        "// clang-format off", "#pragma once", "", "#include <cstddef>", "#include <cstdint>",
        "#include <string_view>", "", "namespace golden {", "", "struct row {",
        "    std::int64_t now, length;", "    std::uint64_t completed, timed_out;",
        "    std::size_t max_in_flight;", "    double mean_in_flight;",
        "    std::int64_t scheduling_delay, service_time, mean_service_time, least_service_time;",
        "    double exact;", "    std::size_t limit;", "};", ""]
    for name, rows in vectors():
        out.append(f"inline constexpr row {name}[] = {{")
        for now, w, exact, limit in rows:
            out.append(
                f"{{{now},{w.length},{w.completed},{w.timed_out},{w.peak},{w.mean_in_flight:.10g},"
                f"{w.delay},{w.median},{w.mean},{w.least},{exact:.12g},{limit}}},")
        out += ["};", ""]
    out += ["} // namespace golden", ""]
    return "\n".join(out)


def main():
    target = pathlib.Path(__file__).with_name("limiters.hpp")
    if "--check" in sys.argv[1:]:
        if target.read_text() != text():
            sys.exit(f"{target.name} is not what limiters.py computes: run it, and look why")
        print(f"{target.name}: as computed")
    else:
        target.write_text(text())


if __name__ == "__main__":
    main()
