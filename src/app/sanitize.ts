// Text of a peer, made safe to show to a model or a person: nothing in it is hidden, moves the cursor,
// colours the terminal, or changes the direction of text.
import { quoted } from '../base/quoted.ts';
import { numbered, sanitize } from '../base/visible-text.ts';
import type { Name, Origin } from '../model/message.ts';

/** Characters of the name of a program or machine that are shown. */
const originCharactersMax = 40;

/** The same, on one line. */
export function sanitizeLine(text: string): string {
  return sanitize(text).text.replace(/[\t\r\n]/g, numbered);
}

/**
 * The name is the sender's claim, so the program that sent the message stands beside it, without its process id:
 * the words stay the same when an agent is started again.
 */
export function sentBy(from: Name | '', origin: Origin): string {
  const session = placed(origin);
  return from === ''
    ? `from unknown (no address to answer; ${session})`
    : `from ${quoted(from)} (${session})`;
}

/** `"claude-code" on "laptop" in "~/shop"`. */
export function placed({ program, machine, folder }: Origin): string {
  const where = folder === undefined ? '' : ` in ${shownFolder(folder)}`;
  return `${quoted(clipped(program))} on ${quoted(clipped(machine))}${where}`;
}

function clipped(text: string): string {
  return text.length > originCharactersMax
    ? `${text.slice(0, originCharactersMax).toWellFormed()}…`
    : text;
}

/** In quotes. Its end says more than its beginning. */
export function shownFolder(text: string): string {
  const isLong = text.length > originCharactersMax;
  return quoted(isLong ? `…${text.slice(-originCharactersMax).toWellFormed()}` : text);
}
