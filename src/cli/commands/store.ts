// `ipc store`: checks or dumps the mail on disk, retries dead letters, compacts the log, moves mail to another broker.
// Check and dump change nothing, and need no broker.
import type { Command } from 'commander';
import { AppContext } from '../../app/context.ts';
import { counted } from '../../app/counts.ts';
import { utcTime } from '../../app/durations.ts';
import { parsePort } from '../../app/parameters.ts';
import { pausedWords } from '../../app/pause-words.ts';
import { sanitizeLine } from '../../app/sanitize.ts';
import { storeFault } from '../../app/store-past.ts';
import { byteCount, head, lines, messages, warning } from '../../app/summaries.ts';
import { quoted } from '../../base/quoted.ts';
import { requireTrustedStore } from '../../files/trusted-path.ts';
import { checkStore, type StoreReport } from '../../journal/check.ts';
import { dumpStore } from '../../journal/dump.ts';
import { brokerPortWords, withExamples, withJson } from '../command-parts.ts';
import { jsonLine, OutputFailed, print, warn, writeJson, writeReport } from '../output.ts';
import { programName } from '../program-name.ts';
import { type CommandContext, execute, exitFailed, exitSuccess } from '../run.ts';
import { compact } from './store-compact.ts';
import { addMove } from './store-move.ts';
import { retry } from './store-retry.ts';

export function addCommands(program: Command): void {
  const store = program
    .command('store')
    .description('Check, dump, compact or move stored mail; retry dead letters.');
  addCheck(store);
  addDump(store);
  addRetry(store);
  addCompact(store);
  addMove(store);
}

function addCheck(store: Command): void {
  const command = store
    .command('check')
    .description('Read all of a store, and report what is in it and whether it is damaged.')
    .option('--port <port>', brokerPortWords)
    .action(async ({ port, json }) => process.exit(await storeCheck(port, json === true)));
  const fields = {
    folder: 'the folder of the store',
    records: 'how many of each kind',
    mailboxes: 'for each: mailbox, messages, bytes',
    messages: 'messages that are not settled',
    bytes: 'bytes of their bodies',
    deadLetters: 'messages that were given up, for each mailbox: to, messages',
    paused: 'mailboxes from which nothing is delivered; "": all',
    store: 'its id; null when it cannot be read',
    epoch: 'counts its owners',
    sound: 'false: something in it is damaged',
    faults: 'what is damaged, in sentences',
    history: 'settled mail: files, bytes, messages, begin, end (or 0), faults',
    kept: 'damage that was found earlier, in sentences',
    warnings: 'problems of the disk, in sentences',
    segments: 'its files: epoch, segment, bytes',
  };
  withJson(command, fields, oneObject);
  withExamples(command, 'ipc store check');
}

function addDump(store: Command): void {
  const command = store
    .command('dump')
    .description('Print every valid record of a store as a line of JSON.')
    .option('--port <port>', brokerPortWords)
    .action(async ({ port }) => process.exit(await storeDump(port)));
  withExamples(command, `ipc store dump | jq -c 'select(.kind == "posted").envelope'`);
}

function addRetry(store: Command): void {
  const command = store
    .command('retry')
    .description('Move dead letters back to their mailboxes, with new attempts.')
    .argument('[id...]', 'only these; all by default')
    .option('--to <to>', 'only those posted to this mailbox')
    .option('--port <port>', brokerPortWords)
    .action(async (ids: string[], { to, port, json }) => {
      const line = { ids, to, port, json: json === true };
      const act = ({ context, signal }: CommandContext) => retry(line, context, signal);
      process.exit(await execute(act, { json: line.json }));
    });
  const fields = {
    moved: 'moved back, for each: id, to',
    stayed: 'not moved, because the mailbox is full: id, to',
    missing: 'ids that are not dead letters, or are held',
  };
  withJson(command, fields, oneObject);
  withExamples(command, 'ipc store retry --to ann');
}

function addCompact(store: Command): void {
  const command = store
    .command('compact')
    .description(
      'Remove settled mail from the log now. Brokers do this by themselves when it is due.',
    )
    .option('--port <port>', brokerPortWords)
    .action(async ({ port, json }) => {
      const line = { port, json: json === true };
      const act = ({ context, signal }: CommandContext) => compact(line, context, signal);
      process.exit(await execute(act, { json: line.json }));
    });
  const fields = {
    folder: 'the folder of the store; null when a NATS server has it',
    freed: 'bytes by which its log is shorter; null there, as the others',
    bytesBefore: 'length of the log before, with preallocated zeros',
    bytesAfter: 'its length now',
  };
  withJson(command, fields, oneObject);
  withExamples(command, 'ipc store compact');
}

const oneObject = 'one JSON object, on stdout';

async function storeCheck(givenPort: string | undefined, json: boolean): Promise<number> {
  const folder = storeFolder(givenPort);
  requireTrustedStore(folder);
  const report = await checkStore(folder).catch((error) => {
    throw storeFault(folder, error);
  });
  if (report.store === undefined && report.sound) return sayNone(folder);
  if (json) await writeJson({ folder, ...report });
  else await writeReport(presentStore(folder, report));
  return report.sound ? exitSuccess : exitFailed;
}

export function presentStore(folder: string, report: StoreReport): string {
  const { store, epoch, sound, faults, warnings, segments } = report;
  const kept = report.kept.filter((each) => !faults.includes(each));
  const { records, mailboxes, bytes } = report;
  if (store === undefined && sound) return `No store in ${folder}.`;
  const pause = pausedWords(report.paused);
  const kinds = Object.entries(records).map(([kind, count]) => `${count} ${kind}`);
  return lines(
    head(`Store in ${folder}: ${sound ? 'sound' : 'DAMAGED'}`, [`epoch ${epoch}`]),
    ...faults.map((fault) => `damaged: ${sanitizeLine(fault)}`),
    ...kept.map((report) => `reported before: ${sanitizeLine(report)}`),
    ...warnings.map(warning),
    `${counted(segments.length, 'segment')}; records: ${kinds.join(', ') || 'none'}`,
    ...(pause === undefined ? [] : [`deliveries are paused from ${pause}`]),
    ...history(report),
    `${messages(report.messages)} not settled, ${byteCount(bytes)}`,
    ...mailboxes.map(
      (box) => `${quoted(box.mailbox)}: ${messages(box.messages)}, ${byteCount(box.bytes)}`,
    ),
  );
}

function history({ history: { files, bytes, messages: count, begin, end, faults } }: StoreReport) {
  if (files === 0) return [];
  const span = begin > 0 ? `, from ${utcTime(begin)} to ${utcTime(end)}` : '';
  return [
    `history: ${messages(count)} in ${counted(files, 'file')}, ${byteCount(bytes)}${span}`,
    ...faults.map((fault) => warning(fault)),
  ];
}

async function storeDump(givenPort: string | undefined): Promise<number> {
  const folder = storeFolder(givenPort);
  requireTrustedStore(folder);
  let isThere = false;
  try {
    for await (const records of dumpStore(folder)) {
      isThere = true;
      await print(records.map(jsonLine).join(''), 'nothing was changed');
    }
  } catch (error) {
    throw error instanceof OutputFailed ? error : storeFault(folder, error);
  }
  return isThere ? exitSuccess : sayNone(folder);
}

function storeFolder(givenPort: string | undefined): string {
  const context = new AppContext({ env: process.env, program: programName });
  return context.ownStoreFolder(givenPort === undefined ? undefined : parsePort(givenPort));
}

export async function sayNone(folder: string): Promise<number> {
  await warn(`No store in ${folder}: nothing was posted there. See \`--port\` and IPC_HOME.`);
  return exitFailed;
}
