// Each file of examples/, as its first lines say it is used.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { program } from '../../support/mcp-host.ts';
import { freePort } from '../../support/places.ts';
import { ended, shell } from '../../support/processes/shell.ts';

const folder = fileURLToPath(new URL('../../../../examples/', import.meta.url));

test('two sessions: one asks, the other answers', async (context) => {
  const { run, example } = await examplesPlace(context);
  const answering = example('answer.js');
  await run(['post', 'bob', 'from nobody']);
  assert.equal((await example('ask.js', '6 times 7?').done).text, 'You asked: 6 times 7?\n');
  await run(['post', 'bob', 'shutdown']);
  assert.equal((await answering.done).code, 0);
  assert.match((await run(['status'])).text, /; 0 messages, /);
});

test('a worker pool under an orchestrator computes each job, also when a worker is killed', async (context) => {
  const { example } = await examplesPlace(context);
  const workers = [1, 2, 3].map(() => example('worker.js'));
  const orchestrator = example('orchestrator.js', '2', '200');
  workers[0]?.child.kill('SIGKILL');
  const { text, errors } = await orchestrator.done;
  assert.deepEqual([text, errors], ['2686700\n', '']);
  for (const { done } of workers.slice(1)) assert.equal((await done).code, 0);
});

test('a job that a worker of the pool cannot do is redelivered, not lost', async (context) => {
  const { run, example } = await examplesPlace(context);
  await run(['post', 'jobs', 'no JSON', '--id', 'job-7']);
  const { child } = example('worker.js');
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const late = AbortSignal.timeout(30_000);
  while (!errors.includes('attempt 2')) await once(child.stderr, 'data', { signal: late });
  assert.match(errors, /^job-7, attempt 1: .*\njob-7, attempt 2: /);
  child.kill('SIGKILL');
  assert.equal((await run(['wait', 'jobs'])).text, 'no JSON');
});

test('point to point: the sender returns when the receiver has the message', async (context) => {
  const { example } = await examplesPlace(context);
  const port = `${await freePort()}`;
  const receiving = example('receive.js', port);
  assert.equal((await example('send.js', port, 'straight to you').done).code, 0);
  assert.equal((await receiving.done).text, 'straight to you\n');
});

test('a shell pipeline gathers the answers of a worker', async (context) => {
  const { home, line } = await examplesPlace(context);
  const files = ['one', 'two'].map((name) => join(home, name));
  for (const [index, file] of files.entries()) await writeFile(file, 'line\n'.repeat(index + 1));
  const ipc = await ipcScript(home);
  const { code, text } = await line(`'${join(folder, 'pipeline.sh')}' ${files.join(' ')}`, {
    IPC: ipc,
  });
  assert.deepEqual([code, text], [0, `${files[0]}: 1\n${files[1]}: 2\n`]);
});

test('a shell pipeline that fails leaves no worker behind', async (context) => {
  const { home, run, line } = await examplesPlace(context);
  const ipc = await ipcScript(home);
  const pipeline = `'${join(folder, 'pipeline.sh')}' ${join(home, 'missing')} > /dev/null 2>&1`;
  const { code } = await line(pipeline, { IPC: ipc });
  const { text } = await run(['status']);
  await run(['post', 'count', 'shutdown']);
  assert.deepEqual([code === 0, text.includes('; 1 session.\n')], [false, true], text);
});

/** The program as one word. */
async function ipcScript(home: string): Promise<string> {
  const path = join(home, 'ipc');
  const text = `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`;
  await writeFile(path, text, { mode: 0o755 });
  return path;
}

async function examplesPlace(context: TestContext) {
  const children: ReturnType<typeof spawn>[] = [];
  context.after(() => {
    for (const child of children) child.kill('SIGKILL');
  });
  const { home, port, run, line } = await shell(context);
  await run(['status']);
  const env = { PATH: process.env.PATH, HOME: home, IPC_HOME: home, IPC_PORT: `${port}` };
  const example = (name: string, ...args: string[]) => {
    const child = spawn(process.execPath, [join(folder, name), ...args], { env });
    children.push(child);
    return { child, done: ended(child) };
  };
  return { home, run, line, example };
}
