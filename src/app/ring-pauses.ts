// How often an agent is woken for mail that it leaves unread.

/** After the first notice of a message, after the second, and so on; the last one repeats. In milliseconds. */
export const ringPausesMs = [30_000, 120_000, 600_000, 1_800_000, 3_600_000] as const;
/** Of one session, so that agents that wake each other for nothing come to rest. */
export const ringsPerHour = 20;
export const hourMs = 3_600_000;

/** `unread`: notices of the same message so far, at least one. */
export function pauseMsAfter(unread: number): number {
  return ringPausesMs[Math.min(unread, ringPausesMs.length) - 1] as number;
}
