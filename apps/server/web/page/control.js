// Pause, resume, drain, limits: each asks first, and each needs a token with the role "admin".

import { ask } from './api.js';
import { by, say, text, toast } from './dom.js';

let now = null;

/** A question with two answers; resolves to whether it was yes. */
function sure(title, sentence, yes, danger = false) {
  const dialog = by('confirm-dialog');
  text(by('confirm-title'), title);
  text(by('confirm-text'), sentence);
  text(by('confirm-yes'), yes);
  by('confirm-yes').classList.toggle('danger', danger);
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}

async function change(target) {
  try {
    await ask('POST', target);
  } catch (problem) {
    toast(problem.message);
  }
}

export function startControl() {
  by('pause').addEventListener('click', async () => {
    const paused = now?.state === 'paused';
    const go = paused
      ? await sure('Resume?', 'What waits begins to run.', 'Resume')
      : await sure('Pause the pool?', 'What runs goes on to its end. Nothing new starts; what arrives waits, up to the capacity of the queue.', 'Pause');
    if (go) await change(paused ? '/v1/pool/resume' : '/v1/pool/pause');
  });
  by('drain').addEventListener('click', async () => {
    const go = await sure('Drain the pool?', 'New work is refused from now on; what was admitted is finished. This ends in a server that takes no work.', 'Drain', true);
    if (go) await change('/v1/pool/drain');
  });

  const dialog = by('limits-dialog');
  const form = by('limits-form');
  by('limits').addEventListener('click', () => {
    form.elements.limit.value = now.adaptive ? 'adaptive' : 'fixed';
    by('limit-number').value = now.limit;
    by('limit-queue').value = now.queue_limit;
    say(by('limits-message'), '');
    dialog.showModal();
  });
  by('limit-number').addEventListener('input', () => { form.elements.limit.value = 'fixed'; });
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const limit = form.elements.limit.value === 'adaptive' ? 'adaptive' : Number(by('limit-number').value);
    try {
      await ask('PATCH', '/v1/pool', { body: JSON.stringify({ limit, queue_tasks: Number(by('limit-queue').value) }) });
      dialog.close();
    } catch (problem) {
      say(by('limits-message'), problem.message, true);
    }
  });
}

/** The buttons as they fit the state; off while there is none. */
export function showControl(state) {
  now = state;
  const over = !state || ['draining', 'stopped', 'failed'].includes(state.state);
  for (const id of ['pause', 'limits', 'drain']) by(id).disabled = over;
  text(by('pause'), state?.state === 'paused' ? 'Resume' : 'Pause');
}
