// What a search or an export of the page asks for.

import { shown } from '../app/parameters.ts';
import { decoded } from '../app/peek.ts';
import { IpcError } from '../base/errors.ts';
import type { PastFilter } from '../journal/past-filter.ts';
import { deadLetterMailbox, type Envelope } from '../model/message.ts';
import type { WireFilter } from './wire.ts';

const textKeys = ['text', 'from', 'to', 'with', 'partner', 'mailbox'] as const;
const numberKeys = ['since', 'before', 'below'] as const;

/** From the parameters of an address. One that is empty counts as absent. */
export function parseFilter(query: URLSearchParams): WireFilter {
  const texts = textKeys.map((key) => [key, query.get(key) || undefined] as const);
  const numbers = numberKeys.map((key) => [key, parseWhole(query, key)] as const);
  return Object.fromEntries([...texts, ...numbers].filter(([, value]) => value !== undefined));
}

/** A whole number; undefined when it is absent or empty. */
export function parseWhole(query: URLSearchParams, key: string): number | undefined {
  const text = query.get(key) || undefined;
  if (text === undefined) return undefined;
  if (/^\d{1,16}$/.test(text)) return Number(text);
  throw new IpcError('bad_parameter', `${key} is ${shown(text)}; it must be a whole number`);
}

/** All but `mailbox`, which a message may reach later, as a dead letter. */
export function matchesEnvelope(filter: WireFilter, envelope: Envelope): boolean {
  const { from, to, with: either, partner, since, before, below } = filter;
  return (
    (from === undefined || envelope.from === from) &&
    (to === undefined || envelope.to === to) &&
    isSide(either, envelope) &&
    isSide(partner, envelope) &&
    (partner === undefined || envelope.from === partner || envelope.to === partner) &&
    (since === undefined || envelope.time >= since) &&
    (before === undefined || envelope.time < before) &&
    (below === undefined || envelope.number < below)
  );
}

function isSide(name: string | undefined, { from, to }: Envelope): boolean {
  return name === undefined || from === name || to === name;
}

/** What a reader of the past is to look at: what matches, or would as a dead letter. */
export function feedFilter(filter: WireFilter): PastFilter {
  const { mailbox, text } = filter;
  const isOpen = mailbox === undefined || mailbox === deadLetterMailbox;
  return {
    wants: (envelope, body) =>
      (isOpen || envelope.to === mailbox) &&
      matchesEnvelope(filter, envelope) &&
      matchesText(filter, envelope, body && decoded(body)),
    // The id is searched as well.
    mayWant: ({ bytes, fields, body, end }) =>
      text === undefined ||
      hitIn(bytes.toString('utf8', body, end), text) >= 0 ||
      hitIn(bytes.toString('utf8', fields, body), text) >= 0,
  };
}

/** `body`: undefined when it is corrupt on disk. */
export function matchesText({ text }: WireFilter, { id }: Envelope, body: string | undefined) {
  return text === undefined || hitIn(id, text) >= 0 || (body ? hitIn(body, text) >= 0 : false);
}

/** The position of the first hit, in upper or lower case; -1 if there is none. */
export function hitIn(body: string, text: string): number {
  return body.toLowerCase().indexOf(text.toLowerCase());
}
