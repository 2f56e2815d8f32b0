// A client of the protocol in another language: examples/python/ipc.py, written from the documents alone.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bodyBytesMax, handshakeMs } from '../../../src/base/limits.ts';
import { bodyChecksum, parseName, parseNamedId } from '../../../src/model/message.ts';
import { accept } from '../../../src/net/connect.ts';
import type { Connection } from '../../../src/net/connection.ts';
import { keyLine } from '../../../src/net/keys.ts';
import { decodeRequest, encodeRequest, encodeResponse } from '../../../src/protocol/codec.ts';
import { type Ended, ended, nextLine, type Shell, shell } from '../../support/processes/shell.ts';
import { nothingLeft } from '../../support/receipts.ts';
import { FrameCollector, keys, Listener } from '../../support/sockets.ts';

const folder = fileURLToPath(new URL('../../../../examples/python', import.meta.url));
const hasPython = spawnSync('python3', ['--version']).status === 0;
const python = { skip: hasPython ? false : 'python3 is not installed' };

type Words = readonly string[];

const welcome = {
  kind: 'welcome',
  store: 'store',
  epoch: 1,
  format: 1,
  pid: 1,
  addresses: [],
  revoked: [],
  messages: 0,
} as const;

const offer = {
  kind: 'offer',
  attempt: 1,
  others: 0,
  ...nothingLeft,
  mailbox: parseName('B'),
  envelope: {
    number: 5,
    time: 1,
    id: parseNamedId('by hand'),
    to: parseName('B'),
    from: parseName('A'),
    answers: '',
    origin: { program: 'p', pid: 1, machine: 'm' },
    depth: 0,
    bodyBytes: 5,
    checksum: bodyChecksum(Buffer.from('hello')),
  },
} as const;

/** The example as a program. */
function run({ other }: Shell, args: Words, input?: string | Buffer): Promise<Ended> {
  return ended(other('python3', ['-B', join(folder, 'ipc.py'), ...args], input));
}

/** Lines that use the example as a module. */
function script({ other }: Shell, lines: Words): Promise<Ended> {
  const path = `import os, sys; sys.path.insert(0, ${JSON.stringify(folder)})`;
  return ended(other('python3', ['-B', '-c', [path, 'import ipc', ...lines].join('\n')]));
}

async function withBroker(context: TestContext) {
  const place = await shell(context);
  const owner = place.begin(['broker']);
  await nextLine(owner);
  return { ...place, owner };
}

/** Resolves when a session waits there. */
async function parked(place: Shell, mailbox: string): Promise<void> {
  for (;;) {
    const { mailboxes } = JSON.parse((await place.run(['status', '--json'])).text);
    const found = mailboxes.find((box: { mailbox: string }) => box.mailbox === mailbox);
    if (found?.waiting === 1) return;
  }
}

/** The longest body, over many lines, with characters of one to four bytes. */
function largest(): Buffer {
  const line = 'line \u0000\r\té ✓ 😀\u{1b}[2J\n';
  const lines = line.repeat(Math.ceil(bodyBytesMax / Buffer.byteLength(line)));
  const whole = Buffer.from(lines).subarray(0, bodyBytesMax - 4);
  const end = whole.lastIndexOf('\n') + 1;
  return Buffer.concat([whole.subarray(0, end), Buffer.alloc(bodyBytesMax - end, 'x')]);
}

for (const [what, body] of [
  ['two lines and an emoji', Buffer.from('Grüße,\nfrom Python 😀')],
  ['1 MB of lines', largest()],
  ['nothing', Buffer.alloc(0)],
] as const) {
  test(
    `what Python posts is what \`ipc wait\` reads, and the other way round: ${what}`,
    python,
    async (context) => {
      const place = await withBroker(context);
      const posted = await run(place, ['post', 'B', '--from', 'A'], body);
      assert.equal(posted.code, 0, posted.errors);
      assert.match(posted.errors, /^ipc\.py: stored [0-9a-v]{16}\.1\n$/);
      assert.deepEqual((await place.run(['wait', 'B', '--timeout', '5'])).out, body);

      assert.equal((await place.run(['post', 'A', '--empty', '--from', 'B'], body)).code, 0);
      const read = await run(place, ['wait', 'A', '--timeout', '5']);
      assert.equal(read.code, 0, read.errors);
      assert.deepEqual(read.out, body);
      assert.match(read.errors, /^ipc\.py: [0-9a-v]{16}\.1 from "B", attempt 1\n$/);
      const { messages } = JSON.parse((await place.run(['status', '--json'])).text);
      assert.equal(messages, 0);
    },
  );
}

test(
  'a waiting Python client gets a message when it is posted, and exits 124 when none is',
  python,
  async (context) => {
    const place = await withBroker(context);
    const waiting = run(place, ['wait', 'B']);
    await parked(place, 'B');
    await run(place, ['post', 'B', 'here']);
    assert.equal((await waiting).text, 'here');
    const late = await run(place, ['wait', 'B', '--timeout', '0.2']);
    assert.deepEqual([late.code, late.text], [124, '']);
    assert.equal(late.errors, 'ipc.py: no message within 0.2 s\n');
  },
);

test('a body that Python cannot write is not settled', python, async (context) => {
  if (!existsSync('/dev/full')) return context.skip('no /dev/full');
  const place = await withBroker(context);
  await run(place, ['post', 'B', 'once more']);
  const line = `exec python3 -B '${join(folder, 'ipc.py')}' wait B >/dev/full`;
  const full = await ended(place.other('sh', ['-c', line]));
  assert.equal(full.code, 1);
  const again = await run(place, ['wait', 'B', '--timeout', '5']);
  assert.deepEqual([again.code, again.text], [0, 'once more']);
  assert.match(again.errors, /attempt 2\n$/);
});

test('without a broker, or a key, Python reports that and exits 1', python, async (context) => {
  const place = await shell(context);
  const keyless = await run(place, ['post', 'B', 'hi']);
  assert.equal(keyless.code, 1);
  assert.match(
    keyless.errors,
    /^ipc\.py: key_unusable: .*\/key cannot be read \(No such file or directory\); /,
  );
  await place.run(['post', 'B', 'makes the key, and ends']);
  const alone = await run(place, ['post', 'B', 'hi']);
  assert.equal(alone.code, 1);
  assert.match(alone.errors, /^ipc\.py: no_broker: no broker on .*: start one with `ipc broker`/);
});

test('a usage error exits 2', python, async (context) => {
  const place = await withBroker(context);
  const calls: [Words, RegExp][] = [
    [['wait'], /the following arguments are required: MAILBOX/],
    [['wait', 'B', '--timeout', '301'], /^ipc\.py: bad_timeout: a timeout is 0 to 300 seconds\n$/],
    [['wait', 'B', '--timeout', 'nan'], /^ipc\.py: bad_timeout: /],
    [['post', '', 'hi'], /^ipc\.py: bad_name: /],
    [['post', 'é'.repeat(101), 'hi'], /^ipc\.py: bad_name: a name has at most 200 bytes\n$/],
  ];
  for (const [args, said] of calls) {
    const { code, errors } = await run(place, args);
    assert.equal(code, 2, errors);
    assert.match(errors, said);
  }
  const large = await run(place, ['post', 'B'], Buffer.alloc(bodyBytesMax + 1));
  assert.equal(large.code, 2);
  assert.match(large.errors, /^ipc\.py: body_too_large: /);
  const bytes = await run(place, ['post', 'B'], Buffer.from([0xff]));
  assert.equal(bytes.code, 2);
  assert.match(bytes.errors, /^ipc\.py: bad_body: /);
});

test(
  'Python posts to the local broker of IPC_BROKER, and refuses one on another machine',
  python,
  async (context) => {
    const place = await withBroker(context);
    const post = 'sys.exit(ipc.main(["post", "B", "hi"]))';
    const at = (broker: string) =>
      script(place, [`os.environ.update(IPC_BROKER="${broker}", IPC_PORT="1")`, post]);
    for (const host of ['127.0.0.1', 'localhost', '[::1]'])
      assert.equal((await at(`${host}:${place.port}`)).code, 0);
    const elsewhere = await at('one.lan:19901');
    assert.equal(elsewhere.code, 2);
    assert.match(
      elsewhere.errors,
      /^ipc\.py: bad_host: IPC_BROKER is one\.lan:19901; ipc\.py uses the broker /,
    );
    assert.equal((await at('localhost')).code, 2);
  },
);

test('Python refuses a key that others can read', python, async (context) => {
  const place = await withBroker(context);
  await chmod(join(place.home, 'key'), 0o640);
  const { code, errors } = await run(place, ['post', 'B', 'hi']);
  assert.equal(code, 1);
  assert.match(errors, /^ipc\.py: key_unusable: others can read /);
});

test(
  'with another key Python refuses the broker, and the broker refuses Python',
  python,
  async (context) => {
    const place = await withBroker(context);
    // A home of its own: the broker would take up a new key in its own.
    const stranger = join(place.home, 'stranger');
    await mkdir(stranger);
    await writeFile(join(stranger, 'key'), keyLine(Buffer.alloc(32, 7)), { mode: 0o600 });
    const elsewhere = `os.environ["IPC_HOME"] = ${JSON.stringify(stranger)}`;
    const post = 'sys.exit(ipc.main(["post", "B", "from a stranger"]))';
    const refuses = await script(place, [elsewhere, post]);
    assert.equal(refuses.code, 1);
    assert.match(refuses.errors, /^ipc\.py: key_mismatch: /);
    // One that takes any proof of the broker's, and so gets as far as giving its own.
    const credulous = 'ipc.hmac.compare_digest = lambda one, other: True';
    const refused = await script(place, [elsewhere, credulous, post]);
    assert.equal(refused.code, 1);
    assert.match(refused.errors, /^ipc\.py: no_broker: /);
  },
);

test(
  'when the owner is killed while Python waits, the wait continues at the new owner',
  python,
  async (context) => {
    const place = await withBroker(context);
    place.begin(['wait', 'elsewhere']);
    await parked(place, 'elsewhere');
    const waiting = run(place, ['wait', 'B']);
    await parked(place, 'B');
    place.owner.kill('SIGKILL');
    await once(place.owner, 'exit');
    await parked(place, 'B');
    assert.equal((await place.run(['post', 'B', 'after'])).code, 0);
    const { code, text, errors } = await waiting;
    assert.deepEqual([code, text], [0, 'after'], errors);
  },
);

test(
  'a post that is cut off before its response is resent unchanged, and stored once',
  python,
  async (context) => {
    const place = await withBroker(context);
    const cut = script(place, [
      'read, send, posts = ipc.Link._read, ipc.Link.send, []',
      'def heard(link):',
      '    number, answer = read(link)',
      '    if answer.kind == ipc.STORED and len(posts) == 1: raise ConnectionResetError',
      '    return number, answer',
      'def sent(link, kind, number, header=b"", body=b""):',
      '    if kind == ipc.POST: posts.append((header, body))',
      '    send(link, kind, number, header, body)',
      'ipc.Link._read, ipc.Link.send = heard, sent',
      'with ipc.Session() as session:',
      '    id = session.post("B", b"once")',
      '    print(len(posts), len(set(posts)), id.split(".")[1])',
      '    print(session.post("B", b"next").split(".")[1])',
    ]);
    const { code, text, errors } = await cut;
    assert.deepEqual([code, text], [0, '2 1 1\n2\n'], errors);
    assert.equal((await place.run(['fetch', 'B'])).text, 'once\nnext\n');
  },
);

test(
  'Python keeps its hold over a lost connection, until the message is settled',
  python,
  async (context) => {
    const place = await withBroker(context);
    await place.run(['post', 'B', 'mine']);
    const holding = script(place, [
      'with ipc.Session() as session:',
      '    message = session.wait("B", 5)',
      '    session._link._socket.shutdown(ipc.socket.SHUT_RDWR)',
      '    print(session.wait("B", 0.1), message.attempt, message.body)',
      '    session.settle(message)',
    ]);
    const { code, text, errors } = await holding;
    assert.deepEqual([code, text], [0, "None 1 b'mine'\n"], errors);
    assert.equal((await place.run(['fetch', 'B'])).text, '');
  },
);

/** The broker that a test plays sends no heartbeat of its own. */
const quiet = { handshakeMs, heartbeatMs: 600_000, silenceMsDead: 1_200_000 };

/** A broker played by the test; Python has sent its hello, and waits in "B". */
async function played(context: TestContext, lines: Words) {
  let connected: (connection: Connection) => void = () => {};
  const connecting = new Promise<Connection>((resolve) => {
    connected = resolve;
  });
  const listener = await Listener.start(
    (socket) => void accept(socket, keys, quiet).then(connected),
  );
  context.after(() => listener.close());
  const place = await shell(context);
  await mkdir(place.home);
  await writeFile(join(place.home, 'key'), keyLine(keys[0]), { mode: 0o600 });
  const port = `os.environ["IPC_PORT"] = "${listener.port}"`;
  const waited = script(place, [port, ...lines, 'sys.exit(ipc.main(["wait", "B"]))']);
  const connection = await connecting;
  const frames = new FrameCollector(connection);
  const beat = new Promise<void>((resolve) => {
    connection.onHeartbeat = resolve;
  });
  const [hello] = await frames.next();
  connection.send(encodeResponse({ ...welcome, request: hello?.request ?? 0 }));
  const [wait] = await frames.next();
  assert(wait);
  assert.equal(decodeRequest(wait).kind, 'wait');
  return { connection, frames, beat, request: wait.request, waited };
}

test('a waiting Python client answers pings, and sends its own', python, async (context) => {
  const { connection, frames, beat, request, waited } = await played(context, [
    'ipc.HEARTBEAT_S = 0.05',
  ]);
  await beat;
  connection.send(encodeRequest({ kind: 'ping', request: 7 }));
  const [pong] = await frames.next();
  assert.deepEqual([pong?.type, pong?.request], [0x8b, 7]);
  connection.send(encodeResponse({ kind: 'end', request, ...nothingLeft }));
  assert.equal((await waited).code, 124);
});

test('a body that does not fit its checksum is not written', python, async (context) => {
  const { connection, frames, request, waited } = await played(context, []);
  connection.send(encodeResponse({ ...offer, request }, Buffer.from('hellO')));
  const { code, text, errors } = await waited;
  assert.deepEqual([code, text], [1, '']);
  assert.match(errors, /^ipc\.py: body_damaged: /);
  await frames.closed;
  assert.deepEqual(frames.frames, []);
});

test('a message that the disk damaged is reported, and settled', python, async (context) => {
  const { connection, frames, request, waited } = await played(context, []);
  connection.send(encodeResponse({ ...offer, request }));
  const [frame] = await frames.next();
  assert(frame);
  const settle = decodeRequest(frame);
  assert.deepEqual(settle, {
    kind: 'settle',
    request: settle.request,
    holds: [{ number: 5, id: offer.envelope.id }],
  });
  connection.send(encodeResponse({ kind: 'settled', request: settle.request, notHeld: [] }));
  const { code, text, errors } = await waited;
  assert.deepEqual([code, text], [1, '']);
  assert.match(errors, /\nipc\.py: the disk of the broker damaged it: /);
});
