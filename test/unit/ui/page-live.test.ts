// The event stream of open pages, over real sockets, from events that the test tells.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { IpcError } from '../../../src/base/errors.ts';
import type { WireMail, WireMessages } from '../../../src/ui/wire.ts';
import { LiveReader } from '../../support/live-reader.ts';
import {
  deliveredEvent,
  lifeEvent,
  type PagePlace,
  pagePlace,
  storedEvent,
} from '../../support/told-page.ts';

interface OpenPlace extends PagePlace {
  readonly cookie: string;
  messages(limit?: number): Promise<WireMessages>;
  live(next: { epoch: number; sequence: number }, lastId?: string): Promise<LiveReader>;
}

async function opened(context: TestContext): Promise<OpenPlace> {
  const place = await pagePlace(context);
  const { cookie, path } = await place.enter();
  const api = `${place.origin}${path}api`;
  const messages = async (limit = 10_000) => {
    const answer = await fetch(`${api}/messages?limit=${limit}`, { headers: { cookie } });
    return (await answer.json()) as WireMessages;
  };
  const live = ({ epoch, sequence }: { epoch: number; sequence: number }, lastId?: string) =>
    LiveReader.open(context, `${api}/live?epoch=${epoch}&sequence=${sequence}`, {
      cookie,
      ...(lastId !== undefined && { 'last-event-id': lastId }),
    });
  return { ...place, cookie, messages, live };
}

/** Each event as KIND NUMBER. */
function told({ events }: Pick<WireMail, 'events'>): string[] {
  return events.map((event) => {
    if (event.kind === 'stored') return `stored ${event.envelope.number} ${event.text}`;
    return `${event.kind} ${'message' in event ? event.message.number : event.mailbox}`;
  });
}

test('a page gets the past once, and then each event once, in order', async (context) => {
  const { feed, messages, live } = await opened(context);
  feed.tell(storedEvent(1, 'one'), deliveredEvent(1), storedEvent(2, 'two'));
  const past = await messages();
  assert.deepEqual(told(past), ['stored 1 one', 'delivered 1', 'stored 2 two']);
  assert.deepEqual([past.next, past.isWhole], [{ epoch: 1, sequence: 3 }, true]);
  const reader = await live(past.next);
  assert.deepEqual(told(await reader.until('mail')), []);
  feed.tell(lifeEvent('settled', 1));
  feed.tell(storedEvent(3, 'three'));
  const got: string[] = [];
  while (got.length < 2) got.push(...told(await reader.until('mail')));
  assert.deepEqual(got, ['settled 1', 'stored 3 three']);
});

test('a page that connects late gets what it missed; one that connects again goes on behind the last event that it has', async (context) => {
  const { feed, messages, live } = await opened(context);
  feed.tell(storedEvent(1, 'one'), storedEvent(2, 'two'), storedEvent(3, 'three'));
  await messages();
  const late = await live({ epoch: 1, sequence: 1 });
  assert.deepEqual(told(await late.until('mail')), ['stored 2 two', 'stored 3 three']);
  const again = await live({ epoch: 1, sequence: 1 }, '1.2');
  assert.deepEqual(told(await again.until('mail')), ['stored 3 three']);
});

test('a page is told of the newest messages alone when it asks for few', async (context) => {
  const { feed, messages } = await opened(context);
  feed.tell(
    storedEvent(1, 'one'),
    storedEvent(2, 'two'),
    deliveredEvent(1),
    storedEvent(3, 'three'),
  );
  const past = await messages(2);
  assert.deepEqual(told(past), ['stored 2 two', 'stored 3 three']);
  assert.equal(past.isWhole, false);
});

test('several pages share one reading of the past and one call for live events', async (context) => {
  const { feed, messages, live } = await opened(context);
  feed.tell(storedEvent(1, 'one'));
  const { next } = await messages();
  const readers = await Promise.all([live(next), live(next), live(next)]);
  for (const reader of readers) await reader.until('mail');
  feed.tell(storedEvent(2, 'two'));
  for (const reader of readers)
    assert.deepEqual(told(await reader.until('mail')), ['stored 2 two']);
  assert.equal(feed.reads, 1);
});

test('a failover that loses no event shows as the next epoch', async (context) => {
  const { feed, messages, live } = await opened(context);
  feed.tell(storedEvent(1, 'one'));
  const reader = await live((await messages()).next);
  await reader.until('mail');
  feed.epoch = 2;
  feed.wake();
  assert.deepEqual(await reader.until('mail'), { events: [], next: { epoch: 2, sequence: 1 } });
  feed.tell(storedEvent(2, 'two'));
  assert.deepEqual(told(await reader.until('mail')), ['stored 2 two']);
});

test('a failover that loses events which were given out makes the page load the messages anew', async (context) => {
  const { feed, messages, live } = await opened(context);
  feed.tell(storedEvent(1, 'one'), storedEvent(2, 'lost'), storedEvent(3, 'lost'));
  const reader = await live((await messages()).next);
  await reader.until('mail');
  feed.epoch = 2;
  feed.events.splice(1);
  feed.wake();
  const mail = await reader.until('mail');
  assert.deepEqual([mail.events, mail.next], [[], { epoch: 2, sequence: 1 }]);
  assert.ok(mail.gap);
  assert.deepEqual(told(await messages()), ['stored 1 one']);
  feed.tell(storedEvent(2, 'another'));
  assert.deepEqual(told(await reader.until('mail')), ['stored 2 another']);
});

test('a store in place of the one that was removed makes the page load the messages anew, however many it has', async (context) => {
  const { feed, messages, live } = await opened(context);
  feed.epoch = 3;
  feed.tell(storedEvent(1, 'one'));
  const reader = await live((await messages()).next);
  await reader.until('mail');
  feed.epoch = 1;
  feed.events.length = 0;
  feed.tell(storedEvent(1, 'new one'), storedEvent(2, 'new two'));
  const mail = await reader.until('mail');
  assert.ok(mail.gap);
  assert.deepEqual(told(await messages()), ['stored 1 new one', 'stored 2 new two']);
});

test('a page that comes with the position of an owner that is gone loads the messages anew', async (context) => {
  const { feed, messages, live } = await opened(context);
  feed.epoch = 2;
  feed.tell(storedEvent(1, 'one'));
  await messages();
  const mail = await (await live({ epoch: 1, sequence: 1 })).until('mail');
  assert.ok(mail.gap);
});

test('a page learns that the broker is gone, and that it is back, once each', async (context) => {
  const { feed, messages, live } = await opened(context);
  feed.tell(storedEvent(1, 'one'));
  const reader = await live((await messages()).next);
  await reader.until('mail');
  feed.fault = new IpcError('no_broker', 'it is gone');
  feed.wake();
  assert.deepEqual(await reader.until('trouble'), { message: 'no_broker: it is gone' });
  feed.fault = undefined;
  feed.tell(storedEvent(2, 'two'));
  const kinds: string[] = [];
  for (let item = await reader.next(); ; item = await reader.next()) {
    if (item.kind !== 'status') kinds.push(item.kind);
    if (item.kind === 'mail') break;
  }
  assert.deepEqual(kinds, ['fine', 'mail']);
});

test('a page that connects while the broker is gone is told so at once', async (context) => {
  const { feed, messages, live } = await opened(context);
  feed.tell(storedEvent(1, 'one'));
  const { next } = await messages();
  const first = await live(next);
  await first.until('mail');
  feed.fault = new IpcError('no_broker', 'it is gone');
  feed.wake();
  await first.until('trouble');
  const second = await live(next);
  assert.equal((await second.next()).kind, 'trouble');
});

test('the status comes at once, and again only when it has changed', async (context) => {
  let port = 1;
  let asked = 0;
  const status = async () => {
    asked += 1;
    return { port, paused: ['jobs'] } as never;
  };
  const place = await pagePlace(context, { status });
  const { cookie, path } = await place.enter();
  const reader = await LiveReader.open(
    context,
    `${place.origin}${path}api/live?epoch=1&sequence=0`,
    { cookie },
  );
  assert.deepEqual(await reader.until('status'), {
    status: { port: 1, paused: ['jobs'] },
    paused: ['jobs'],
  });
  const before = asked;
  while (asked < before + 2) await new Promise((resolve) => setTimeout(resolve, 50));
  port = 2;
  assert.deepEqual((await reader.until('status')).status, { port: 2, paused: ['jobs'] });
});
