// Two agents that only thank each other, each with the real `ipc mcp`, by a clock that runs fast.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ringsPerHour } from '../../../src/app/ring-pauses.ts';
import { Inbox } from '../../support/inbox.ts';
import { type HostPlace, hostPlace, type McpHost, program } from '../../support/mcp-host.ts';

/** An hour takes 72 s. */
const factor = 50;
const clock = fileURLToPath(new URL('../../support/waking/fast-clock.js', import.meta.url));
/** 5 minutes of the agents, in which two that were not stopped would have rung each other often. */
const restMs = 6_000;

interface Thanker {
  readonly host: McpHost;
  readonly name: string;
  rings: number;
}

test('agents that only thank each other come to rest after twenty rings each, and no mail is lost', async (context) => {
  const place = await hostPlace(context);
  const ann = await thanker(context, place, 'ann', 'ben');
  const ben = await thanker(context, place, 'ben', 'ann');
  await ben.host.call({ operation: 'post', to: 'ann', from: 'ben', message: 'thanks' });
  let before = -1;
  while (ann.rings + ben.rings > before) {
    before = ann.rings + ben.rings;
    await pause(restMs);
  }
  assert.deepEqual([ann.rings, ben.rings].sort(), [ringsPerHour, ringsPerHour]);
  const left = await ann.host.call({ operation: 'fetch', mailbox: 'ann' });
  const others = await ben.host.call({ operation: 'fetch', mailbox: 'ben' });
  assert.deepEqual([...left.bodies, ...others.bodies], ['thanks']);
});

/** An agent that reads when it is rung, thanks the other one, and watches again. */
async function thanker(
  context: TestContext,
  place: HostPlace,
  name: string,
  other: string,
): Promise<Thanker> {
  const inbox = await Inbox.open(context);
  const args = ['--import', clock, program, 'mcp'];
  const host = await place.host({
    name: 'claude-code',
    server: { command: process.execPath, args },
    env: { ...inbox.env, FAST_CLOCK: `${factor}` },
  });
  const agent = { host, name, rings: 0 };
  await host.call({ operation: 'watch', mailbox: name });
  const turn = async () => {
    await inbox.next();
    agent.rings++;
    const { ticket } = await host.call({ operation: 'wait', mailbox: name });
    const post = { operation: 'post', to: other, from: name, message: 'thanks', after: ticket };
    await host.call(post);
    void turn();
  };
  void turn();
  return agent;
}
