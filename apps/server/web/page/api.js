// Requests to this server, with the token of this tab where there is one.

const storage = 'corogate.token';
let refused = () => {};

export function token() {
  try { return sessionStorage.getItem(storage) || ''; } catch { return ''; }
}

/** Kept in this tab only, and never part of a URL. */
export function setToken(value) {
  try {
    if (value) sessionStorage.setItem(storage, value);
    else sessionStorage.removeItem(storage);
  } catch { /* storage is off: asked again after a reload */ }
}

/** Called with 401 or 403 where the server wants a token, or another one. */
export function onRefused(hook) { refused = hook; }

export function headers(more = {}) {
  const own = token();
  return own ? { ...more, Authorization: `Bearer ${own}` } : { ...more };
}

/** What went wrong, as a sentence; it comes from the server's problem document where there is one. */
export class Problem extends Error {
  constructor(status, body) {
    super(sentence(status, body));
    this.status = status;
    this.body = body;
  }
}

function sentence(status, body) {
  if (status === 0) return 'The server cannot be reached.';
  let said = body && typeof body.detail === 'string' ? body.detail : '';
  if (!said) said = `The server answered ${status}.`;
  said = said.charAt(0).toUpperCase() + said.slice(1);
  if (!/[.!?]$/.test(said)) said += '.';
  const where = body && typeof body.field === 'string' ? ` (${body.field})` : '';
  const again = body && Number.isFinite(body.retry_after_ms) && body.retryable !== false
    ? ` Try again in ${Math.ceil(body.retry_after_ms / 1000)} s.` : '';
  return said + where + again;
}

/** The answer's status, body (JSON or null) and header fields; throws a Problem on 4xx and 5xx. */
export async function ask(method, target, { body, fields } = {}) {
  let answer;
  try {
    answer = await fetch(target, {
      method,
      headers: headers({
        Accept: 'application/json, application/problem+json',
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...fields,
      }),
      body,
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
    });
  } catch {
    throw new Problem(0, null);
  }
  let value = null;
  try { value = await answer.json(); } catch { /* no body, or no JSON */ }
  if (!answer.ok) {
    if (answer.status === 401 || answer.status === 403) refused(answer.status, value);
    throw new Problem(answer.status, value);
  }
  return { status: answer.status, body: value, headers: answer.headers };
}
