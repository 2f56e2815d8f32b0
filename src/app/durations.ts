const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;

/** A length of time in one whole unit: `90 s`, `2 min`, `5 h`, `3 days`. */
export function roughTime(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 2 * minute) return `${seconds} s`;
  if (seconds < 2 * hour) return `${Math.floor(seconds / minute)} min`;
  if (seconds < 2 * day) return `${Math.floor(seconds / hour)} h`;
  return `${Math.floor(seconds / day)} days`;
}
