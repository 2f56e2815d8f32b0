// How often an agent is woken for mail that it leaves unread.
import type { Notice } from '../model/mail-ahead.ts';
import type { Told } from '../model/requests.ts';

/** After the first notice of a message, after the second, and so on; the last one repeats. In milliseconds. */
const ringPausesMs = [30_000, 120_000, 600_000, 1_800_000, 3_600_000] as const;
/** Of one session, so that agents that wake each other for nothing come to rest. */
export const ringsPerHour = 20;
const hourMs = 3_600_000;

/** `unread`: notices of the same message so far, at least one. */
export function pauseMsAfter(unread: number): number {
  return ringPausesMs[Math.min(unread, ringPausesMs.length) - 1] as number;
}

/** The notice names the message that the session was told of last. */
export function isAbout(
  told: Pick<Told, 'number' | 'attempt'> | undefined,
  { number, attempt }: Notice,
): boolean {
  return told?.number === number && told.attempt === attempt;
}

/** The rings of the last hour; those of a clock that was set back do not count. */
export function ofLastHour(rung: readonly number[], now: number): readonly number[] {
  return rung.filter((time) => time > now - hourMs && time <= now);
}

/** How long there must be no ring at all, in milliseconds. `rung`: when the last rings were, the oldest first. */
export function restMsAfter(rung: readonly number[], now: number): number {
  const recent = ofLastHour(rung, now);
  const [oldest] = recent;
  return oldest === undefined || recent.length < ringsPerHour ? 0 : oldest + hourMs - now;
}
