// Writers and readers, each in its own process: every message must be delivered once and in order.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { place } from './remote.ts';

export interface FleetReport {
  readonly messages: number;
  /** Messages that were out of order for their writer, or redelivered. */
  readonly wrong: readonly string[];
}

export interface FleetResult {
  readonly written: number;
  readonly read: number;
  readonly wrong: readonly string[];
  /** Messages left in the store when all processes have reported. */
  readonly left: number;
  readonly messagesPerSecond: number;
}

const program = fileURLToPath(new URL('./fleet-process.js', import.meta.url));

/**
 * `each`: the number of messages of a writer, sent to all readers in turn; a multiple of the number of
 * readers.
 */
export async function fleet(
  context: TestContext,
  { writers, readers, each }: { writers: number; readers: number; each: number },
): Promise<FleetResult> {
  const children: ChildProcess[] = [];
  context.after(() => {
    for (const child of children) child.kill('SIGKILL');
  });
  const { home, port, session } = await place(context);
  const owner = session();
  await owner.start();
  const boxes = Array.from({ length: readers }, (_, index) => `box${index}`);
  const begin = (role: 'writer' | 'reader', name: string, total: number): ChildProcess => {
    const args = [program, home, String(port), role, name, boxes.join(','), String(total)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    children.push(child);
    return child;
  };
  const writing = Array.from({ length: writers }, (_, index) =>
    begin('writer', `writer${index}`, each),
  );
  const reading = boxes.map((box) => begin('reader', box, (writers * each) / readers));
  const all = [...writing, ...reading];
  await Promise.all(all.map((child) => once(child, 'message')));
  const began = performance.now();
  for (const child of all) child.send('go');
  const [written, read] = await Promise.all([reports(writing), reports(reading)]);
  const seconds = (performance.now() - began) / 1_000;
  return {
    written: sum(written),
    read: sum(read),
    wrong: read.flatMap(({ wrong }) => wrong),
    left: (await owner.status()).messages,
    messagesPerSecond: Math.round(sum(read) / seconds),
  };
}

async function reports(children: readonly ChildProcess[]): Promise<FleetReport[]> {
  return Promise.all(
    children.map(async (child) => (await once(child, 'message'))[0] as FleetReport),
  );
}

function sum(all: readonly FleetReport[]): number {
  return all.reduce((total, { messages }) => total + messages, 0);
}
