// How much mail there was in each minute of the last hour, and who talked to whom.
import type { MessageStory } from '../../../app/message-stories.ts';
import type { WireEvent } from '../../wire.ts';

const minutesShown = 60;
const minuteMs = 60_000;
export const hourMs = minutesShown * minuteMs;

export interface MinuteCounts {
  /** Start of each minute, in seconds since 1970, oldest first. */
  readonly seconds: readonly number[];
  readonly stored: readonly number[];
  /** Settled or dropped. */
  readonly done: readonly number[];
  /** Older messages of this hour are not known, so there were at least as many. */
  readonly isPartial: boolean;
}

/** Counts events by the minute in which they happened. */
export class Traffic {
  readonly #minutes = new Map<number, { stored: number; done: number }>();

  /** Nothing is known of messages that were stored before the first one that was applied. */
  #firstTime = Number.POSITIVE_INFINITY;
  readonly #isWhole: boolean;

  /** `isWhole`: no message was stored before the first one that is applied. */
  constructor(isWhole: boolean) {
    this.#isWhole = isWhole;
  }

  apply(events: readonly WireEvent[]): void {
    for (const { kind, time } of events) {
      const isEnd = kind === 'settled' || kind === 'dropped';
      if (kind !== 'stored' && !isEnd) continue;
      if (kind === 'stored') this.#firstTime = Math.min(this.#firstTime, time);
      const minute = Math.floor(time / minuteMs);
      const counts = this.#minutes.get(minute) ?? { stored: 0, done: 0 };
      if (isEnd) counts.done += 1;
      else counts.stored += 1;
      this.#minutes.set(minute, counts);
    }
  }

  lastHour(now: number): MinuteCounts {
    const current = Math.floor(now / minuteMs);
    for (const minute of this.#minutes.keys()) {
      if (minute <= current - 2 * minutesShown) this.#minutes.delete(minute);
    }
    const minutes = Array.from(
      { length: minutesShown },
      (_, at) => current - minutesShown + 1 + at,
    );
    const counted = minutes.map((minute) => this.#minutes.get(minute));
    return {
      seconds: minutes.map((minute) => minute * 60),
      stored: counted.map((counts) => counts?.stored ?? 0),
      done: counted.map((counts) => counts?.done ?? 0),
      isPartial: !this.#isWhole && Math.floor(this.#firstTime / minuteMs) >= (minutes[0] ?? 0),
    };
  }
}

/** Messages from one name to another. */
export interface TalkLine {
  readonly from: string;
  readonly to: string;
  /** Stored within the last hour. */
  readonly recent: number;
  /** Of all that are known: stored or held, and not done. */
  readonly ready: number;
  readonly held: number;
  /** When the newest was stored. */
  readonly lastTime: number;
}

/** As many names as the picture shows; those that talked longest ago are left out. */
export const talkersMax = 20;

export interface Talk {
  /** In the order of the alphabet, so that nobody moves when mail is sent. */
  readonly names: readonly string[];
  readonly lines: readonly TalkLine[];
  /** Names that are left out. */
  readonly hidden: number;
}

type MutableLine = { -readonly [Field in keyof TalkLine]: TalkLine[Field] };

/** `present`: names of connected sessions, which are shown even if they were silent. */
export function talkOf(
  stories: readonly MessageStory[],
  present: readonly string[],
  now: number,
): Talk {
  const lines = new Map<string, MutableLine>();
  for (const { stored, state } of stories) {
    const { from, to } = stored.envelope;
    const isRecent = stored.time >= now - hourMs;
    const isUnderWay = state === 'ready' || state === 'held';
    if (from === '' || !(isRecent || isUnderWay)) continue;
    const key = `${from}\0${to}`;
    const line = lines.get(key) ?? { from, to, recent: 0, ready: 0, held: 0, lastTime: 0 };
    if (isRecent) line.recent += 1;
    if (state === 'ready') line.ready += 1;
    if (state === 'held') line.held += 1;
    line.lastTime = Math.max(line.lastTime, stored.time);
    lines.set(key, line);
  }
  const lastTalk = new Map<string, number>(present.map((name) => [name, 0]));
  for (const { from, to, lastTime } of lines.values()) {
    for (const name of [from, to]) {
      lastTalk.set(name, Math.max(lastTalk.get(name) ?? 0, lastTime));
    }
  }
  const latest = [...lastTalk].sort(([, one], [, other]) => other - one).map(([name]) => name);
  const names = latest.slice(0, talkersMax).sort();
  const shown = [...lines.values()].filter(
    ({ from, to }) => names.includes(from) && names.includes(to),
  );
  return { names, lines: shown, hidden: latest.length - names.length };
}
