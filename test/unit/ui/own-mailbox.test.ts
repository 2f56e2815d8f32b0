// The person's own mailbox: what was shown is settled, and nothing else is changed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FoundMessage } from '../../../src/model/look-results.ts';
import type {
  Delivery,
  FetchArguments,
  Held,
  ReleaseArguments,
} from '../../../src/model/mail-service.ts';
import type { MessageId, Name } from '../../../src/model/message.ts';
import { OwnMailbox } from '../../../src/ui/own-mailbox.ts';

/** A mailbox of the messages 1, 2, 3 ..., of which the first are read first. */
class ToldMailbox {
  ready: string[];
  readonly held: string[] = [];
  readonly settled: string[] = [];
  readonly unread: string[] = [];
  readonly fetches: number[] = [];
  /** Messages that another session has by the time of the settle. */
  lost: readonly string[] = [];

  constructor(count: number) {
    this.ready = Array.from({ length: count }, (_, index) => `m${index + 1}`);
  }

  async find(ids: readonly MessageId[]): Promise<readonly FoundMessage[]> {
    return ids.map((id) => {
      const isReady = this.ready.includes(id);
      const place = { mailbox: 'boss' };
      return {
        state: isReady ? 'ready' : 'settled',
        place: isReady ? place : undefined,
      } as FoundMessage;
    });
  }

  async fetch(_from: unknown, { messagesMax = 0 }: FetchArguments) {
    this.fetches.push(messagesMax);
    const taken = this.ready.splice(0, messagesMax);
    this.held.push(...taken);
    const deliveries = taken.map((id) => ({ envelope: { id, number: 1 } }) as unknown as Delivery);
    return { deliveries, remaining: this.ready.length, elsewhere: [] };
  }

  async settle(held: readonly Held[]): Promise<readonly Held[]> {
    const lost = held.filter(({ envelope }) => this.lost.includes(envelope.id));
    this.settled.push(
      ...held.filter((each) => !lost.includes(each)).map(({ envelope }) => envelope.id),
    );
    return lost;
  }

  async release(held: readonly Held[], { unread }: ReleaseArguments): Promise<void> {
    assert.equal(unread, true);
    const ids = held.map(({ envelope }) => envelope.id);
    this.unread.push(...ids);
    this.ready.unshift(...ids);
  }
}

const signal = new AbortController().signal;
const ids = (...given: string[]) => given as MessageId[];

test('messages at the front are settled, and no other message is touched', async () => {
  const told = new ToldMailbox(5);
  const own = new OwnMailbox(told, 'boss' as Name);
  assert.deepEqual(await own.settle(ids('m1', 'm2'), signal), {
    settled: ['m1', 'm2'],
    missed: [],
  });
  assert.deepEqual([told.settled, told.unread, told.fetches], [['m1', 'm2'], [], [2]]);
});

test('messages in front of a message that was shown go back unread, in their order', async () => {
  const told = new ToldMailbox(4);
  const own = new OwnMailbox(told, 'boss' as Name);
  assert.deepEqual(await own.settle(ids('m3'), signal), { settled: ['m3'], missed: [] });
  assert.deepEqual(
    [told.settled, told.unread, told.ready],
    [['m3'], ['m1', 'm2'], ['m1', 'm2', 'm4']],
  );
});

test('messages that are not ready there are reported, and nothing is fetched for them', async () => {
  const told = new ToldMailbox(2);
  const own = new OwnMailbox(told, 'boss' as Name);
  assert.deepEqual(await own.settle(ids('gone', 'm9'), signal), {
    settled: [],
    missed: ['gone', 'm9'],
  });
  assert.deepEqual(told.fetches, []);
});

test('a message that another session has by then is reported as missed', async () => {
  const told = new ToldMailbox(2);
  told.lost = ['m1'];
  const own = new OwnMailbox(told, 'boss' as Name);
  assert.deepEqual(await own.settle(ids('m1', 'm2'), signal), { settled: ['m2'], missed: ['m1'] });
});

test('two reads at a time follow each other, so that neither misses what the other one holds', async () => {
  const told = new ToldMailbox(4);
  const own = new OwnMailbox(told, 'boss' as Name);
  const [first, second] = await Promise.all([
    own.settle(ids('m4'), signal),
    own.settle(ids('m2'), signal),
  ]);
  assert.deepEqual(
    [first, second],
    [
      { settled: ['m4'], missed: [] },
      { settled: ['m2'], missed: [] },
    ],
  );
  assert.deepEqual(told.ready, ['m1', 'm3']);
});

test('a fetch that fails releases what was taken, and the next read goes on', async () => {
  const told = new ToldMailbox(3);
  const fetch = told.fetch.bind(told);
  let calls = 0;
  told.fetch = async (...given) => {
    calls += 1;
    if (calls === 2) throw new Error('cut off');
    return fetch(...given);
  };
  const own = new OwnMailbox(told, 'boss' as Name);
  await assert.rejects(own.settle(ids('m3'), signal), /cut off/);
  assert.deepEqual([told.unread, told.ready], [['m1'], ['m1', 'm2', 'm3']]);
  assert.deepEqual(await own.settle(ids('m1'), signal), { settled: ['m1'], missed: [] });
});
