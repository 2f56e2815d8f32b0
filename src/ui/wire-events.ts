// Events of mail as the page gets them.
import { decoded, firstCharacters } from '../app/peek.ts';
import { pageTextCharactersMax } from '../base/page-limits.ts';
import type { MailEvent } from '../model/mail-events.ts';
import type { WireEvent, WireStored } from './wire.ts';

/** Bytes of a body that are wanted for `pageTextCharactersMax` characters. */
export const pageTextBytes = 4 * pageTextCharactersMax;

/** `charactersMax`: of the text of a body. */
export function wireEvent(event: MailEvent, charactersMax = pageTextCharactersMax): WireEvent {
  if (event.kind !== 'stored') return event;
  const { part, ...rest } = event;
  if (part === undefined) return { ...rest, text: null, isCut: false };
  return cutTo({ ...rest, text: decoded(part), isCut: false }, charactersMax);
}

/** The same event with at most so many characters. */
export function cutTo(event: WireStored, charactersMax = pageTextCharactersMax): WireStored {
  if (event.text === null) return event;
  const text = firstCharacters(event.text, charactersMax);
  return { ...event, text, isCut: Buffer.byteLength(text) < event.envelope.bodyBytes };
}

/** Of a message: its events, or of a pause: none. */
export function numberOfEvent(event: WireEvent | MailEvent): number | undefined {
  if (event.kind === 'stored') return event.envelope.number;
  return 'message' in event ? event.message.number : undefined;
}

/** Of the events of one record, a message that was stored comes before those that were settled with it. */
export function inOrder(events: WireEvent[]): WireEvent[] {
  return events.sort((one, other) => one.sequence - other.sequence || rank(one) - rank(other));
}

function rank({ kind }: WireEvent): number {
  return kind === 'stored' ? 0 : 1;
}
