// Numbers for people.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat('en', {
  hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23',
});
const day = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short' });

/** 950, 12,400, 1.2M */
export function count(n) {
  if (n === null || n === undefined) return '–';
  return Math.abs(n) < 100000 ? whole.format(n).replaceAll(',', '\u202f') : short.format(n);
}

/** A rate: one decimal while small. */
export function rate(n) {
  if (n === null || n === undefined) return '–';
  return n > 0 && n < 10 ? n.toFixed(1) : count(n);
}

/** Milliseconds as [number, unit], three digits at most. */
export function duration(ms) {
  if (ms === null || ms === undefined) return ['–', ''];
  if (ms < 1) return [ms === 0 ? '0' : ms < 0.1 ? (ms * 1000).toFixed(0) : (ms * 1000).toFixed(0), ms === 0 ? 'ms' : 'µs'];
  if (ms < 10) return [ms.toFixed(1), 'ms'];
  if (ms < 1000) return [ms.toFixed(0), 'ms'];
  if (ms < 10000) return [(ms / 1000).toFixed(1), 's'];
  if (ms < 120000) return [(ms / 1000).toFixed(0), 's'];
  if (ms < 7200000) return [(ms / 60000).toFixed(0), 'min'];
  return [(ms / 3600000).toFixed(0), 'h'];
}

export const span = (ms) => duration(ms).join('\u202f').trim();
export const percent = (share) => `${share > 0 && share < 0.01 ? '<1' : Math.round(share * 100)}\u202f%`;
export const time = (date) => clock.format(date);

/** A time of the past: the clock today, else the day as well. */
export function moment(iso) {
  if (!iso) return '';
  const date = new Date(iso);
  return date.toDateString() === new Date().toDateString()
    ? time(date) : `${day.format(date)}, ${time(date)}`;
}

/** `queue_full` and `queue-full`: queue full */
export const words = (name) => String(name).replaceAll(/[_-]/g, ' ');
