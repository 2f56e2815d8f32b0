// When a delivery is settled, rule by rule: (a) by its ticket, (b) by the next reading call, (c) at an
// orderly end; and what is released instead.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Batch, type Caller, type Plan, Tickets } from '../../../src/mcp/tickets.ts';
import type { Delivery } from '../../../src/model/mail-service.ts';
import type { MessageId, Name } from '../../../src/model/message.ts';

const broker = '19901';
const here = { broker, mailbox: 'A' as Name };
const there = { broker, mailbox: 'B' as Name };
const patient: Caller = { id: '', dropsCalls: false };
const dropper: Caller = { id: 't1', dropsCalls: true };

function message(number: number, mailbox = here.mailbox): Delivery {
  const envelope = {
    id: `m${number}` as MessageId,
    number,
    to: mailbox,
    from: 'S' as Name,
    time: 0,
    answers: '' as const,
    origin: { program: 'test', pid: 1, machine: 'here' },
    depth: 0,
    bodyBytes: 4,
    checksum: 0,
  };
  return { envelope, mailbox, attempt: 1, others: 0, body: Buffer.from('body') };
}

/** The ticket of messages that were handed over in a result that was written. */
function given(
  tickets: Tickets,
  numbers: readonly number[],
  { caller = patient, place = here, atMs = 0 } = {},
): string {
  const deliveries = numbers.map((number) => message(number, place.mailbox));
  const ticket = tickets.give(caller.id, place, deliveries);
  tickets.writing(ticket);
  tickets.written(ticket, atMs);
  return ticket;
}

function ids(batch: Batch | undefined): string[] {
  return (batch?.deliveries ?? []).map(({ envelope }) => envelope.id);
}

/** The ids that a plan settles, and those that it redelivers. */
function does({ settles, redelivers }: Plan): { settles: string[]; redelivers: string[] } {
  return { settles: settles.flatMap(ids), redelivers: ids(redelivers) };
}

const nothing = { settles: [], redelivers: [] };

test('a ticket is the nonce of the session and a count', () => {
  const tickets = new Tickets('k7f3');
  assert.equal(given(tickets, [1]), 'k7f3-1');
  assert.equal(tickets.give('', undefined, []), 'k7f3-2');
});

test('a ticket keeps the number and the id of a message, and no body', () => {
  const tickets = new Tickets('k7f3');
  const envelope = { number: 1, id: 'm1' as MessageId };
  const kept = [{ broker, deliveries: [{ envelope }] }];
  const ticket = given(tickets, [1]);
  assert.deepEqual(tickets.begin(patient, ticket, undefined).settles, kept);
  tickets.unsettled(kept);
  assert.deepEqual(tickets.gone(ticket), { ...kept[0], unread: false });
  assert.deepEqual(tickets.begin(patient, ticket, undefined).settles, kept);
});

test('(a) a call with the ticket settles it, whatever the call, and names what it answers', () => {
  for (const reads of [undefined, here, there]) {
    const tickets = new Tickets('k7f3');
    const ticket = given(tickets, [1]);
    const plan = tickets.begin(patient, ticket, reads);
    assert.deepEqual(does(plan), { settles: ['m1'], redelivers: [] });
    assert.equal(plan.answers, 'm1');
  }
});

test('(a) holds for another caller, and before the result was written', () => {
  const tickets = new Tickets('k7f3');
  const ticket = tickets.give('t1', here, [message(1)]);
  assert.deepEqual(
    ids(tickets.begin({ id: 't2', dropsCalls: true }, ticket, undefined).settles[0]),
    ['m1'],
  );
});

test('(a) the ticket of several messages settles them all and answers none', () => {
  const tickets = new Tickets('k7f3');
  const plan = tickets.begin(patient, given(tickets, [1, 2]), undefined);
  assert.deepEqual(does(plan).settles, ['m1', 'm2']);
  assert.equal(plan.answers, undefined);
});

test('(a) a ticket that is used again settles nothing, and is not unknown', () => {
  const tickets = new Tickets('k7f3');
  const ticket = given(tickets, [1]);
  tickets.settled(tickets.begin(patient, ticket, undefined).settles);
  const plan = tickets.begin(patient, ticket, here);
  assert.deepEqual(does(plan), nothing);
  assert.equal(plan.isUnknown, false);
});

test('(a) the ticket of a released message still settles it', () => {
  const tickets = new Tickets('k7f3');
  const ticket = given(tickets, [1]);
  tickets.gone(ticket);
  const { settles } = tickets.begin(patient, ticket, undefined);
  assert.deepEqual(settles.flatMap(ids), ['m1']);
  tickets.settled(settles);
  assert.deepEqual(does(tickets.begin(patient, ticket, undefined)), nothing);
});

test('(b) the next wait or fetch on that mailbox without a ticket settles what was written', () => {
  const tickets = new Tickets('k7f3');
  given(tickets, [1]);
  given(tickets, [2, 3]);
  assert.deepEqual(does(tickets.begin(patient, undefined, here)), {
    settles: ['m1', 'm2', 'm3'],
    redelivers: [],
  });
});

test('(b) does not hold for what is not written yet', () => {
  const tickets = new Tickets('k7f3');
  const ticket = tickets.give('', here, [message(1)]);
  assert.deepEqual(does(tickets.begin(patient, undefined, here)), nothing);
  tickets.writing(ticket);
  assert.deepEqual(does(tickets.begin(patient, undefined, here)), nothing);
  tickets.written(ticket, 0);
  assert.deepEqual(does(tickets.begin(patient, undefined, here)).settles, ['m1']);
});

test('(b) does not hold for another mailbox, port, caller, or for a call that reads nothing', () => {
  const tickets = new Tickets('k7f3');
  given(tickets, [1]);
  assert.deepEqual(does(tickets.begin(patient, undefined, there)), nothing);
  assert.deepEqual(does(tickets.begin(patient, undefined, { ...here, broker: '1' })), nothing);
  assert.deepEqual(does(tickets.begin({ id: 't1', dropsCalls: false }, undefined, here)), nothing);
  assert.deepEqual(does(tickets.begin(patient, undefined, undefined)), nothing);
});

test('(b) does not hold for a call with a ticket: the other messages stay as they are', () => {
  const tickets = new Tickets('k7f3');
  given(tickets, [1]);
  const second = given(tickets, [2]);
  assert.deepEqual(does(tickets.begin(patient, second, here)), { settles: ['m2'], redelivers: [] });
});

test('(b) holds for a call whose ticket is unknown: the ticket is ignored', () => {
  const tickets = new Tickets('k7f3');
  given(tickets, [1]);
  for (const after of ['zzzz-1', 'k7f3-2', 'k7f3-0', 'k7f3-01', 'done', 'k7f3-1.', 'K7F3-1']) {
    const plan = tickets.begin(patient, after, here);
    assert.equal(plan.isUnknown, true, after);
    assert.deepEqual(does(plan).settles, after === 'zzzz-1' ? ['m1'] : []);
  }
});

test('(c) an end settles what was written 2 s before, and releases the rest', () => {
  const tickets = new Tickets('k7f3');
  given(tickets, [1], { atMs: 1_000 });
  given(tickets, [2], { atMs: 1_001 });
  tickets.writing(tickets.give('', here, [message(3)]));
  tickets.give('', here, [message(4)]);
  const { settles, releases } = tickets.end(3_000, false);
  assert.deepEqual(settles.flatMap(ids), ['m1']);
  assert.deepEqual(
    releases.map((release) => [ids(release), release.unread]),
    [
      [['m2'], false],
      [['m3'], false],
      [['m4'], true],
    ],
  );
});

test('(c) releases all where the host drops calls silently', () => {
  const tickets = new Tickets('k7f3');
  given(tickets, [1], { caller: dropper });
  const { settles, releases } = tickets.end(60_000, true);
  assert.deepEqual(settles, []);
  assert.deepEqual(releases.flatMap(ids), ['m1']);
});

test('(c) leaves alone what a call is settling, and knows nothing of what is settled', () => {
  const tickets = new Tickets('k7f3');
  const first = given(tickets, [1]);
  const second = given(tickets, [2]);
  tickets.settled(tickets.begin(patient, first, undefined).settles);
  tickets.begin(patient, second, undefined);
  assert.deepEqual(tickets.end(60_000, false), { settles: [], releases: [] });
});

test('a cancelled call releases its messages: unread, unless its result began to leave', () => {
  const tickets = new Tickets('k7f3');
  const early = tickets.give('', here, [message(1)]);
  const begun = tickets.give('', here, [message(2)]);
  tickets.writing(begun);
  const late = given(tickets, [3]);
  const gone = [early, begun, late].map((ticket) => tickets.gone(ticket));
  assert.deepEqual(
    gone.map((release) => [ids(release), release?.unread]),
    [
      [['m1'], true],
      [['m2'], false],
      [['m3'], false],
    ],
  );
  assert.deepEqual(does(tickets.begin(patient, undefined, here)), nothing);
  assert.equal(tickets.gone(late), undefined);
});

test('a cancellation that comes after the settling began changes nothing, unless that fails', () => {
  const tickets = new Tickets('k7f3');
  const ticket = given(tickets, [1]);
  const { settles } = tickets.begin(patient, ticket, undefined);
  assert.equal(tickets.gone(ticket), undefined);
  assert.deepEqual(tickets.unsettled(settles).flatMap(ids), ['m1']);
  assert.deepEqual(tickets.unsettled(settles), []);
});

test('what could not be settled waits for the next call', () => {
  const tickets = new Tickets('k7f3');
  given(tickets, [1]);
  const { settles } = tickets.begin(patient, undefined, here);
  assert.deepEqual(does(tickets.begin(patient, undefined, here)), nothing);
  assert.deepEqual(tickets.unsettled(settles), []);
  assert.deepEqual(does(tickets.begin(patient, undefined, here)).settles, ['m1']);
});

test('a host that drops calls: a message is redelivered once, then (b) holds', () => {
  const tickets = new Tickets('k7f3');
  given(tickets, [1], { caller: dropper });
  assert.deepEqual(does(tickets.begin(dropper, undefined, here)), {
    settles: [],
    redelivers: ['m1'],
  });
  given(tickets, [1], { caller: dropper });
  assert.deepEqual(does(tickets.begin(dropper, undefined, here)), {
    settles: ['m1'],
    redelivers: [],
  });
});

test('a host that drops calls: only that mailbox, and only that caller', () => {
  const tickets = new Tickets('k7f3');
  given(tickets, [1], { caller: dropper });
  assert.deepEqual(does(tickets.begin(dropper, undefined, there)), nothing);
  assert.deepEqual(does(tickets.begin(dropper, undefined, undefined)), nothing);
  assert.deepEqual(does(tickets.begin({ id: 't2', dropsCalls: true }, undefined, here)), nothing);
});

test('a host that drops calls: what the ticket names is settled, the rest is redelivered', () => {
  const tickets = new Tickets('k7f3');
  given(tickets, [1], { caller: dropper });
  const second = given(tickets, [2], { caller: dropper });
  assert.deepEqual(does(tickets.begin(dropper, second, here)), {
    settles: ['m2'],
    redelivers: ['m1'],
  });
});

test('a host that drops calls: each message of a fetch is counted by itself', () => {
  const tickets = new Tickets('k7f3');
  given(tickets, [1], { caller: dropper });
  tickets.begin(dropper, undefined, here);
  given(tickets, [1, 2], { caller: dropper });
  assert.deepEqual(does(tickets.begin(dropper, undefined, here)), {
    settles: ['m1'],
    redelivers: ['m2'],
  });
});

test('a host that drops calls: a result that was not written is redelivered once too, then waits for its write', () => {
  const tickets = new Tickets('k7f3');
  tickets.give(dropper.id, here, [message(1)]);
  assert.deepEqual(does(tickets.begin(dropper, undefined, here)).redelivers, ['m1']);
  const second = tickets.give(dropper.id, here, [message(1)]);
  assert.deepEqual(does(tickets.begin(dropper, undefined, here)), nothing);
  tickets.written(second, 0);
  assert.deepEqual(does(tickets.begin(dropper, undefined, here)).settles, ['m1']);
});

test('a host that drops calls: the first ticket of a message that was delivered twice settles both', () => {
  const tickets = new Tickets('k7f3');
  const first = given(tickets, [1], { caller: dropper });
  tickets.begin(dropper, undefined, here);
  given(tickets, [1], { caller: dropper });
  const plan = tickets.begin(dropper, first, here);
  assert.deepEqual(does(plan), { settles: ['m1'], redelivers: [] });
  tickets.settled(plan.settles);
  assert.deepEqual(tickets.end(60_000, false), { settles: [], releases: [] });
});

test('a host that drops calls: a message that was cancelled and redelivered is not both settled and released', () => {
  const tickets = new Tickets('k7f3');
  const first = given(tickets, [1], { caller: dropper });
  tickets.gone(first);
  given(tickets, [1], { caller: dropper });
  assert.deepEqual(does(tickets.begin(dropper, first, here)), { settles: ['m1'], redelivers: [] });
});

test('the ticket of a part settles nothing, and neither does its call', () => {
  const tickets = new Tickets('k7f3');
  const ticket = given(tickets, [1]);
  for (const caller of [patient, dropper]) {
    const plan = tickets.begin(caller, `${ticket}.2`, here);
    assert.deepEqual(does(plan), nothing);
    assert.deepEqual(plan.part, { ticket, number: 2 });
    assert.equal(plan.isUnknown, false);
  }
});

test('released messages are remembered for the newest 256 tickets', () => {
  const tickets = new Tickets('k7f3');
  const names = Array.from({ length: 257 }, (_, index) => given(tickets, [index + 1]));
  for (const name of names) tickets.gone(name);
  const [first, second] = names;
  assert.deepEqual(does(tickets.begin(patient, first, undefined)), nothing);
  assert.deepEqual(does(tickets.begin(patient, second, undefined)).settles, ['m2']);
});
