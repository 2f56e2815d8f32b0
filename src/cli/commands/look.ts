// The commands that look at a mailbox and clear it without reading it: peek, drop.
import { type Command, Option } from 'commander';
import type { BrokerAddress } from '../../app/context.ts';
import { clockTime } from '../../app/durations.ts';
import { checkBroker } from '../../app/operations.ts';
import {
  parseAge,
  parseBrokerHost,
  parseCount,
  parseNameValue,
  parsePort,
} from '../../app/parameters.ts';
import { firstLine, partText, peekPages } from '../../app/peek.ts';
import { placed, sanitizeLine } from '../../app/sanitize.ts';
import { byteCount, described, lines, messages, moreThere, pastHold } from '../../app/summaries.ts';
import { cancelled, IpcError } from '../../base/errors.ts';
import { fetchMessagesMax, peekMessagesDefault } from '../../base/limits.ts';
import { quoted } from '../../base/quoted.ts';
import { shellWord } from '../../base/shell.ts';
import { sanitize } from '../../base/visible-text.ts';
import type { DropResult, MailService, PeekedMessage } from '../../model/mail-service.ts';
import { type Envelope, type Name, parseMessageId } from '../../model/message.ts';
import type { DroppedMessage, Holder } from '../../model/requests.ts';
import { isNatsAddress } from '../../nats/nats-address.ts';
import type { Ownership } from '../../session/session.ts';
import { brokerPortWords, type OutputFields, withExamples, withJson } from '../command-parts.ts';
import { originFields, plainOrigin } from '../deliver.ts';
import { confirmed, jsonLine, say, warn, writeJson, writeReport, writeResult } from '../output.ts';
import { type CommandContext, execute, exitFailed, exitSuccess } from '../run.ts';
import { askingFault } from '../terminal.ts';

/** Messages that were dropped, as text: senders and messages that are named. The others are counted. */
const sendersShown = 5;
const droppedShown = 20;

const peekFields: OutputFields = {
  id: 'the id of the message',
  number: 'its number in the store',
  mailbox: 'where it is',
  to: 'where it was posted to',
  ...originFields,
  time: 'when it was stored, in ms since 1970',
  attempt: 'its delivery while it is held, else its next one',
  answers: 'the id of the message that it answers, or ""',
  holder: 'who holds it: session, name, since, program, ...; null: nobody',
  lastHold: 'who had it last, unsettled: name, from, to, ended; null: nobody',
  bytes: 'bytes of its body',
  damaged: 'true: the disk damaged it, and its body is lost',
  line: 'the first line of its text; null when it is damaged',
  body: 'with --full its text, else null',
};

const dropFields: OutputFields = {
  mailbox: 'the mailbox',
  dropped: 'what was dropped, for each: id, number, from',
  held: 'messages that stay because a session holds them',
  missing: 'ids of --id that were not dropped',
};

export function addCommands(program: Command): void {
  addPeek(program);
  addDrop(program);
}

export function addPeek(program: Command): void {
  const command = program
    .command('peek')
    .description('Show what is in a mailbox, ready or held, and take nothing.')
    .argument('<mailbox>', 'the mailbox to look at')
    .option('--max <max>', `messages to show; ${peekMessagesDefault} by default`)
    .option('--full', 'whole bodies, not only their first lines');
  withBroker(command).action(async (mailbox: string, { max, full, json, host, port }) => {
    const line = {
      ...{ mailbox: parseNameValue(mailbox, 'mailbox'), at: brokerAt(host, port) },
      max: max === undefined ? peekMessagesDefault : parseCount(max, 'max', fetchMessagesMax),
      full: full === true,
    };
    process.exit(await execute((context) => peek(line, context), { json: json !== undefined }));
  });
  withJson(command, peekFields);
  withExamples(command, 'ipc peek ann', 'ipc peek ann --full --json | jq -r .body');
}

export function addDrop(program: Command): void {
  const ids = new Option('--id <id>', 'only the message with this id; may be repeated').argParser(
    (id: string, others: readonly string[] = []) => [...others, id],
  );
  const command = program
    .command('drop')
    .description('Settle what is ready in a mailbox without reading it.')
    .argument('<mailbox>', 'the mailbox to clear')
    .addOption(ids)
    .option('--older <age>', 'only what was stored that long ago: 30s, 5m, 2h, 2d')
    .option('--yes', 'do not ask');
  withBroker(command).action(async (mailbox: string, { id = [], older, yes, json, host, port }) => {
    const line = {
      ...{ mailbox: parseNameValue(mailbox, 'mailbox'), at: brokerAt(host, port) },
      ids: (id as string[]).map(parseMessageId),
      ageMsMin: older === undefined ? 0 : parseAge(older, 'older'),
      asks: yes !== true,
    };
    if (line.asks) requireTerminal('drop', 'drop');
    process.exit(await execute((context) => drop(line, context), { json: json !== undefined }));
  });
  const words = 'one JSON object, on stdout';
  withJson(command, dropFields, words);
  withExamples(command, 'ipc drop ann', 'ipc drop ann --older 2d --yes');
}

export function withBroker(command: Command): Command {
  return command
    .option('--host <host>', 'HOST or HOST:PORT of the broker')
    .option('--port <port>', brokerPortWords);
}

export function brokerAt(host: string | undefined, port: string | undefined): BrokerAddress {
  const at = {
    ...(host !== undefined && { host: parseBrokerHost(host) }),
    ...(port !== undefined && { port: parsePort(port) }),
  };
  checkBroker(at);
  return at;
}

/**
 * A command that only shows mail owns no broker: it reads the files of this machine. On a NATS server the mail is read
 * through an owner, so it is the owner when there is no other one for a second.
 */
export function lookOwnership({ host }: BrokerAddress): Ownership {
  return isNatsAddress(host?.host ?? process.env.IPC_BROKER ?? '') ? 'late' : 'never';
}

interface PeekLine {
  readonly mailbox: Name;
  readonly at: BrokerAddress;
  readonly max: number;
  readonly full: boolean;
}

async function peek(
  { mailbox, at, max, full }: PeekLine,
  { context, signal, json }: CommandContext,
): Promise<number> {
  const { mail } = await context.broker(at);
  let remaining = 0;
  let isEmpty = true;
  for await (const page of peekPages(mail, mailbox, { max, full, signal })) {
    const present = json ? plainLine : presentPeeked;
    const text = page.messages.map((message) => present(message, full)).join('');
    if (!(await writeResult(text))) return exitSuccess;
    if (page.messages.length > 0) isEmpty = false;
    remaining = page.remaining;
  }
  if (isEmpty && !json) await say(`No message in ${quoted(mailbox)}.`);
  if (remaining > 0) await say(`${moreThere(remaining)}.`);
  return exitSuccess;
}

function plainLine(message: PeekedMessage, full: boolean): string {
  const { envelope, mailbox, attempt, holder, lastHold, part } = message;
  const { id, number, to, from, origin, time, answers, bodyBytes: bytes } = envelope;
  return jsonLine({
    ...{ id, number, mailbox, to, from, ...plainOrigin(origin), time, attempt, answers },
    holder: holder && plainHolder(holder),
    ...{ lastHold, bytes, damaged: part === undefined, line: firstLine(message) },
    body: full ? partText(message) : undefined,
  });
}

export function plainHolder({ session, name, since, origin }: Holder): object {
  return { session, name, since, ...(origin ? plainOrigin(origin) : noOrigin) };
}

const noOrigin = { program: undefined, pid: undefined, machine: undefined, folder: undefined };

/** A head, and the body indented below it, so that no body can pass for a head. */
function presentPeeked(message: PeekedMessage, full: boolean): string {
  const { envelope, mailbox, holder } = message;
  const head = [
    described(message),
    holder ? `held by ${holderWords(holder, envelope)}` : 'ready',
    byteCount(envelope.bodyBytes),
    ...(envelope.to === mailbox ? [] : [`posted to ${quoted(envelope.to)}`]),
    `id ${quoted(envelope.id)}`,
  ].join(', ');
  const title = [head, ...pastHold(message)].join('; ');
  return `${[title, ...bodyLines(message, full)].join('\n')}\n`;
}

function holderWords({ session, origin, name, since }: Holder, { to, time }: Envelope): string {
  const place = origin ? placed(origin) : `a session that is not connected, ${session}`;
  // One that is called by the mailbox has no name of its own.
  const who = name === '' || name === to ? place : `${quoted(name)} (${place})`;
  return since === undefined ? who : `${who} since ${clockTime(since, time)} UTC`;
}

function bodyLines(message: PeekedMessage, full: boolean): readonly string[] {
  const line = firstLine(message);
  if (line === undefined) return ['  (damaged: the disk lost its body)'];
  if (message.envelope.bodyBytes === 0) return [];
  if (!full) return [`  ${sanitizeLine(line)}`];
  const text = sanitize(partText(message) ?? '').text;
  return text
    .replace(/\r?\n$/, '')
    .split(/\r?\n/)
    .map((each) => `  ${each}`);
}

interface DropLine {
  readonly mailbox: Name;
  readonly at: BrokerAddress;
  readonly ids: readonly ReturnType<typeof parseMessageId>[];
  readonly ageMsMin: number;
  readonly asks: boolean;
}

/** A script says that it means it. `verb`: what the command is to do. */
export function requireTerminal(command: 'drop' | 'log', verb: string): void {
  const fault = askingFault();
  if (fault === undefined) return;
  const words = process.argv.slice(2).map(shellWord);
  words.splice(words.indexOf(command) + 1, 0, '--yes');
  throw new IpcError('missing_parameter', fault, {
    hint: `to ${verb} without a question: ipc ${words.join(' ')}`,
  });
}

/** Returns the exit code: success unless a message that was named stays, or the user says no. */
async function drop(line: DropLine, { context, signal, json }: CommandContext): Promise<number> {
  const { mailbox, ids, ageMsMin, asks } = line;
  const { mail } = await context.broker(line.at);
  const which = { ids, ageMsMin, signal };
  const upTo = asks ? await askedUpTo(mail, line, signal) : undefined;
  if (asks && upTo === undefined) return exitFailed;
  const result = await mail.drop(mailbox, { ...which, upTo });
  const gone = new Set(result.dropped.map(({ id }) => id));
  const missing = ids.filter((id) => !gone.has(id));
  const { dropped, held } = result;
  if (json) await writeJson({ mailbox, dropped, held, missing });
  else await writeReport(presentDropped(line, result, missing));
  return missing.length === 0 ? exitSuccess : exitFailed;
}

/** Asks. Returns the number up to which the user has agreed, or undefined. */
async function askedUpTo(
  mail: MailService,
  { mailbox, ids, ageMsMin }: DropLine,
  signal: AbortSignal,
): Promise<number | undefined> {
  const found = await mail.drop(mailbox, { ids, ageMsMin, dryRun: true, signal });
  if (found.dropped.length === 0) return found.upTo;
  const what = `${messages(found.dropped.length)} of ${quoted(mailbox)} unread`;
  await warn(`This drops ${what}: ${senders(found.dropped)}.`);
  const isWanted = await confirmed('Do that?', signal);
  if (signal.aborted) throw cancelled();
  if (isWanted) return found.upTo;
  await writeReport('Nothing was dropped.');
  return undefined;
}

function presentDropped(
  { mailbox }: DropLine,
  { dropped, held }: DropResult,
  missing: readonly string[],
): string {
  const box = quoted(mailbox);
  const absent = missing.map((id) => `${quoted(id)} was not dropped: it is not ready in ${box}.`);
  const stay = held === 1 ? 'is held and stays' : 'are held and stay';
  const heldLine = held === 0 ? [] : [`${messages(held)} ${stay}.`];
  if (dropped.length === 0)
    return lines(`No message of ${box} was dropped.`, ...heldLine, ...absent);
  const title = `Dropped ${messages(dropped.length)} of ${box} unread: ${senders(dropped)}.`;
  const shown = dropped
    .slice(0, droppedShown)
    .map(({ number, id }) => `#${number} (id ${quoted(id)})`);
  const more = dropped.length - shown.length;
  const list = `${[...shown, ...(more > 0 ? [`and ${more} more`] : [])].join(', ')}.`;
  return lines(title, list, ...heldLine, ...absent);
}

/** Whose messages they are. */
function senders(dropped: readonly DroppedMessage[]): string {
  const counts = new Map<string, number>();
  for (const { from } of dropped) counts.set(from, (counts.get(from) ?? 0) + 1);
  const all = [...counts].map(([from, count]) => {
    return `${count} from ${from === '' ? 'unknown' : quoted(from)}`;
  });
  const more = all.length - sendersShown;
  return [...all.slice(0, sendersShown), ...(more > 0 ? [`and ${more} other senders`] : [])].join(
    ', ',
  );
}
