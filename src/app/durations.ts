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
