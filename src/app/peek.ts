// Reads a peek page by page, and the first line or the whole text of each body, for the program and the library.
import {
  bodyBytesMax,
  messagesPerPeek,
  peekLineBytes,
  peekLineCharacters,
} from '../base/limits.ts';
import type { Cancellable, MailService, PeekedMessage, PeekResult } from '../model/mail-service.ts';
import type { Name } from '../model/message.ts';

export interface PeekLook extends Cancellable {
  /** Messages in all pages together. */
  readonly max: number;
  /** The whole bodies, not only their first lines. */
  readonly full: boolean;
}

/** Pages of at most 250 messages, or 8 MiB of bodies. The last one says how many messages follow. */
export async function* peekPages(
  mail: MailService,
  mailbox: Name,
  { max, full, signal }: PeekLook,
): AsyncGenerator<PeekResult, void> {
  const partBytesMax = full ? bodyBytesMax : peekLineBytes;
  let after = 0;
  for (let left = max; left > 0; ) {
    const messagesMax = Math.min(left, messagesPerPeek);
    const page = await mail.peek(mailbox, { after, messagesMax, partBytesMax, signal });
    yield page;
    // A broker that says that more is there, and shows none, would keep this going for ever.
    if (page.remaining === 0 || page.messages.length === 0) return;
    left -= page.messages.length;
    after = page.messages.at(-1)?.envelope.number ?? after;
  }
}

const wholeDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
/** Apart: once a decoder has decoded a stream, it is slow for all else. */
const streamDecoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** The part of the body that a peek has, without a character that is cut off; undefined when it is damaged. */
export function partText({ part }: Pick<PeekedMessage, 'part'>): string | undefined {
  return part && decoded(part);
}

/** A body or the first part of it as a text, without a character that is cut off. */
export function decoded(part: Buffer): string {
  if ((part.at(-1) ?? 0) < 0x80) return wholeDecoder.decode(part);
  // As a stream the decoder keeps an incomplete character for the next part, which does not come.
  const text = streamDecoder.decode(part, { stream: true });
  streamDecoder.decode();
  return text;
}

/** The first line of the body, with an ellipsis if the body goes on; undefined when it is damaged. */
export function firstLine(message: Pick<PeekedMessage, 'part' | 'envelope'>): string | undefined {
  const text = partText(message);
  if (text === undefined) return undefined;
  const end = text.indexOf('\n');
  const line = end === -1 ? text : text.slice(0, text[end - 1] === '\r' ? end - 1 : end);
  const shown = firstCharacters(line, peekLineCharacters);
  const rest = text.slice(shown.length);
  const isAll = message.part?.length === message.envelope.bodyBytes && /^(\r?\n)?$/.test(rest);
  return isAll ? shown : `${shown}…`;
}

/** At most so many characters, none of them in halves. */
export function firstCharacters(text: string, max: number): string {
  let end = 0;
  for (let count = 0; count < max && end < text.length; count++) {
    end += (text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1;
  }
  return text.slice(0, end);
}
