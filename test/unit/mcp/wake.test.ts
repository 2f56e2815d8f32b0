// The operation watch with a broker that answers late, or not.
import '../../support/waking/no-host.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AppContext, BrokerSession } from '../../../src/app/context.ts';
import type { ToolRequest } from '../../../src/mcp/settlement.ts';
import { Settlement } from '../../../src/mcp/settlement.ts';
import { Wake } from '../../../src/mcp/wake.ts';
import type { WatchArguments } from '../../../src/model/mail-service.ts';
import { type MailboxList, parseName } from '../../../src/model/message.ts';
import { Inbox } from '../../support/inbox.ts';
import { makeHome } from '../../support/places.ts';

test('a server that has ended begins no watch, although its broker was found only then', async (context) => {
  const inbox = await Inbox.open(context);
  let found = (_: BrokerSession) => {};
  const broker = new Promise<BrokerSession>((resolve) => {
    found = resolve;
  });
  const env = { IPC_WAKE: 'ann', ...inbox.env };
  const wake = new Wake(env, new Settlement());
  const app = { home: '/nowhere', broker: () => broker } as unknown as AppContext;
  const caller = { id: '', dropsCalls: false };
  const watching = wake.watchUnasked({ caller, host: 'claude-code', context: app });
  wake.end();
  const mail = { watch: () => assert.fail('it must not be watched') };
  found({ name: '1', host: undefined, port: 1, mail } as unknown as BrokerSession);
  await assert.rejects(watching, { code: 'closed' });
});

test('mail that the answer to a watch could not name rings without a pause', async (context) => {
  const inbox = await Inbox.open(context);
  const home = await makeHome(context);
  const wake = new Wake({ ...inbox.env, HOME: home }, new Settlement());
  context.after(() => wake.end());
  const ann = parseName('ann');
  const notice = { mailbox: ann, unread: 1, number: 7, attempt: 1, ageMs: 1_000 };
  const mail = {
    watch: async (_: MailboxList, { timeoutMs, told }: WatchArguments) => {
      if (timeoutMs === 0) return undefined;
      return told ? new Promise(() => {}) : notice;
    },
  };
  const broker = { name: '1', host: undefined, port: 1, mail } as unknown as BrokerSession;
  const request = {
    caller: { id: '', dropsCalls: false },
    host: 'claude-code',
    context: { home, broker: async () => broker },
    notes: [],
    offerTask: () => undefined,
  } as unknown as ToolRequest;
  assert.equal(
    await wake.watch({ mailbox: [ann] }, request),
    'You will be woken when there is mail in "ann".\nEnd your turn.',
  );
  assert.match((await inbox.next()).text, /1 message waits in mailbox "ann" \(notice 1\)/);
});
