// The operation watch of a server that ends while it looks for a way to wake its agent.
import '../../support/waking/no-host.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AppContext, BrokerSession } from '../../../src/app/context.ts';
import { Settlement } from '../../../src/mcp/settlement.ts';
import { Wake } from '../../../src/mcp/wake.ts';

test('a server that has ended begins no watch, although its broker was found only then', async () => {
  let found = (_: BrokerSession) => {};
  const broker = new Promise<BrokerSession>((resolve) => {
    found = resolve;
  });
  const env = { IPC_WAKE: 'ann', CLAUDE_CODE_MESSAGING_SOCKET: '/inbox' };
  const wake = new Wake(env, new Settlement());
  const context = { home: '/nowhere', broker: () => broker } as unknown as AppContext;
  const caller = { id: '', dropsCalls: false };
  const watching = wake.watchUnasked({ caller, host: 'claude-code', context });
  wake.end();
  const mail = { watch: () => assert.fail('it must not be watched') };
  found({ name: '1', host: undefined, port: 1, mail } as unknown as BrokerSession);
  await assert.rejects(watching, { code: 'closed' });
});
