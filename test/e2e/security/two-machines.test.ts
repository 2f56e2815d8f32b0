// Mail between two machines, which are two network namespaces joined by a veth pair. The broker runs on
// `one`; `other` knows its address and has its key.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { McpHost, program } from '../../support/mcp-host.ts';
import { makeHome } from '../../support/places.ts';
import { Capture } from '../../support/processes/capture.ts';
import type { FloodReport } from '../../support/processes/flood-process.ts';
import { type Host, Relay, start, twoHosts } from '../../support/processes/network-namespaces.ts';
import { type Place, place, Remote } from '../../support/processes/remote.ts';

const library = new URL('../../../../dist/index.mjs', import.meta.url);
const floodProgram = fileURLToPath(
  new URL('../../support/processes/flood-process.js', import.meta.url),
);

interface Apart extends Place {
  readonly one: Host;
  readonly other: Host;
  /** The state folder of the other machine, with the same key. */
  readonly otherHome: string;
  /** A session on the other machine, whose broker is at an address. */
  guest(address: string, home?: string): Remote;
  /** An MCP host on one of the machines. */
  tool(on: Host, env?: Record<string, string>): Promise<McpHost>;
}

async function apart(context: TestContext): Promise<Apart | undefined> {
  const hosts = await twoHosts(context);
  if (typeof hosts === 'string') {
    context.skip(`no two hosts here: ${hosts}`);
    return undefined;
  }
  const [one, other] = hosts;
  // Hooks run in the order of their registration, so the folders are removed last.
  const tools: Promise<McpHost>[] = [];
  context.after(async () => {
    for (const made of tools) await (await made).destroy();
  });
  const here = await place(context);
  const guests: Remote[] = [];
  context.after(() => Promise.all(guests.map((guest) => guest.kill())));
  const otherHome = await makeHome(context);
  const guest = (address: string, home = otherHome) => {
    const made = new Remote(home, here.port, other.prefix, address);
    guests.push(made);
    return made;
  };
  const tool = (on: Host, env?: Record<string, string>) => {
    const home = on === one ? here.home : otherHome;
    const made = McpHost.start({ home, port: here.port, prefix: on.prefix, ...(env && { env }) });
    tools.push(made);
    return made;
  };
  return { ...here, one, other, otherHome, guest, tool };
}

/** An owner that also listens on a non-loopback address. */
async function openOwner({ one, session, home, otherHome }: Apart, bind: string): Promise<Remote> {
  const owner = session(one.prefix);
  await owner.start(bind);
  await copyFile(join(home, 'key'), join(otherHome, 'key'));
  return owner;
}

/** The bytes that a program without the key receives on a machine before its connection is closed. */
async function unauthenticated(
  context: TestContext,
  on: Host,
  address: string,
  port: number,
  bytes: Buffer,
): Promise<string> {
  const script = `
    const socket = require('net').connect(${port}, '${address}');
    let received = 0;
    socket.on('data', (chunk) => { received += chunk.length; });
    socket.on('error', () => {}).on('close', () => console.log(received + ' bytes'));
    socket.write(Buffer.from('${bytes.toString('hex')}', 'hex'));`;
  const child = start(context, on, ['-e', script]);
  assert(child.stdout);
  return text(child.stdout);
}

test('another machine can post, wait and settle', async (context) => {
  const hosts = await apart(context);
  if (!hosts) return;
  const owner = await openOwner(hosts, hosts.one.address);
  const guest = hosts.guest(hosts.one.address);
  const waiting = owner.wait('work', 30_000);
  await guest.post('work', 'from afar', { from: 'answers' });
  const work = await waiting;
  assert.equal(work?.body, 'from afar');
  const answer = guest.wait('answers', 30_000);
  await owner.post('answers', 'done', { settles: [work?.number ?? 0] });
  const delivery = await answer;
  assert.equal(delivery?.body, 'done');
  assert.equal(await guest.settle(delivery?.number ?? 0), 0);
  const { own, pid, messages, addresses } = await guest.status();
  assert.deepEqual([own, pid, messages], [false, owner.pid, 0]);
  assert.deepEqual(addresses, ['127.0.0.1', hosts.one.address]);
  assert.deepEqual(await readdir(hosts.otherHome), ['key'], 'a guest has no store');
  await assert.rejects(guest.stop(), { code: 'not_owner' });
  await assert.rejects(guest.start('0.0.0.0'), { code: 'bad_parameter' });
});

test('waits and posts from another machine survive a failover', async (context) => {
  const hosts = await apart(context);
  if (!hosts) return;
  const owner = await openOwner(hosts, '0.0.0.0');
  const standby = hosts.session(hosts.one.prefix);
  await standby.status();
  const guest = hosts.guest(hosts.one.address);
  await guest.post('box', 'before');
  const waiting = guest.wait('answers', 60_000);
  await guest.status();
  await owner.kill();
  const { id } = await guest.post('box', 'after');
  assert.equal((await guest.status()).pid, standby.pid);
  await standby.post('answers', 'from the successor');
  assert.equal((await waiting)?.body, 'from the successor');
  const { deliveries } = await standby.fetch('box');
  assert.deepEqual(
    deliveries.map(({ body }) => body),
    ['before', 'after'],
  );
  assert.equal(deliveries[1]?.id, id);
});

/** The program on one of the machines; on the other one IPC_BROKER names the broker. */
function runner(context: TestContext, { one, other, home, otherHome, port }: Apart) {
  return async (on: Host, ...words: string[]): Promise<string> => {
    const env = {
      PATH: process.env.PATH,
      IPC_HOME: on === one ? home : otherHome,
      ...(on === other && { IPC_BROKER: `${one.address}:${port}` }),
    };
    const child = start(context, on, [program, ...words], env);
    assert(child.stdout && child.stderr);
    const [out, errors] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit'),
    ]);
    assert.equal(child.exitCode, 0, errors);
    return out;
  };
}

test('send and receive, and the program with IPC_BROKER, reach the other machine', async (context) => {
  const hosts = await apart(context);
  if (!hosts) return;
  const { one, other, port } = hosts;
  const owner = await openOwner(hosts, one.address);
  const run = runner(context, hosts);
  const direct = `${one.address}:${port + 1}`;
  const receiving = run(one, 'receive', '--bind', one.address, '--port', `${port + 1}`);
  await run(other, 'ping', direct);
  await run(other, 'send', direct, 'hand to hand');
  assert.equal(await receiving, 'hand to hand');
  await run(other, 'post', 'box', 'by IPC_BROKER');
  assert.equal((await owner.fetch('box')).deliveries[0]?.body, 'by IPC_BROKER');
  await owner.post('there', 'come and get it');
  const waited = await run(other, 'wait', 'there', '--host', `${one.address}:${port}`);
  assert.equal(waited, 'come and get it');
});

test('a command opens the network of an owner that is an agent, for a guest, and closes it again', async (context) => {
  const hosts = await apart(context);
  if (!hosts) return;
  const { one, other, home, otherHome, port } = hosts;
  const run = runner(context, hosts);
  const agent = await hosts.tool(one);
  await agent.call({ operation: 'broker_start' });
  await copyFile(join(home, 'key'), join(otherHome, 'key'));
  const guest = hosts.guest(one.address);
  await assert.rejects(guest.post('box', 'too early'), { code: 'unreachable' });

  await run(one, 'broker', '--port', `${port}`, '--bind', '0.0.0.0', '--once');
  await guest.post('box', 'from afar');
  const { bodies } = await agent.call({ operation: 'fetch', mailbox: 'box' });
  assert.deepEqual(bodies, ['from afar']);
  const refused = assert.rejects(
    run(other, 'broker', '--bind', '127.0.0.1'),
    /bad_parameter: bind/,
  );
  await refused;

  await run(one, 'broker', '--port', `${port}`, '--bind', '127.0.0.1', '--once');
  await assert.rejects(guest.post('box', 'too late'), { code: 'unreachable' });
  const script = `require('net').connect(${port}, '${one.address}').on('error', (e) => console.log(e.code))`;
  const probe = start(context, other, ['-e', script]);
  assert(probe.stdout);
  assert.equal(await text(probe.stdout), 'ECONNREFUSED\n');
});

test('the MCP tool reaches the other machine by host, by IPC_BROKER, and with send and receive', async (context) => {
  const hosts = await apart(context);
  if (!hosts) return;
  const { one, other, port } = hosts;
  await openOwner(hosts, one.address);
  const broker = `${one.address}:${port}`;
  const here = await hosts.tool(one);
  const there = await hosts.tool(other, { IPC_BROKER: broker });
  const waiting = here.begin({ operation: 'wait', mailbox: 'here' });
  await there.call({ operation: 'post', to: 'here', from: 'there', message: 'by IPC_BROKER' });
  const { bodies, ticket = '' } = await waiting.answer;
  assert.deepEqual(bodies, ['by IPC_BROKER']);
  await here.call({ operation: 'post', to: 'there', message: 'the answer', after: ticket });
  const answer = await there.call({ operation: 'wait', mailbox: 'there' });
  assert.deepEqual(answer.bodies, ['the answer']);
  const status = await there.call({ operation: 'broker_status', after: answer.ticket });
  assert.match(status.head, new RegExp(`^Broker (on|at) ${broker}`));

  const named = await hosts.tool(other);
  const at = { host: broker };
  await named.call({ operation: 'post', to: 'box', message: 'by host', ...at });
  assert.deepEqual((await named.call({ operation: 'fetch', mailbox: 'box', ...at })).bodies, [
    'by host',
  ]);
  const receiving = here.begin({ operation: 'receive', bind: one.address, port: port + 1 });
  const direct = `${one.address}:${port + 1}`;
  await named.call({ operation: 'ping', host: direct });
  await named.call({ operation: 'send', host: direct, message: 'hand to hand' });
  assert.deepEqual((await receiving.answer).bodies, ['hand to hand']);
});

test('the library reaches the other machine, by host and by IPC_BROKER', async (context) => {
  const hosts = await apart(context);
  if (!hosts) return;
  const { one, other, otherHome: home, port } = hosts;
  const owner = await openOwner(hosts, one.address);
  await owner.post('questions', 'from the owner');
  const broker = `${one.address}:${port}`;
  const script = `
    import { open } from '${library}';
    const [host, home] = ${JSON.stringify([broker, home])};
    const named = await open({ host, home, env: {} });
    const set = await open({ home, env: { IPC_BROKER: host } });
    const question = await named.wait('questions');
    await set.post('answers', 'to: ' + question.text);
    await question.settle();
    const { pid, messages } = await set.status();
    console.log(JSON.stringify([pid, messages]));
    await named.close();
    await set.close();`;
  const child = start(context, other, ['--input-type=module', '-e', script]);
  assert(child.stdout);
  assert.deepEqual(JSON.parse(await text(child.stdout)), [owner.pid, 1]);
  assert.equal((await owner.fetch('answers')).deliveries[0]?.body, 'to: from the owner');
});

test('10,000 silent connections from another machine do not keep a post of that machine from the broker, and get no byte', async (context) => {
  const hosts = await apart(context);
  if (!hosts) return;
  const { one, other, port } = hosts;
  const owner = await openOwner(hosts, one.address);
  const [early, late] = [hosts.guest(one.address), hosts.guest(one.address)];
  await early.status();
  const flood = start(context, other, [floodProgram, one.address, `${port}`, '10000']);
  let seen: FloodReport = { made: 0, receivedBytes: 0, isOver: false };
  flood.on('message', (report: FloodReport) => {
    seen = report;
  });
  while (seen.made < 2_500) await once(flood, 'message');
  await early.post('box', 'from an earlier guest');
  await late.post('box', 'from a later guest');
  assert.equal(seen.isOver, false, 'the flood was over before both posts were stored');
  while (!seen.isOver) await once(flood, 'message');
  await hosts.guest(one.address).post('box', 'after it');
  assert.equal((await owner.fetch('box')).deliveries.length, 3);
  assert.equal(seen.receivedBytes, 0);
});

test('a capture of the wire contains neither a body, nor a name, nor the key', async (context) => {
  const hosts = await apart(context);
  if (!hosts) return;
  const { one, other, home, port } = hosts;
  const owner = await openOwner(hosts, one.address);
  const capture = await Capture.start(context, one);
  if (typeof capture === 'string') return context.skip(capture);
  const guest = hosts.guest(one.address);
  const body = `a body ${randomBytes(16).toString('hex')} `.repeat(200);
  await guest.post('a-mailbox', body, { from: 'a-sender' });
  assert.equal((await owner.fetch('a-mailbox')).deliveries[0]?.body, body);
  const waiting = guest.wait('other-mailbox');
  await owner.post('other-mailbox', body);
  assert.equal((await waiting)?.body, body);
  const standby = hosts.session(one.prefix);
  await standby.status();
  await owner.kill();
  await guest.post('a-mailbox', body);
  assert.equal((await standby.fetch('a-mailbox')).deliveries.length, 2, 'after a takeover');
  const run = runner(context, hosts);
  const receiving = run(one, 'receive', '--bind', one.address, '--port', `${port + 1}`);
  await run(other, 'send', `${one.address}:${port + 1}`, body);
  assert.equal(await receiving, body);
  const plaintext = 'sent in plaintext, and found';
  await unauthenticated(context, other, one.address, port, Buffer.from(plaintext));
  const { packets, streams, lost } = await capture.end();

  assert.equal(lost, 0);
  assert.ok(Buffer.concat([...streams]).length > 4 * body.length, 'all of it went by');
  assert.ok(packets.includes(plaintext) && streams.some((stream) => stream.includes(plaintext)));
  const digits = (await readFile(join(home, 'key'), 'latin1')).trim();
  const key = Buffer.from(digits, 'hex');
  const keyForms = [key.subarray(0, 8), key.subarray(24), digits.slice(0, 16), digits.slice(48)];
  const base64 = key.toString('base64');
  const names = [body.slice(0, 30), 'a-mailbox', 'a-sender', 'other-mailbox', 'IPCc', 'IPCs'];
  for (const secret of [...names, ...keyForms, base64.slice(0, 16), base64.slice(16, 40)]) {
    for (const seen of [packets, ...streams]) assert.equal(seen.includes(secret), false);
  }
});

test('a peer with another key is refused with an error that says so', async (context) => {
  const hosts = await apart(context);
  if (!hosts) return;
  await openOwner(hosts, hosts.one.address);
  const guest = hosts.guest(hosts.one.address, await makeHome(context));
  await assert.rejects(guest.post('box', 'hello'), { code: 'key_mismatch' });
  await assert.rejects(guest.status(), { code: 'key_mismatch' });
});

test('during a key rotation either machine may be the first to have the new key', async (context) => {
  const hosts = await apart(context);
  if (!hosts) return;
  const { one, home, otherHome } = hosts;
  await openOwner(hosts, one.address);
  const [ours, theirs] = [join(home, 'key'), join(otherHome, 'key')];
  const fresh = `${randomBytes(32).toString('hex')}\n`;
  await rename(theirs, `${theirs}.old`);
  await writeFile(theirs, fresh, { mode: 0o600 });
  await hosts.guest(one.address).post('box', 'the old key, after the new one was refused');
  const onlyOld = await makeHome(context);
  await copyFile(ours, join(onlyOld, 'key'));
  await rename(ours, `${ours}.old`);
  await writeFile(ours, fresh, { mode: 0o600 });
  const onlyNew = await makeHome(context);
  await copyFile(theirs, join(onlyNew, 'key'));
  const guest = hosts.guest(one.address, onlyNew);
  // Refused until the broker rereads its keys, which it does every second.
  for (let refused: string | undefined = 'at first'; refused !== undefined; ) {
    refused = await guest.post('box', 'the new key').then(
      () => undefined,
      ({ code }) => code,
    );
    if (refused !== undefined) assert.equal(refused, 'key_mismatch');
  }
  await hosts.guest(one.address, onlyOld).post('box', 'the old key, to a broker with both');
});

test('a bit flipped on the wire is detected, and the post is resent intact', async (context) => {
  const hosts = await apart(context);
  if (!hosts) return;
  const owner = await openOwner(hosts, hosts.one.address);
  const relay = await Relay.start(context, hosts.other, hosts.one, hosts.port, 'changes');
  const guest = hosts.guest(hosts.other.address);
  await guest.status();
  const body = 'not one bit of it '.repeat(1_000);
  await guest.post('box', body);
  const { connections, changed } = await relay.report();
  assert.deepEqual([connections, changed], [2, 1]);
  const { deliveries, remaining } = await owner.fetch('box');
  assert.deepEqual([deliveries.length, remaining], [1, 0]);
  assert.equal(deliveries[0]?.body, body);
});

test('a man in the middle with the key cannot join two TLS channels into one', async (context) => {
  const hosts = await apart(context);
  if (!hosts) return;
  const { one, other, port, home } = hosts;
  await openOwner(hosts, one.address);
  const key = (await readFile(join(home, 'key'), 'latin1')).trim();
  const relay = await Relay.start(context, other, one, port, 'splices', key);
  const guest = hosts.guest(other.address);
  await assert.rejects(guest.post('box', 'hello'), { code: 'key_mismatch' });
  const { wire } = await relay.report();
  assert.equal(
    wire.subarray(0, 4).toString('latin1'),
    '\xa9IPC',
    'the handshakes inside were there',
  );
});

test('a plaintext handshake from another machine gets no response', async (context) => {
  const hosts = await apart(context);
  if (!hosts) return;
  const { one, other, port } = hosts;
  await openOwner(hosts, '0.0.0.0');
  const preface = Buffer.from([0xa9, 0x49, 0x50, 0x43, 0x63, 0x0d, 0x0a, 0x01]);
  const hello = Buffer.concat([preface, randomBytes(32)]);
  const http = Buffer.from('POST / HTTP/1.1\r\nHost: x\r\n\r\n');
  for (const bytes of [hello, http]) {
    assert.equal(await unauthenticated(context, other, one.address, port, bytes), '0 bytes\n');
    assert.equal(await unauthenticated(context, one, one.address, port, bytes), '0 bytes\n');
  }
  const inside = await unauthenticated(context, one, '127.0.0.1', port, hello);
  assert.equal(inside, '72 bytes\n', 'on loopback the handshake continues in plaintext');
});

test('a program in the place of the broker receives nothing in plaintext', async (context) => {
  const hosts = await apart(context);
  if (!hosts) return;
  const { one, port } = hosts;
  await openOwner(hosts, '127.0.0.1');
  // It speaks the handshake in plaintext, as far as that is possible without the key.
  const script = `
    let received = Buffer.alloc(0);
    require('net').createServer((socket) => {
      const answer = Buffer.concat([Buffer.from('a9495043730d0a01', 'hex'), Buffer.alloc(64)]);
      // An answer before that may end the connection with bytes in it that nobody has read.
      socket.once('data', () => socket.write(answer));
      socket.on('error', () => {});
      socket.on('data', (chunk) => { received = Buffer.concat([received, chunk]); });
    }).listen(${port}, '${one.address}', () => process.send('listening'));
    process.on('message', () => process.send(received.toString('latin1')));`;
  const squatter = start(context, one, ['-e', script]);
  await once(squatter, 'message');
  const guest = hosts.guest(one.address);
  await assert.rejects(guest.post('box', 'a body'), { code: 'port_taken' });
  squatter.send('report');
  const [received] = (await once(squatter, 'message')) as [string];
  assert.equal(received[0], '\x16', 'a TLS ClientHello');
  assert.equal(received.includes('a body') || received.includes('IPCc'), false);
});
