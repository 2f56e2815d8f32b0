// An agent of a host that is woken by a hook, with mail on a NATS server: the hook is a process of its own.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { natsMissing } from '../../support/nats/nats-server.ts';
import { assertKept, type TeamServer, teamServer } from '../../support/nats/team-server.ts';
import { hookPlace } from '../../support/processes/hooks.ts';
import { installHook } from '../../support/waking/live-hook.ts';

const skip = { skip: natsMissing };
const started = natsMissing ? undefined : teamServer({ after });
const server = () => started as Promise<TeamServer>;

test(
  'the hook finds the server of its session, and takes the password from its own IPC_BROKER',
  skip,
  async (context) => {
    const { url, login } = await server();
    const place = await hookPlace(context);
    await installHook('claude', place.home);
    const host = await place.startServer({ IPC_BROKER: login });
    const { text } = await host.call({ operation: 'watch', mailbox: 'ann' });
    assert.match(text, /^You will be woken /);
    const hook = place.claude(process, { IPC_BROKER: login });
    for (;;) {
      const status = await host.call({ operation: 'broker_status' });
      if (/"ann": .* 1 watching/.test(status.text)) break;
    }
    const file = join(place.home, 'sessions', `${process.pid}.json`);
    assert.equal(JSON.parse(readFileSync(file, 'utf8')).brokerHost, url);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    for (const each of filesBelow(place.home)) assertKept(readFileSync(each, 'latin1'));
    await host.call({ operation: 'post', to: 'ann', from: 'ben', message: 'hello' });
    const ended = await hook.ended;
    assert.equal(ended.code, 2, ended.errors);
    assert.match(ended.errors, /1 message waits in mailbox "ann"/);
  },
);

test(
  'a hook without that variable says what is refused, and no password',
  skip,
  async (context) => {
    const { url, login } = await server();
    const place = await hookPlace(context);
    await installHook('claude', place.home);
    const host = await place.startServer({ IPC_BROKER: login });
    await host.call({ operation: 'watch', mailbox: 'ann' });
    const { code, text, errors } = await place.claude(process).ended;
    assert.deepEqual([code, text], [1, '']);
    assert.match(errors, new RegExp(`not_authorized: ${url} refuses the credentials`));
    assertKept(errors);
  },
);

/** Without sockets. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesBelow(path);
    return entry.isFile() ? [path] : [];
  });
}
