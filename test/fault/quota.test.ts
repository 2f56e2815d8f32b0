// The quota of a user is used up, while the disk has space for others.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { program } from '../support/mcp-host.ts';
import { overQuota } from '../support/processes/over-quota.ts';
import { ended, shell } from '../support/processes/shell.ts';

test('a post beyond the quota is refused as on a full disk, and mail can be read', async (context) => {
  const { prefix, why } = overQuota('pwrite', 'pwritev');
  if (!prefix) return context.skip(why);
  const { run, other } = await shell(context);
  const limited = (...args: string[]) =>
    ended(other(prefix[0], [...prefix.slice(1), process.execPath, program, ...args]));
  assert.equal((await run(['post', 'ann', 'before'])).code, 0);
  const { code, errors } = await limited('post', 'ann', 'beyond');
  assert.equal(code, 1);
  assert.match(errors, /^ipc: store_full: /);
  assert.equal((await run(['fetch', 'ann'])).text, 'before\n');
});
