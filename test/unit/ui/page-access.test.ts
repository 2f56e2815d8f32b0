// Who gets anything from the server of the page: each rule is met with a request that breaks it alone.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type PagePlace, pagePlace, statusOf, storedEvent } from '../../support/told-page.ts';

const secret = 'secret words';

interface Entered extends PagePlace {
  readonly cookie: string;
  readonly path: string;
  /** The lines of a request, with the cookie and the right host, and the given lines in their place. */
  ask(
    line: string,
    given?: Readonly<Record<string, string | undefined>>,
    body?: string,
  ): Promise<string>;
}

async function entered(context: TestContext): Promise<Entered> {
  const place = await pagePlace(context);
  place.feed.tell(storedEvent(1, secret));
  const { cookie, path } = await place.enter();
  const ask = (
    line: string,
    given: Readonly<Record<string, string | undefined>> = {},
    body = '',
  ) => {
    const isPost = line.startsWith('POST');
    const fields = {
      host: `127.0.0.1:${place.port}`,
      cookie,
      connection: 'close',
      ...(isPost && {
        origin: place.origin,
        'content-type': 'application/json',
        'content-length': `${Buffer.byteLength(body)}`,
      }),
      ...given,
    };
    const lines = Object.entries(fields).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}: ${value}`],
    );
    const first = line.replace('KEY/', path.slice(1));
    return place.raw(`${[`${first} HTTP/1.1`, ...lines].join('\r\n')}\r\n\r\n${body}`);
  };
  return { ...place, cookie, path, ask };
}

const pause = 'POST /KEY/api/pause';
const all = '{"all":true}';

test('the printed URL opens the page once, and gives a cookie that no script and no other site can use', async (context) => {
  const place = await pagePlace(context);
  const url = place.newUrl();
  assert.match(url, new RegExp(`^http://127.0.0.1:${place.port}/\\?token=[\\w-]{43}$`));
  const first = await fetch(url, { redirect: 'manual' });
  const path = first.headers.get('location') ?? '';
  assert.equal(first.status, 303);
  assert.match(path, /^\/[\w-]{22}\/$/);
  assert.match(
    first.headers.get('set-cookie') ?? '',
    new RegExp(`^ipc-ui-${place.port}=[\\w-]{43}; Path=${path}; HttpOnly; SameSite=Strict$`),
  );
  assert.equal(await first.text(), '');
});

test('a token that was used gives nothing, and the answer says what to do', async (context) => {
  const place = await pagePlace(context);
  const url = place.newUrl();
  await fetch(url, { redirect: 'manual' });
  const second = await fetch(url, { redirect: 'manual' });
  assert.deepEqual(
    [second.status, second.headers.get('set-cookie'), second.headers.get('location')],
    [403, null, null],
  );
  assert.equal(
    await second.text(),
    'this page is not open to you: run `ipc ui` again, or press Enter in its terminal, and open the URL that it prints\n',
  );
});

test('a token that nobody used is worth nothing once there is a newer one', async (context) => {
  const place = await pagePlace(context);
  const older = place.newUrl();
  const newer = place.newUrl();
  assert.equal((await fetch(older, { redirect: 'manual' })).status, 403);
  assert.equal((await fetch(newer, { redirect: 'manual' })).status, 303);
});

test('a token that is wrong, a HEAD, and a browser that guesses what will be opened leave the token as it is', async (context) => {
  const place = await pagePlace(context);
  const url = place.newUrl();
  const wrong = url.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'));
  for (const each of [
    wrong,
    `${url}x`,
    url.slice(0, -1),
    `${place.origin}/?token=`,
    `${place.origin}/`,
  ]) {
    assert.equal((await fetch(each, { redirect: 'manual' })).status, 403, each);
  }
  assert.equal((await fetch(url, { method: 'HEAD' })).status, 403);
  const guess = { headers: { 'sec-purpose': 'prefetch' } };
  assert.equal((await fetch(url, guess)).status, 403);
  assert.equal((await fetch(url, { redirect: 'manual' })).status, 303);
});

test('a link on another page opens the page, too: it asks for the page itself, so that the browser sends the cookie', async (context) => {
  const place = await pagePlace(context);
  // fetch() would set the field itself.
  const token = new URL(place.newUrl()).search;
  const answer = await place.raw(
    `GET /${token} HTTP/1.1\r\nHost: localhost:${place.port}\r\nSec-Fetch-Site: cross-site\r\nConnection: close\r\n\r\n`,
  );
  assert.equal(statusOf(answer), 200);
  const path = /Path=([^;]+);/i.exec(answer)?.[1];
  assert.match(answer, new RegExp(`<meta http-equiv="refresh" content="0;url=${path}">`));
});

test('without the cookie, with a wrong one, or with that of another port nobody gets a byte of mail', async (context) => {
  const { ask, cookie, port } = await entered(context);
  const value = cookie.split('=')[1];
  const wrong = value?.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'));
  const cookies = [
    undefined,
    '',
    `ipc-ui-${port}=`,
    `ipc-ui-${port}=${wrong}`,
    `ipc-ui-${port + 1}=${value}`,
    `ipc-ui-${port}=${value}x`,
    `${value}`,
  ];
  const looks = [
    '',
    'page.js',
    'api/state',
    'api/messages',
    'api/live',
    'api/message?id=id-1',
    'api/search',
    'api/export',
  ];
  for (const given of cookies) {
    for (const look of looks) {
      const answer = await ask(`GET /KEY/${look}`, { cookie: given });
      assert.equal(statusOf(answer), 403, `${given} ${look}`);
      assert.doesNotMatch(answer, /secret|id-1|"boss"|doctype/i);
    }
    assert.equal(statusOf(await ask(pause, { cookie: given }, all)), 403);
  }
  assert.equal(statusOf(await ask('GET /KEY/api/state')), 200);
});

test('the right cookie among others of the same name is enough', async (context) => {
  const { ask, cookie, port } = await entered(context);
  const answer = await ask('GET /KEY/api/state', {
    cookie: `a=b; ipc-ui-${port}=tossed; ${cookie}`,
  });
  assert.equal(statusOf(answer), 200);
});

test('the cookie opens nothing at a path that is not that of the page', async (context) => {
  const { ask, calls } = await entered(context);
  const paths = [
    '/',
    '/api/state',
    '/api/messages',
    '/page.js',
    '//KEY/',
    '/x/KEY/api/state',
    '/../KEY/api/state',
  ];
  for (const path of paths) assert.equal(statusOf(await ask(`GET ${path}`)), 403, path);
  assert.equal(statusOf(await ask('POST /api/pause', {}, all)), 403);
  assert.deepEqual(calls, []);
});

test('a request whose Host is another name gets nothing, also with the cookie (DNS rebinding)', async (context) => {
  const { ask, port, newUrl, calls } = await entered(context);
  const { search } = new URL(newUrl());
  const hosts = [
    'evil.example',
    `evil.example:${port}`,
    '127.0.0.1',
    'localhost',
    `127.0.0.1:${port + 1}`,
    `127.0.0.1:${port}.evil.example`,
    `127.0.0.2:${port}`,
    `[::1]:${port}`,
    `0.0.0.0:${port}`,
    '',
  ];
  for (const host of hosts) {
    const origin = `http://${host}`;
    for (const line of [
      'GET /KEY/api/messages',
      'GET /KEY/',
      'GET /KEY/api/live',
      `GET /${search}`,
    ]) {
      const answer = await ask(line, { host });
      assert.equal(statusOf(answer), 403, `${host} ${line}`);
      assert.doesNotMatch(answer, /secret|set-cookie/i);
    }
    assert.equal(statusOf(await ask(pause, { host, origin }, all)), 403);
  }
  const absent = await ask('GET /KEY/api/messages', { host: undefined });
  assert.equal(statusOf(absent), 400);
  assert.deepEqual(calls, []);
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `LOCALHOST:${port}`]) {
    assert.equal(statusOf(await ask('GET /KEY/api/state', { host })), 200, host);
  }
});

test('a request of HTTP/1.0 without a Host gets nothing', async (context) => {
  const { raw, path, cookie } = await entered(context);
  const answer = await raw(`GET ${path}api/messages HTTP/1.0\r\nCookie: ${cookie}\r\n\r\n`);
  assert.equal(statusOf(answer), 403);
});

test('a change without Origin, or with that of another page, is refused and changes nothing', async (context) => {
  const { ask, port, calls } = await entered(context);
  const origins = [
    undefined,
    '',
    'null',
    'http://evil.example',
    `http://127.0.0.1:${port + 1}`,
    'http://127.0.0.1',
    `http://localhost:${port}`,
    `https://127.0.0.1:${port}`,
    `http://127.0.0.1:${port}.evil.example`,
  ];
  for (const origin of origins) {
    assert.equal(statusOf(await ask(pause, { origin }, all)), 403, origin);
  }
  for (const site of ['cross-site', 'same-site', 'none', 'anything']) {
    assert.equal(statusOf(await ask(pause, { 'sec-fetch-site': site }, all)), 403, site);
  }
  assert.deepEqual(calls, []);
  const own = { 'sec-fetch-site': 'same-origin' };
  assert.equal(statusOf(await ask(pause, own, all)), 200);
  const other = { host: `localhost:${port}`, origin: `http://localhost:${port}` };
  assert.equal(statusOf(await ask(pause, other, all)), 200);
  assert.equal(calls.length, 2);
});

test('what is looked at, and the event stream, are refused to pages of other origins', async (context) => {
  const { ask, port } = await entered(context);
  const wrong: Readonly<Record<string, string>>[] = [
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { origin: `http://127.0.0.1:${port + 1}` },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ];
  for (const fields of wrong) {
    for (const look of ['api/messages', 'api/live', 'api/export', 'page.js', '']) {
      const answer = await ask(`GET /KEY/${look}`, fields);
      assert.equal(statusOf(answer), 403, `${look} ${JSON.stringify(fields)}`);
      assert.doesNotMatch(answer, /secret/);
    }
  }
  const typed = { 'sec-fetch-site': 'none' };
  assert.equal(statusOf(await ask('GET /KEY/api/live', typed)), 403);
  assert.equal(statusOf(await ask('GET /KEY/', typed)), 200);
});

test('a form of another page cannot post: the type must be JSON', async (context) => {
  const { ask, calls } = await entered(context);
  const types = [
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/plain',
    'text/plain; application/json',
    'application/jsonx',
    undefined,
  ];
  for (const type of types) {
    assert.equal(statusOf(await ask(pause, { 'content-type': type }, all)), 415, type);
  }
  assert.deepEqual(calls, []);
  const right = { 'content-type': 'application/json; charset=utf-8' };
  assert.equal(statusOf(await ask(pause, right, all)), 200);
});

test('no GET, HEAD, PUT, DELETE or OPTIONS changes anything, and no POST reads', async (context) => {
  const { ask, calls } = await entered(context);
  const names = ['post', 'read', 'pause', 'resume', 'drop', 'retry', 'stop-worker'];
  const parameters = '?all=true&mailbox=ann&mailboxes=ann&to=ann&text=x&ids=id-1';
  for (const name of names) {
    assert.equal(statusOf(await ask(`GET /KEY/api/${name}${parameters}`)), 405, name);
    for (const method of ['HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const status = statusOf(await ask(`${method} /KEY/api/${name}${parameters}`));
      assert.equal(status, 403, `${method} ${name}`);
    }
  }
  assert.deepEqual(calls, []);
  for (const name of ['state', 'messages', 'live', 'message', 'search', 'export']) {
    assert.equal(statusOf(await ask(`POST /KEY/api/${name}`, {}, '{}')), 405, name);
  }
});

test('every answer has the same strict policy, and is not stored by the browser', async (context) => {
  const { ask, newUrl } = await entered(context);
  const { search } = new URL(newUrl());
  const lines = [
    'GET /',
    'GET /KEY/',
    'GET /KEY/page.js',
    'GET /KEY/api/messages',
    'GET /KEY/api/export',
    'GET /KEY/nothing',
    `GET /${search}`,
  ];
  for (const line of lines) {
    const head = (await ask(line)).split('\r\n\r\n')[0]?.toLowerCase() ?? '';
    const expected = [
      "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      'x-content-type-options: nosniff',
      'x-frame-options: deny',
      'referrer-policy: no-referrer',
      'cache-control: no-store',
      'cross-origin-resource-policy: same-origin',
      'cross-origin-opener-policy: same-origin',
    ];
    const missing = expected.filter((each) => !head.split('\r\n').includes(each));
    assert.deepEqual(missing, [], line);
    assert.doesNotMatch(head, /access-control|x-powered-by|^server:/m);
  }
});

test('no address leads to a file that is not one of the four of the page', async (context) => {
  const { ask } = await entered(context);
  const paths = [
    'secret.txt',
    '../secret.txt',
    '../page/secret.txt',
    '..%2fsecret.txt',
    '%2e%2e/%2e%2e/etc/passwd',
    '....//....//etc/passwd',
    '/etc/passwd',
    'page.js/../secret.txt',
    'page.js%00.txt',
    'index.html',
    '__proto__',
    'constructor',
    'api/__proto__',
    'api/../secret.txt',
  ];
  for (const path of paths) {
    const answer = await ask(`GET /KEY/${path}`);
    assert.equal(statusOf(answer), 404, path);
    assert.doesNotMatch(answer, /secret words|root:/);
  }
  for (const path of ['/../../etc/passwd', 'http://evil.example/', '*', 'file:///etc/passwd']) {
    assert.ok([400, 403].includes(statusOf(await ask(`GET ${path}`))), path);
  }
  assert.match(await ask('GET /KEY/page.css'), /text\/css; charset=utf-8[\s\S]*\r\n\r\nbody {}$/);
});

test('a WebSocket, a tunnel and what is no HTTP are hung up on', async (context) => {
  const { ask, raw, port } = await entered(context);
  const upgrade = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    'sec-websocket-version': '13',
  };
  const refused = 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';
  assert.equal(await ask('GET /KEY/api/live', upgrade), refused);
  assert.equal(await raw(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: x\r\n\r\n`), refused);
  assert.equal(await raw('\x16\x03\x01 hello\r\n\r\n'), refused);
  assert.equal(
    await raw(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`),
    refused,
  );
});

test('a body beyond the limit is not read to its end, with and without its length in front', async (context) => {
  const { ask, calls, port, cookie, path, origin } = await entered(context);
  const early = await ask(pause, { 'content-length': '999999999999' });
  assert.equal(statusOf(early), 413);
  assert.match(early, /"code":"too_large"/);
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  socket.write(
    `POST ${path}api/pause HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nCookie: ${cookie}\r\nOrigin: ${origin}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
  );
  const megabyte = `100000\r\n${' '.repeat(0x100000)}\r\n`;
  // The answer may be lost: the server closes a connection on which there are bytes that it has not read.
  let answer = '';
  socket.on('data', (bytes) => {
    answer += bytes;
  });
  const timer = setInterval(() => socket.write(megabyte), 1);
  await new Promise((resolve) => socket.once('close', resolve));
  clearInterval(timer);
  assert.match(answer, /^(HTTP\/1\.1 413 |$)/);
  assert.deepEqual(calls, []);
});

test('a port that is taken is an error that names the option', async (context) => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  context.after(() => holder.close());
  const { port } = holder.address() as { port: number };
  const { PageServer } = await import('../../../src/ui/page-server.ts');
  const given = { port, files: new Map(), handle: async () => {}, onFault: () => {} };
  await assert.rejects(PageServer.listen(given), {
    code: 'port_taken',
    hint: 'use the `ipc ui` that runs there, or choose another port with --port',
  });
});

test('it listens on 127.0.0.1 alone', async (context) => {
  const { port } = await pagePlace(context);
  for (const host of ['127.0.0.2', '::1']) {
    const socket = connect(port, host);
    const [error] = await once(socket, 'error');
    assert.match(String(error.code), /^(ECONNREFUSED|EADDRNOTAVAIL|ENETUNREACH)$/, host);
  }
});

test('a fault of the program says nothing of itself to the page', async () => {
  const { faultAnswer } = await import('../../../src/ui/http-fault.ts');
  const { status, fault } = faultAnswer(new Error('secret path'));
  assert.deepEqual(
    [status, fault.error.code, fault.error.message],
    [500, 'internal', 'the program failed'],
  );
});
