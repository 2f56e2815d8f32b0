// How the transport follows the result of a call, and which lines it answers itself.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough, Writable } from 'node:stream';
import { test } from 'node:test';
import type { CallToolResult } from '@modelcontextprotocol/server';
import { lineBytesMax } from '../../../src/base/limits.ts';
import type { HostRequest } from '../../../src/mcp/plain-call.ts';
import { HostTransport } from '../../../src/mcp/transport.ts';

/** A host's end of the pipe: each write ends when the test calls `take`. */
class SlowOutput extends Writable {
  readonly lines: string[] = [];
  readonly #taking: ((error?: Error) => void)[] = [];

  constructor() {
    super({ highWaterMark: 1 });
  }

  override _write(chunk: Buffer, _: unknown, done: (error?: Error | null) => void): void {
    this.lines.push(chunk.toString());
    this.#taking.push(done);
  }

  answers(): { id: unknown; error: { code: number; message: string } }[] {
    return this.lines.map((line) => JSON.parse(line));
  }

  take(error?: Error): void {
    this.#taking.shift()?.(error);
  }
}

async function setUp() {
  const input = new PassThrough();
  const output = new SlowOutput();
  output.on('error', () => {});
  const transport = new HostTransport(input, output);
  const arrived: unknown[] = [];
  transport.onmessage = (message) =>
    arrived.push('method' in message && !('id' in message) ? message.method : message.id);
  await transport.start();
  const receive = async (...messages: object[]) => {
    input.write(messages.map((message) => `${JSON.stringify(message)}\n`).join(''));
    await new Promise(setImmediate);
  };
  const events: string[] = [];
  const watch = (id: number) =>
    transport.watch(id, {
      writing: () => events.push(`${id} writing`),
      written: () => events.push(`${id} written`),
      gone: () => events.push(`${id} gone`),
    });
  const raw = async (bytes: Buffer) => {
    if (!input.write(bytes)) await once(input, 'drain');
    await new Promise(setImmediate);
  };
  return { transport, output, raw, receive, events, watch, arrived };
}

const call = (id: number) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name: 'ipc' },
});
const cancel = (requestId: number) => ({
  jsonrpc: '2.0',
  method: 'notifications/cancelled',
  params: { requestId },
});
const result = (id: number) => ({ jsonrpc: '2.0' as const, id, result: {} });

/** A transport of the legacy era, and the plain calls that it gives to the tool. */
async function setUpTool() {
  const all = await setUp();
  const { transport } = all;
  transport.setProtocolVersion();
  const called: { given: object; request: HostRequest; end: (text: string) => void }[] = [];
  transport.oncall = (given, request) =>
    new Promise<CallToolResult>((resolve) => {
      const end = (text: string) => resolve({ content: [{ type: 'text', text }] });
      called.push({ given, request, end });
    });
  return { ...all, called };
}

test('a plain call goes to the tool, and its result is written and followed', async () => {
  const { output, receive, events, watch, arrived, called } = await setUpTool();
  await receive(call(1), { ...call(2), method: 'ping' });
  assert.deepEqual(arrived, [2]);
  watch(1);
  called[0]?.end('done');
  await new Promise(setImmediate);
  assert.deepEqual(output.lines, [
    '{"result":{"content":[{"type":"text","text":"done"}]},"jsonrpc":"2.0","id":1}\n',
  ]);
  assert.deepEqual(events, ['1 writing']);
  output.take();
  await new Promise(setImmediate);
  assert.deepEqual(events, ['1 writing', '1 written']);
});

test('the tool has the arguments and the metadata of a plain call, and can notify its host', async () => {
  const { output, receive, called } = await setUpTool();
  const params = { name: 'ipc', arguments: { operation: 'wait' }, _meta: { progressToken: 7 } };
  await receive({ ...call(1), params }, call(2));
  assert.deepEqual(
    called.map(({ given, request: { id, _meta } }) => [given, id, _meta]),
    [
      [{ operation: 'wait' }, 1, { progressToken: 7 }],
      [{}, 2, {}],
    ],
  );
  void called[0]?.request.notify({ method: 'notifications/message', params: { data: 1 } });
  assert.deepEqual(output.lines, [
    '{"jsonrpc":"2.0","method":"notifications/message","params":{"data":1}}\n',
  ]);
});

test('a plain call before the host has initialized goes to the SDK, which knows the era', async () => {
  const { transport, receive, arrived } = await setUp();
  transport.oncall = () => assert.fail('the era is not known');
  await receive(call(1));
  assert.deepEqual(arrived, [1]);
});

test('a plain call that is cancelled is stopped and gets no result', async () => {
  const { output, receive, events, watch, called } = await setUpTool();
  await receive(call(1));
  watch(1);
  await receive(cancel(1));
  assert.equal(called[0]?.request.signal.aborted, true);
  called[0]?.end('late');
  await new Promise(setImmediate);
  assert.deepEqual([events, output.lines], [['1 gone'], []]);
});

test('a cancellation stops no other plain call, before or after', async () => {
  const { receive, called } = await setUpTool();
  const stopped = () => called.map(({ request }) => request.signal.aborted);
  await receive(call(1));
  called[0]?.end('done');
  await new Promise(setImmediate);
  await receive(call(2), call(3));
  await receive(cancel(1));
  assert.deepEqual(stopped(), [false, false, false]);
  await receive(cancel(2));
  assert.equal(called[1]?.request.signal.aborted, true);
  assert.equal(called[2]?.request.signal.aborted, false);
  called[1]?.end('late');
  await receive(call(4));
  assert.equal(called[3]?.request.signal.aborted, false);
});

test('a plain call is stopped when the connection closes', async () => {
  const { transport, receive, called } = await setUpTool();
  await receive(call(1));
  await transport.close();
  assert.equal(called[0]?.request.signal.aborted, true);
});

test('a result is written when the host has taken it', async () => {
  const { transport, output, receive, events, watch, arrived } = await setUp();
  await receive(call(1));
  assert.deepEqual(arrived, [1]);
  watch(1);
  const sent = transport.send(result(1));
  assert.deepEqual(events, ['1 writing']);
  output.take();
  await sent;
  assert.deepEqual(events, ['1 writing', '1 written']);
});

test('the answer to a tasks/get is followed as the result of a call is, and no other', async () => {
  const { transport, output, receive, events, watch } = await setUp();
  await receive({ ...call(1), method: 'tasks/get' }, { ...call(2), method: 'tasks/cancel' });
  watch(1);
  watch(2);
  const sent = transport.send(result(1));
  output.take();
  await sent;
  assert.deepEqual(events, ['2 gone', '1 writing', '1 written']);
});

test('a call that is cancelled before its result gets none', async () => {
  const { transport, output, receive, events, watch } = await setUp();
  await receive(call(1), cancel(1));
  watch(1);
  await transport.send(result(1));
  transport.finished(1);
  assert.deepEqual(events, ['1 gone']);
  assert.deepEqual(output.lines, []);
});

test('a result is not written after a cancellation between handler and write', async () => {
  const { transport, output, receive, events, watch } = await setUp();
  await receive(call(1));
  watch(1);
  await receive(cancel(1));
  await transport.send(result(1));
  assert.deepEqual(events, ['1 gone']);
  assert.deepEqual(output.lines, []);
});

test('a cancellation counts while the result is being written, and after', async () => {
  const { transport, output, receive, events, watch } = await setUp();
  await receive(call(1), call(2));
  watch(1);
  watch(2);
  const first = transport.send(result(1));
  await receive(cancel(1));
  output.take();
  await first;
  const second = transport.send(result(2));
  output.take();
  await second;
  await receive(cancel(2), cancel(2));
  assert.deepEqual(events, ['1 writing', '1 gone', '2 writing', '2 written', '2 gone']);
});

test('a result that cannot be written is gone', async () => {
  const { transport, output, receive, events, watch } = await setUp();
  await receive(call(1));
  watch(1);
  const sent = transport.send(result(1));
  output.take(new Error('EPIPE'));
  await assert.rejects(sent, { message: 'EPIPE' });
  assert.deepEqual(events, ['1 writing', '1 gone']);
});

test('an error in place of a result releases what the result would have handed over', async () => {
  const { transport, output, receive, events, watch } = await setUp();
  await receive(call(1));
  watch(1);
  const sent = transport.send({ jsonrpc: '2.0', id: 1, error: { code: -32603, message: 'no' } });
  output.take();
  await sent;
  assert.deepEqual(events, ['1 gone']);
  assert.equal(output.lines.length, 1);
});

test('a result that is an error releases what it would have handed over', async () => {
  const { transport, output, receive, events, watch } = await setUp();
  await receive(call(1));
  watch(1);
  const sent = transport.send({ jsonrpc: '2.0', id: 1, result: { content: [], isError: true } });
  output.take();
  await sent;
  assert.deepEqual(events, ['1 gone']);
  assert.equal(output.lines.length, 1);
});

test('the id of a cancelled call can be used again', async () => {
  const { transport, output, receive } = await setUp();
  await receive(call(1), cancel(1));
  await transport.send(result(1));
  await receive({ jsonrpc: '2.0', id: 1, method: 'ping' });
  const sent = transport.send(result(1));
  output.take();
  await sent;
  assert.deepEqual(output.lines, ['{"jsonrpc":"2.0","id":1,"result":{}}\n']);
});

test('an id that is used again has nothing to do with the call before', async () => {
  const { transport, output, receive, events, watch } = await setUp();
  await receive(call(1));
  watch(1);
  const sent = transport.send(result(1));
  output.take();
  await sent;
  await receive(call(1), cancel(1));
  assert.deepEqual(events, ['1 writing', '1 written']);
  watch(1);
  assert.deepEqual(events, ['1 writing', '1 written', '1 gone']);
});

test('a request under the id of an open call is refused without that id, and the call goes on', async () => {
  const { transport, output, receive, events, watch, arrived, called } = await setUpTool();
  const errors: string[] = [];
  transport.onerror = (error) => errors.push(error.message);
  await receive(call(1), { ...call(2), method: 'tasks/get' });
  watch(1);
  await receive(call(1), { ...call(1), method: 'ping' }, call(2));
  assert.deepEqual([called.length, arrived], [1, [2]]);
  const isRefused = /^a request has the id of an open call, [12], and was not run$/;
  assert.equal(errors.filter((error) => isRefused.test(error)).length, 3);
  for (const _ of errors) output.take();
  called[0]?.end('mail');
  await new Promise(setImmediate);
  output.take();
  await new Promise(setImmediate);
  const lines = output.answers().map(({ id, error }) => [id, error?.code]);
  assert.deepEqual(lines, [
    [null, -32_600],
    [null, -32_600],
    [null, -32_600],
    [1, undefined],
  ]);
  assert.deepEqual(events, ['1 writing', '1 written']);
  await receive(call(1));
  assert.equal(called.length, 2);
});

test('a request under the id of a cancelled call that still ends is refused with that id', async () => {
  const { transport, output, receive, called } = await setUpTool();
  await receive(call(1), cancel(1), call(1));
  assert.deepEqual(
    output.answers().map(({ id, error }) => [id, error.code]),
    [[1, -32_600]],
  );
  called[0]?.end('late');
  transport.finished(1);
  await receive(call(1));
  assert.equal(called.length, 2);
});

test('the cancellation of an unknown call is passed on and means nothing', async () => {
  const { receive, events, arrived } = await setUp();
  await receive(cancel(7));
  assert.deepEqual(arrived, ['notifications/cancelled']);
  assert.deepEqual(events, []);
});

test('a line that is too long, or not UTF-8, is answered where its id is known, and the next is read', async () => {
  const { transport, output, raw, receive, arrived } = await setUp();
  const errors: string[] = [];
  transport.onerror = (error) => errors.push(error.message);
  const long = 'x'.repeat(lineBytesMax);
  const params = { id: 1, '"}{': [{ id: 2 }], text: long };
  await raw(Buffer.from(`${JSON.stringify({ jsonrpc: '2.0', method: 'a', params, id: 7 })}\n`));
  assert.deepEqual(
    output.answers().map(({ id, error }) => [id, error.code, error.message.split(':')[0]]),
    [[7, -32_600, 'body_too_large']],
  );
  await raw(
    Buffer.from('{"jsonrpc":"2.0","id":"b","method":"c","params":{"d":"\xff"}}\n', 'latin1'),
  );
  output.take();
  assert.deepEqual(
    output.answers().map(({ id, error }) => [id, error.code, error.message.split(':')[0]]),
    [
      [7, -32_600, 'body_too_large'],
      ['b', -32_700, 'bad_body'],
    ],
  );
  assert.deepEqual(errors, []);
  await raw(Buffer.concat([Buffer.from(long), Buffer.from('\n')]));
  assert.match(errors.join(), /^a line of more than 10485760 bytes/);
  await receive(call(3));
  assert.deepEqual(arrived, [3]);
});

test('the id of a line that is too long is found where hosts write it, else it is null', async () => {
  const { transport, output, raw } = await setUp();
  transport.onerror = () => {};
  const params = { text: 'x'.repeat(lineBytesMax), id: 2 };
  const lines: [object, unknown][] = [
    [{ jsonrpc: '2.0', id: 'ä"', method: 'a', params }, 'ä"'],
    [{ method: 'a', params, jsonrpc: '2.0', id: 8 }, 8],
    [{ jsonrpc: '2.0', method: 'a', id: 9, params }, 9],
    [{ id: 10, method: 'a', params, jsonrpc: '2.0' }, 10],
    [{ params, id: -1, method: 'a', jsonrpc: '2.0' }, -1],
    [{ params: { text: params.text, a: { b: 1, id: 2 } }, jsonrpc: '2.0', method: 'a' }, null],
    [{ jsonrpc: '2.0', method: 'a', params }, null],
  ];
  for (const [line, id] of lines) {
    await raw(Buffer.from(`${JSON.stringify(line)}\r\n`));
    const answer = output.answers().at(-1);
    assert.deepEqual([answer?.id, answer?.error.code], [id, -32_600]);
    output.take();
  }
});

test('a line that is not JSON is answered with an error, an empty one is skipped, and the next is read', async () => {
  const { transport, output, raw, receive, arrived } = await setUp();
  const errors: string[] = [];
  transport.onerror = (error) => errors.push(error.message);
  await raw(Buffer.from('\n \r\nhello\n'));
  const [answer] = output.answers();
  assert.deepEqual([answer?.id, answer?.error.code], [null, -32_700]);
  assert.match(answer?.error.message ?? '', /^bad_body: a line is not JSON\./);
  await receive(call(1));
  assert.deepEqual([errors, arrived], [['a line is not JSON'], [1]]);
});

test('lines come whole, however their bytes are cut', async () => {
  const { raw, arrived } = await setUp();
  const bytes = Buffer.from(`${JSON.stringify(call(1))}\n${JSON.stringify(call(2))}\r\n\n`);
  for (const byte of bytes) await raw(Buffer.of(byte));
  await raw(Buffer.from(bytes.toString().replaceAll('"id":', '"id":1')));
  assert.deepEqual(arrived, [1, 2, 11, 12]);
});

test('a line that begins with a byte order mark is read', async () => {
  const { raw, arrived } = await setUp();
  await raw(Buffer.from(`\ufeff${JSON.stringify(call(1))}\n`));
  assert.deepEqual(arrived, [1]);
});
