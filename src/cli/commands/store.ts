// `ipc store`: looks at the mail on disk, and brings dead letters back. Check and dump change nothing,
// and need no broker.
import type { Command } from 'commander';
import { AppContext } from '../../app/context.ts';
import { parsePort } from '../../app/parameters.ts';
import { quoted, sanitizeLine } from '../../app/sanitize.ts';
import { head, lines, messages, warning } from '../../app/summaries.ts';
import { IpcError } from '../../base/errors.ts';
import type { StoreReport } from '../../journal/check.ts';
import { brokerPortWords } from '../help.ts';
import { jsonLine, OutputFailed, print, say, writeJson } from '../output.ts';
import { execute, exitFailed, exitSuccess } from '../run.ts';
import { retry } from './store-retry.ts';

export function addStoreCommands(store: Command): void {
  store
    .command('check')
    .description('Read all of a store, and say what is in it and whether it is sound.')
    .option('--port <port>', brokerPortWords)
    .option('--json', 'one JSON object, on stdout')
    .action(async ({ port, json }) => process.exit(await storeCheck(port, json === true)));
  store
    .command('dump')
    .description('Print every record of a store that counts, as a line of JSON.')
    .option('--port <port>', brokerPortWords)
    .action(async ({ port }) => process.exit(await storeDump(port)));
  store
    .command('retry')
    .description('Put dead letters back where they were meant to go, with new attempts.')
    .argument('[id...]', 'these alone; all when none is named')
    .option('--to <to>', 'only those meant for this mailbox')
    .option('--port <port>', brokerPortWords)
    .option('--json', 'one JSON object, on stdout')
    .action(async (ids: string[], { to, port, json }) => {
      const line = { ids, to, port, json: json === true };
      const how = { json: line.json, raw: false, id: undefined };
      process.exit(await execute(({ context, signal }) => retry(line, context, signal), how));
    });
}

async function storeCheck(givenPort: string | undefined, json: boolean): Promise<number> {
  const { checkStore } = await import('../../journal/check.ts');
  const { folderFault } = await import('../../journal/epoch.ts');
  const folder = storeFolder(givenPort);
  const report = await checkStore(folder).catch((error) => {
    throw named(folder, folderFault(error));
  });
  if (report.store === undefined && report.sound) {
    return sayNone(folder);
  }
  if (json) await writeJson({ folder, ...report });
  else await say(presentStore(folder, report));
  return report.sound ? exitSuccess : exitFailed;
}

export function presentStore(folder: string, report: StoreReport): string {
  const { store, epoch, sound, faults, warnings, segments } = report;
  const kept = report.kept.filter((each) => !faults.includes(each));
  const { records, mailboxes, bytes } = report;
  if (store === undefined && sound) return `No store in ${folder}.`;
  const kinds = Object.entries(records).map(([kind, count]) => `${count} ${kind}`);
  return lines(
    head(`Store in ${folder}: ${sound ? 'sound' : 'DAMAGED'}`, [`epoch ${epoch}`]),
    ...faults.map((fault) => `damaged: ${sanitizeLine(fault)}`),
    ...kept.map((report) => `reported before: ${sanitizeLine(report)}`),
    ...warnings.map(warning),
    `${segments.length} segments; records: ${kinds.join(', ') || 'none'}`,
    `${messages(report.messages)} not settled, ${bytes} bytes`,
    ...mailboxes.map((box) => `${quoted(box.mailbox)}: ${box.messages}, ${box.bytes} bytes`),
  );
}

async function storeDump(givenPort: string | undefined): Promise<number> {
  const { dumpStore } = await import('../../journal/dump.ts');
  const { folderFault } = await import('../../journal/epoch.ts');
  const folder = storeFolder(givenPort);
  let isThere = false;
  try {
    for await (const records of dumpStore(folder)) {
      isThere = true;
      await print(records.map(jsonLine).join(''), 'nothing was changed');
    }
  } catch (error) {
    throw named(folder, folderFault(error));
  }
  return isThere ? exitSuccess : sayNone(folder);
}

function storeFolder(givenPort: string | undefined): string {
  const context = new AppContext({ env: process.env, program: 'ipc' });
  return context.storeFolder(
    context.localPort(givenPort === undefined ? undefined : parsePort(givenPort)),
  );
}

async function sayNone(folder: string): Promise<number> {
  await say(`No store in ${folder}: nothing was posted there. See \`--port\` and IPC_HOME.`);
  return exitFailed;
}

function named(folder: string, error: unknown): unknown {
  if (!(error instanceof IpcError) || error instanceof OutputFailed) return error;
  return new IpcError(error.code, `${folder}: ${error.message}`, {
    cause: error,
    maybeStored: false,
  });
}
