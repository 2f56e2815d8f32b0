// The cost of an idle team to the broker: memory of its process for each connection and for each parked wait, after
// garbage collection, and its open files. The sessions are in a process of their own.
import { readdirSync } from 'node:fs';
import { freePort } from '../test/support/places.ts';
import { makeBenchFolder } from './support/bench-folder.ts';
import { BenchProcess } from './support/bench-process.ts';
import { median, print, rounded } from './support/measure.ts';

const runs = 3;

interface Sizes {
  readonly heapBytes: number;
  readonly residentBytes: number;
  readonly openFiles: number;
}

await printEmpty();
for (const [sessions, waitsEach] of [
  [1_000, 0],
  [1_000, 1],
  [10, 1_000],
] as const) {
  const growths: Sizes[] = [];
  for (let run = 0; run < runs; run++) growths.push(await growthOf(sessions, waitsEach));
  const of = (size: keyof Sizes) => median(growths.map((growth) => growth[size]));
  const each = Math.max(sessions, sessions * waitsEach);
  print(`idle_${sessions}sessions_${waitsEach}waits_each`, {
    heapBytes: Math.round(of('heapBytes') / each),
    residentBytes: Math.round(of('residentBytes') / each),
    openFiles: rounded(of('openFiles') / sessions),
  });
}

async function printEmpty(): Promise<void> {
  const broker = new BenchProcess('broker-process.js', makeBenchFolder(), `${await freePort()}`);
  await broker.next();
  print('idle_0sessions', await sizesOf(broker));
  await broker.end();
}

async function growthOf(sessions: number, waitsEach: number): Promise<Sizes> {
  const home = makeBenchFolder();
  const port = await freePort();
  const broker = new BenchProcess('broker-process.js', home, `${port}`);
  await broker.next();
  const before = await sizesOf(broker);
  const team = new BenchProcess('team-process.js', home, `${port}`, `${sessions}`, `${waitsEach}`);
  await team.next();
  const after = await sizesOf(broker);
  await team.end();
  await broker.end();
  return {
    heapBytes: after.heapBytes - before.heapBytes,
    residentBytes: after.residentBytes - before.residentBytes,
    openFiles: after.openFiles - before.openFiles,
  };
}

async function sizesOf(broker: BenchProcess): Promise<Sizes> {
  const memory = await broker.ask<Omit<Sizes, 'openFiles'>>('memory');
  return { ...memory, openFiles: readdirSync(`/proc/${broker.pid}/fd`).length };
}
