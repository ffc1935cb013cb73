// The charts: what the page has seen of the pool, over time.

import { el, text } from './dom.js';
import { count, rate, span, time } from './format.js';

const most = 1320; // eleven minutes of two a second
const keys = ['in', 'out', 'refused', 'waiting', 'capacity', 'wait50', 'wait99', 'run50', 'run99', 'limit', 'running'];

/** Columns of numbers; null where the page did not look. */
export class History {
  constructor() {
    this.time = [];
    this.columns = Object.fromEntries(keys.map((key) => [key, []]));
  }

  add(at, row) {
    const last = this.time.at(-1);
    if (last !== undefined && at <= last) {
      if (last - at < 10) return; // sent again after a reconnect
      this.#clear(); // another server, another clock
    }
    // A gap is drawn as one.
    if (at - this.time.at(-1) > 3) this.#push(this.time.at(-1) + 0.5, {});
    this.#push(at, row);
  }

  #clear() {
    this.time.length = 0;
    for (const key of keys) this.columns[key].length = 0;
  }

  #push(at, row) {
    this.time.push(at);
    for (const key of keys) this.columns[key].push(row[key] ?? null);
    while (this.time.length > most) {
      this.time.shift();
      for (const key of keys) this.columns[key].shift();
    }
  }

  /** Takes what the server kept (`event: history`) for the times that this page has not seen. */
  fill(past) {
    const own = { time: [...this.time], columns: this.columns };
    const rows = past.time.map((at, i) => [at, rowOfPast(past, i)])
      .filter(([at]) => !own.time.some((mine) => Math.abs(mine - at) < 1.5));
    for (let i = 0; i < own.time.length; ++i) {
      const row = Object.fromEntries(keys.map((key) => [key, own.columns[key][i]]));
      if (keys.some((key) => row[key] !== null)) rows.push([own.time[i], row]); // gaps are made anew
    }
    rows.sort(([left], [right]) => left - right);
    this.time = [];
    this.columns = Object.fromEntries(keys.map((key) => [key, []]));
    for (const [at, row] of rows) this.add(at, row);
  }
}

function rowOfPast(past, i) {
  const of = (key) => past[key]?.[i] ?? null;
  return {
    in: of('in'), out: of('out'), refused: of('refused'),
    waiting: of('waiting'), capacity: of('queue_limit'),
    wait50: of('queue_wait_p50'), wait99: of('queue_wait_p99'),
    run50: of('service_p50'), run99: of('service_p99'),
    limit: of('limit'), running: of('running') - (of('lent') ?? 0),
  };
}

/** What a state says, as a row of the history. */
export function rowOf(state) {
  return {
    in: state.rates?.in, out: state.rates?.out, refused: state.rates?.refused,
    waiting: state.waiting, capacity: state.queue_limit,
    wait50: state.queue_wait_ms?.p50, wait99: state.queue_wait_ms?.p99,
    run50: state.service_ms?.p50, run99: state.service_ms?.p99,
    limit: state.limit, running: state.running - (state.lent ?? 0),
  };
}

const perSecond = (n) => (n === null ? '–' : rate(n));
const plans = [
  { id: 'flow', title: 'Throughput', unit: 'tasks per second', least: 10, format: perSecond, wide: true, series: [
    { key: 'in', name: 'in', colour: '--c-in', fill: true },
    { key: 'out', name: 'out', colour: '--c-out' },
    { key: 'refused', name: 'refused', colour: '--c-refused', fill: true },
  ] },
  { id: 'depth', title: 'Queue', unit: 'tasks', least: 10, format: count, wide: true, series: [
    { key: 'waiting', name: 'waiting', colour: '--c-in', fill: true },
    { key: 'capacity', name: 'capacity', colour: '--c-muted', dash: [5, 4], quiet: true },
  ] },
  { id: 'limit', title: 'Limit', unit: 'tasks', least: 4, format: count, series: [
    { key: 'limit', name: 'limit', colour: '--c-limit', step: true },
    { key: 'running', name: 'in flight', colour: '--c-in', fill: true },
  ] },
  { id: 'wait', title: 'Waiting time', unit: '', least: 1, format: span, series: [
    { key: 'wait99', name: 'p99', colour: '--c-high' },
    { key: 'wait50', name: 'p50', colour: '--c-mid', fill: true },
  ] },
  { id: 'service', title: 'Service time', unit: '', least: 1, format: span, series: [
    { key: 'run99', name: 'p99', colour: '--c-high' },
    { key: 'run50', name: 'p50', colour: '--c-mid', fill: true },
  ] },
];

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The colours of the theme, read once a theme. */
let palette = {};
function colour(name) {
  return (palette[name] ??= css(name));
}

/** The largest value that the chart must show; a quiet series only where the others come near it. */
function top(plan, history, from) {
  let high = plan.least;
  let ceiling = 0;
  const begin = history.time.findIndex((at) => at >= from);
  if (begin < 0) return high;
  for (const { key, quiet } of plan.series)
    for (let i = begin; i < history.time.length; ++i) {
      const value = history.columns[key][i];
      if (value === null) continue;
      if (quiet) ceiling = Math.max(ceiling, value);
      else high = Math.max(high, value);
    }
  return ceiling && high > ceiling / 3 ? Math.max(high, ceiling) : high;
}

/** Whether the label of a time fits before the right edge. */
const hasRoom = (plot, at) => plot.over.clientWidth - plot.valToPos(at, 'x') > 22;

class Chart {
  constructor(plan, board) {
    this.plan = plan;
    this.board = board;
    this.values = plan.series.map(() => el('b', {}, '–'));
    this.area = el('div', { class: 'plot' });
    this.node = el('figure', { class: plan.wide ? 'chart card span' : 'chart card', id: `chart-${plan.id}` },
      el('figcaption', {},
        el('h3', {}, plan.title, ' ', plan.unit ? el('small', {}, plan.unit) : null),
        el('ul', { class: 'legend' }, ...plan.series.map((one, i) => el('li', {},
          el('i', { class: `key ${one.colour.replace('--c-', 'k-')}${one.dash ? ' dashed' : ''}` }),
          el('span', {}, one.name), this.values[i])))),
      this.area);
    this.area.setAttribute('role', 'img');
  }

  draw() {
    const { plan, board } = this;
    const font = `11px ${css('--font')}`;
    const axis = { stroke: () => colour('--ink-3'), font, ticks: { show: false }, gap: 6 };
    const options = {
      width: Math.max(this.area.clientWidth, 100),
      height: Math.max(this.area.clientHeight, 100),
      padding: [8, 6, 0, 0],
      legend: { show: false },
      cursor: {
        sync: { key: board.sync.key, setSeries: false },
        y: false,
        drag: { x: false, y: false, setScale: false },
        points: { size: 7, width: 2, fill: () => colour('--surface'), stroke: (u, i) => colour(plan.series[i - 1].colour) },
      },
      scales: {
        x: { time: true, range: () => board.window() },
        y: { range: () => [0, top(plan, board.history, board.window()[0]) * 1.12] },
      },
      axes: [
        { ...axis, size: 26, space: 76, grid: { show: false }, values: (u, splits) => splits.map((at) => hasRoom(u, at) ? time(new Date(at * 1000)) : '') },
        { ...axis, size: 46, space: 34, grid: { stroke: () => colour('--line'), width: 1 }, values: (u, splits) => splits.map((n) => plan.format(n)) },
      ],
      series: [{}, ...plan.series.map((one) => ({
        stroke: () => colour(one.colour),
        fill: one.fill ? () => colour(`${one.colour}-soft`) : undefined,
        width: one.quiet ? 1.25 : 1.75,
        dash: one.dash,
        paths: one.step ? uPlot.paths.stepped({ align: 1 }) : undefined,
        points: { show: false },
        spanGaps: false,
      }))],
      hooks: { setCursor: [() => this.tell()] },
    };
    this.plot = new uPlot(options, this.data(), this.area);
    new ResizeObserver(() => {
      const { clientWidth: width, clientHeight: height } = this.area;
      if (width && height && (width !== this.plot.width || height !== this.plot.height))
        this.plot.setSize({ width, height });
    }).observe(this.area);
  }

  data() {
    const { history } = this.board;
    return [history.time, ...this.plan.series.map(({ key }) => history.columns[key])];
  }

  /** The values under the pointer, else the newest. */
  tell() {
    const { history } = this.board;
    const at = this.plot?.cursor.idx ?? history.time.length - 1;
    this.plan.series.forEach(({ key }, i) => {
      const value = history.columns[key][at];
      text(this.values[i], value === null || value === undefined ? '–' : this.plan.format(value));
    });
  }

  update(describe) {
    this.plot.setData(this.data());
    this.tell();
    if (describe)
      this.area.setAttribute('aria-label', `${this.plan.title}${this.plan.unit && `, ${this.plan.unit}`}: ${
        this.plan.series.map(({ name }, i) => `${name} ${this.values[i].textContent}`).join(', ')}`);
  }
}

/** All charts, over one span of time and with one cursor. */
export class Board {
  constructor(parent, history) {
    this.history = history;
    this.seconds = 180;
    this.now = 0;
    this.sync = uPlot.sync('pool');
    this.described = 0;
    this.charts = plans.map((plan) => new Chart(plan, this));
    parent.append(...this.charts.map(({ node }) => node));
    for (const chart of this.charts) chart.draw();
  }

  window() {
    const end = this.now || this.history.time.at(-1) || Date.now() / 1000;
    // A page just opened does not show what it has not seen.
    const seen = end - (this.history.time[0] ?? end);
    return [end - Math.min(this.seconds, Math.max(seen, 30)), end];
  }

  update(now) {
    this.now = now;
    // A screen reader that looks gets figures of the last seconds; it is not told each.
    const describe = now - this.described > 5;
    if (describe) this.described = now;
    for (const chart of this.charts) chart.update(describe);
  }

  show(seconds) {
    this.seconds = seconds;
    for (const chart of this.charts) chart.update(true);
  }

  /** After a change of theme. */
  repaint() {
    palette = {};
    for (const { plot } of this.charts) plot.redraw(false);
  }
}
