// What stands beside a result for its reader to know: how old mail is, what is left, what waits elsewhere, and what
// a post found ahead of its message. Each is a few words.
import { quoted } from '../base/quoted.ts';
import type { MailElsewhere, StoredMessage } from '../model/mail-ahead.ts';
import type { Delivery, LeftUnread, PostResult } from '../model/mail-service.ts';
import type { MailboxList, Name } from '../model/message.ts';
import { counted } from './counts.ts';
import { roughTime } from './durations.ts';
import { pausedAhead, pausedFacts } from './pause-words.ts';
import { shownFolder } from './sanitize.ts';
import type { Notes } from './summaries.ts';

/** A head has facts only as long as it has no more notes than this; what a call did is always there. */
const notesMax = 3;
/** From this age on a head says how old a message is: the clocks of two machines seldom differ as much. */
const ageMsShown = 3_600_000;

const secondMs = 1_000;

/** `, 3 h old`, if it is older than an hour. */
export function age(ms: number): string {
  return ms < ageMsShown ? '' : `, ${roughTime(ms)} old`;
}

/** `facts`: the most important first. */
export function withFacts(notes: Notes, facts: Notes): Notes {
  return [...notes, ...facts.slice(0, Math.max(0, notesMax - notes.length))];
}

/** Unread mail beside a delivery, and other sessions that wait on its mailbox. */
export function deliveryFacts(delivery: Delivery): Notes {
  const left = [...leftFacts(delivery), ...elsewhereFacts(delivery.elsewhere)];
  const rivals = rivalFacts(delivery);
  return delivery.otherFolder === undefined ? [...left, ...rivals] : [...rivals, ...left];
}

/** Two projects may call a mailbox by the same name without knowing of each other. */
function rivalFacts({ others, otherFolder }: Pick<Delivery, 'others' | 'otherFolder'>): Notes {
  if (others === 0) return [];
  if (others === 1 && otherFolder !== undefined) return folderFacts(otherFolder);
  const one = otherFolder === undefined ? '' : `, one of them in ${shownFolder(otherFolder)}`;
  return [`${counted(others, 'other session waits', 'other sessions wait')} here too${one}`];
}

function folderFacts(folder: string | undefined): Notes {
  return folder === undefined ? [] : [`a session in ${shownFolder(folder)} waits here too`];
}

/** `2 more in "jobs"`. */
export function leftFacts({ mailbox, remaining }: Pick<Delivery, 'mailbox' | 'remaining'>): Notes {
  return remaining === 0 ? [] : [`${remaining} more in ${quoted(mailbox)}`];
}

/** Unread mail at the end of a wait without a message. A wait for an answer may leave some in `mailbox` itself. */
export function unreadFacts(
  [mailbox, ...others]: MailboxList,
  { remaining, elsewhere, otherFolder, paused }: LeftUnread,
): Notes {
  const own = remaining === 0 || others.length > 0 ? [] : [{ mailbox, ready: remaining }];
  const unread = elsewhereFacts([...own, ...elsewhere]);
  return [...pausedFacts(paused), ...folderFacts(otherFolder), ...unread];
}

/** `1 unread in "amy", 4 in "jobs"`. */
export function elsewhereFacts([first, ...others]: readonly MailElsewhere[]): Notes {
  if (!first) return [];
  const more = others.map(({ mailbox, ready }) => `, ${ready} in ${quoted(mailbox)}`);
  return [`${first.ready} unread in ${quoted(first.mailbox)}${more.join('')}`];
}

/** Mail and holders that come before a message that was stored in `mailbox`. */
export function aheadWords(stored: StoredMessage, mailbox: Name): Notes {
  const { reader, watched, paused, before, holder } = stored;
  if (reader) return ['a reader was waiting for it'];
  const unread = before === 0 ? [] : [`${before} unread before it`];
  if (paused) return [...unread, pausedAhead(mailbox)];
  const woken = watched ? [`a session that watches ${quoted(mailbox)} will be woken`] : [];
  if (!holder) return [...unread, ...(watched ? woken : ['no reader is waiting there'])];
  const { number, name, heldMs } = holder;
  // A session that has posted under no name is called after the mailbox that it read.
  const who = name === '' || name === mailbox ? 'a reader' : quoted(name);
  const busy =
    heldMs < secondMs
      ? `is busy with #${number}`
      : `has been busy with #${number} for ${roughTime(heldMs)}`;
  return [...unread, `${who} ${busy}`, ...woken];
}

/** The same for one mailbox of several. */
export function aheadInBrief({ reader, watched, paused, before }: StoredMessage): string {
  if (reader) return ' (a reader was waiting)';
  const words = [
    ...(before === 0 ? [] : [`${before} unread before it`]),
    ...(watched ? ['a session will be woken'] : []),
    ...(paused ? ['deliveries are paused'] : []),
  ];
  return words.length === 0 ? '' : ` (${words.join(', ')})`;
}

/** For a poster that may have repeated a call whose result it did not get. */
export function sameTextNotes(result: PostResult): Notes {
  const [first, ...others] = [result, ...result.also].filter(({ same }) => same !== undefined);
  if (!first?.same) return [];
  const { number, ageMs, isHeld } = first.same;
  const state = isHeld ? 'is in work' : 'is unread';
  const where =
    result.also.length === 0
      ? `as #${number}, ${roughTime(ageMs)} ago, and ${state}`
      : `in ${others.length + 1} of them, ${roughTime(ageMs)} ago`;
  return [`the same text was stored ${where}: it is there twice now`];
}
