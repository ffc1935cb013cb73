// Saving a form and seeing what its edit checks say; and simulated tasks.

import { ask } from './api.js';
import { by, el, say } from './dom.js';
import { take } from './jobs.js';

let touched = false; // the text is the reader's own

export const study = () => by('save-study').value || 'DEMO';

function options(select, names, chosen) {
  select.replaceChildren(...names.map((name) => el('option', { value: name, selected: name === chosen }, name)));
}

async function loadForms() {
  const { body } = await ask('GET', `/v1/studies/${encodeURIComponent(study())}`);
  const names = body.forms.map((one) => one.form ?? one);
  options(by('save-form'), names, names.includes('VS') ? 'VS' : names[0]);
  await loadSample();
}

/** The demo study has a sample save of some forms. */
async function loadSample() {
  if (touched) return;
  const area = by('save-body');
  try {
    const answer = await fetch(`/assets/sample-${encodeURIComponent(by('save-form').value.toLowerCase())}.json`);
    if (answer.ok && study() === 'DEMO') {
      area.value = (await answer.text()).trim();
      return;
    }
  } catch { /* none */ }
  area.value = JSON.stringify({ subject: '', datasets: { [by('save-form').value]: [{}] } }, null, 2);
}

export async function loadStudies() {
  try {
    const { body } = await ask('GET', '/v1/studies');
    const ids = body.studies.map((one) => one.id);
    options(by('save-study'), ids, ids.includes('DEMO') ? 'DEMO' : ids[0]);
    await loadForms();
  } catch (problem) {
    by('save-result').replaceChildren(el('p', { class: 'message bad' }, problem.message));
  }
}

const order = { error: 0, warning: 1, info: 2 };

function finding(one) {
  const values = Object.entries(one.values ?? {}).map(([name, value]) => `${name} = ${value === null ? 'empty' : value}`).join(', ');
  return el('li', { class: 'finding', 'data-severity': one.severity || 'info' },
    el('span', { class: 'tag' }, one.severity || 'finding'),
    el('p', {}, one.message || one.rule),
    el('small', {}, [one.rule, one.dataset && `${one.dataset}${one.record === null || one.record === undefined ? '' : ` record ${one.record}`}`, values].filter(Boolean).join(' · ')));
}

function verdict(body) {
  const found = [...(body.findings ?? [])].sort((a, b) => (order[a.severity] ?? 3) - (order[b.severity] ?? 3));
  const skipped = body.skipped ?? [];
  const some = (n, one, more) => `${n} ${n === 1 ? one : more}`;
  const parts = [el('p', { class: `verdict ${found.length ? 'has' : 'clean'}` },
    found.length ? some(found.length, 'finding', 'findings') : 'No findings',
    skipped.length ? `, ${some(skipped.length, 'check', 'checks')} skipped` : '',
    el('code', {}, body.id ?? body.form_id ?? ''))];
  if (found.length) parts.push(el('ul', { class: 'findings' }, ...found.map(finding)));
  if (skipped.length)
    parts.push(el('details', {}, el('summary', {}, 'Skipped'), el('ul', { class: 'skips' },
      ...skipped.map((one) => el('li', {}, el('b', {}, one.rule), ' ', one.skipped)))));
  return parts;
}

export function startSave() {
  by('save-body').addEventListener('input', () => { touched = by('save-body').value.trim() !== ''; });
  by('save-study').addEventListener('change', () => { touched = false; loadForms().catch(() => {}); });
  by('save-form').addEventListener('change', () => { touched = false; loadSample(); });
  by('save').addEventListener('submit', async (event) => {
    event.preventDefault();
    const result = by('save-result');
    const button = event.submitter;
    const fail = (sentence) => result.replaceChildren(el('p', { class: 'message bad' }, sentence));
    const body = by('save-body').value;
    try {
      JSON.parse(body);
    } catch (error) {
      fail(`The records are no JSON: ${error.message}.`);
      return;
    }
    button.disabled = true;
    const query = new URLSearchParams({ study: study(), form: by('save-form').value, site: by('save-site').value });
    const later = by('save-later').checked;
    try {
      const answer = await ask('POST', `/v1/forms?${query}`, { body, fields: later ? { Prefer: 'respond-async' } : {} });
      if (answer.status === 202) {
        take(answer.body);
        result.replaceChildren(el('p', { class: 'verdict clean' }, 'Stored; its checks are a job ', el('code', {}, answer.body.id ?? '')));
      } else {
        result.replaceChildren(...verdict(answer.body));
      }
    } catch (problem) {
      fail(problem.message);
    }
    button.disabled = false;
  });

  by('load').addEventListener('submit', async (event) => {
    event.preventDefault();
    const query = new URLSearchParams({ count: by('load-count').value });
    if (by('load-site').value) query.set('site', by('load-site').value);
    try {
      const { body } = await ask('POST', `/tasks?${query}`);
      say(by('load-result'), `${body.message}.`);
    } catch (problem) {
      say(by('load-result'), problem.message, true);
    }
  });
}
