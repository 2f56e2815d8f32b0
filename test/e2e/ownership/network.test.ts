// The network opens and closes when any session of the machine says so, whichever session owns the broker.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ErrorResponse } from '../../../src/model/requests.ts';
import { accept, dial } from '../../../src/net/connect.ts';
import type { Connection } from '../../../src/net/connection.ts';
import { keyLine } from '../../../src/net/keys.ts';
import { hangUp } from '../../../src/net/listen.ts';
import { isLoopback } from '../../../src/net/tls.ts';
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  type RequestToSend,
} from '../../../src/protocol/codec.ts';
import { Session } from '../../../src/session/session.ts';
import { startBroker } from '../../support/brokers.ts';
import { McpHost } from '../../support/mcp-host.ts';
import { makeHome } from '../../support/places.ts';
import { place, Remote } from '../../support/processes/remote.ts';
import { shell } from '../../support/processes/shell.ts';
import { hello } from '../../support/proven-socket.ts';
import { FrameCollector, keys, Listener } from '../../support/sockets.ts';

const note = (address: string) =>
  `The next owner listens on ${address}, too, until a session binds 127.0.0.1 (\`ipc broker --bind 127.0.0.1 --once\`).`;

/** Hooks run in the order of their registration: what uses a folder must end before the folder is removed. */
function endsFirst(context: TestContext): (end: () => Promise<void>) => void {
  const ends: (() => Promise<void>)[] = [];
  context.after(async () => {
    for (const end of ends) await end();
  });
  return (end) => void ends.push(end);
}

/** The error of a connect; undefined when a program listens there. */
async function refusal(host: string, port: number): Promise<string | undefined> {
  const socket = connect({ host, port });
  try {
    await once(socket, 'connect');
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  } finally {
    socket.destroy();
  }
}

test('the program opens and closes an address of an owner that is the session of an agent', async (context) => {
  const atEnd = endsFirst(context);
  const { home, port, run } = await shell(context);
  const agent = await McpHost.start({ home, port });
  atEnd(() => agent.destroy());
  const guest = new Remote(home, port, [], '127.0.0.2');
  atEnd(() => guest.kill());
  await agent.call({ operation: 'broker_start' });
  const { pid } = agent.child;
  const joined = (addresses: string) =>
    `Joined the broker of another session on port ${port} (${addresses}; pid ${pid}, epoch 1); 0 messages in it.`;

  const opened = await run(['broker', '--bind', '127.0.0.2', '--once']);
  const lines = [joined('127.0.0.1, 127.0.0.2'), note('127.0.0.2'), ''];
  assert.deepEqual([opened.code, opened.text + opened.errors], [0, lines.join('\n')]);
  assert.equal((await guest.post('box', 'from the guest')).number, 1);
  const status = await agent.call({ operation: 'broker_status' });
  assert.match(status.text, /\(127\.0\.0\.1, 127\.0\.0\.2\): owner this session/);
  assert.ok(status.text.includes(note('127.0.0.2')), status.text);
  await agent.call({ operation: 'fetch', mailbox: 'box' });
  await agent.call({ operation: 'broker_status' });

  const closed = await run(['broker', '--bind', '127.0.0.1', '--once']);
  assert.equal(closed.code, 0);
  assert.match(closed.text + closed.errors, /port \d+ \(127\.0\.0\.1; pid/);
  assert.equal(await refusal('127.0.0.2', port), 'ECONNREFUSED');
  await assert.rejects(guest.post('box', 'more'), { code: 'unreachable' });
  assert.equal(await refusal('127.0.0.1', port), undefined);
  assert.match((await agent.call({ operation: 'broker_status' })).head, /\(127\.0\.0\.1\)/);
});

test('an agent that does not own the broker opens and closes it with broker_start', async (context) => {
  const atEnd = endsFirst(context);
  const { home, port, session } = await place(context);
  const owner = session();
  await owner.status();
  const agent = await McpHost.start({ home, port });
  atEnd(() => agent.destroy());
  const opened = await agent.call({ operation: 'broker_start', bind: '0.0.0.0' });
  assert.ok(opened.head.includes(`(0.0.0.0; pid ${owner.pid},`), opened.head);
  assert.equal(await refusal('127.0.0.7', port), undefined);
  assert.deepEqual((await owner.status()).addresses, ['0.0.0.0']);
  await agent.call({ operation: 'broker_start', bind: '127.0.0.1' });
  assert.equal(await refusal('127.0.0.7', port), 'ECONNREFUSED');
  assert.deepEqual((await owner.status()).addresses, ['127.0.0.1']);
});

test('one address in place of all, or another one, closes what was open before; several are open together', async (context) => {
  const { port, session } = await place(context);
  const [owner, other] = [session(), session()];
  await owner.start('0.0.0.0');
  const open = async (bind: string) => (await other.start(bind)).addresses;
  assert.deepEqual(await open('127.0.0.2'), ['127.0.0.1', '127.0.0.2']);
  assert.equal(await refusal('127.0.0.3', port), 'ECONNREFUSED');
  assert.deepEqual(await open('127.0.0.3'), ['127.0.0.1', '127.0.0.3']);
  assert.equal(await refusal('127.0.0.2', port), 'ECONNREFUSED');
  assert.deepEqual(await open('127.0.0.2,127.0.0.3'), ['127.0.0.1', '127.0.0.3', '127.0.0.2']);
});

test('what another session opened or closed, the next owner opens or leaves closed', async (context) => {
  const { session } = await place(context);
  const [first, second, third] = [session(), session(), session()];
  await first.start('127.0.0.2,127.0.0.3');
  await second.start('127.0.0.3');
  await first.kill();
  assert.deepEqual((await second.start()).addresses, ['127.0.0.1', '127.0.0.3']);
  await third.start('127.0.0.1');
  await second.kill();
  assert.deepEqual((await third.status()).addresses, ['127.0.0.1']);
});

test('the end of an address ends the connections that came through it; what they held is redelivered', async (context) => {
  const atEnd = endsFirst(context);
  const { home, port, session } = await place(context);
  const [owner, other] = [session(), session()];
  await owner.start('127.0.0.2');
  await owner.post('box', 'a job');
  const guest = new Remote(home, port, [], '127.0.0.2');
  atEnd(() => guest.kill());
  assert.equal((await guest.wait('box'))?.attempt, 1);
  const waiting = owner.wait('box');
  await other.start('127.0.0.1');
  assert.deepEqual((await waiting)?.attempt, 2);
  await assert.rejects(guest.status(), { code: 'unreachable' });
});

test('an owner that cannot bind an address for another session says so, and keeps what it has', async (context) => {
  const { session } = await place(context);
  const [owner, other] = [session(), session()];
  await owner.start('127.0.0.2');
  for (const each of [owner, other]) {
    await assert.rejects(each.start('192.0.2.1'), {
      code: 'address_unusable',
      message: /^the broker says: "cannot listen on 192\.0\.2\.1:\d+ \(EADDRNOTAVAIL\)"$/,
    });
  }
  assert.deepEqual((await other.status()).addresses, ['127.0.0.1', '127.0.0.2']);
});

/** The response to a request that follows a hello. */
async function responseTo(
  host: string,
  port: number,
  goodKeys: typeof keys,
  request: RequestToSend,
) {
  const frames = new FrameCollector(await dial({ host, port }, goodKeys));
  for (const bytes of hello('peer')) frames.connection.send([bytes]);
  frames.connection.send(encodeRequest(request));
  // The error may overtake the welcome.
  const responses = (await frames.next(2)).map((frame) => decodeResponse(frame).response);
  frames.connection.destroy();
  return responses.find((response) => response.request === request.request);
}

function outerAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return all.find(({ family, address }) => family === 'IPv4' && !isLoopback(address))?.address;
}

test('a client that is not on the machine cannot open or close its addresses', async (context) => {
  const outer = outerAddress();
  if (outer === undefined) return context.skip('this machine has no address but loopback');
  const { broker, port, keys: good } = await startBroker(context);
  await broker.listenOn([outer]);
  for (const addresses of [[], ['0.0.0.0']]) {
    const request = { kind: 'listen', request: 2, addresses } as const;
    const { code, message } = (await responseTo(outer, port, good, request)) as ErrorResponse;
    assert.equal(code, 'not_owner');
    assert.match(message, /^only sessions on the machine of the broker open and close/);
  }
  assert.deepEqual(broker.addresses, ['127.0.0.1', outer]);
});

test('a request for something that is no address, or for too many, fails alone', async (context) => {
  const { broker, port, keys: good } = await startBroker(context);
  const many = Array.from({ length: 17 }, (_, index) => `127.0.1.${index}`);
  for (const addresses of [['localhost'], [''], many]) {
    const request = { kind: 'listen', request: 2, addresses } as const;
    const { code } = (await responseTo('127.0.0.1', port, good, request)) as ErrorResponse;
    assert.equal(code, 'bad_parameter');
  }
  assert.deepEqual(broker.addresses, ['127.0.0.1']);
});

test('addresses cannot be opened before the hello', async (context) => {
  const { broker, port, keys: good } = await startBroker(context);
  const frames = new FrameCollector(await dial({ host: '127.0.0.1', port }, good));
  frames.connection.send(encodeRequest({ kind: 'listen', request: 1, addresses: ['127.0.0.2'] }));
  const [frame] = await frames.next();
  assert(frame);
  assert.equal((decodeResponse(frame).response as ErrorResponse).code, 'bad_frame');
  await frames.closed;
  assert.deepEqual(broker.addresses, ['127.0.0.1']);
});

/** A broker of a version that does not know the request. `kinds`: the requests that it received. */
async function olderBroker(context: TestContext, addresses: readonly string[]) {
  const kinds: string[] = [];
  const open = new Set<Connection>();
  const listener = await Listener.start((socket) => {
    accept(socket, keys).then(
      (connection) => {
        open.add(connection);
        connection.onFrame = (frame) => {
          const { kind, request } = decodeRequest(frame);
          kinds.push(kind);
          const common = { store: '0'.repeat(32), epoch: 7, format: 1, pid: process.pid };
          const counts = { messages: 0, bytes: 0, sessions: 1, mailboxCount: 0, mailboxes: [] };
          const people = { namedSessions: 0, sessionList: [], paused: [] };
          const dead = { deadLetterCount: 0, deadLetters: [], ...people };
          const storage = { damaged: 0, storageStalledMs: 0, warnings: [] };
          connection.send(
            kind === 'hello'
              ? encodeResponse({
                  ...{ kind: 'welcome', request, ...common, addresses, revoked: [] },
                  messages: 0,
                })
              : encodeResponse({ kind: 'status', request, ...counts, ...dead, ...storage }),
          );
        };
      },
      () => hangUp(socket),
    );
  });
  context.after(() => {
    listener.close();
    for (const connection of open) connection.destroy();
  });
  return { port: listener.port, kinds };
}

test('an owner of an older version is not asked, and the error names its process and what to do', async (context) => {
  const atEnd = endsFirst(context);
  const { port, kinds } = await olderBroker(context, ['0.0.0.0']);
  const home = await makeHome(context);
  await writeFile(join(home, 'key'), keyLine(keys[0]), { mode: 0o600 });
  const origin = { program: 'test', pid: process.pid, machine: 'here' };
  const session = new Session({ home, port, origin, env: {} });
  atEnd(() => session.close());
  for (const bind of ['127.0.0.1', '127.0.0.2']) {
    await assert.rejects(session.start({ bind }), {
      code: 'not_owner',
      message: new RegExp(
        `^pid ${process.pid} \\(\\S+\\) owns the broker of port ${port}, listens on 0\\.0\\.0\\.0, `,
      ),
      hint: `call broker_start with bind in the session of pid ${process.pid}, or end it`,
    });
  }
  assert.deepEqual((await session.start({ bind: '0.0.0.0' })).addresses, ['0.0.0.0']);
  assert.deepEqual([...new Set(kinds)], ['hello', 'status']);
});
