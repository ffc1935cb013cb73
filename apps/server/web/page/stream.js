// Server-sent events read through fetch: EventSource cannot carry a token.

import { headers } from './api.js';

const silence = 20000; // the server sends something at least every 15 s
const longest = 30000;

/**
 * Takes apart a text/event-stream. `event(name, data, id)` is called for each event, `retry(ms)`
 * where the server says how long to wait before the next attempt.
 */
export function parser({ event, retry }) {
  let rest = '';
  let name = '';
  let data = [];
  let id = null;
  const line = (one) => {
    if (one === '') {
      if (data.length) event(name || 'message', data.join('\n'), id);
      name = '';
      data = [];
      return;
    }
    const colon = one.indexOf(':');
    if (colon === 0) return;
    const field = colon < 0 ? one : one.slice(0, colon);
    let value = colon < 0 ? '' : one.slice(colon + 1);
    if (value.startsWith(' ')) value = value.slice(1);
    if (field === 'event') name = value;
    else if (field === 'data') data.push(value);
    else if (field === 'id' && !value.includes('\0')) id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) retry(Number(value));
  };
  return (piece) => {
    rest += piece;
    // A CR at the end may be half of a line end; it waits for the next piece.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const one of lines) line(one);
  };
}

/**
 * A stream that comes back: with `Last-Event-ID`, after a wait that doubles with each failure (and
 * jitter), and not while the page is hidden. `on.event(name, value)` gets parsed JSON;
 * `on.link(state, detail)` is told connecting, live, hidden, lost (`again`: the time of the next
 * attempt; `status`: the answer, 0 where there was none), and refused (401 or 403: no further
 * attempt before `again()`).
 */
export class Stream {
  #target;
  #on;
  #last = null;
  #wait = 2000;
  #failures = 0;
  #abort = null;
  #timer = 0;

  constructor(target, on) {
    this.#target = target;
    this.#on = on;
    document.addEventListener('visibilitychange', () => this.#seen());
    window.addEventListener('online', () => this.again());
  }

  /** Connects now, whatever was waited for. */
  again() {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = null;
    if (document.hidden) this.#on.link('hidden');
    else this.#run();
  }

  #seen() {
    clearTimeout(this.#timer);
    if (!document.hidden) {
      if (!this.#abort) this.#run();
      return;
    }
    // A glance at another tab does not cut the charts.
    this.#timer = setTimeout(() => {
      this.#abort?.abort();
      this.#abort = null;
      this.#on.link('hidden');
    }, 5000);
  }

  async #run() {
    const abort = new AbortController();
    this.#abort = abort;
    let watch = 0;
    const heard = () => {
      clearTimeout(watch);
      watch = setTimeout(() => abort.abort('silent'), silence);
    };
    this.#on.link('connecting');
    let status = 0;
    try {
      heard();
      const answer = await fetch(this.#target, {
        headers: headers({
          Accept: 'text/event-stream',
          ...(this.#last === null ? {} : { 'Last-Event-ID': this.#last }),
        }),
        cache: 'no-store',
        credentials: 'omit',
        redirect: 'error',
        signal: abort.signal,
      });
      status = answer.status;
      if (answer.ok && answer.body) {
        const take = parser({
          event: (name, data, id) => {
            this.#failures = 0;
            if (id !== null) this.#last = id;
            let value;
            try { value = JSON.parse(data); } catch { return; }
            this.#on.event(name, value);
          },
          retry: (ms) => { this.#wait = Math.min(Math.max(ms, 250), longest); },
        });
        this.#on.link('live');
        const decoder = new TextDecoder();
        const reader = answer.body.getReader();
        for (;;) {
          const { done, value } = await reader.read();
          if (done) break;
          heard();
          take(decoder.decode(value, { stream: true }));
        }
      }
    } catch { /* lost, or ended by us: below */ }
    clearTimeout(watch);
    if (this.#abort !== abort) return; // somebody ended it on purpose
    this.#abort = null;
    if (status === 401 || status === 403) {
      this.#on.link('refused', status);
      return;
    }
    this.#failures += 1;
    const wait = Math.min(this.#wait * 2 ** (this.#failures - 1), longest) * (0.75 + Math.random() / 2);
    this.#on.link('lost', { again: Date.now() + wait, status });
    this.#timer = setTimeout(() => this.#run(), wait);
  }
}
