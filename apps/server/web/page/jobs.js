// The table of jobs: what the server lists, kept up to date by the events of the stream.

import { ask } from './api.js';
import { by, choose, el, keep, say, text } from './dom.js';
import { count, moment, words } from './format.js';

const page = 25;
const most = 1000; // of one list
let jobs = new Map(); // by id
let filter = '';
let room = page; // rows shown at most
let more = false; // there are earlier ones
let asked = 0; // of the newest list

const finished = (job) => ['succeeded', 'failed', 'cancelled'].includes(job.state);
const newest = (a, b) => (a.created_at < b.created_at ? 1 : a.created_at > b.created_at ? -1 : a.id < b.id ? 1 : -1);

async function act(button, work, sentence) {
  button.disabled = true;
  try {
    const { body } = await work();
    if (body?.id && body.state) take(body);
    say(by('jobs-message'), sentence);
  } catch (problem) {
    say(by('jobs-message'), problem.message, true);
  }
  button.disabled = false;
}

const target = (id, what = '') => `/v1/jobs/${encodeURIComponent(id)}${what}`;

function make() {
  const cell = (...children) => el('td', {}, ...children);
  const row = el('tr', {},
    cell(el('code')), cell(), cell(),
    cell(el('span', { class: 'pill' }), el('span', { class: 'why' })),
    cell(el('div', { class: 'progress' }, el('div', { class: 'meter' }, el('i')), el('span'))),
    cell(), el('td', { class: 'actions' }));
  const id = () => row.dataset.key;
  const button = (name, click) => {
    const one = el('button', { type: 'button', class: 'small', 'data-do': name.toLowerCase() }, name, el('span', { class: 'hidden' }));
    one.addEventListener('click', () => click(one));
    row.lastElementChild.append(one);
  };
  button('Cancel', (one) => act(one, () => ask('POST', target(id(), '/cancel')), 'Cancelled, or asked to stop.'));
  button('Retry', (one) => act(one, () => ask('POST', target(id(), '/retry')), 'It is queued again.'));
  button('Result', (one) => act(one, async () => {
    const { body } = await ask('GET', target(id(), '/result'));
    show(id(), body);
    return { body: null };
  }, ''));
  return row;
}

function update(row, job) {
  const [id, kind, study, state, progress, created, actions] = row.children;
  text(id.firstElementChild, job.id);
  id.firstElementChild.title = job.id;
  text(kind, words(job.kind));
  text(study, job.study);
  const cancelling = job.cancelling && !finished(job);
  text(state.children[0], cancelling ? 'cancelling' : job.state);
  state.children[0].dataset.state = job.state;
  text(state.children[1], job.state === 'failed' && job.error ? job.error : '');
  const { done = 0, total = 0 } = job.progress ?? {};
  const share = total ? done / total : job.state === 'succeeded' ? 1 : 0;
  progress.querySelector('.meter i').style.transform = `scaleX(${share.toFixed(3)})`;
  text(progress.querySelector('span'), total ? `${count(done)} of ${count(total)}` : '–');
  text(created, moment(job.created_at));
  for (const button of actions.children) {
    const name = button.dataset.do;
    button.hidden = !(name === 'cancel' ? !finished(job) && !cancelling
      : name === 'retry' ? job.state === 'failed' || job.state === 'cancelled'
        : job.state === 'succeeded');
    text(button.lastElementChild, ` of job ${job.id}`);
  }
}

let due = false;

/** Once a frame, however many jobs change. */
function render() {
  if (due) return;
  due = true;
  requestAnimationFrame(draw);
}

function draw() {
  due = false;
  const list = [...jobs.values()].sort(newest);
  if (list.length > room) {
    more = true;
    for (const job of list.splice(room)) jobs.delete(job.id);
  }
  by('jobs').hidden = list.length === 0;
  by('jobs-empty').hidden = list.length > 0;
  by('jobs-more').hidden = !more || room >= most;
  keep(by('jobs').tBodies[0], list, (job) => job.id, make, update);
}

function show(id, value) {
  text(by('result-title'), `Result of ${id}`);
  text(by('result-text'), JSON.stringify(value, null, 2));
  by('result-dialog').showModal();
}

/** A job has changed. */
export function take(job) {
  if (filter && job.state !== filter) jobs.delete(job.id);
  else jobs.set(job.id, job);
  render();
}

/** Reads the list again. */
export async function load() {
  const mine = ++asked;
  const query = new URLSearchParams({ limit: String(room) });
  if (filter) query.set('state', filter);
  try {
    const { body } = await ask('GET', `/v1/jobs?${query}`);
    if (mine !== asked) return;
    jobs = new Map(body.jobs.map((job) => [job.id, job]));
    more = Boolean(body.next);
    say(by('jobs-message'), '');
  } catch (problem) {
    if (mine !== asked) return;
    say(by('jobs-message'), problem.message, true);
  }
  render();
}

/** `study` says which study an analysis is of. */
export function startJobs(study) {
  choose(by('jobs-filter'), (button) => {
    filter = button.dataset.state;
    room = page;
    load();
  });
  by('jobs-more').addEventListener('click', () => {
    room = Math.min(room + page, most);
    load();
  });
  by('analyse').addEventListener('click', (event) => act(event.currentTarget, () => ask('POST', '/v1/analyses', {
    body: JSON.stringify({ study: study(), kind: 'site-kri' }),
  }), ''));
  by('result-copy').addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(by('result-text').textContent);
      text(by('result-copy'), 'Copied');
    } catch {
      text(by('result-copy'), 'Not allowed');
    }
    setTimeout(() => text(by('result-copy'), 'Copy'), 1500);
  });
}
