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

test('the 129th connection takes the place of the oldest that has not shown the cookie', async (context) => {
  const { port } = await pagePlace(context);
  const sockets = Array.from({ length: 128 }, () => dial(context, port));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  const closed = Promise.race(sockets.map((socket) => once(socket, 'close')));
  const more = dial(context, port);
  more.write('GET / HTTP/1.1\r\n\r\n');
  let answer = '';
  more.on('data', (bytes) => {
    answer += bytes;
  });
  await new Promise((resolve) => more.once('close', resolve));
  assert.equal(statusOf(answer), 400);
  await closed;
});

test('the 129th connection is closed when 128 have shown the cookie', async (context) => {
  const { port, enter, raw } = await pagePlace(context);
  const { cookie, path } = await enter();
  const ask = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nCookie: ${cookie}\r\n\r\n`;
  const sockets = Array.from({ length: 128 }, () => dial(context, port));
  await Promise.all(
    sockets.map(async (socket) => {
      socket.write(ask);
      await once(socket, 'data');
    }),
  );
  assert.equal(await raw(ask), '');
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
  // The body of a response that nobody refers to any more is cancelled, which closes its page.
  const readers: ReadableStreamDefaultReader<Uint8Array>[] = [];
  context.after(() => {
    for (const each of ended) each.abort();
    readers.length = 0;
  });
  for (const { signal } of ended) {
    const answer = await fetch(live, { headers: { cookie }, signal });
    assert.equal(answer.status, 200);
    const reader = answer.body?.getReader();
    assert.ok(reader);
    readers.push(reader);
    // Its first event shows that the server has it among its pages.
    assert.equal((await reader.read()).done, false);
    reader.closed.catch(() => {});
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
    const answer = await fetch(live, { headers: { cookie }, signal: last.signal });
    if (answer.status === 200) {
      const reader = answer.body?.getReader();
      if (reader) readers.push(reader);
      break;
    }
    await answer.text();
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
