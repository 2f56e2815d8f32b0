// `ipc work` where a test cannot really exhaust the machine, or run an older broker.
import assert from 'node:assert/strict';
import { ChildProcess } from 'node:child_process';
import { test } from 'node:test';
import { IpcError } from '../../../src/base/errors.ts';
import type { JobNews } from '../../../src/cli/worker/job-report.ts';
import { Worker, type WorkOptions } from '../../../src/cli/worker/worker.ts';
import type { ReleaseArguments } from '../../../src/model/mail-service.ts';
import type { Name } from '../../../src/model/message.ts';
import { Session } from '../../../src/session/session.ts';
import { startBroker } from '../../support/brokers.ts';
import { origin } from '../../support/model/engine.ts';

const eagain = -11;
const [mailbox, from] = ['W' as Name, 'A' as Name];

test('a command is tried again when the machine is out of processes, and the attempt does not count', async (context) => {
  const { client, home, port } = await startBroker(context);
  const asker = client();
  const mail = new Session({ home, port, origin, env: {} });
  context.after(() => mail.close());
  const { spawn } = ChildProcess.prototype as unknown as { spawn(options: object): unknown };
  const once = { times: 1 };
  const failing = context.mock.method(
    ChildProcess.prototype as unknown as { spawn(options: object): unknown },
    'spawn',
    function (this: { _handle: { spawn(options: object): number } }, options: object) {
      this._handle.spawn = () => eagain;
      return spawn.call(this, options);
    },
    once,
  );
  const end = new AbortController();
  const warnings: string[] = [];
  const work = new Worker(mail, {
    ...options(end.signal, 'echo "attempt $IPC_ATTEMPT"'),
    warn: (line) => void warnings.push(line),
  }).run();
  await asker.post(mailbox, Buffer.from('x'), { from });
  const answer = await asker.wait(from, { timeoutMs: 10_000 });
  end.abort();
  await work;
  assert.equal(failing.mock.callCount(), 1);
  const expected = 'ipc: the command cannot be started (spawn sh EAGAIN). Trying again.';
  assert.deepEqual(warnings, [expected]);
  assert.equal(String(answer?.body), 'attempt 1\n');
});

test('with a broker that knows no rejected release, a job that failed for good stays with its worker', async (context) => {
  const { client, home, port } = await startBroker(context);
  const asker = client();
  const mail = new Session({ home, port, origin, env: {} });
  context.after(() => mail.close());
  context.mock.method(mail, 'release', async (_: unknown, how: ReleaseArguments = {}) => {
    if (how.rejected) throw new IpcError('bad_frame', 'a flag of 2');
  });
  const end = new AbortController();
  let reported: (news: JobNews) => void = () => {};
  const news = new Promise<JobNews>((resolve) => {
    reported = resolve;
  });
  const work = new Worker(mail, {
    ...options(end.signal, 'exit 127'),
    report: async (_, each) => {
      if (each.event !== 'begun') reported(each);
    },
  }).run();
  await asker.post(mailbox, Buffer.from('x'), { from });
  const { event, outcome } = { outcome: '', ...(await news) };
  assert.equal(event, 'failed');
  const expected =
    'it cannot be moved to dead-letters (bad_frame), and stays here until this worker ends';
  assert.equal(outcome, expected);
  const answer = await asker.wait(from, { timeoutMs: 10_000 });
  assert.match(String(answer?.body), /^ipc work: failed: exit 127 /);
  assert.equal(await asker.wait(mailbox, { timeoutMs: 1 }), undefined);
  end.abort();
  await work;
});

function options(signal: AbortSignal, line: string): WorkOptions {
  return {
    mailbox,
    from: mailbox,
    command: 'sh',
    args: ['-c', line],
    parallel: 1,
    attempts: 5,
    timeoutMs: undefined,
    sendsPerHour: 0,
    shutdown: true,
    env: process.env,
    signal,
    killSignal: signal,
    report: async () => {},
    passStderr: async () => {},
    retryLine: (id) => `ipc store retry ${id}`,
    warn: () => {},
    sayError: async () => {},
  };
}
