// What comes over stdio, as raw bytes: it is read as hosts write it, and every line gets an answer.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { lineBytesMax } from '../../../src/base/limits.ts';
import { program } from '../../support/mcp-host.ts';
import { makeHome } from '../../support/places.ts';

const initialize = JSON.stringify({
  jsonrpc: '2.0',
  id: 'first',
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'raw', version: '1' },
  },
});

/** A server, and a function that writes bytes to it and returns its answers: the ids, and the codes of errors. */
async function rawServer(context: TestContext) {
  const home = await makeHome(context);
  const { PATH = '' } = process.env;
  const child = spawn(process.execPath, [program, 'mcp'], {
    env: { PATH, HOME: home, IPC_HOME: home },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  context.after(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let fences = 0;
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  // A call may be answered after a later ping is.
  const results = async (bytes: string | Buffer, atLeast = 1) => {
    const fence = `fence ${++fences}`;
    child.stdin.write(bytes);
    child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: fence, method: 'ping' })}\n`);
    // biome-ignore lint/suspicious/noExplicitAny: answers of any shape
    const found: any[] = [];
    for (let isPassed = false; !isPassed || found.length < atLeast; ) {
      const { value, done } = await lines.next();
      assert.ok(!done, 'the server goes on');
      const answer = JSON.parse(value);
      if (answer.id === fence) isPassed = true;
      else found.push(answer);
    }
    return found;
  };
  const answers = async (bytes: string | Buffer): Promise<(string | number | null)[][]> => {
    const found = await results(bytes, 0);
    return found.map(({ id, error }) => (error ? [id, error.code] : [id]));
  };
  return { answers, results, stderr: () => stderr };
}

const ping = (id: number) => `{"jsonrpc":"2.0","id":${id},"method":"ping"}`;

test('a byte order mark, either line end, blank lines and any white space around a message are read over', async (context) => {
  const { answers } = await rawServer(context);
  assert.deepEqual(await answers(`\ufeff${initialize}\r\n`), [['first']]);
  assert.deepEqual(await answers(`\n\r\n \t\n\ufeff\n\u00a0\r\n${ping(1)}\n\n${ping(2)}\r\n`), [
    [1],
    [2],
  ]);
  assert.deepEqual(await answers(`\ufeff${ping(3)}\n \u00a0${ping(4)}\u2028 \n`), [[3], [4]]);
  assert.deepEqual(await answers(`${ping(5).replaceAll(',', ',\r')}\n`), [[5]]);
});

test('a line that is not JSON is answered with -32700 and the id null', async (context) => {
  const { answers, stderr } = await rawServer(context);
  await answers(`${initialize}\n`);
  const lines = ['hello', '{', `${ping(1)}${ping(2)}`, `${ping(1)}\r${ping(2)}`, `${ping(1)}\0`];
  for (const line of [...lines, `${ping(1)},`, "{'id':1}", '\u200b', 'NaN']) {
    assert.deepEqual(await answers(`${line}\n`), [[null, -32_700]], line);
  }
  assert.match(stderr(), /^ipc mcp: bad_body: a line is not JSON\./);
});

test('JSON that is not a message of MCP is answered with -32600, and its id if it has one', async (context) => {
  const { answers } = await rawServer(context);
  await answers(`${initialize}\n`);
  const lines: [string, string | number | null][] = [
    ['42', null],
    ['"x"', null],
    ['null', null],
    ['[]', null],
    [`[${ping(1)},${ping(2)}]`, null],
    ['{}', null],
    ['{"jsonrpc":"2.0"}', null],
    ['{"id":7}', 7],
    ['{"id":"seven","method":"ping"}', 'seven'],
    ['{"jsonrpc":"1.0","id":7,"method":"ping"}', 7],
    ['{"jsonrpc":"2.0","id":7,"method":5}', 7],
    ['{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}', 7],
    ['{"jsonrpc":"2.0","id":7,"method":"ping","more":1}', 7],
    ['{"jsonrpc":"2.0","id":1.5,"method":"ping"}', 1.5],
    ['{"jsonrpc":"2.0","id":null,"method":"ping"}', null],
    ['{"jsonrpc":"2.0","id":[1],"method":"ping"}', null],
    ['{"jsonrpc":"2.0","id":1e99,"method":"ping"}', null],
    ['{"jsonrpc":"2.0","id":{},"method":"ping"}', null],
    ['{"jsonrpc":"2.0","id":true,"method":"ping"}', null],
    ['{"jsonrpc":"2.0","id":9007199254740991,"method":5}', 9_007_199_254_740_991],
    ['{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}', null],
    ['{"jsonrpc":"2.0","id":-9007199254740993,"method":"ping"}', null],
    ['{"jsonrpc":"2.0","id":1e400,"method":"ping"}', null],
    ['{"id":7,"method":"tools/call","params":{"name":"ipc","arguments":{}}}', 7],
    ['{"jsonrpc":"2.0","id":7,"method":"ping","result":{}}', 7],
    ['{"jsonrpc":"2.0","id":7,"method":"ping","error":{"code":1,"message":"x"}}', 7],
  ];
  for (const [line, id] of lines) {
    assert.deepEqual(await answers(`${line}\n`), [[id, -32_600]], line);
  }
});

test('notifications and responses get no answer, whatever is wrong with them, and no error is answered', async (context) => {
  const { answers, stderr } = await rawServer(context);
  await answers(`${initialize}\n`);
  for (const line of [
    '{"jsonrpc":"2.0","method":"notifications/initialized"}',
    '{"jsonrpc":"2.0","method":"notifications/of another day"}',
    '{"jsonrpc":"2.0","method":"notifications/initialized","params":5}',
    '{"jsonrpc":"2.0","id":7,"result":{}}',
    '{"jsonrpc":"2.0","id":7,"result":5}',
    '{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"what?"}}',
  ]) {
    assert.deepEqual(await answers(`${line}\n`), [], line);
  }
  assert.match(stderr(), /^ipc mcp: bad_body: a line is JSON, but not a message of MCP\./);
});

test('a line that is too long is answered with its id, and not at all if it is a notification', async (context) => {
  const { answers, stderr } = await rawServer(context);
  await answers(`${initialize}\n`);
  const params = { text: 'x'.repeat(lineBytesMax) };
  const line = (message: object) => `\ufeff${JSON.stringify(message)}\u00a0\r\n`;
  const cases: [object, (string | number | null)[][]][] = [
    [{ jsonrpc: '2.0', id: 7, method: 'tools/call', params }, [[7, -32_600]]],
    [{ jsonrpc: '2.0', method: 'tools/call', params, id: 'ä' }, [['ä', -32_600]]],
    [{ params, more: 1 }, [[null, -32_600]]],
    [{ jsonrpc: '2.0', method: 'notifications/progress', params }, []],
    [{ params, method: 'notifications/progress', jsonrpc: '2.0' }, []],
    [{ jsonrpc: '2.0', method: 'notifications/progress', params, id: 7 }, [[7, -32_600]]],
    [{ jsonrpc: '2.0', method: 'tools/call', params }, [[null, -32_600]]],
  ];
  for (const [message, expected] of cases) {
    assert.deepEqual(await answers(line(message)), expected, Object.keys(message).join());
  }
  assert.match(stderr(), /^ipc mcp: body_too_large: a line of more than 10485760 bytes/);
});

test('a million lists in one another get an error with a code, wherever in a call they stand', async (context) => {
  const { answers, results } = await rawServer(context);
  await answers(`${initialize}\n`);
  const deep = `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`;
  const call = (given: string) =>
    `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ipc","arguments":{${given}}}}\n`;
  for (const [given, error] of [
    [
      `"operation":"post","to":"A","message":${deep}`,
      'bad_parameter: message is a list; it must be a text of at most 1048576 bytes.',
    ],
    [`"operation":"post","message":"x","to":${deep}`, 'bad_name: to is a list; it must be a text.'],
    [`"operation":${deep}`, 'unknown_operation: operation is a list; it is one of: '],
    [
      `"operation":"wait","mailbox":"A","timeout":{"a":${deep}}`,
      'bad_timeout: timeout is an object; it must be whole seconds from 1 to 300.',
    ],
  ] as const) {
    const [result] = await results(call(given));
    assert.deepEqual(
      [result?.id, result?.result.isError, result?.result.content[0].text.slice(0, error.length)],
      [7, true, error],
    );
  }
  assert.deepEqual(await answers(`${deep}\n`), [[null, -32_600]]);
  const request = `{"jsonrpc":"2.0","id":${deep},"method":"ping"}\n`;
  assert.deepEqual(await answers(request), [[null, -32_600]]);
});

test('a call needs the name of the tool and an object of arguments, or none', async (context) => {
  const { results } = await rawServer(context);
  await results(`${initialize}\n`);
  const call = async (params: object) => {
    const request = { jsonrpc: '2.0', id: 7, method: 'tools/call', params };
    const [answer] = await results(`${JSON.stringify(request)}\n`);
    return answer;
  };
  const other = await call({ name: 'other', arguments: {} });
  assert.deepEqual(other.error, { code: -32_602, message: 'Tool other not found' });
  const remedy =
    'write the request as MCP defines it; params of a tools/call are {"name":"ipc","arguments":{"operation":"broker_status"}}';
  for (const [params, what] of [
    [{ arguments: {} }, 'params.name must be a text'],
    [{ name: 'ipc', arguments: [] }, 'params.arguments must be an object'],
    [
      { name: 7, arguments: null },
      'params.name must be a text; params.arguments must be an object',
    ],
  ] as const) {
    assert.deepEqual((await call(params)).error, {
      code: -32_602,
      message: `Invalid tools/call request: ${what}. To do: ${remedy}.`,
    });
  }
  const { result } = await call({ name: 'ipc' });
  assert.equal(result.isError, true);
  assert.match(result.content[0].text, /^missing_parameter: operation is missing; it is one of: /);
});

test('a parameter that is named __proto__ is refused by its name', async (context) => {
  const { results } = await rawServer(context);
  await results(`${initialize}\n`);
  const given = '{"operation":"fetch","mailbox":"A","__proto__":1}';
  const params = `{"name":"ipc","arguments":${given}}`;
  const [{ result }] = await results(
    `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":${params}}\n`,
  );
  assert.equal(result.isError, true);
  assert.match(
    result.content[0].text,
    /^unknown_parameter: fetch takes no "__proto__"; it takes: /,
  );
});

test('a plain call, which the SDK does not see, gets the bytes that the SDK would answer', async (context) => {
  const { results } = await rawServer(context);
  await results(`${initialize}\n`);
  const call = async (given: object, meta: object) => {
    const params = { name: 'ipc', arguments: given, _meta: meta };
    const request = { jsonrpc: '2.0', id: 7, method: 'tools/call', params };
    return JSON.stringify(await results(`${JSON.stringify(request)}\n`));
  };
  const fetch = { operation: 'fetch', mailbox: 'A' };
  for (const given of [{}, { operation: 'no' }, { operation: 'post' }, fetch]) {
    const bySdk = await call(given, { 'io.modelcontextprotocol/logLevel': 'info' });
    assert.equal(await call(given, {}), bySdk);
  }
});

test('of two calls under one id the first alone is run, and gets its mail', async (context) => {
  const { results } = await rawServer(context);
  await results(`${initialize}\n`);
  const line = (id: number, given: object) => {
    const params = { name: 'ipc', arguments: given };
    return `${JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params })}\n`;
  };
  const wait = line(7, { operation: 'wait', mailbox: 'A', timeout: 60 });
  const [refused] = await results(`${wait}${wait}`);
  assert.deepEqual(
    [refused.id, refused.error.message],
    [
      null,
      'bad_body: a request has the id of an open call, 7, and was not run. To do: give each request an id of its own.',
    ],
  );
  const post = (id: number) => line(id, { operation: 'post', to: 'A', message: `for ${id}` });
  const answered = await results(post(8), 2);
  const [mail] = answered.filter(({ id }) => id === 7);
  assert.deepEqual(answered.map(({ id }) => id).sort(), [7, 8]);
  assert.match(mail.result.content[0].text, /^for 8$/m);
  const [stored] = await results(post(9));
  assert.match(stored.result.content[0].text, /no reader is waiting/);
});
