// The watches of an engine with many of them. Their rules are tested by the transcripts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome } from '../../../src/engine/commands.ts';
import { Engine } from '../../../src/engine/engine.ts';
import { bodyChecksum, type MailboxList, type Name } from '../../../src/model/message.ts';
import type { BrokerRequest, NoticeResponse, WatchRequest } from '../../../src/model/requests.ts';
import { identity, instantAt, origin, sentAny, sessionOf } from '../../support/model/engine.ts';

const [A, B] = ['A', 'B'] as [Name, Name];
const many = 1_000;
const body = Buffer.from('hello');

/** One engine, its clock, and sessions that are called by the number of their connection. */
class Mail {
  readonly engine = new Engine();
  now = 0;
  #requests = 0;
  #posts = 0;

  constructor() {
    this.engine.begin(identity, instantAt(0));
    this.hello(1);
    this.hello(2);
  }

  run(connection: number, request: BrokerRequest | { readonly kind: 'disconnect' }): Outcome {
    return this.engine.step(request, connection, instantAt(this.now));
  }

  hello(connection: number): void {
    const session = sessionOf('abcdefgh'[connection] ?? '');
    const who = { session, origin, standby: false, sentUpTo: sentAny, held: [] };
    this.run(connection, { kind: 'hello', request: ++this.#requests, ...who });
  }

  post(to: Name): void {
    this.run(1, {
      ...{ kind: 'post', request: ++this.#requests, count: ++this.#posts, id: '', ackedUpTo: 0 },
      ...{ to, alsoTo: [], from: '', answers: '', settles: [] },
      ...{ checksum: bodyChecksum(body), body },
    });
  }

  fetch(mailbox: Name): void {
    const most = { bytesMax: 1_000, messagesMax: 1_000 };
    this.run(1, { kind: 'fetch', request: ++this.#requests, mailboxes: [mailbox], ...most });
  }

  watch(mailboxes: MailboxList, given: Partial<WatchRequest> = {}): number {
    const request = ++this.#requests;
    const watch = { waitMs: 300_000, told: undefined, path: '', ...given };
    this.run(2, { kind: 'watch', request, mailboxes, ...watch });
    return request;
  }

  /** Notices of a tick after that time. */
  after(ms: number): NoticeResponse[] {
    this.now += ms;
    const { records, replies } = this.engine.tick(instantAt(this.now));
    assert.deepEqual(records, []);
    return replies.flatMap(({ response }) => (response.kind === 'notice' ? [response] : []));
  }

  get deadline(): number | undefined {
    return this.engine.nextDeadline();
  }

  /** Mailboxes that a status lists. */
  get mailboxes(): number {
    const { replies } = this.run(2, { kind: 'status', request: ++this.#requests });
    const [response] = replies.map((reply) => reply.response);
    assert(response?.kind === 'status');
    return response.mailboxCount;
  }
}

const toldOfFirst = { number: 1, attempt: 1, time: 0, pauseMs: 60_000 };

test('many watches of one mailbox are told in the order in which they came, one each 20 s', () => {
  const mail = new Mail();
  const watches = Array.from({ length: many }, () => mail.watch([A]));
  mail.post(A);
  const told = mail.after(1_000).map(({ request }) => request);
  while (told.length < 10) told.push(...mail.after(20_000).map(({ request }) => request));
  assert.deepEqual(told, watches.slice(0, 10));
});

test('a read puts those that rest back in line at the next tick, in the order in which they came', () => {
  const mail = new Mail();
  mail.post(A);
  const watches = Array.from({ length: many }, () => mail.watch([A], { told: toldOfFirst }));
  mail.now = 30_000;
  mail.fetch(A);
  assert.equal(mail.deadline, 30_000);
  mail.post(A);
  assert.deepEqual(mail.after(999), []);
  assert.deepEqual(
    mail.after(1).map(({ request, number }) => [request, number]),
    [[watches[0], 2]],
  );
});

test('a watch whose message was read can be cancelled before the next tick', () => {
  const mail = new Mail();
  mail.post(A);
  const watches = [1, 2].map(() => mail.watch([A], { told: toldOfFirst }));
  mail.fetch(A);
  mail.run(2, { kind: 'cancel', request: watches[0] as number });
  mail.post(A);
  assert.deepEqual(
    mail.after(1_000).map(({ request }) => request),
    [watches[1]],
  );
  assert.deepEqual(mail.after(60_000), []);
});

test('a pause of 0 is none', () => {
  const mail = new Mail();
  mail.post(A);
  mail.watch([A], { told: { ...toldOfFirst, pauseMs: 0 } });
  assert.equal(mail.after(1_000).length, 1);
});

test('in one tick each of many mailboxes has its notice', () => {
  const mail = new Mail();
  const names = Array.from({ length: many }, (_, index) => `box ${index}` as Name);
  for (const name of names) {
    mail.watch([name]);
    mail.post(name);
  }
  const told = mail.after(1_000).map(({ mailbox }) => mailbox);
  assert.deepEqual(told.toSorted(), names.toSorted());
});

test('watches that have ended leave nothing behind: no deadline, and no mailbox in a status', () => {
  const mail = new Mail();
  mail.post(A);
  for (let count = 0; count < 10; count++) {
    mail.watch([A, B]);
    mail.watch([B, A], { told: toldOfFirst });
    mail.watch([`box ${count}` as Name], { waitMs: 5_000 });
  }
  assert.equal(mail.mailboxes, 12);
  mail.after(1_000);
  mail.after(5_000);
  assert.equal(mail.mailboxes, 2);
  mail.run(2, { kind: 'disconnect' });
  mail.hello(2);
  assert.equal(mail.mailboxes, 1);
  mail.after(20_000);
  assert.equal(mail.deadline, undefined);
  mail.watch([A]);
  assert.equal(mail.after(1_000).length, 1);
});

test('a watch has a number of its own among the open requests of its connection', () => {
  const mail = new Mail();
  const request = mail.watch([A]);
  const wait = { kind: 'wait', request, mailboxes: [B], answers: '', waitMs: 0 } as const;
  const [reply] = mail.run(2, wait).replies;
  assert(reply?.response.kind === 'error');
  assert.equal(reply.response.code, 'bad_frame');
});
