// Many, slow and silent connections to the server of the page are bounded.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { type PageRequest, PageServer } from '../../../src/ui/page-server.ts';
import { readFields } from '../../../src/ui/request-body.ts';
import { freePort } from '../../support/places.ts';
import { enter, pagePlace, statusOf } from '../../support/told-page.ts';

function dial(context: TestContext, port: number): Socket {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  context.after(() => socket.destroy());
  return socket;
}

test('the 129th connection is closed, and one that ends makes room', async (context) => {
  const { port, newUrl, raw } = await pagePlace(context);
  const sockets = Array.from({ length: 128 }, () => dial(context, port));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  const more = dial(context, port);
  more.write('GET / HTTP/1.1\r\n\r\n');
  let answer = '';
  more.on('data', (bytes) => {
    answer += bytes;
  });
  await new Promise((resolve) => more.once('close', resolve));
  assert.equal(answer, '');
  const [first] = sockets;
  first?.destroy();
  // The server sees the end in its own time; until then it closes the next ones, too.
  for (;;) {
    const { search } = new URL(newUrl());
    const answer = await raw(
      `GET /${search} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`,
    );
    if (statusOf(answer) === 303) break;
  }
});

test('a request whose head does not come to an end is closed', async (context) => {
  const { port } = await pagePlace(context);
  const socket = dial(context, port);
  socket.write('GET / HTTP/1.1\r\nHost: ');
  let answer = '';
  socket.on('data', (bytes) => {
    answer += bytes;
  });
  await once(socket, 'close');
  assert.equal(statusOf(answer), 400);
});

test('the 17th open page is refused, and one that is closed makes room', async (context) => {
  const { enter, origin, feed } = await pagePlace(context);
  const { cookie, path } = await enter();
  const live = `${origin}${path}api/live`;
  const ended = Array.from({ length: 16 }, () => new AbortController());
  context.after(() => {
    for (const each of ended) each.abort();
  });
  for (const { signal } of ended) {
    assert.equal((await fetch(live, { headers: { cookie }, signal })).status, 200);
  }
  const more = await fetch(live, { headers: { cookie } });
  assert.equal(more.status, 503);
  assert.deepEqual(await more.json(), {
    error: {
      code: 'too_many',
      message: '16 pages are open',
      hint: 'close other windows with this page',
    },
  });
  ended[0]?.abort();
  const last = new AbortController();
  ended.push(last);
  for (;;) {
    const { status } = await fetch(live, { headers: { cookie }, signal: last.signal });
    if (status === 200) break;
  }
  assert.equal(feed.reads, 1);
});

test('a browser that goes away in the middle of a request or an answer is no fault of the program', async (context) => {
  const faults: unknown[] = [];
  const handled: Promise<unknown>[] = [];
  let begun: () => void = () => {};
  const handle = ({ request, response, address }: PageRequest) => {
    const endless = async function* () {
      for (;;) yield 'x'.repeat(65_536);
    };
    const work =
      address === 'api/post' ? readFields(request) : pipeline(Readable.from(endless()), response);
    handled.push(work.catch(() => {}));
    begun();
    return work.then(() => {});
  };
  const port = await freePort();
  const page = await PageServer.listen({
    ...{ port, files: new Map(), handle },
    onFault: (fault) => faults.push(fault),
  });
  context.after(() => page.close());
  const { cookie, path } = await enter(page.newUrl());
  const origin = `http://127.0.0.1:${port}`;
  const head = `Host: 127.0.0.1:${port}\r\nCookie: ${cookie}\r\nOrigin: ${origin}\r\n`;
  for (const request of [
    `POST ${path}api/post HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{`,
    `GET ${path}api/export HTTP/1.1\r\n${head}\r\n`,
  ]) {
    const isBegun = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const socket = dial(context, port);
    socket.write(request);
    await isBegun;
    socket.destroy();
    await handled.at(-1);
  }
  await setImmediate();
  assert.deepEqual(faults, []);
});
