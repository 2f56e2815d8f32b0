// A session that only watches leaves the broker to others, and owns it when there are none.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { type TestContext, test } from 'node:test';
import { AppContext } from '../../../src/app/context.ts';
import type { MailService } from '../../../src/model/mail-service.ts';
import { freePort, makeHome } from '../../support/places.ts';

async function place(context: TestContext) {
  const opened: AppContext[] = [];
  context.after(() => Promise.all(opened.map((each) => each.close())));
  const home = join(await makeHome(context), 'home');
  const env = { IPC_HOME: home, IPC_PORT: `${await freePort()}` };
  const session = async (ownership?: 'late'): Promise<MailService> => {
    const made = new AppContext({ env, program: 'test', ownership });
    opened.push(made);
    return (await made.broker({})).mail;
  };
  return { session };
}

test('of two sessions that begin together, the one that owns late joins the other', async (context) => {
  const { session } = await place(context);
  const [late, other] = [await session('late'), await session()];
  const found = await Promise.all([late.status(), other.status()]);
  assert.deepEqual(
    found.map(({ own }) => own),
    [false, true],
  );
});

test('a session that owns late owns a broker that no other session has owned for a second', async (context) => {
  const { session } = await place(context);
  const before = performance.now();
  const late = await session('late');
  assert.equal((await late.status()).own, true);
  assert(performance.now() - before >= 1_000);
});
