import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as limits from '../../../src/base/event-limits.ts';
import { EventRing } from '../../../src/broker/event-ring.ts';
import type { EventOfRecord } from '../../../src/engine/record-events.ts';
import { postedRecord } from '../../support/disk/journal-model.ts';

test('a small body in the ring does not keep the chunk in memory that it was received in, and a post has it once', () => {
  const ring = new EventRing(limits);
  const part = Buffer.alloc(65_536, 'a').subarray(100, 110);
  const stored = (number: number): EventOfRecord => {
    return { kind: 'stored', envelope: postedRecord(number, 'aaaaaaaaaa').envelope, part };
  };
  const events = [{ index: 0, events: [stored(1), stored(2)] }];
  ring.add({ first: 1, count: 1, time: 1_000, events });
  const [record] = ring.after(0);
  const parts = record?.events.map((event) => (event.kind === 'stored' ? event.part : undefined));
  assert.deepEqual(
    parts?.map((each) => [each?.toString(), each?.buffer.byteLength]),
    [
      ['aaaaaaaaaa', 10],
      ['aaaaaaaaaa', 10],
    ],
  );
  assert.equal(parts?.[0], parts?.[1]);
});
