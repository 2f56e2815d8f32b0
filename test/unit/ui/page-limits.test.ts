// Many, slow and silent connections to the server of the page are bounded.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { pagePlace, statusOf } from '../../support/told-page.ts';

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
