// The order in which faces list mailboxes: first those that need a person. The page runs in the browser, so nothing of
// Node is imported here.
// 1. With dead letters. 2. Paused by name; a pause of all mailboxes distinguishes none. 3. With old mail that nobody
// reads, the oldest class first. 4. With other mail. 5. All others. Each group is in the order of names.
// Ages count in classes alone, and mail that is read at once does not count, so that lines keep their places.

export interface MailboxFacts {
  readonly mailbox: string;
  readonly ready: number;
  readonly held: number;
  readonly waiting: number;
  readonly watching: number;
  /** When the oldest unsettled message was stored, in milliseconds since 1970; 0 when there is none. */
  readonly oldestTime: number;
  /** Dead letters that were posted to it. */
  readonly dead: number;
  /** Paused by its name, not only with all others. */
  readonly isPausedItself: boolean;
}

const deadLetters = 'dead-letters';
const minuteMs = 60_000;
/** Classes of age of mail without a reader, oldest first. The youngest is the age from which on it is marked. */
const oldMs = [24 * 60 * minuteMs, 60 * minuteMs, 5 * minuteMs] as const;
/** Younger mail does not move the line of its mailbox. */
const settlingMs = 10_000;

export function compareNeed(one: MailboxFacts, other: MailboxFacts, nowMs: number): number {
  return needRank(one, nowMs) - needRank(other, nowMs) || compare(one.mailbox, other.mailbox);
}

/** It has mail of 5 minutes or older, and no session reads it, watches it or holds mail of it. */
export function isUnattended(facts: MailboxFacts, nowMs: number): boolean {
  return facts.mailbox !== deadLetters && ageClass(facts, nowMs) !== -1;
}

/** The lowest is listed first. */
function needRank(facts: MailboxFacts, nowMs: number): number {
  const { mailbox, ready, held, dead, isPausedItself, oldestTime } = facts;
  if (dead > 0 || (mailbox === deadLetters && ready + held > 0)) return 0;
  if (isPausedItself) return 1;
  const age = ageClass(facts, nowMs);
  if (age !== -1) return 2 + age;
  const hasMail = oldestTime !== 0 && nowMs - oldestTime >= settlingMs;
  return 2 + oldMs.length + (hasMail ? 0 : 1);
}

/** Index in `oldMs`; -1 for mail that is read or younger. Without a hold the oldest unsettled message is a ready one. */
function ageClass(
  { ready, held, waiting, watching, oldestTime }: MailboxFacts,
  nowMs: number,
): number {
  if (ready === 0 || held + waiting + watching > 0 || oldestTime === 0) return -1;
  return oldMs.findIndex((ms) => nowMs - oldestTime >= ms);
}

function compare(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}
