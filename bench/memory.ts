// Memory of an owner for each message in its store: on the heap of V8, which `indexBytesMax` bounds, and beside
// it, where cached bodies are. In operation, and after the replay by a new owner, each in a process of its own.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeBenchFolder } from './support/bench-folder.ts';
import { BenchProcess } from './support/bench-process.ts';
import { median, print } from './support/measure.ts';
import type { Figures } from './support/memory-process.ts';

const messages = 50_000;
const runs = 3;

const home = makeBenchFolder();
for (const mail of ['short', 'answers', 'hostile'] as const) {
  for (const mailboxes of [1, 1_000]) await measure(mail, mailboxes);
}

async function measure(mail: string, mailboxes: number): Promise<void> {
  const filled: Figures[] = [];
  const replayed: Figures[] = [];
  for (let run = 0; run < runs; run++) {
    const folder = join(home, 'broker');
    filled.push(await figuresOf('fill', folder, mail, mailboxes));
    replayed.push(await figuresOf('replay', folder, mail, mailboxes));
    rmSync(folder, { recursive: true });
  }
  const name = `memory_${mail}_${messages}messages_${mailboxes}mailboxes`;
  print(`${name}_in_operation`, medians(filled));
  const openMs = Math.round(median(replayed.map((figures) => figures.openMs)));
  print(`${name}_after_replay`, { ...medians(replayed), openMs });
}

async function figuresOf(step: string, ...args: [string, string, number]): Promise<Figures> {
  const [folder, mail, mailboxes] = args;
  const counts = [String(messages), String(mailboxes)];
  const owner = new BenchProcess('memory-process.js', step, folder, mail, ...counts);
  const figures = await owner.next<Figures>();
  await owner.end();
  return figures;
}

/** Bytes for each message. */
function medians(figures: readonly Figures[]): Omit<Figures, 'openMs'> {
  const of = (bytes: number[]) => Math.round(median(bytes) / messages);
  return {
    heapBytes: of(figures.map(({ heapBytes }) => heapBytes)),
    otherBytes: of(figures.map(({ otherBytes }) => otherBytes)),
  };
}
