// The parameters of a call: each form that is accepted, and each that is refused, with its error.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { operationNames, operations, parameters, parseCall } from '../../../src/app/operations.ts';
import { errorTable, IpcError } from '../../../src/base/errors.ts';
import { bodyBytesMax } from '../../../src/base/limits.ts';

function refused(given: unknown): string {
  try {
    parseCall(given);
  } catch (error) {
    assert(error instanceof IpcError);
    assert.equal(errorTable[error.code].fault, 'usage');
    return `${error.code}: ${error.message}`;
  }
  return 'accepted';
}

function accepted(given: unknown): unknown {
  return parseCall(given).given;
}

const wait = { operation: 'wait', mailbox: 'A' };
const post = { operation: 'post', to: 'A', message: 'hi' };
const all =
  'send, receive, ping, broker_start, broker_stop, post, fetch, wait, watch, ask, broker_status';

test('there are eleven operations, and each parameter of theirs is in the table', () => {
  assert.equal(operationNames.join(', '), all);
  for (const { needs, takes } of Object.values(operations)) {
    for (const name of [...needs, ...takes]) assert(name in parameters);
    assert(takes.includes('after'));
  }
});

test('an operation with only the parameters that it needs gets its defaults', () => {
  const host = { host: '127.0.0.1', port: 1 };
  const message = Buffer.from('hi');
  const calls: [object, object][] = [
    [
      { operation: 'send', host: '127.0.0.1:1', message: 'hi' },
      { host, message, timeout: 10 },
    ],
    [{ operation: 'receive' }, { port: 19_900, timeout: 60 }],
    [
      { operation: 'ping', host: '127.0.0.1:1' },
      { host, timeout: 10 },
    ],
    [{ operation: 'broker_start' }, {}],
    [{ operation: 'broker_stop' }, {}],
    [post, { to: ['A'], message }],
    [{ operation: 'fetch', mailbox: 'A' }, { mailbox: ['A'] }],
    [wait, { mailbox: ['A'], timeout: 60 }],
    [{ operation: 'broker_status' }, {}],
  ];
  for (const [given, expected] of calls) assert.deepEqual(accepted(given), expected);
});

test('null and "" are absent, and digits are a number', () => {
  const empty = { ...wait, timeout: '', host: null, port: undefined, after: '' };
  assert.deepEqual(accepted(empty), { mailbox: ['A'], timeout: 60 });
  assert.deepEqual(accepted({ ...wait, timeout: '60', port: '19901' }), {
    mailbox: ['A'],
    timeout: 60,
    port: 19_901,
  });
  assert.deepEqual(accepted({ ...wait, timeout: 300 }), { mailbox: ['A'], timeout: 300 });
});

test('the error of an unknown or missing operation lists all operations', () => {
  assert.equal(refused({}), `missing_parameter: operation is missing; it is one of: ${all}`);
  assert.equal(refused({ operation: '' }), refused({}));
  assert.equal(
    refused({ operation: 'dance' }),
    `unknown_operation: operation is "dance"; it is one of: ${all}`,
  );
  assert.match(refused({ operation: 7 }), /^unknown_operation: operation is 7;/);
  assert.match(refused({ operation: 'constructor' }), /^unknown_operation/);
});

test('the error of a parameter that the operation does not take lists those that it takes', () => {
  assert.equal(
    refused({ ...wait, box: 'A' }),
    'unknown_parameter: wait takes no "box"; it takes: mailbox, timeout, host, port, after',
  );
  assert.equal(
    refused({ ...post, timeout: 5 }),
    'unknown_parameter: post takes no "timeout"; it takes: to, message, from, host, port, after',
  );
  const odd = JSON.parse('{"operation":"wait","mailbox":"A","__proto__":1}');
  assert.match(refused(odd), /^unknown_parameter: wait takes no "__proto__"/);
});

test('the error of a missing parameter names it, and says what it is', () => {
  assert.equal(
    refused({ operation: 'wait' }),
    'missing_parameter: wait needs "mailbox": the mailbox to read',
  );
  assert.match(
    refused({ operation: 'post', to: 'A', message: '' }),
    /^missing_parameter: post needs "message": text, up to 1 MB$/,
  );
  assert.match(refused({ operation: 'ping', host: null }), /^missing_parameter: ping needs "host"/);
});

test('a timeout is whole seconds from 1 to 300', () => {
  const words = 'it must be whole seconds from 1 to 300';
  for (const timeout of [
    0,
    301,
    -1,
    1.5,
    true,
    'abc',
    '60s',
    '1e2',
    ' 60',
    '-1',
    {},
    [60],
    '1.0',
  ]) {
    const shown = JSON.stringify(timeout);
    assert.equal(refused({ ...wait, timeout }), `bad_timeout: timeout is ${shown}; ${words}`);
  }
});

test('a port is a whole number from 1 to 65535', () => {
  for (const port of [0, 65_536, -1, 1.5, true, 'abc', '0x10', '99999999999']) {
    const shown = JSON.stringify(port);
    assert.equal(
      refused({ ...wait, port }),
      `bad_port: port is ${shown}; it must be a whole number from 1 to 65535`,
    );
  }
  assert.deepEqual(accepted({ ...wait, port: 65_535 }), {
    mailbox: ['A'],
    timeout: 60,
    port: 65_535,
  });
});

test('a host is HOST:PORT', () => {
  const ping = (host: unknown) => ({ operation: 'ping', host });
  const hosts: [string, object][] = [
    ['127.0.0.1:19900', { host: '127.0.0.1', port: 19_900 }],
    ['localhost:1', { host: 'localhost', port: 1 }],
    ['[::1]:65535', { host: '::1', port: 65_535 }],
  ];
  for (const [host, expected] of hosts) {
    assert.deepEqual(accepted(ping(host)), { host: expected, timeout: 10 });
  }
  for (const host of [
    'localhost',
    ':1',
    '::1:1',
    'a b:1',
    'http://a:1',
    'user@a:1',
    'a:',
    'a:b',
    '[]:1',
    'a:1 ',
    '[a b]:1',
  ]) {
    const shown = JSON.stringify(host);
    assert.equal(refused(ping(host)), `bad_host: host is ${shown}; it must be HOST:PORT`);
  }
  // A broker's port has a default.
  const status = (host: unknown) => ({ operation: 'broker_status', host });
  const brokers: [string, object][] = [
    ['10.77.0.1', { host: '10.77.0.1' }],
    ['localhost', { host: 'localhost' }],
    ['a:1', { host: 'a', port: 1 }],
    ['::1', { host: '::1' }],
    ['[::1]', { host: '::1' }],
    ['[fe80::1%eth0]:7', { host: 'fe80::1%eth0', port: 7 }],
  ];
  for (const [host, expected] of brokers) {
    assert.deepEqual(accepted(status(host)), { host: expected });
  }
  for (const host of [
    '19901',
    ':19901',
    'a:',
    'a:b',
    'http://a',
    'user@a',
    '[]',
    '[a]',
    '::1:19901',
  ]) {
    const shown = JSON.stringify(host);
    assert.equal(refused(status(host)), `bad_host: host is ${shown}; it must be HOST or HOST:PORT`);
  }
  assert.match(refused(ping('a:0')), /^bad_port: the port in host is "0"; it must be/);
  assert.match(refused(ping('a:65536')), /^bad_port/);
  assert.match(refused(ping(19_900)), /^bad_parameter: host is 19900; it must be a text/);
});

test('the hint of a wrong port does not say to leave it out where it is needed', () => {
  const needed = 'give both, for example 127.0.0.1:19900 (a receive) or 127.0.0.1:19901 (a broker)';
  assert.throws(() => parseCall({ operation: 'ping', host: 'a:0' }), { hint: needed });
  assert.throws(() => parseCall({ operation: 'broker_status', host: 'a:0' }), {
    hint: 'leave it out for the default port',
  });
});

test('host and port must name the same broker', () => {
  assert.match(
    refused({ ...wait, host: '127.0.0.1:2', port: 1 }),
    /^bad_parameter: host names port 2 and port is 1; give one of the two/,
  );
  assert.deepEqual(accepted({ ...wait, host: '127.0.0.1:2', port: 2 }), {
    mailbox: ['A'],
    timeout: 60,
    host: { host: '127.0.0.1', port: 2 },
    port: 2,
  });
});

test('a name is 1 to 200 bytes of UTF-8 that can be seen', () => {
  assert.deepEqual(accepted({ ...post, to: 'ü'.repeat(100), from: 'a b' }), {
    to: ['ü'.repeat(100)],
    from: 'a b',
    message: Buffer.from('hi'),
  });
  assert.equal(
    refused({ ...post, to: 'ü'.repeat(101) }),
    'bad_name: to has 202 bytes; the limit is 200',
  );
  for (const name of ['a\nb', '\u0000', '\u007f', '\u0085']) {
    assert.equal(refused({ ...post, from: name }), 'bad_name: from has a control character');
  }
  assert.equal(refused({ ...post, to: '\ud800' }), 'bad_name: to has a lone surrogate');
  for (const name of ['ann ', ' ann', ' ']) {
    assert.equal(
      refused({ ...wait, mailbox: name }),
      'bad_name: mailbox begins or ends with a space',
    );
  }
  assert.equal(
    refused({ ...post, to: ['ben', 'an\u200bn'] }),
    'bad_name: name 2 of to has the character U+200B, which is invisible or looks like a space',
  );
  assert.match(refused({ ...wait, mailbox: 7 }), /^bad_parameter: mailbox is 7; it must be a text/);
});

test('a post goes to one mailbox, or to a list of at most 100, each once', () => {
  const message = Buffer.from('hi');
  const to = (value: unknown) => accepted({ ...post, to: value });
  assert.deepEqual(to(['A', 'B']), { to: ['A', 'B'], message });
  assert.deepEqual(to(['A', 'B', 'A']), { to: ['A', 'B'], message });
  // As models give a list where a text is advertised.
  assert.deepEqual(to('["A", "B"]'), { to: ['A', 'B'], message });
  assert.deepEqual(to('[A'), { to: ['[A'], message });
  assert.deepEqual(to('[A]'), { to: ['[A]'], message });
  assert.deepEqual(to('[7]'), { to: ['[7]'], message });
  const names = Array.from({ length: 101 }, (_, index) => `box ${index}`);
  const refusal = (value: unknown) => refused({ ...post, to: value });
  assert.equal(refusal(names.slice(1)), 'accepted');
  assert.equal(refusal(names), 'bad_parameter: to names 101; it must be 1 to 100 mailboxes');
  assert.equal(refusal([]), 'bad_parameter: to names 0; it must be 1 to 100 mailboxes');
  assert.equal(refusal('[]'), 'bad_parameter: to names 0; it must be 1 to 100 mailboxes');
  assert.equal(refusal(['A', '']), 'bad_name: name 2 of to is empty');
  assert.equal(refusal(['A', 7]), 'bad_name: name 2 of to is 7; it must be a text');
  assert.equal(refusal('["A", 7]'), 'bad_name: name 2 of to is 7; it must be a text');
});

test('a text that is a broken JSON list is no name of a mailbox', () => {
  const form = 'it must be a list as JSON, like ["a","b"]';
  for (const text of ['["ann"', '["ann",', "['ann'", '[ "ann]', '"ann","ben"]', '[ann, ben]']) {
    const shown = JSON.stringify(text);
    assert.equal(refused({ ...post, to: text }), `bad_parameter: to is ${shown}; ${form}`);
    assert.equal(
      refused({ ...wait, mailbox: text }),
      `bad_parameter: mailbox is ${shown}; ${form}`,
    );
  }
  for (const text of ['jobs["a"]', 'jobs]', '[A', '"ann"', 'say "no"', '[a] b, c']) {
    assert.equal(refused({ ...post, to: text }), 'accepted');
  }
});

test('several tickets in one text are refused with the form of a list', () => {
  assert.equal(
    refused({ ...wait, after: 'k7f3-1, k7f3-2' }),
    'bad_parameter: after is "k7f3-1, k7f3-2"; it must be 1 to 300 visible ASCII characters without spaces; several tickets are a list as JSON, like ["a","b"]',
  );
  assert.equal(refused({ ...wait, after: '["k7f3-1","k7f3-2"]' }), 'accepted');
});

test('a wait and a fetch read one mailbox, or a list of at most 16, each once', () => {
  const names = Array.from({ length: 17 }, (_, index) => `box ${index}`);
  for (const operation of ['wait', 'fetch']) {
    const from = (mailbox: unknown) => (accepted({ operation, mailbox }) as typeof wait).mailbox;
    const refusal = (mailbox: unknown) => refused({ operation, mailbox });
    assert.deepEqual(from(['B', 'A', 'B']), ['B', 'A']);
    assert.deepEqual(from('["amy","jobs"]'), ['amy', 'jobs']);
    assert.deepEqual(from('[A]'), ['[A]']);
    assert.equal(refusal(names.slice(1)), 'accepted');
    assert.equal(refusal(names), 'bad_parameter: mailbox names 17; it must be 1 to 16 mailboxes');
    assert.equal(refusal('[]'), 'bad_parameter: mailbox names 0; it must be 1 to 16 mailboxes');
    assert.equal(refusal('["A", 7]'), 'bad_name: name 2 of mailbox is 7; it must be a text');
  }
});

test('a text in brackets with a quote or a comma is a list that is not JSON, and no name or ticket', () => {
  const broken = `["A", 'B']`;
  const form = 'a list as JSON, like ["a","b"]';
  assert.equal(
    refused({ ...post, to: broken }),
    `bad_parameter: to is "[\\"A\\", 'B']"; it must be ${form}`,
  );
  for (const list of [broken, `['A','B']`, `['A']`, '[A, B]', '["A","B",]']) {
    const what = `is ${JSON.stringify(list)}; it must be ${form}`;
    assert.equal(refused({ ...wait, mailbox: list }), `bad_parameter: mailbox ${what}`);
    assert.equal(refused({ ...wait, after: list }), `bad_parameter: after ${what}`);
  }
  assert.deepEqual(accepted({ ...wait, mailbox: '["[A, B]"]' }), {
    mailbox: ['[A, B]'],
    timeout: 60,
  });
});

test('an ask goes to one mailbox, and is answered in one', () => {
  const ask = { operation: 'ask', to: ['A', 'B'], message: 'hi', mailbox: 'C' };
  assert.equal(refused(ask), 'bad_parameter: to names 2; an ask goes to one mailbox');
  assert.equal(refused({ ...ask, to: ['A'] }), 'accepted');
  assert.equal(
    refused({ ...ask, to: 'A', mailbox: '["C","D"]' }),
    'bad_parameter: mailbox names 2; an ask is answered in one mailbox',
  );
});

test('a message is text of at most 1,048,576 bytes of UTF-8', () => {
  const body = (message: unknown) => ({ ...post, message });
  const largest = 'é'.repeat(bodyBytesMax / 2);
  assert.equal(refused(body(largest)), 'accepted');
  assert.equal(
    refused(body(`${largest}a`)),
    'body_too_large: message has 1048577 bytes of UTF-8; the limit is 1048576',
  );
  assert.equal(refused(body('a\udc00')), 'bad_body: message has a lone surrogate');
  assert.equal(refused(body(Buffer.from([0xff]))), 'bad_body: message is not UTF-8');
  for (const message of [7, true, { a: 1 }, ['a']]) {
    assert.match(refused(body(message)), /^bad_parameter: message is .*; it must be a text/);
  }
  assert.deepEqual(
    (accepted(body('\ufeffx')) as { message: Buffer }).message,
    Buffer.from('\ufeffx'),
  );
});

test('a ticket and an address to bind are one plain word', () => {
  assert.match(refused({ ...wait, after: 'a b' }), /^bad_parameter: after is "a b"/);
  assert.match(refused({ ...wait, after: 12 }), /^bad_parameter: after is 12/);
  assert.match(refused({ operation: 'receive', bind: '127.0.0.1\n' }), /^bad_parameter: bind/);
  for (const bind of ['127.0.0.1:1', '[::1]:1', '[::1]', 'localhost:1']) {
    assert.match(refused({ operation: 'receive', bind }), /^bad_parameter: bind .*without a port/);
  }
  assert.deepEqual(
    (accepted({ operation: 'receive', bind: '::1' }) as { bind: string }).bind,
    '::1',
  );
});

test('parameters that are not an object are refused, and an error shows a long value shortened', () => {
  for (const given of [null, 'wait', 7, [wait]]) assert.match(refused(given), /^bad_parameter/);
  const long = refused({ ...wait, timeout: 'x'.repeat(1_000) });
  assert(long.length < 150);
});
