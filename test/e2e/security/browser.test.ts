// A web page that knows the port: none of the requests that a browser can make reaches the broker.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { freePort } from '../../support/places.ts';
import { findBrowser, runPage } from '../../support/processes/browser.ts';
import { place } from '../../support/processes/remote.ts';

/** Tries each kind of request until it ends, answered or not, and reports what the page saw. */
const script = (port: number): string => `
  const url = 'http://127.0.0.1:${port}/';
  const hello = new Uint8Array([0xa9, 0x49, 0x50, 0x43, 0x63, 13, 10, 1, ...new Uint8Array(32)]);
  const outcome = (start) => new Promise((resolve) => {
    setTimeout(() => resolve('nothing'), 4000);
    start((seen) => resolve(seen));
  });
  const byFetch = (options) => outcome((end) =>
    fetch(url, options).then(async (response) => end('answer ' + await response.text()),
      () => end('refused')));
  const byForm = (enctype) => outcome((end) => {
    const frame = Object.assign(document.createElement('iframe'), { name: 'frame-' + enctype });
    const form = document.createElement('form');
    Object.assign(form, { method: 'post', action: url, target: frame.name, enctype });
    form.append(Object.assign(document.createElement('textarea'),
      { name: 'post box\\r\\n', value: 'do this\\r\\n' }));
    document.body.append(frame, form);
    frame.addEventListener('load', () => end('shown'));
    form.submit();
  });
  const ways = {
    get: () => byFetch({}),
    blind: () => byFetch({ mode: 'no-cors' }),
    text: () => byFetch({ mode: 'no-cors', method: 'POST', body: 'do this' }),
    bytes: () => byFetch({ mode: 'no-cors', method: 'POST', body: hello }),
    json: () => byFetch({ method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }),
    beacon: () => outcome((end) => end(navigator.sendBeacon(url, hello) ? 'sent' : 'refused')),
    form: () => byForm('application/x-www-form-urlencoded'),
    plain: () => byForm('text/plain'),
    parts: () => byForm('multipart/form-data'),
    image: () => outcome((end) => {
      const image = new Image();
      image.onload = () => end('shown');
      image.onerror = () => end('refused');
      image.src = url;
    }),
    events: () => outcome((end) => {
      const source = new EventSource(url);
      source.onmessage = ({ data }) => end('message ' + data);
      source.onopen = () => end('open');
      source.onerror = () => { source.close(); end('refused'); };
    }),
    socket: () => outcome((end) => {
      const socket = new WebSocket('ws://127.0.0.1:${port}/');
      socket.onmessage = ({ data }) => end('message ' + data);
      socket.onopen = () => { socket.send(hello); end('open'); };
      socket.onerror = () => end('refused');
    }),
  };
  const seen = {};
  for (const [name, way] of Object.entries(ways)) seen[name] = await way();
  report(seen);
`;

/** Relays to another port and counts the bytes. */
async function counter(context: TestContext, to: number) {
  const counted = { connections: 0, there: 0, back: 0 };
  const port = await freePort();
  const server = createServer((from) => {
    const onward = connect(to, '127.0.0.1');
    counted.connections += 1;
    from.on('error', () => onward.destroy()).on('data', (bytes) => (counted.there += bytes.length));
    onward.on('error', () => from.destroy()).on('data', (bytes) => (counted.back += bytes.length));
    from.pipe(onward).pipe(from);
  });
  context.after(() => server.close());
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { port, counted };
}

test('a page in a browser gets no byte from a broker and stores no message', async (context) => {
  const browser = findBrowser();
  if (browser === undefined) return context.skip('no chromium is installed');
  const { port, session } = await place(context);
  const owner = session();
  await owner.post('box', 'mail');
  const { port: counted, counted: count } = await counter(context, port);

  const seen = await runPage(context, browser, script(counted));
  const refused = 'refused';
  assert.deepEqual(seen, {
    ...{ get: refused, blind: refused, text: refused, bytes: refused, json: refused },
    ...{ beacon: 'sent', form: 'shown', plain: 'shown', parts: 'shown' },
    ...{ image: refused, events: refused, socket: refused },
  });
  assert.ok(count.connections >= 12 && count.there > 2_000, JSON.stringify(count));
  assert.equal(count.back, 0);
  const { messages, mailboxCount, pid } = await owner.status();
  assert.deepEqual([messages, mailboxCount, pid], [1, 1, owner.pid]);
  assert.equal((await owner.wait('box'))?.body, 'mail');
});
