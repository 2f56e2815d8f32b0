// Lengths and points of time as text.

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;

/** A length of time in one whole unit: `40 s`, `2 min`, `30 h`, `3 days`. */
export function roughTime(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < minute) return `${seconds} s`;
  if (seconds < hour) return `${Math.floor(seconds / minute)} min`;
  if (seconds < 2 * day) return `${Math.floor(seconds / hour)} h`;
  return `${Math.floor(seconds / day)} days`;
}

/** `2026-11-22T14:02:33Z`. */
export function utcTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, -'.000Z'.length)}Z`;
}

/** `14:02`, or `2026-11-22 14:02` if that is another day than the one before. */
export function clockTime(
  ms: number,
  beforeMs: number,
  form: 'HH:MM' | 'HH:MM:SS' = 'HH:MM',
): string {
  const [day = '', time = ''] = utcTime(ms).split('T');
  const clock = time.slice(0, form.length);
  return utcTime(beforeMs).startsWith(day) ? clock : `${day} ${clock}`;
}
