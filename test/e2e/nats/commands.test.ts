// Every command of the program with mail on a NATS server: those that look, those that need files of this machine.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { WireState } from '../../../src/ui/wire.ts';
import { natsMissing } from '../../support/nats/nats-server.ts';
import {
  assertKept,
  password,
  type TeamServer,
  teamServer,
} from '../../support/nats/team-server.ts';
import { freePort } from '../../support/places.ts';
import { Lines } from '../../support/processes/lines.ts';
import { ended, nextLine, type Shell, shell } from '../../support/processes/shell.ts';
import { enter } from '../../support/told-page.ts';

const skip = { skip: natsMissing };
/** Each test has a port of its own, and so a stream. */
const started = natsMissing ? undefined : teamServer({ after });
const server = () => started as Promise<TeamServer>;

interface NatsShell extends Shell {
  readonly url: string;
}

/** With a broker that stays. */
async function natsShell(context: Parameters<typeof shell>[0]): Promise<NatsShell> {
  const { url, login } = await server();
  const place = await shell(context, { IPC_BROKER: login });
  await nextLine(place.begin(['broker']));
  return { ...place, url };
}

test(
  '`ipc log` reads the past through the owner, and --erase forgets it',
  skip,
  async (context) => {
    const { run } = await natsShell(context);
    await run(['post', 'ann', 'the first', '--from', 'ben']);
    await run(['wait', 'ann']);
    await run(['post', 'ann', 'the second', '--from', 'ben']);
    const { code, text } = await run(['log']);
    assert.equal(code, 0);
    assert.match(text, /#1 "ben" to "ann": done by .*\n {2}the first\n/);
    assert.match(text, /#2 "ben" to "ann": stored\n {2}the second\n/);
    const erased = await run(['log', '--erase', '--yes']);
    assert.match(erased.text, /^Erased 1 settled message; /);
    assert.match((await run(['log'])).text, /^[^#]*#2 /);
  },
);

test('`ipc log` needs no other session: it owns the broker for a moment', skip, async (context) => {
  const { run } = await shell(context, { IPC_BROKER: (await server()).login });
  await run(['post', 'ann', 'hello', '--from', 'ben']);
  const { code, text } = await run(['log']);
  assert.deepEqual([code, /\n {2}hello\n$/.test(text)], [0, true]);
});

test('`ipc log --follow` goes on with what happens', skip, async (context) => {
  const { run, begin } = await natsShell(context);
  await run(['post', 'ann', 'before', '--from', 'ben']);
  const lines = new Lines(begin(['log', '--follow', '--json']).stdout);
  assert.equal(JSON.parse(await lines.next()).line, 'before');
  await run(['post', 'ann', 'now', '--from', 'ben']);
  assert.equal(JSON.parse(await lines.next()).line, 'now');
});

test(
  'pause, resume, peek, drop, find and retry work as without a server',
  skip,
  async (context) => {
    const { run } = await natsShell(context);
    const { id } = JSON.parse((await run(['post', 'ann', 'hello', '--json'])).text);
    assert.match((await run(['pause', 'ann'])).text, /^Paused now: deliveries from "ann"/);
    assert.equal((await run(['wait', 'ann', '--timeout', '1'])).code, 124);
    assert.equal((await run(['resume', '--all'])).text, 'Nothing is paused.\n');
    assert.match((await run(['peek', 'ann'])).text, / ready, 5 bytes, /);
    assert.match((await run(['find', id])).text, /#1 in "ann", unread for /);
    assert.match((await run(['drop', 'ann', '--yes'])).text, /^Dropped 1 message of "ann" unread/);
    assert.equal((await run(['store', 'retry'])).text, 'No dead letter was moved.\n');
  },
);

test('watch tells of mail, and work answers an ask', skip, async (context) => {
  const { run, begin } = await natsShell(context);
  const watching = ended(begin(['watch', 'ann', '--timeout', '60']));
  await run(['post', 'ann', 'hello']);
  assert.match((await watching).text, /"ann"/);
  begin(['work', 'upper', '--', 'tr', 'a-z', 'A-Z']);
  assert.equal((await run(['ask', 'upper', 'hello', '--mailbox', 'me'])).text, 'HELLO');
});

test(
  'the command of a worker does not get the password, unless with --pass-key',
  skip,
  async (context) => {
    const { run, begin, url } = await natsShell(context);
    const show = ['--', 'sh', '-c', 'printf %s "$IPC_BROKER"'];
    begin(['work', 'plain', ...show]);
    begin(['work', 'passed', '--pass-key', ...show]);
    assert.equal((await run(['ask', 'plain', 'x', '--mailbox', 'me'])).text, url);
    assert.ok((await run(['ask', 'passed', 'x', '--mailbox', 'me'])).text.includes(password));
  },
);

test(
  '`ipc store check` and `dump` say where the mail is, and what to do instead',
  skip,
  async (context) => {
    const { run, url, port, line } = await natsShell(context);
    for (const name of ['check', 'dump']) {
      const { code, errors } = await run(['store', name]);
      assert.equal(code, 2);
      const words = `^ipc: bad_parameter: the mail is on ${url}, in the stream ipc-${port}, and not in files of this machine\\. To do: \`ipc log\` and \`ipc status\` show what is there; `;
      assert.match(errors, new RegExp(words));
      assertKept(errors);
    }
    const here = await line('IPC_BROKER= "$@" store check');
    assert.match(here.errors, /^No store in /);
  },
);

test('`ipc store compact` has the owner compact the log', skip, async (context) => {
  const { run, url, port } = await natsShell(context);
  const { code, text } = await run(['store', 'compact']);
  assert.deepEqual([code, text], [0, `The log on ${url}, stream ipc-${port} is compacted.\n`]);
  const json = JSON.parse((await run(['store', 'compact', '--json'])).text);
  assert.deepEqual(json, { folder: null, freed: null, bytesBefore: null, bytesAfter: null });
});

test('completion offers the mailboxes of the server', skip, async (context) => {
  const { run } = await natsShell(context);
  await run(['post', 'ann', 'hello']);
  // A shell waits for 300 ms at most, which is short on a busy machine.
  let offered = '';
  for (let tries = 0; tries < 20 && offered === ''; tries++) {
    offered = (await run(['completion', 'mailboxes'])).text.trim();
  }
  assert.equal(offered, 'ann');
});

test('`ipc ui` shows the server with its mail, and no password', skip, async (context) => {
  const { run, begin, url, port } = await natsShell(context);
  await run(['post', 'ann', 'hello', '--from', 'ben']);
  const pagePort = await freePort();
  const lines = new Lines(begin(['ui', '--port', `${pagePort}`]).stdout);
  const { cookie, path } = await enter(await lines.next());
  const answer = async (name: string) => {
    const response = await fetch(`http://127.0.0.1:${pagePort}${path}api/${name}`, {
      headers: { cookie },
    });
    return response.text();
  };
  const state = JSON.parse(await answer('state')) as WireState;
  assert.equal(state.place, `${url}, stream ipc-${port}`);
  assertKept(JSON.stringify(state));
});
