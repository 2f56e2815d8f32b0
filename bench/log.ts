// How long `ipc log --grep` takes over a history of 256 MB with messages of 1 KB, as a process of its own, without a
// broker. For comparison, a process that reads the same files and looks at nothing.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Journal } from '../src/journal/journal.ts';
import { bodyChecksum, type Name, type SessionId, sessionMessageId } from '../src/model/message.ts';
import type { JournalRecord } from '../src/model/records.ts';
import { removeCopied } from '../test/support/disk/journal-store.ts';
import { program } from '../test/support/mcp-host.ts';
import { makeBenchFolder } from './support/bench-folder.ts';
import { print, rounded, Series } from './support/measure.ts';

const historyBytes = 256 * 1_000_000;
const bodyBytes = 1_000;
const port = 19_901;
const runs = 5;
/** One in so many messages has the word that is searched. */
const needleEvery = 10_000;

const poster = '0123456789abcdef' as SessionId;
const reader = 'fedcba9876543210' as SessionId;

const home = makeBenchFolder();
const folder = join(home, `broker-${port}`);
const messages = await fill();
const search = ['log', '--grep', 'Needle', '--json', '--port', String(port)];
measure(`log_grep_${historyBytes / 1e6}MB_${bodyBytes}B`, [program, ...search]);
const readAll = `
  const { readdirSync, readFileSync } = require('node:fs');
  for (const name of readdirSync(process.argv[1])) readFileSync(process.argv[1] + '/' + name);`;
measure('bare_read', ['-e', readAll, join(folder, 'history')]);

function measure(name: string, args: readonly string[]): void {
  const series = new Series();
  let lines = 0;
  for (let run = 0; run < runs; run++) {
    const startUs = Number(process.hrtime.bigint()) / 1_000;
    const { stdout, status } = spawnSync(process.execPath, args, {
      env: { PATH: process.env.PATH, HOME: home, IPC_HOME: home },
    });
    series.add(Number(process.hrtime.bigint()) / 1_000 - startUs);
    if (status !== 0) throw new Error(`${name} ended with ${status}`);
    lines = stdout.toString().split('\n').length - 1;
  }
  const { medianUs } = series.summary();
  print(name, { messages, lines, medianMs: rounded(medianUs / 1_000) });
}

/** Returns the number of messages. Each was stored, delivered and settled, as a reader does it. */
async function fill(): Promise<number> {
  mkdirSync(folder, { mode: 0o700 });
  const journal = await Journal.open({
    folder,
    owner: { pid: process.pid, started: Date.now(), addresses: [] },
    restore: () => {},
    snapshot: () => [],
    history: { bytesMax: Number.POSITIVE_INFINITY, ageMsMax: Number.POSITIVE_INFINITY },
  });
  let number = 0;
  for (let bytes = 0; bytes < historyBytes; bytes += bodyBytes + 300) {
    number++;
    for (const record of life(number)) journal.append([record]);
    if (number % 5_000 > 0) continue;
    await journal.sync();
    while (journal.compactable(true)?.length === 0) await removeCopied(journal);
  }
  await journal.close();
  return number;
}

function life(number: number): readonly JournalRecord[] {
  const words = `message ${number} of the bench has some words, and some more of them. `;
  const needle = number % needleEvery === 0 ? 'Needle ' : '';
  const body = Buffer.from(needle + words.repeat(20)).subarray(0, bodyBytes);
  const time = Date.now();
  const name = `agent-${number % 7}` as Name;
  const envelope = {
    ...{ id: sessionMessageId(poster, number), number, to: name, from: 'agent' as Name, time },
    ...{ answers: '' as const, depth: 0, bodyBytes: body.length, checksum: bodyChecksum(body) },
    origin: { program: 'bench', pid: 1, machine: 'here', folder: '~/bench' },
  };
  const holding = { name, since: time };
  return [
    { kind: 'posted', envelope, also: [], ackedUpTo: number - 1, settles: [], body },
    { kind: 'offered', number, holder: reader, attempt: 1, holding },
    { kind: 'settled', numbers: [number] },
  ];
}
