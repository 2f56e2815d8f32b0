import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNatsAddress, natsUrl, parseNatsAddress } from '../../../src/nats/nats-address.ts';

const addresses: readonly [text: string, parsed: object, shown: string][] = [
  ['nats://one.lan', { servers: ['one.lan:4222'], isTls: false }, 'nats://one.lan:4222'],
  [
    'tls://a,b:5000,[::1]:6000',
    { servers: ['a:4222', 'b:5000', '[::1]:6000'], isTls: true },
    'tls://a:4222,b:5000,[::1]:6000',
  ],
  [
    'nats://ann:p%40ss:word@10.0.0.1:4333/',
    { servers: ['10.0.0.1:4333'], isTls: false, user: 'ann', password: 'p@ss:word' },
    'nats://10.0.0.1:4333',
  ],
  [
    'nats://s3cret@one',
    { servers: ['one:4222'], isTls: false, token: 's3cret' },
    'nats://one:4222',
  ],
];

for (const [text, parsed, shown] of addresses) {
  test(`${text} is an address, which is shown without its password`, () => {
    assert.equal(isNatsAddress(text), true);
    assert.deepEqual(parseNatsAddress(text), parsed);
    assert.equal(natsUrl(parseNatsAddress(text)), shown);
  });
}

const wrong = [
  ...['nats://', 'nats://@', 'nats://a:0', 'nats://a:65536', 'nats://a b', 'nats://a,,b'],
  ...['nats://a/path', 'nats://x:%zz@a', 'http://a', 'one.lan:4222', 'nats://u:p@a@b'],
];

for (const text of wrong) {
  test(`${text} is no address, and the error does not repeat it`, () => {
    assert.throws(
      () => parseNatsAddress(text),
      (error: Error & { code?: string }) =>
        error.code === 'bad_host' && !error.message.includes(text),
    );
  });
}
