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

test('the demo exits with 0 and reports that all was as promised', () => {
  assert.equal(shown.code, 0, shown.lines.join('\n'));
  assert.ok(shown.lines.some((line) => /^All as promised, in \d+\.\d s\./.test(line)));
});

test('the demo shows a question, the worker loop, a failover and point to point', () => {
  const titles = shown.lines.filter((line) => /^\d\. /.test(line));
  assert.deepEqual(titles, [
    '1. A question and its answer, through the broker',
    '2. A worker loop, ended by "shutdown"',
    '3. The owner of the broker is killed',
    '4. Point to point, without the broker',
  ]);
});

test('the demo passes 16 checks', () => {
  assert.equal(shown.lines.filter((line) => /^ *✓ /.test(line)).length, 16);
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
