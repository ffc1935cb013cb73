// The page: theme, token, and the stream of figures that everything shows.

import { onRefused, setToken, token } from './api.js';
import { Board, History, rowOf } from './charts.js';
import { showControl, startControl } from './control.js';
import { by, choose, say, text } from './dom.js';
import { time } from './format.js';
import { load, startJobs, take } from './jobs.js';
import { showLists, showState, showTiles } from './pool.js';
import { loadStudies, startSave, study } from './save.js';
import { Stream } from './stream.js';

const history = new History();
const board = new Board(by('charts'), history);
let last = null; // the newest state
let lostAt = 0;
let countdown = 0;

// ---- theme

const root = document.documentElement;

function showTheme() {
  by('theme').setAttribute('aria-pressed', String(root.dataset.theme === 'dark'));
  board.repaint();
}

by('theme').addEventListener('click', () => {
  root.dataset.theme = root.dataset.theme === 'dark' ? 'light' : 'dark';
  try { localStorage.setItem('corogate.theme', root.dataset.theme); } catch { /* for this page then */ }
});
new MutationObserver(showTheme).observe(root, { attributeFilter: ['data-theme'] });

// ---- figures

function showPool(state) {
  last = state;
  const at = Date.parse(state.time) / 1000;
  text(by('version'), state.version ?? '');
  showState(state.state);
  showTiles(state);
  showLists(state);
  showControl(state);
  history.add(at, rowOf(state));
  board.update(at);
}

function showLink(name, detail) {
  const words = { connecting: 'Connecting', live: 'Live', lost: 'Lost', hidden: 'Asleep', refused: 'No access' };
  clearInterval(countdown);
  if (name === 'connecting' && lostAt) return; // still lost, as far as the reader is concerned
  by('link').dataset.link = name;
  text(by('link-text'), words[name]);
  root.dataset.link = name;
  if (name === 'live') {
    lostAt = 0;
    load();
    if (!by('save-study').options.length) loadStudies();
    return;
  }
  if (name === 'connecting') return;
  showControl(null);
  if (name === 'hidden') showState('hidden');
  if (name === 'refused') {
    lostAt = 0;
    showState('refused');
    by('access').hidden = false;
    askToken(detail === 403 ? 'This token may not read.' : token() ? 'The server does not know this token.' : '');
  }
  if (name === 'lost') {
    lostAt ||= Date.now();
    const since = last ? ` What you see is from ${time(new Date(last.time))}.` : '';
    const what = detail.status >= 400 ? `The server answered ${detail.status} to the request for figures.` : 'The server does not answer.';
    showState('lost', what + since);
    const tick = () => text(by('link-text'), `Again in ${Math.max(0, Math.round((detail.again - Date.now()) / 1000))} s`);
    tick();
    countdown = setInterval(tick, 1000);
  }
}

const stream = new Stream('/v1/events', {
  event: (name, value) => {
    if (name === 'state') showPool(value);
    else if (name === 'history') history.fill(value);
    else if (name === 'job') take(value);
  },
  link: showLink,
});

by('link').addEventListener('click', () => stream.again());
choose(by('span'), (button) => board.show(Number(button.dataset.seconds)));

// ---- token

function askToken(sentence = '') {
  const dialog = by('token-dialog');
  if (dialog.open) return;
  by('token').value = '';
  say(by('token-message'), sentence, true);
  by('token-forget').hidden = !token();
  dialog.showModal();
}

by('access').addEventListener('click', () => askToken());
by('token-form').addEventListener('submit', () => {
  const value = by('token').value.trim();
  if (!value) return;
  setToken(value);
  by('token').value = '';
  stream.again();
});
by('token-forget').addEventListener('click', () => {
  setToken('');
  by('token-dialog').close();
  stream.again();
});
onRefused((status) => {
  // 403 is said where it was asked for; the reader may look for a better token, or leave it.
  by('access').hidden = false;
  if (status === 401) askToken(token() ? 'The server does not know this token.' : 'The server wants a token.');
});
by('access').hidden = !token();

for (const button of document.querySelectorAll('[data-close]'))
  button.addEventListener('click', () => button.closest('dialog').close());

startControl();
startJobs(study);
startSave();
showTheme();
stream.again();
