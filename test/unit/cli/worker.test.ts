// `ipc work` on a machine that is out of something that a test cannot really exhaust.
import assert from 'node:assert/strict';
import { ChildProcess } from 'node:child_process';
import { test } from 'node:test';
import { Worker } from '../../../src/cli/work/worker.ts';
import type { Name } from '../../../src/model/message.ts';
import { Session } from '../../../src/session/session.ts';
import { startBroker } from '../../support/brokers.ts';
import { origin } from '../../support/model/engine.ts';

const eagain = -11;

test('a command is tried again when the machine is out of processes, and the attempt does not count', async (context) => {
  const { client, home, port } = await startBroker(context);
  const asker = client();
  const mail = new Session({ home, port, origin, env: {} });
  context.after(() => mail.close());
  const [mailbox, from] = ['W' as Name, 'A' as Name];
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
  const reports: string[] = [];
  const work = new Worker(mail, {
    mailbox,
    from: mailbox,
    command: 'sh',
    args: ['-c', 'echo "attempt $IPC_ATTEMPT"'],
    parallel: 1,
    attempts: 5,
    timeoutMs: undefined,
    shutdown: true,
    env: process.env,
    signal: end.signal,
    killSignal: end.signal,
    report: async () => {},
    passStderr: async () => {},
    warn: (line) => void reports.push(line),
    sayError: async () => {},
  }).run();
  await asker.post(mailbox, Buffer.from('x'), { from });
  const answer = await asker.wait(from, { timeoutMs: 10_000 });
  end.abort();
  await work;
  assert.equal(failing.mock.callCount(), 1);
  const expected = 'ipc: the command cannot be started (spawn sh EAGAIN). Trying again.';
  assert.deepEqual(reports, [expected]);
  assert.equal(String(answer?.body), 'attempt 1\n');
});
