// `npm start` as a user sees it: the compiled demo, in a process of its own.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { installLines } from '../../../scripts/generate/install-lines.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const demo = fileURLToPath(new URL('../../../scripts/demo/demo.js', import.meta.url));
const demoMsMax = 60_000;

interface Shown {
  readonly code: number;
  readonly lines: readonly string[];
}

let shown: Shown;

before(async () => {
  shown = await runDemo();
});

test('the demo exits with 0, and its last word on itself is that all was as promised', () => {
  assert.equal(shown.code, 0, shown.lines.join('\n'));
  assert.ok(shown.lines.some((line) => /^All as promised, in \d+\.\d s\./.test(line)));
});

test('the demo shows the workflow, the worker loop, the death and point to point', () => {
  const titles = shown.lines.filter((line) => /^\d\. /.test(line));
  assert.deepEqual(titles, [
    '1. A question and its answer, through the broker',
    '2. A worker loop, ended by "shutdown"',
    '3. The owner of the broker is killed',
    '4. Point to point, without the broker',
  ]);
});

test('the demo says what it has checked', () => {
  const kept = shown.lines
    .map((line) => /^ *✓ (.*)$/.exec(line)?.[1]?.replace(/\d+ ms/, 'N ms'))
    .filter((line) => line !== undefined);
  assert.deepEqual(kept, [
    'the first call of all made ann the owner of the broker',
    'ben is told that a reader has it',
    'ben has the answer',
    "it names the question, which ann's ticket settled in the same step",
    "ben's ticket settles the answer: all mail is done",
    '3 jobs, 3 answers, in order',
    '"shutdown" is settled: it will not stop the next worker',
    "ann owns the broker and holds a message, 3 more are queued, cleo's wait is parked",
    'the next owner answered N ms after the kill, and nobody had to do anything',
    'it has read all 4 messages from the journal',
    'the wait from before the kill went on',
    'the queued mail is there, in order',
    'what ann held was kept 2 s for her, then came again, marked attempt 2',
    'nothing was lost, nothing is left over',
    'a ping does not disturb the receive',
    '"received" was said only after cleo had it',
  ]);
});

test('the demo prints the line of each host, with the path of this clone', () => {
  for (const { host, line } of installLines(root)) assert.ok(shown.lines.includes(line), host);
});

test('the demo leaves no mail folder behind', () => {
  const home = /mail in (\S+):/.exec(shown.lines.join('\n'))?.[1] ?? '.';
  assert.equal(existsSync(home), false, home);
});

function runDemo(): Promise<Shown> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [demo], { timeout: demoMsMax }, (_error, stdout) => {
      resolve({ code: child.exitCode ?? -1, lines: stdout.split('\n') });
    });
  });
}
