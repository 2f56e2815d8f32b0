// Messages of a stream: what was encoded comes back, and no message leads to a path outside the store.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeLogMessage, encodeLogMessage } from '../../../src/nats/log-message.ts';
import { pick, Random, seedFromEnvironment } from '../../support/random.ts';

const claim = 'a'.repeat(22);

function raw(header: unknown, bytes = Buffer.alloc(0)): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(2);
  length.writeUInt16BE(text.length);
  return Buffer.concat([length, text, bytes]);
}

test('a message of each kind comes back as it was', () => {
  const messages = [
    { path: 'epochs', change: { kind: 'folder' }, bytes: Buffer.alloc(0) },
    { path: 'epochs/00000001', change: { kind: 'file' }, bytes: Buffer.alloc(0) },
    { path: 'epochs/00000001/seg-000001.log', change: { kind: 'remove' }, bytes: Buffer.alloc(0) },
    { path: 'store', change: { kind: 'write', at: 2 ** 27 }, bytes: Buffer.from([0, 255, 10, 0]) },
    {
      path: 'history/00000001-000001.log',
      change: { kind: 'rename' },
      bytes: Buffer.alloc(0),
    },
  ] as const;
  for (const [count, each] of messages.entries()) {
    const message = { claim, count, ...each };
    const decoded = decodeLogMessage(encodeLogMessage(message));
    assert.deepEqual({ ...decoded, bytes: Buffer.from(decoded.bytes) }, message);
  }
});

test('a path that leads out of the store, or that no store has, is refused', () => {
  const paths = [
    ...['', '.', '..', '../a', 'a/../b', 'a/..', 'a/./b', '/', '/etc/passwd', 'a//b', 'a/', '/a'],
    ...['a\0b', '\0', 'a\\b', '..\\a', 'C:\\a', 'C:a', '~', '~/a', '-rf', '.hidden', 'a/.ssh'],
    ...['a/b/c/d/e', 'a'.repeat(65), `a/${'b'.repeat(65)}`, 'A', 'ä', 'a\u0301', '\u202e', '．．'],
    ...['a\nb', 'a b', 'a%2fb', 'a:b', 'a*'],
    ...[null, 1, ['a'], { length: 1 }, true, undefined],
  ];
  for (const path of paths) {
    const label = JSON.stringify(path);
    for (const kind of ['file', 'rename']) {
      const header = { claim, count: 1, path, kind };
      assert.throws(() => decodeLogMessage(raw(header)), { code: 'bad_frame' }, label);
    }
  }
});

test('a header that is not whole, or says something else, is refused', () => {
  const good = { claim, count: 1, path: 'a', kind: 'write', at: 0 };
  const wrong = [
    ...[{ at: -1 }, { at: 0.5 }, { at: 2 ** 53 }, { at: '0' }, { at: null }, { kind: 'truncate' }],
    ...[{ kind: '__proto__' }, { claim: 7 }, { count: 'x' }, { count: 1e300 }, { count: null }],
  ].map((each) => raw({ ...good, ...each }));
  const cut = encodeLogMessage({
    ...{ claim, count: 1, path: 'a', bytes: Buffer.alloc(0) },
    change: { kind: 'write', at: 0 },
  });
  for (let end = 0; end < cut.length; end++) wrong.push(cut.subarray(0, end));
  wrong.push(
    raw('[]'),
    raw('null'),
    raw('1'),
    raw('"a"'),
    raw('{'),
    raw('{"__proto__":{"path":"a"}}'),
  );
  for (const data of wrong) {
    assert.throws(() => decodeLogMessage(data), { code: 'bad_frame' }, data.toString());
  }
  assert.equal(decodeLogMessage(raw(good)).path, 'a');
});

test('altered bytes never throw anything but bad_frame', () => {
  const seed = seedFromEnvironment();
  const random = new Random(seed);
  const message = {
    ...{ claim, count: 1, path: 'epochs/00000001/seg-000001.log', bytes: Buffer.from('abc') },
    change: { kind: 'write', at: 7 },
  } as const;
  for (let round = 0; round < 5_000; round++) {
    const data = encodeLogMessage(message);
    for (let flips = 1 + random.below(4); flips > 0; flips--) {
      data[random.below(data.length)] = pick(random, [0, 46, 47, 34, 92, 255, random.below(256)]);
    }
    try {
      const { path } = decodeLogMessage(data);
      assert.doesNotMatch(path, /(^|\/)\.|\/\/|^\/|[^a-z0-9./-]/, `SEED=${seed}`);
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'bad_frame', `SEED=${seed}`);
    }
  }
});

test('an offset that no file of a store has is refused: it would fill the disk', () => {
  for (const at of [2 ** 27 + 1, 2 ** 40, Number.MAX_SAFE_INTEGER, -1, 0.5, '7', null]) {
    const header = { claim, count: 1, path: 'file', kind: 'write', at };
    assert.throws(() => decodeLogMessage(raw(header)), { code: 'bad_frame' });
  }
});
