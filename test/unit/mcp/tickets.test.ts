// When a delivery is settled, rule by rule: (a) by its ticket, (b) by a post to its sender, (c) at an orderly
// end; and what is released instead.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Batch,
  type BrokerMailboxes,
  type Caller,
  type Plan,
  Tickets,
} from '../../../src/mcp/tickets.ts';
import type { Delivery } from '../../../src/model/mail-service.ts';
import type { MessageId, Name } from '../../../src/model/message.ts';
import { nothingLeft } from '../../support/receipts.ts';

const broker = '19901';
const here: BrokerMailboxes = { broker, mailboxes: ['A' as Name] };
const there: BrokerMailboxes = { broker, mailboxes: ['B' as Name] };
const readsHere = { reads: here };
const readsThere = { reads: there };
const postsToSender = { posts: { broker, mailbox: 'S' as Name } };
const patient: Caller = { id: '', dropsCalls: false };
const dropper: Caller = { id: 't1', dropsCalls: true };

function message(
  number: number,
  mailbox = here.mailboxes[0],
  { from = 'S', body = 'body' } = {},
): Delivery {
  const envelope = {
    id: `m${number}` as MessageId,
    number,
    to: mailbox,
    from: from as Name,
    time: 0,
    answers: '' as const,
    origin: { program: 'test', pid: 1, machine: 'here' },
    depth: 0,
    bodyBytes: 4,
    checksum: 0,
  };
  return { envelope, mailbox, attempt: 1, others: 0, ...nothingLeft, body: Buffer.from(body) };
}

/** The ticket of messages that were handed over in a result that was written. */
function given(
  tickets: Tickets,
  numbers: readonly number[],
  { caller = patient, place = here, from = 'S', body = 'body' } = {},
): string {
  const deliveries = numbers.map((number) => message(number, place.mailboxes[0], { from, body }));
  const ticket = tickets.give(caller.id, place, deliveries);
  tickets.writing(ticket);
  tickets.written(ticket);
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
  const ticket = given(tickets, [1]);
  const kept = () => tickets.begin(patient, [ticket], {}).settles.flatMap(held);
  const held = ({ deliveries }: Batch) => deliveries.map((each) => [each.envelope, 'body' in each]);
  const expected = [[{ number: 1, id: 'm1' }, false]];
  assert.deepEqual(kept(), expected);
  tickets.unsettled(tickets.begin(patient, [ticket], {}).settles);
  const gone = tickets.gone(ticket);
  assert.deepEqual([gone && held(gone), gone?.unread], [expected, false]);
  assert.deepEqual(kept(), expected);
});

test('(a) a call with the ticket settles it, whatever the call, and names what it answers', () => {
  for (const target of [{}, readsHere, readsThere, postsToSender]) {
    const tickets = new Tickets('k7f3');
    const ticket = given(tickets, [1]);
    const plan = tickets.begin(patient, [ticket], target);
    assert.deepEqual(does(plan), { settles: ['m1'], redelivers: [] });
    assert.deepEqual(plan.answers, { id: 'm1', mailboxes: ['A'] });
  }
});

test('(a) holds for another caller, and before the result was written', () => {
  const tickets = new Tickets('k7f3');
  const ticket = tickets.give('t1', here, [message(1)]);
  assert.deepEqual(ids(tickets.begin({ id: 't2', dropsCalls: true }, [ticket], {}).settles[0]), [
    'm1',
  ]);
});

test('(a) the ticket of several messages settles them all and answers none', () => {
  const tickets = new Tickets('k7f3');
  const plan = tickets.begin(patient, [given(tickets, [1, 2])], {});
  assert.deepEqual(does(plan).settles, ['m1', 'm2']);
  assert.equal(plan.answers, undefined);
});

test('(a) a post with the ticket of several messages answers the only one that came from its recipient', () => {
  const tickets = new Tickets('k7f3');
  const three = [message(1), message(2, here.mailboxes[0], { from: 'T' }), message(3)];
  const ticket = tickets.give(patient.id, here, three);
  tickets.written(ticket);
  const toT = { posts: { broker, mailbox: 'T' as Name } };
  const plan = tickets.begin(patient, [ticket], toT);
  assert.deepEqual(does(plan).settles, ['m1', 'm2', 'm3']);
  assert.deepEqual(plan.answers, { id: 'm2', mailboxes: ['A'] });
  assert.equal(tickets.begin(patient, [ticket], postsToSender).answers, undefined);
});

test('(a) a ticket that is used again settles nothing, and is not unknown', () => {
  const tickets = new Tickets('k7f3');
  const ticket = given(tickets, [1]);
  tickets.settled(tickets.begin(patient, [ticket], {}).settles);
  const plan = tickets.begin(patient, [ticket], readsHere);
  assert.deepEqual(does(plan), nothing);
  assert.deepEqual(plan.unknown, []);
});

test('(a) the ticket of a released message still settles it', () => {
  const tickets = new Tickets('k7f3');
  const ticket = given(tickets, [1]);
  tickets.gone(ticket);
  const { settles } = tickets.begin(patient, [ticket], {});
  assert.deepEqual(settles.flatMap(ids), ['m1']);
  tickets.settled(settles);
  assert.deepEqual(does(tickets.begin(patient, [ticket], {})), nothing);
});

test('a read without a ticket settles nothing, and reports all that its caller holds', () => {
  const tickets = new Tickets('k7f3');
  given(tickets, [1], { from: '' });
  given(tickets, [2, 3], { place: there });
  for (const target of [readsHere, readsThere]) {
    const plan = tickets.begin(patient, [], target);
    assert.deepEqual(does(plan), nothing);
    assert.deepEqual(plan.unnamed, [
      { ticket: 'k7f3-1', number: 1, from: '' },
      { ticket: 'k7f3-2', number: 2, from: 'S' },
      { ticket: 'k7f3-2', number: 3, from: 'S' },
    ]);
  }
});

test('a read reports nothing of another caller, nothing that is not written, and nothing if it has a ticket', () => {
  const tickets = new Tickets('k7f3');
  tickets.give('', here, [message(1)]);
  const ticket = given(tickets, [2]);
  const unnamed = (caller: Caller, after: readonly string[]) =>
    tickets.begin(caller, after, readsHere).unnamed.map(({ number }) => number);
  assert.deepEqual(unnamed(patient, []), [2]);
  assert.deepEqual(unnamed({ id: 't1', dropsCalls: false }, []), []);
  assert.deepEqual(unnamed(patient, [ticket]), []);
});

test('(b) a post without a ticket settles and answers the one message that its caller holds of that sender', () => {
  const tickets = new Tickets('k7f3');
  given(tickets, [1]);
  given(tickets, [2], { from: 'T' });
  const plan = tickets.begin(patient, [], postsToSender);
  assert.deepEqual(does(plan), { settles: ['m1'], redelivers: [] });
  assert.deepEqual(plan.answers, { id: 'm1', mailboxes: ['A'] });
  assert.deepEqual(plan.unnamed, []);
});

test('(b) of the messages of a fetch, the one of that sender alone is settled', () => {
  const tickets = new Tickets('k7f3');
  const ticket = tickets.give('', here, [
    message(1, here.mailboxes[0], { from: 'T' }),
    message(2, here.mailboxes[0], { from: 'S' }),
  ]);
  tickets.written(ticket);
  const { settles } = tickets.begin(patient, [], postsToSender);
  assert.deepEqual(settles.flatMap(ids), ['m2']);
  tickets.settled(settles);
  assert.deepEqual(does(tickets.begin(patient, [ticket], {})).settles, ['m1']);
});

test('(b) of two messages of that sender none is settled, and both are reported', () => {
  const tickets = new Tickets('k7f3');
  given(tickets, [1]);
  given(tickets, [2], { place: there });
  const plan = tickets.begin(patient, [], postsToSender);
  assert.deepEqual(does(plan), nothing);
  assert.equal(plan.answers, undefined);
  assert.deepEqual(plan.unnamed, [
    { ticket: 'k7f3-1', number: 1, from: 'S' },
    { ticket: 'k7f3-2', number: 2, from: 'S' },
  ]);
});

test('(b) does not hold for another caller or port, for what is not written, or beside an unknown ticket', () => {
  const tickets = new Tickets('k7f3');
  const ticket = tickets.give('', here, [message(1)]);
  assert.deepEqual(does(tickets.begin(patient, [], postsToSender)), nothing);
  tickets.writing(ticket);
  assert.deepEqual(does(tickets.begin(patient, [], postsToSender)), nothing);
  tickets.written(ticket);
  const other = { id: 't1', dropsCalls: false };
  assert.deepEqual(does(tickets.begin(other, [], postsToSender)), nothing);
  const elsewhere = { posts: { broker: '1', mailbox: 'S' as Name } };
  assert.deepEqual(does(tickets.begin(patient, [], elsewhere)), nothing);
  assert.deepEqual(does(tickets.begin(patient, ['zzzz-1'], postsToSender)), nothing);
  assert.deepEqual(does(tickets.begin(patient, [], postsToSender)).settles, ['m1']);
});

test('a ticket of another session, or of another form, is unknown', () => {
  const tickets = new Tickets('k7f3');
  given(tickets, [1]);
  for (const after of ['zzzz-1', 'k7f3-2', 'k7f3-0', 'k7f3-01', 'done', 'k7f3-1.', 'K7F3-1']) {
    const plan = tickets.begin(patient, [after], readsHere);
    assert.deepEqual(plan.unknown, [after]);
    assert.deepEqual(does(plan), nothing, after);
  }
});

test('(c) an end settles a shutdown that was written, and releases the rest', () => {
  const tickets = new Tickets('k7f3');
  given(tickets, [1], { body: ' shutdown\n' });
  given(tickets, [2]);
  tickets.writing(tickets.give('', here, [message(3, here.mailboxes[0], { body: 'shutdown' })]));
  tickets.give('', here, [message(4)]);
  const { settles, releases } = tickets.end();
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

test('(c) leaves alone what a call is settling, and knows nothing of what is settled', () => {
  const tickets = new Tickets('k7f3');
  const first = given(tickets, [1]);
  const second = given(tickets, [2]);
  tickets.settled(tickets.begin(patient, [first], {}).settles);
  tickets.begin(patient, [second], {});
  assert.deepEqual(tickets.end(), { settles: [], releases: [] });
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
  assert.deepEqual(does(tickets.begin(patient, [], readsHere)), nothing);
  assert.equal(tickets.gone(late), undefined);
});

test('a cancellation that comes after the settling began changes nothing, unless that fails', () => {
  const tickets = new Tickets('k7f3');
  const ticket = given(tickets, [1]);
  const { settles } = tickets.begin(patient, [ticket], {});
  assert.equal(tickets.gone(ticket), undefined);
  assert.deepEqual(tickets.unsettled(settles).flatMap(ids), ['m1']);
  assert.deepEqual(tickets.unsettled(settles), []);
});

test('what could not be settled waits for the next call', () => {
  const tickets = new Tickets('k7f3');
  given(tickets, [1]);
  const { settles } = tickets.begin(patient, [], postsToSender);
  assert.deepEqual(does(tickets.begin(patient, [], postsToSender)), nothing);
  assert.deepEqual(tickets.unsettled(settles), []);
  assert.deepEqual(does(tickets.begin(patient, [], postsToSender)).settles, ['m1']);
});

test('a host that drops calls: a message is redelivered once, then (b) holds', () => {
  const tickets = new Tickets('k7f3');
  given(tickets, [1], { caller: dropper });
  assert.deepEqual(does(tickets.begin(dropper, [], readsHere)), {
    settles: [],
    redelivers: ['m1'],
  });
  given(tickets, [1], { caller: dropper });
  assert.deepEqual(does(tickets.begin(dropper, [], readsHere)), {
    settles: ['m1'],
    redelivers: [],
  });
});

test('a host that drops calls: only that mailbox, and only that caller', () => {
  const tickets = new Tickets('k7f3');
  given(tickets, [1], { caller: dropper });
  assert.deepEqual(does(tickets.begin(dropper, [], readsThere)), nothing);
  assert.deepEqual(does(tickets.begin(dropper, [], {})), nothing);
  assert.deepEqual(does(tickets.begin({ id: 't2', dropsCalls: true }, [], readsHere)), nothing);
});

test('a host that drops calls: a message comes again to each read of its mailbox, whatever list it came from', () => {
  const both: BrokerMailboxes = { broker, mailboxes: ['A' as Name, 'B' as Name] };
  const tickets = new Tickets('k7f3');
  const deliveries = [message(1, 'A' as Name), message(2, 'B' as Name)];
  const ticket = tickets.give(dropper.id, both, deliveries);
  tickets.writing(ticket);
  tickets.written(ticket);
  assert.deepEqual(does(tickets.begin(dropper, [], readsThere)), {
    settles: [],
    redelivers: ['m2'],
  });
  assert.deepEqual(does(tickets.begin(dropper, [], { reads: both })), {
    settles: [],
    redelivers: ['m1'],
  });
});

test('the plan of a post that answers what a read of several mailboxes took has all of them', () => {
  const both: BrokerMailboxes = { broker, mailboxes: ['A' as Name, 'B' as Name] };
  const tickets = new Tickets('k7f3');
  const ticket = tickets.give(patient.id, both, [message(1, 'B' as Name)]);
  tickets.writing(ticket);
  tickets.written(ticket);
  const plan = tickets.begin(patient, [ticket], postsToSender);
  assert.deepEqual(plan.answers, { id: 'm1', mailboxes: ['A', 'B'] });
});

test('a host that drops calls: what the ticket names is settled, the rest is redelivered', () => {
  const tickets = new Tickets('k7f3');
  given(tickets, [1], { caller: dropper });
  const second = given(tickets, [2], { caller: dropper });
  assert.deepEqual(does(tickets.begin(dropper, [second], readsHere)), {
    settles: ['m2'],
    redelivers: ['m1'],
  });
});

test('a host that drops calls: each message of a fetch is counted by itself', () => {
  const tickets = new Tickets('k7f3');
  given(tickets, [1], { caller: dropper });
  tickets.begin(dropper, [], readsHere);
  given(tickets, [1, 2], { caller: dropper });
  assert.deepEqual(does(tickets.begin(dropper, [], readsHere)), {
    settles: ['m1'],
    redelivers: ['m2'],
  });
});

test('a host that drops calls: a result that was not written is redelivered once too, then waits for its write', () => {
  const tickets = new Tickets('k7f3');
  tickets.give(dropper.id, here, [message(1)]);
  assert.deepEqual(does(tickets.begin(dropper, [], readsHere)).redelivers, ['m1']);
  const second = tickets.give(dropper.id, here, [message(1)]);
  assert.deepEqual(does(tickets.begin(dropper, [], readsHere)), nothing);
  tickets.written(second);
  assert.deepEqual(does(tickets.begin(dropper, [], readsHere)).settles, ['m1']);
});

test('a host that drops calls: the first ticket of a message that was delivered twice settles both', () => {
  const tickets = new Tickets('k7f3');
  const first = given(tickets, [1], { caller: dropper });
  tickets.begin(dropper, [], readsHere);
  given(tickets, [1], { caller: dropper });
  const plan = tickets.begin(dropper, [first], readsHere);
  assert.deepEqual(does(plan), { settles: ['m1'], redelivers: [] });
  tickets.settled(plan.settles);
  assert.deepEqual(tickets.end(), { settles: [], releases: [] });
});

test('a host that drops calls: a message that was cancelled and redelivered is not both settled and released', () => {
  const tickets = new Tickets('k7f3');
  const first = given(tickets, [1], { caller: dropper });
  tickets.gone(first);
  given(tickets, [1], { caller: dropper });
  assert.deepEqual(does(tickets.begin(dropper, [first], readsHere)), {
    settles: ['m1'],
    redelivers: [],
  });
});

test('the ticket of a part settles nothing, and neither does its call', () => {
  const tickets = new Tickets('k7f3');
  const ticket = given(tickets, [1]);
  for (const caller of [patient, dropper]) {
    const plan = tickets.begin(caller, [`${ticket}.2`], readsHere);
    assert.deepEqual(does(plan), nothing);
    assert.deepEqual(plan.part, { ticket, number: 2 });
    assert.deepEqual(plan.unknown, []);
  }
});

test('released messages are remembered for the newest 256 tickets', () => {
  const tickets = new Tickets('k7f3');
  const names = Array.from({ length: 257 }, (_, index) => given(tickets, [index + 1]));
  for (const name of names) tickets.gone(name);
  const [first = '', second = ''] = names;
  assert.deepEqual(does(tickets.begin(patient, [first], {})), nothing);
  assert.deepEqual(does(tickets.begin(patient, [second], {})).settles, ['m2']);
});

test('(a) several tickets settle all that they stand for, and answer none; an unknown one among them is reported', () => {
  const tickets = new Tickets('k7f3');
  const first = given(tickets, [1]);
  const second = given(tickets, [2, 3], { place: there });
  const plan = tickets.begin(patient, [first, 'zzzz-1', second, `${second}.2`], readsHere);
  assert.deepEqual(does(plan), { settles: ['m1', 'm2', 'm3'], redelivers: [] });
  assert.equal(plan.answers, undefined);
  assert.deepEqual(plan.unknown, ['zzzz-1', `${second}.2`]);
  assert.equal(plan.part, undefined);
});
