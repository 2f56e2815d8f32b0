import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { IpcError } from '../../../../src/base/errors.ts';
import { BrokerSource, type SourceOptions } from '../../../../src/cli/top/broker-source.ts';
import type { SourceUpdate } from '../../../../src/cli/top/mail-source.ts';
import type { EventBatch, MailEvent } from '../../../../src/model/mail-events.ts';
import type { EventsArguments } from '../../../../src/model/mail-service.ts';
import { idOf, statusOf, stored } from '../../../support/top/mail-facts.ts';

type Asked = Pick<EventsArguments, 'after' | 'timeoutMs'>;

function batchOf(events: readonly MailEvent[], sequence: number, epoch = 3): EventBatch {
  return { events, next: { epoch, sequence }, gap: undefined, hasMore: false };
}

const eventOf = (number: number) => stored({ number, text: `text ${number}` }).event;

/** A broker with a script: what it answers to each question for events, in order; then it is silent. */
class ScriptedMail {
  readonly asked: Asked[] = [];
  readonly #answers: (EventBatch | IpcError)[];

  constructor(answers: readonly (EventBatch | IpcError)[]) {
    this.#answers = [...answers];
  }

  get service(): SourceOptions['mail'] {
    return {
      status: async () => statusOf(),
      pause: async () => [],
      resume: async () => [],
      events: async ({ after, timeoutMs, signal }) => {
        this.asked.push({ after, timeoutMs });
        const answer = this.#answers.shift();
        if (answer instanceof Error) throw answer;
        if (answer) return answer;
        if (signal && !signal.aborted) await once(signal, 'abort');
        throw new IpcError('cancelled', 'the call was cancelled');
      },
    };
  }
}

/** All that the source reports, until `isEnough` says that it was enough. */
async function reported(
  options: Omit<SourceOptions, 'place'>,
  isEnough: (updates: readonly SourceUpdate[]) => boolean,
): Promise<SourceUpdate[]> {
  const source = new BrokerSource({ ...options, place: 'port 1' });
  const end = new AbortController();
  const updates: SourceUpdate[] = [];
  const report = (update: SourceUpdate) => {
    updates.push(update);
    if (isEnough(updates)) end.abort();
  };
  await source.follow(report, end.signal);
  return updates.filter(({ kind }) => kind !== 'status');
}

const count = (updates: readonly SourceUpdate[], kind: SourceUpdate['kind']) => {
  return updates.filter((update) => update.kind === kind).length;
};

test('the screen is live from the position of the broker, and the past is read from files', async () => {
  const mail = new ScriptedMail([batchOf([], 20), batchOf([eventOf(3)], 30)]);
  const readPast = async function* () {
    yield batchOf([eventOf(1)], 10);
    yield batchOf([eventOf(2)], 20);
  };
  const updates = await reported({ mail: mail.service, readPast }, (all) => {
    return count(all, 'live') === 1 && count(all, 'past') === 1;
  });
  const past = updates.find(({ kind }) => kind === 'past');
  assert.deepEqual(past, {
    kind: 'past',
    events: [1, 2].map((number) => ({ event: eventOf(number), text: `text ${number}` })),
    upTo: 20,
  });
  assert.deepEqual(mail.asked.slice(0, 2), [
    { after: 'now', timeoutMs: 0 },
    { after: { epoch: 3, sequence: 20 }, timeoutMs: 60_000 },
  ]);
});

test('without a broker events go on behind the past, as soon as there is one', async () => {
  const none = new IpcError('no_broker', 'no session owns the broker of port 1 now');
  const mail = new ScriptedMail([none, none, batchOf([eventOf(2)], 20, 4)]);
  const readPast = async function* () {
    yield batchOf([eventOf(1)], 10);
  };
  const updates = await reported({ mail: mail.service, readPast }, (all) => {
    return count(all, 'live') === 1;
  });
  assert.deepEqual(
    updates.map(({ kind }) => kind),
    ['past', 'live'],
  );
  const behind = { after: { epoch: 3, sequence: 10 }, timeoutMs: 60_000 };
  assert.deepEqual(mail.asked, [{ after: 'now', timeoutMs: 0 }, behind, behind]);
});

test('of a broker on another machine the last 4,000 records are asked for', async () => {
  const mail = new ScriptedMail([
    batchOf([], 10_000),
    batchOf([eventOf(700)], 8_000),
    batchOf([eventOf(900)], 10_000),
  ]);
  const updates = await reported({ mail: mail.service, readPast: undefined }, (all) => {
    return count(all, 'past') === 1;
  });
  assert.deepEqual(
    updates.map((update) => (update.kind === 'past' ? [update.events.length, update.upTo] : [])),
    [[2, 10_000]],
  );
  assert.deepEqual(
    mail.asked.slice(0, 3).map(({ after }) => after),
    ['now', { epoch: 3, sequence: 6_000 }, { epoch: 3, sequence: 8_000 }],
  );
});

test('a store that cannot be read, and a broker that knows no events, are reported', async () => {
  const mail = new ScriptedMail([
    batchOf([], 5),
    new IpcError('bad_frame', 'it knows no such request'),
  ]);
  // biome-ignore lint/correctness/useYield: it fails before
  const readPast = async function* (): AsyncGenerator<EventBatch> {
    throw new IpcError('store_newer', 'a later version wrote it');
  };
  const updates = await reported({ mail: mail.service, readPast }, (all) => {
    return count(all, 'noPast') === 1 && count(all, 'noFlow') === 1;
  });
  assert.deepEqual(updates.slice(0, 2), [
    { kind: 'noPast', what: 'a later version wrote it' },
    { kind: 'noFlow', what: 'it knows no such request' },
  ]);
});

test('the whole text is looked for at its place, and says when it is not kept any more', async () => {
  const places: (number | undefined)[] = [];
  const readPast: NonNullable<SourceOptions['readPast']> = async function* ({ after }) {
    places.push(after);
    yield batchOf([eventOf(7), eventOf(8)], 80);
  };
  const mail = new ScriptedMail([]).service;
  const source = new BrokerSource({ mail, readPast, place: 'port 1' });
  assert.equal(await source.wholeText(80, idOf(8)), 'text 8');
  assert.deepEqual(places, [79]);
  await assert.rejects(source.wholeText(90, idOf(9)), /it is not kept any more/);
});
