// The folder of a store disappears under a running owner, whose open files take writes and syncs all the same.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { IpcError } from '../../src/base/errors.ts';
import type { Name } from '../../src/model/message.ts';
import { startBroker } from '../support/brokers.ts';
import { ended, nextLine, shell } from '../support/processes/shell.ts';

const removals = [
  ['removed', (path: string) => rmSync(path, { recursive: true })],
  ['moved away', (path: string) => renameSync(path, `${path}-before`)],
] as const;

for (const [what, remove] of removals) {
  test(`a broker whose store was ${what} delivers no message, and fails with an error that names the folder`, async (context) => {
    const failed: IpcError[] = [];
    const onFailed = (error: IpcError) => failed.push(error);
    const { client, folder } = await startBroker(context, { onFailed });
    const poster = client();
    await poster.post('ann' as Name, Buffer.from('hi'));
    remove(folder);
    await assert.rejects(client().fetch('ann' as Name));
    const why = `the store ${folder} was removed while it was in use`;
    assert.deepEqual(
      failed.map(({ code, message }) => [code, message]),
      [['storage_failed', why]],
    );
  });

  test(`when the store is ${what} under a running owner, the next message is delivered once, and its settle counts`, async (context) => {
    const { home, port, run, begin } = await shell(context);
    const owner = begin(['broker']);
    await nextLine(owner);
    const waiter = begin(['wait', 'ann', '--json']);
    const waited = ended(waiter);
    while (!(await run(['status'])).text.includes('"ann": 0 ready, 0 held, 1 waiting')) {
      assert.equal(waiter.exitCode, null);
    }
    assert.equal((await run(['post', 'bob', 'keep'])).code, 0);
    remove(join(home, `broker-${port}`));

    assert.equal((await run(['post', 'ann', 'hi'])).code, 0);
    const { code, text, errors } = await waited;
    assert.equal(code, 0, errors);
    const { body, attempt, number } = JSON.parse(text);
    // Number 1 of the new store: the old owner would have delivered it as number 2.
    assert.deepEqual([body, attempt, number], ['hi', 1, 1]);
    assert.equal((await run(['fetch', 'ann'])).text, '');
    owner.kill('SIGTERM');
    if (owner.exitCode === null) await once(owner, 'exit');
  });
}
