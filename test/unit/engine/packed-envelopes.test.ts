import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PackedEnvelopes } from '../../../src/engine/packed-envelopes.ts';
import type { Envelope, MessageId, Name } from '../../../src/model/message.ts';
import { origin, sessionOf } from '../../support/model/engine.ts';

const ann = sessionOf('ann');

function envelopeOf(count: number): Envelope {
  const names = { to: 'A' as Name, from: '' as const, answers: '' as const };
  const sizes = { depth: 0, bodyBytes: 3, checksum: 7 };
  const id = `${ann}.${count}` as MessageId;
  return { id, number: count, ...names, time: 1.7e12, origin, ...sizes };
}

test('envelopes that come and go one after the other take the rows of one chunk', () => {
  const packed = new PackedEnvelopes();
  const rows: number[] = [];
  for (let count = 1; count <= 2_000; count++) {
    const row = packed.add(envelopeOf(count), ann, count);
    assert.deepEqual(packed.read(row), envelopeOf(count));
    packed.delete(row);
    rows.push(row);
  }
  assert.equal(Math.max(...rows), 0);
});

test('an envelope that stays keeps its row, and those behind it take few chunks', () => {
  const packed = new PackedEnvelopes();
  const first = packed.add(envelopeOf(1), ann, 1);
  const rows: number[] = [];
  for (let count = 2; count <= 2_000; count++) {
    const row = packed.add(envelopeOf(count), ann, count);
    packed.delete(row);
    rows.push(row);
  }
  assert.ok(Math.max(...rows) < 512, `the last row is ${Math.max(...rows)}`);
  assert.deepEqual(packed.read(first), envelopeOf(1));
});
