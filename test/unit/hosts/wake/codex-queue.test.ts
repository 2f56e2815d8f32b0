// `codex queue`, by programs that stand in for Codex and record how they were run.
import '../../../support/waking/no-host.ts';
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { IpcError } from '../../../../src/base/errors.ts';
import { codexQueue } from '../../../../src/hosts/wake/codex-queue.ts';
import type { RingWaker } from '../../../../src/hosts/wake/wake-path.ts';
import { makeHome } from '../../../support/places.ts';
import { lookFrom } from '../../../support/waking/standing-host.ts';

const host = 'codex-mcp-client';
const thread = '01a2259e-ec13-7672-a4d7-c40a42dfa623';
const text = '[ipc] Automatic notice: 1 message waits in mailbox "$(id)" (notice 1).';
const linux = process.platform === 'linux' ? false : 'only Linux shows the parent process';
const long = process.env.IPC_TEST_LONG === '1' ? false : 'takes 20 s: `npm run test:long`';

/** A folder with a `codex` that runs these lines of a shell, as the only one on the PATH. */
async function withCodex(context: TestContext, lines: string) {
  const folder = await makeHome(context);
  await writeFile(join(folder, 'codex'), `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
  return { folder, waker: await wakerWith({ PATH: folder, CODEX_HOME: '/of/the/table' }) };
}

async function wakerWith(env: Record<string, string>): Promise<RingWaker> {
  const waker = await codexQueue.find({ host, env, thread });
  assert.equal(waker?.kind, 'rings');
  return waker;
}

function fails(what: string): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof IpcError);
    assert.equal(error.code, 'unreachable');
    assert.equal(error.message, what);
    return true;
  };
}

test('the program that runs the thread puts the text into its queue, with its own CODEX_HOME', {
  skip: linux,
}, async (context) => {
  const folder = await makeHome(context);
  const recorded = join(folder, 'recorded');
  // The stand-in is a Node: for it `queue` is the script to run.
  const script = `const { argv, env } = process;
require('node:fs').writeFileSync('${recorded}', JSON.stringify([argv.slice(2), env.CODEX_HOME]));`;
  await writeFile(join(folder, 'queue.js'), script);
  const env = { CODEX_HOME: '/of/the/host' };
  const standing = { folder, program: 'codex', args: ['--no-alt-screen'], env };
  const seen = await lookFrom(standing, { host, thread, text, env: { PATH: '/nowhere' } });
  assert.deepEqual(seen, { paths: ['codex queue'] });
  assert.deepEqual(JSON.parse(await readFile(recorded, 'utf8')), [
    ['--thread', thread, '--resume', `--message=${text}`],
    '/of/the/host',
  ]);
});

test('a host that only calls itself Codex is not run', { skip: linux }, async (context) => {
  const folder = await makeHome(context);
  const recorded = join(folder, 'recorded');
  const script = `require('node:fs').writeFileSync('${recorded}', '')`;
  await writeFile(join(folder, 'queue.js'), script);
  const standing = { folder, program: 'codex-lookalike', args: [] };
  assert.deepEqual(await lookFrom(standing, { host, thread, text, env: { PATH: '/nowhere' } }), {
    paths: ['codex queue'],
    error: '`codex` is neither a process above this one nor on the PATH',
  });
  await assert.rejects(readFile(recorded), { code: 'ENOENT' });
});

test('elsewhere `codex` of the PATH is run without a shell, with the CODEX_HOME of the server', async (context) => {
  const record = 'printf "%s\\n" "$CODEX_HOME" "$@" > "$(dirname "$0")/recorded"';
  const { folder, waker } = await withCodex(context, `PATH=/usr/bin:/bin; ${record}`);
  await waker.ring(text);
  assert.deepEqual((await readFile(join(folder, 'recorded'), 'utf8')).trimEnd().split('\n'), [
    '/of/the/table',
    'queue',
    '--thread',
    thread,
    '--resume',
    `--message=${text}`,
  ]);
});

test('the error has the exit code, and what the program said on stderr, on one line', async (context) => {
  const { folder, waker } = await withCodex(
    context,
    'printf "no such\\nthread \\033[1m" >&2; exit 3',
  );
  const what = `${folder}/codex queue ended with exit code 3: no such\\u{a}thread \\u{1b}[1m`;
  await assert.rejects(waker.ring(text), fails(what));
});

test('a program that cannot be started is an error', async (context) => {
  const { folder, waker } = await withCodex(context, '');
  await writeFile(join(folder, 'codex'), '#!/no/such/shell\n');
  await assert.rejects(waker.ring(text), fails(`${folder}/codex queue failed (ENOENT)`));
});

test('a program that does not end is killed after 20 s', { skip: long }, async (context) => {
  const { folder, waker } = await withCodex(context, 'exec /bin/sleep 60');
  await assert.rejects(waker.ring(text), fails(`${folder}/codex queue had not ended after 20 s`));
});

test('a second ring has to wait for ten minutes, because the queue merges nothing', async () => {
  const { retryMsMin } = await wakerWith({});
  assert.equal(retryMsMin, 600_000);
});

test('without a thread of Codex there is no such path, nor with one that could be an option', async () => {
  for (const wrong of ['', '--help', `${thread} `, `x${thread}`]) {
    assert.equal(await codexQueue.find({ host, env: {}, thread: wrong }), undefined, wrong);
  }
  assert.equal(await codexQueue.find({ host: 'claude-code', env: {}, thread }), undefined);
});
