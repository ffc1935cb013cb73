// The state strip, the tiles and the three lists.

import { by, el, keep, text } from './dom.js';
import { count, duration, percent, rate, span, words } from './format.js';

const states = {
  accepting: ['Accepting', 'New work is admitted.'],
  paused: ['Paused', 'What is admitted waits; nothing new starts until somebody resumes.'],
  overloaded: ['Overloaded', 'Work was refused for want of room within the last two seconds.'],
  draining: ['Draining', 'New work is refused; what was admitted is finished.'],
  stopped: ['Stopped', 'The pool takes no work.'],
  failed: ['Failed', 'The store cannot be used; new work is refused.'],
  lost: ['Connection lost', ''],
  hidden: ['Paused here', 'Figures stop while nobody looks.'],
  refused: ['No access', 'The server wants a token with the role "read".'],
};

export function showState(name, detail) {
  const [title, sentence] = states[name] ?? [words(name), ''];
  by('state').dataset.state = name;
  text(by('state-name'), title);
  text(by('state-detail'), detail ?? sentence);
  document.title = name === 'accepting' ? 'corogate' : `${title} – corogate`;
}

function tile(id, number, unit, foot) {
  const node = by(`tile-${id}`);
  text(node.querySelector('b'), number);
  text(node.querySelector('small'), unit);
  const below = node.querySelector('.foot');
  if (below) text(below, foot ?? '');
}

function meter(id, share) {
  const node = by(`tile-${id}`);
  const part = Math.min(Math.max(share || 0, 0), 1);
  node.querySelector('.meter i').style.transform = `scaleX(${part.toFixed(3)})`;
  return [node, part];
}

export function showTiles(state) {
  const flight = state.running - (state.lent ?? 0);
  tile('running', count(flight), `of ${count(state.limit)}${state.adaptive ? ', adaptive' : ''}`);
  meter('running', flight / state.limit);
  tile('waiting', count(state.waiting), `of ${count(state.queue_limit)}`);
  // A full pool is a pool at work; a full queue is about to refuse.
  const [queue, filled] = meter('waiting', state.queue_limit ? state.waiting / state.queue_limit : 0);
  queue.classList.toggle('near', filled >= 0.9);
  const oldest = duration(state.oldest_waiting_ms);
  tile('oldest', ...oldest, state.oldest_waiting_ms === null ? 'nothing waits' : `p99 ${span(state.queue_wait_ms?.p99)}`);
  tile('in', rate(state.rates.in), '/ s', `${count(state.totals.submitted)} in all`);
  tile('out', rate(state.rates.out), '/ s', `${count(state.totals.completed)} done, ${count(state.totals.failed)} failed`);
  tile('refused', rate(state.rates.refused), '/ s', `${count(state.totals.refused)} in all`);
  by('tile-refused').classList.toggle('near', state.rates.refused > 0);
}

function bar(properties) {
  const label = el('span', { class: 'bar-name' });
  const value = el('span', { class: 'bar-value' });
  const fill = el('i');
  return el('li', properties, label, value, el('div', { class: 'meter' }, fill));
}

function setBar(node, name, value, share) {
  text(node.children[0], name);
  text(node.children[1], value);
  node.querySelector('.meter i').style.transform = `scaleX(${Math.min(Math.max(share, 0), 1).toFixed(3)})`;
}

function showTenants(tenants) {
  by('tenants-empty').hidden = tenants.length > 0;
  const shown = tenants.slice(0, 8);
  keep(by('tenants'), shown, (one) => one.tenant, () => bar({}), (node, one) => {
    const fattest = one === tenants[0] && tenants.length > 1;
    node.classList.toggle('fattest', fattest);
    setBar(node, one.tenant || 'nobody in particular',
      `${count(one.waiting)} waiting, ${count(one.running)} running`, one.share);
    let mark = node.querySelector('.mark');
    if (!mark) node.insertBefore(mark = el('span', { class: 'mark' }), node.lastElementChild);
    text(mark, fattest ? `fattest, ${percent(one.share)}` : percent(one.share));
  });
}

function showRunning(tasks) {
  by('running-empty').hidden = tasks.length > 0;
  const stuck = tasks.filter((one) => one.stuck).length;
  const hint = by('running-hint');
  text(hint, stuck ? `${stuck} stuck` : 'oldest first');
  hint.classList.toggle('warn', stuck > 0);
  const shown = tasks.slice(0, 8).map((task, place) => ({ ...task, place }));
  keep(by('running'), shown, (one) => one.place,
    () => el('li', {}, el('span', { class: 'row-name' }), el('span', { class: 'row-sub' }), el('span', { class: 'tag' }), el('span', { class: 'row-value' })),
    (node, one) => {
      text(node.children[0], one.name || 'task');
      text(node.children[1], one.tenant || '');
      text(node.children[2], one.stuck ? 'stuck' : '');
      text(node.children[3], span(one.age_ms));
      node.classList.toggle('stuck', Boolean(one.stuck));
    });
}

function showRefusals(reasons) {
  const list = Object.entries(reasons ?? {}).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
  by('refusals-empty').hidden = list.length > 0;
  const all = list.reduce((sum, [, n]) => sum + n, 0);
  keep(by('refusals'), list, ([name]) => name, () => bar({}), (node, [name, n]) => {
    setBar(node, words(name), count(n), n / all);
  });
}

export function showLists(state) {
  showTenants(state.tenants ?? []);
  showRunning(state.running_tasks ?? []);
  showRefusals(state.refused_by_reason);
}
