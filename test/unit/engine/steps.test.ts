// No request costs more than its own size and a small constant, whatever its peers have left behind. Each row of
// the table is a state of the engine that a peer can make large; each request is measured at a size and at twice
// that size. A request of which an earlier one paid the cost is measured at its second time.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { mailboxesPerReadMax } from '../../../src/base/limits.ts';
import type { Command, Outcome } from '../../../src/engine/commands.ts';
import { Engine } from '../../../src/engine/engine.ts';
import type { EngineLimits } from '../../../src/engine/engine-limits.ts';
import {
  bodyChecksum,
  type Hold,
  type MailboxList,
  type MessageId,
  type Name,
  parseSessionId,
  type SessionId,
} from '../../../src/model/message.ts';
import type { Response } from '../../../src/model/requests.ts';
import { identity, instantAt, origin, sentAny } from '../../support/model/engine.ts';
import { StepCounter } from '../../support/steps.ts';

const size = 2_000;
/** What a request may take more at twice the size: steps of searches, of heaps, and within a chunk of numbers. */
const stepsMore = 700;

const counter = new StepCounter(/\/src\/(engine|base)\//);
after(() => counter.end());

const [A, P] = ['A', 'P'] as [Name, Name];
const body = Buffer.from('hello');
/** Of a peer that has as many unread bytes as it may. */
const unreadBytesMax = body.length;
const limits: Partial<EngineLimits> = {
  unreadBytesMax,
  waitsMax: 1_000_000,
  waitsPerConnectionMax: 1_000_000,
  watchesMax: 1_000_000,
  watchesPerConnectionMax: 1_000_000,
  unacknowledgedPostsMax: 1_000_000,
  mailboxMessagesMax: 1_000_000,
  // Shares of a request that the states exceed many times.
  statusMailboxesMax: 100,
  statusSessionsMax: 100,
  messagesPerLook: 100,
};

type Request = Command extends infer Each
  ? Each extends Command
    ? Omit<Each, 'request'>
    : never
  : never;

/** A number of 1 upwards for each connection; each has its own session. */
class Peer {
  readonly session: SessionId;
  readonly #engine: Engine;
  readonly #id: number;
  #request = 0;
  #count = 0;

  constructor(engine: Engine, id: number, session = sessionOf(id), held: readonly Hold[] = []) {
    this.#engine = engine;
    this.#id = id;
    this.session = session;
    const who = { session, origin: { ...origin, folder: '~/work' } };
    this.run({ kind: 'hello', ...who, standby: false, sentUpTo: sentAny, held });
  }

  /** `reads`: takes what is delivered at once. */
  run(request: Request, reads = true): readonly Response[] {
    const outcome = this.#step({ ...request, request: ++this.#request });
    const mine = outcome.replies.filter(({ to }) => to === this.#id);
    const responses = mine.map(({ response }) => response);
    for (const { kind } of responses) if (reads && kind === 'offer') this.take();
    return responses;
  }

  /** Its process has taken one body. */
  take(): Outcome {
    return this.#step({ kind: 'flushed', bytes: body.length });
  }

  /** Cancels its last request. */
  cancel(): void {
    this.#step({ kind: 'cancel', request: this.#request });
  }

  post(
    to: Name,
    {
      answers = '' as MessageId | '',
      id = '' as MessageId | '',
      from = '' as Name | '',
      acked = this.#count,
    } = {},
  ): Hold {
    if (id === '') this.#count++;
    const fields = { id, count: this.#count, ackedUpTo: acked };
    const checksum = bodyChecksum(body);
    const content = { to, alsoTo: [], from, answers, settles: [], checksum, body } as const;
    const [stored] = this.run({ kind: 'post', ...fields, ...content });
    assert(stored?.kind === 'stored', JSON.stringify(stored));
    return { id: stored.id, number: stored.number };
  }

  wait(from: Name | MailboxList, { answers = '' as MessageId | '', reads = true } = {}) {
    return this.run({ kind: 'wait', mailboxes: listOf(from), answers, waitMs: 60_000 }, reads);
  }

  /** `told`: of a message, which is unread. */
  watch(from: Name | MailboxList, told?: Hold): void {
    const last = told && { number: told.number, attempt: 1, time: 0, pauseMs: 60_000 };
    const watch = { waitMs: 300_000, told: last, path: 'task' };
    this.run({ kind: 'watch', mailboxes: listOf(from), ...watch });
  }

  fetch(from: Name | MailboxList, messagesMax = 1, reads = true): Hold[] {
    const mailboxes = listOf(from);
    const fetch = { kind: 'fetch', mailboxes, bytesMax: 1_000_000, messagesMax } as const;
    return this.run(fetch, reads).flatMap((response) => {
      return response.kind === 'offer' ? [holdOf(response.envelope)] : [];
    });
  }

  settle(holds: readonly Hold[]): void {
    this.run({ kind: 'settle', holds });
  }

  release(holds: readonly Hold[], { rejected = false } = {}): void {
    this.run({ kind: 'release', holds, unread: true, rejected });
  }

  /** It holds one message, and has taken none of its bytes, so that it gets no more. */
  stall(): void {
    const own = `stall ${this.#id}` as Name;
    this.post(own);
    this.fetch(own, 1, false);
  }

  #step(command: object): Outcome {
    return this.#engine.step(command as Command, this.#id, instantAt(0));
  }
}

interface State {
  readonly build: (it: Case, size: number) => void;
  readonly engine?: (size: number) => Engine;
}

interface Case {
  readonly engine: Engine;
  /** Measured. */
  readonly honest: Peer;
  newPeer(session?: SessionId, held?: readonly Hold[]): Peer;
  /** A request of this state alone. */
  extra?: () => void;
}

function makeCase(engine: Engine): Case {
  let peers = 0;
  const newPeer = (session?: SessionId, held?: readonly Hold[]) =>
    new Peer(engine, ++peers, session, held);
  return { engine, honest: newPeer(), newPeer };
}

function begun(given: Partial<EngineLimits> = {}): Engine {
  const engine = new Engine({ ...limits, ...given });
  engine.begin(identity, instantAt(0));
  return engine;
}

/** What a peer can make large. Each one is built in an engine of its own. */
const states: Readonly<Record<string, State>> = {
  'waits for answers on one mailbox': {
    build: ({ newPeer }, count) => {
      const peer = newPeer();
      for (const name of numbered(count)) peer.wait(A, { answers: `asked ${name}` as MessageId });
    },
  },
  'waits of peers that do not read': {
    build: ({ newPeer }, count) => {
      for (let peers = 0; peers < count; peers++) {
        const peer = newPeer();
        peer.stall();
        peer.wait(A);
      }
    },
  },
  'waits for one answer of peers that do not read': {
    build: (it, count) => {
      const { newPeer, honest } = it;
      const { id } = honest.post(P);
      for (let peers = 0; peers < count; peers++) {
        const peer = newPeer();
        peer.stall();
        peer.wait(A, { answers: id });
      }
      it.extra = () => void honest.post(A, { answers: id });
    },
  },
  'waits of one peer that reads one message at a time, with mail for each': {
    build: (it, count) => {
      const peer = it.newPeer();
      peer.stall();
      for (const name of numbered(count)) {
        it.honest.post(name);
        peer.wait(name, { reads: false });
      }
      it.extra = () => assert.equal(peer.take().replies.length, 1);
    },
  },
  'waits on as many mailboxes': {
    build: ({ newPeer }, count) => {
      const peer = newPeer();
      for (const name of numbered(count)) peer.wait(name);
    },
  },
  'waits on several mailboxes, shared and their own': {
    build: (it, count) => {
      const peer = it.newPeer();
      const other = it.newPeer();
      for (let waits = 0; waits < count / mailboxesPerReadMax; waits++) {
        const own = numbered(mailboxesPerReadMax - 2).map((name) => `${name} of ${waits}` as Name);
        peer.wait([A, ...own, 'shared' as Name]);
      }
      it.extra = () => {
        other.wait(['shared' as Name, A]);
        other.cancel();
      };
    },
  },
  'waits on several mailboxes of peers that do not read, with mail for each': {
    build: (it, count) => {
      const from = [A, 'mail' as Name, 'shared' as Name] as const;
      for (let peers = 0; peers < count; peers++) {
        const peer = it.newPeer();
        peer.stall();
        peer.wait(from);
      }
      for (let posts = 0; posts < count; posts++) it.honest.post('mail' as Name);
      const reader = it.newPeer();
      it.extra = () => assert.equal(reader.wait(['none' as Name, 'mail' as Name]).length, 1);
    },
  },
  'waits on several mailboxes of one peer that reads one message at a time, with mail for each': {
    build: (it, count) => {
      const peer = it.newPeer();
      peer.stall();
      for (const name of numbered(count)) {
        it.honest.post(name);
        peer.wait(['first' as Name, name, 'last' as Name], { reads: false });
      }
      it.extra = () => assert.equal(peer.take().replies.length, 1);
    },
  },
  'watches on one mailbox': {
    build: (it, count) => {
      const peer = it.newPeer();
      for (let watches = 0; watches < count; watches++) peer.watch(A);
    },
  },
  'watches on as many mailboxes': {
    build: ({ newPeer }, count) => {
      const peer = newPeer();
      for (const name of numbered(count)) peer.watch(name);
    },
  },
  'watches on several mailboxes, shared and their own': {
    build: (it, count) => {
      const peer = it.newPeer();
      for (let watches = 0; watches < count / mailboxesPerReadMax; watches++) {
        const own = numbered(mailboxesPerReadMax - 2).map((name) => `${name} of ${watches}`);
        peer.watch([A, ...(own as Name[]), P]);
      }
    },
  },
  'watches that rest because of one message': {
    build: (it, count) => {
      const messages = [1, 2].map(() => it.honest.post('rest' as Name));
      const peer = it.newPeer();
      for (const message of messages) {
        for (let watches = 0; watches < count; watches++) peer.watch(['rest' as Name, A], message);
      }
      it.extra = () => it.honest.settle([messages.shift() as Hold]);
    },
  },
  'mailboxes with mail of which a session was told, so that its turn runs': {
    build: ({ engine, honest, newPeer }, count) => {
      const peer = newPeer();
      for (const name of numbered(count)) {
        honest.post(name);
        peer.watch(name);
      }
      assert.equal(engine.tick(instantAt(1_000)).replies.length, count);
    },
  },
  'fetches of several mailboxes that wait for an absent holder': {
    engine: () => engineWithAbsent(1),
    build: ({ newPeer }, count) => {
      const peer = newPeer();
      const from = ['none' as Name, 'held 1' as Name, 'other' as Name] as const;
      for (let fetches = 0; fetches < count; fetches++) peer.fetch(from);
    },
  },
  'fetches of one peer that reads one message at a time': {
    build: (it, count) => {
      const peer = it.newPeer();
      peer.stall();
      for (const name of numbered(count)) {
        it.honest.post(name);
        peer.fetch(name, 1, false);
      }
      it.extra = () => assert.equal(peer.take().replies.length, 2);
    },
  },
  'fetches that wait for an absent holder': {
    engine: () => engineWithAbsent(1),
    build: ({ newPeer }, count) => {
      const peer = newPeer();
      for (let fetches = 0; fetches < count; fetches++) peer.fetch('held 1' as Name);
    },
  },
  'absent holders': {
    engine: engineWithAbsent,
    build: (it) => {
      let absent = 0;
      it.extra = () => {
        const hold = { number: ++absent, id: `old ${absent}` as MessageId };
        it.newPeer(sessionOf(1_000_000 + absent), [hold]);
      };
    },
  },
  'ready messages in one mailbox': {
    build: (it, count) => {
      const messages = Array.from({ length: count }, () => it.honest.post(A));
      let middle = count / 2;
      it.extra = () => it.honest.settle([messages[middle++] as Hold]);
    },
  },
  'messages of one mailbox that a peer releases': {
    build: (it, count) => {
      const messages = Array.from({ length: count }, () => it.honest.post(A));
      const peer = it.newPeer();
      peer.fetch(A, count);
      peer.release(messages.filter((_, index) => index % 2 === 1));
      const held = messages.filter((_, index) => index % 2 === 0);
      let middle = count / 4;
      it.extra = () => peer.release([held[middle++] as Hold]);
    },
  },
  'messages of one mailbox that a peer holds': {
    build: ({ newPeer, honest }, count) => {
      for (let posts = 0; posts < count; posts++) honest.post(A);
      newPeer().fetch(A, count);
    },
  },
  'messages of another mailbox that a peer holds': {
    build: ({ newPeer, honest }, count) => {
      honest.post(A);
      honest.fetch(A);
      for (let posts = 0; posts < count; posts++) honest.post('other' as Name);
      newPeer().fetch('other' as Name, count);
    },
  },
  'answers to one message': {
    build: (it, count) => {
      const { id } = it.honest.post(P);
      for (let posts = 0; posts < count; posts++) it.honest.post(A, { answers: id });
      it.extra = () => assert.equal(it.honest.wait(A, { answers: id }).length, 1);
    },
  },
  'mailboxes with mail that the session has read': {
    build: ({ honest, newPeer }, count) => {
      const peer = newPeer();
      for (const name of numbered(count)) {
        peer.post(name);
        peer.post(name);
        honest.fetch(name);
      }
    },
  },
  mailboxes: {
    build: ({ honest }, count) => {
      for (const name of numbered(count)) honest.post(name);
    },
  },
  'connected sessions': {
    build: ({ newPeer }, count) => {
      for (let peers = 0; peers < count; peers++) newPeer();
    },
  },
  'sessions that each wait on a mailbox and hold a message': {
    build: ({ newPeer, honest }, count) => {
      for (const name of numbered(count)) {
        const peer = newPeer();
        honest.post(name);
        peer.fetch(name);
        peer.wait(name);
      }
    },
  },
  'messages that the session itself holds': {
    build: ({ honest }, count) => {
      for (let posts = 0; posts < count; posts++) honest.post('own' as Name);
      honest.fetch('own' as Name, count);
    },
  },
  'dead letters of as many mailboxes': {
    build: ({ honest, newPeer }, count) => {
      const peer = newPeer();
      for (const name of numbered(count)) {
        honest.post(name);
        peer.release(peer.fetch(name), { rejected: true });
      }
    },
  },
  'posts of one session whose responses it does not acknowledge': {
    build: (it, count) => {
      const peer = it.newPeer();
      for (let posts = 0; posts < count; posts++) peer.post(A, { acked: 0 });
      let acked = 0;
      it.extra = () => void peer.post(A, { acked: ++acked });
    },
  },
  'remembered ids that callers chose': {
    engine: (count) => begun({ namedIdsMax: count }),
    build: (it, count) => {
      let ids = 0;
      it.extra = () => void it.honest.post(A, { id: `chosen ${++ids}` as MessageId });
      for (let posts = 0; posts < count; posts++) it.extra();
    },
  },
};

/** The requests that an honest session sends in every state. */
const requests: Readonly<Record<string, (it: Case) => void>> = {
  post: ({ honest }) => void honest.post(A),
  'post with a sender': ({ honest }) => void honest.post(A, { from: P }),
  'post to a wait': ({ honest, newPeer }) => {
    const peer = newPeer();
    peer.wait(P);
    honest.post(P);
    peer.run({ kind: 'disconnect' });
  },
  'wait for an answer, and cancel': ({ honest }) => {
    honest.wait(A, { answers: 'nothing.1' as MessageId });
    honest.cancel();
  },
  'wait on several mailboxes, and cancel': ({ honest }) => {
    honest.wait(['nothing' as Name, 'no more' as Name]);
    honest.cancel();
  },
  'watch several mailboxes, and cancel': ({ honest }) => {
    honest.watch(['nothing' as Name, A, P]);
    honest.cancel();
  },
  'watch while the last message is unread, and read it': ({ honest }) => {
    const message = honest.post('watched' as Name);
    honest.watch('watched' as Name, message);
    honest.settle([message]);
    honest.cancel();
  },
  'fetch from several mailboxes': ({ honest }) => void honest.fetch(['nothing' as Name, A]),
  'fetch one message, release it, fetch it again, settle it': ({ honest }) => {
    honest.release(honest.fetch(P));
    honest.settle(honest.fetch(P));
  },
  'fetch from the mailbox': ({ honest }) => void honest.fetch(A),
  peek: ({ honest }) => {
    honest.run({ kind: 'peek', mailbox: A, after: 0, messagesMax: 1, partBytesMax: 0 });
  },
  drop: ({ honest }) => {
    const which = { dryRun: true, ageMsMin: 0, after: 0, upTo: 0, ids: ['none' as MessageId] };
    honest.run({ kind: 'drop', mailbox: A, ...which });
  },
  retry: ({ honest }) => {
    honest.run({ kind: 'retry', to: '', ids: ['none' as MessageId], after: 0 });
  },
  find: ({ honest }) => {
    const ids = [honest.post(P, { answers: 'none' as MessageId }).id, 'none' as MessageId];
    honest.run({ kind: 'find', ids, answersIn: A });
  },
  'pause the mailbox, and resume it': ({ honest, newPeer }) => {
    honest.run({ kind: 'pause', isPaused: true, mailboxes: [A, P] });
    const peer = newPeer();
    peer.wait(P);
    honest.post(P);
    honest.run({ kind: 'pause', isPaused: false, mailboxes: [A, P] });
    peer.run({ kind: 'disconnect' });
  },
  status: ({ honest }) => {
    assert.equal(honest.run({ kind: 'status' })[0]?.kind, 'status');
  },
  'hello, goodbye and disconnect': ({ newPeer }) => {
    const peer = newPeer();
    peer.run({ kind: 'goodbye' });
    peer.run({ kind: 'disconnect' });
  },
};

for (const [name, state] of Object.entries(states)) {
  test(`no request takes more steps when there are twice as many: ${name}`, () => {
    const [once, twice] = [size, 2 * size].map((count) => measure(state, count));
    const grown = Object.keys(once ?? {}).flatMap((request) => {
      const [before = 0, now = 0] = [once?.[request], twice?.[request]];
      return now > 1.25 * before + stepsMore ? [`${request}: ${before} steps, then ${now}`] : [];
    });
    assert.deepEqual(grown, []);
  });
}

function measure({ build, engine }: State, count: number): Record<string, number> {
  const it = makeCase(engine ? engine(count) : begun());
  build(it, count);
  const { extra } = it;
  const all: typeof requests = { ...requests, ...(extra && { 'what is special to it': extra }) };
  const steps: Record<string, number> = {};
  for (const [request, run] of Object.entries(all)) {
    run(it);
    steps[request] = counter.count(() => run(it));
  }
  return steps;
}

/** Sessions that held a message each of a mailbox of its own when the previous owner ended. */
function engineWithAbsent(count: number): Engine {
  const engine = new Engine(limits);
  for (let number = 1; number <= count; number++) {
    const ids = { id: `old ${number}` as MessageId, number, to: `held ${number}` as Name };
    const content = {
      answers: '',
      bodyBytes: body.length,
      checksum: 7,
      depth: 0,
      from: '',
    } as const;
    const envelope = { ...ids, ...content, time: 1_000, origin };
    const holder = sessionOf(1_000_000 + number);
    engine.restore({ kind: 'copied', envelope, mailbox: ids.to, attempt: 1, holder, body });
  }
  engine.begin(identity, instantAt(0));
  return engine;
}

function listOf(from: Name | MailboxList): MailboxList {
  return typeof from === 'string' ? [from] : from;
}

function numbered(count: number): Name[] {
  return Array.from({ length: count }, (_, index) => `box ${index}` as Name);
}

function sessionOf(number: number): SessionId {
  return parseSessionId(number.toString(32).padStart(16, '0'));
}

function holdOf({ number, id }: Hold): Hold {
  return { number, id };
}
