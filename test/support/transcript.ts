// Transcripts: commands of peers to the engine, and exactly the records and replies that it produces.
//
//   # A reader that dies gives its message to the next reader
//   ann hello
//     write    ann hello: welcome messages=0
//   ann post A "hello"
//     journal  posted 1 ann.1 to=A "hello"
//     sync     ann post: stored 1 ann.1
//
// The first line is the title. A line that begins at the margin is a command, with # a remark; an
// indented line is a record, or a reply with the stamp that says after what it leaves. A reply names
// the peer and its request: by the request's word, or by what follows `as` in the command.
//
//   limits NAME=NUMBER ...                before the first command
//   PEER hello [held=HOLDS] [sent=N] [folder=FOLDER] [standby]     `ann`, or `ann/2` for a second connection of ann
//   PEER post MAILBOX[,MAILBOX...] "BODY" [from=NAME] [count=N | id=ID] [mark=N] [answers=ID] [settles=HOLDS]
//   PEER wait MAILBOX[,MAILBOX...] TIME [answers=ID]
//   PEER watch MAILBOX[,MAILBOX...] TIME [told=NUMBER:ATTEMPT [pause=TIME]] [path=WORD]
//   PEER fetch MAILBOX[,MAILBOX...] [bytes=N] [messages=N]
//   PEER cancel REQUEST
//   PEER settle HOLDS
//   PEER release HOLDS [unread | rejected]
//   PEER retry [to=MAILBOX] [ids=ID,...] [after=NUMBER]
//   PEER peek MAILBOX [messages=N] [bytes=N] [after=NUMBER]
//   PEER drop MAILBOX [dry] [ids=ID,...] [age=TIME] [after=NUMBER] [up-to=NUMBER]
//   PEER find ID,... [answers-in=MAILBOX]
//   PEER pause | resume MAILBOX[,MAILBOX...] | all
//   PEER status | goodbye | disconnect
//   PEER flushed BYTES                    the kernel has taken that many bytes of delivered bodies
//   after TIME                            advances the clock, with the engine's timer
//   resumed                               the broker's process stood still until now
//   events                                shows the events of each record from here on, until a restart
//   deadline                              shows when the engine wants its timer to run
//   restart [twice] [numbers-below=N]     a new engine replays all records (twice)
//   restart lost=N                        the same after a power loss undid the last N records
//   compact                               leaves only a prologue and copies of the live messages
//
// HOLDS is `1,2`, or `1:ID` for a hold with another id than the message's. BODY may be `500*x`.
import assert from 'node:assert/strict';
import type { Outcome, Reply } from '../../src/engine/commands.ts';
import { Engine } from '../../src/engine/engine.ts';
import type { EngineLimits } from '../../src/engine/engine-limits.ts';
import type { EventOfRecord } from '../../src/engine/record-events.ts';
import type {
  ConnectedSession,
  FoundMessage,
  MailboxStatus,
} from '../../src/model/look-results.ts';
import type { HeldAhead, MailElsewhere, SameText } from '../../src/model/mail-ahead.ts';
import type { MailboxList, Name, SessionId } from '../../src/model/message.ts';
import {
  bodyChecksum,
  type Envelope,
  type Hold,
  type MessageId,
  type PastHold,
} from '../../src/model/message.ts';
import type { JournalRecord } from '../../src/model/records.ts';
import type { BrokerRequest, DeadLetter, Response, Told } from '../../src/model/requests.ts';
import {
  durableOf,
  identity,
  instantAt,
  liveMessages,
  origin,
  replayed,
  sentAny,
  sessionOf,
  timeStart,
} from './model/engine.ts';

/** The transcript with the current outcome of each command. */
export function transcribe(text: string): string {
  const scenario = new Scenario();
  const lines: string[] = [];
  for (const line of text.trimEnd().split('\n')) {
    if (line.startsWith('  ')) continue;
    lines.push(line);
    if (line === '' || line.startsWith('#')) continue;
    for (const outcome of scenario.run(line)) lines.push(`  ${outcome}`);
  }
  scenario.end();
  return `${lines.join('\n')}\n`;
}

interface Peer {
  readonly name: string;
  readonly connection: number;
  readonly session: SessionId;
  /** The name of each request in the transcript. */
  readonly requests: Map<number, string>;
}

/** The words of one command. */
class Words {
  readonly #words: string[];
  readonly #options = new Map<string, string>();

  constructor(line: string) {
    const words = line.match(/"[^"]*"|\S+/g) ?? [];
    this.#words = words.filter((word) => {
      const option = /^([a-zA-Z-]+)=(.*)$/.exec(word);
      if (option) this.#options.set(option[1] ?? '', option[2] ?? '');
      return !option;
    });
  }

  next(): string {
    const word = this.#words.shift();
    assert(word !== undefined, 'the command is too short');
    return word;
  }

  /** Removes the word; returns whether it was present. */
  flag(word: string): boolean {
    const place = this.#words.indexOf(word);
    if (place !== -1) this.#words.splice(place, 1);
    return place !== -1;
  }

  /** The word after another one. */
  after(word: string): string | undefined {
    const place = this.#words.indexOf(word);
    return place === -1 ? undefined : this.#words.splice(place, 2)[1];
  }

  option(name: string): string | undefined {
    const value = this.#options.get(name);
    this.#options.delete(name);
    return value;
  }

  number(name: string): number | undefined {
    const value = this.option(name);
    return value === undefined ? undefined : Number(value);
  }

  rest(): [string, string][] {
    const rest = [...this.#options];
    this.#options.clear();
    return rest;
  }

  end(): void {
    assert.deepEqual([...this.#words, ...this.#options.keys()], [], 'words without a meaning');
  }
}

class Scenario {
  #limits: Partial<EngineLimits> = {};
  #engine: Engine | undefined;
  #records: JournalRecord[] = [];
  readonly #peers = new Map<string, Peer>();
  readonly #envelopes = new Map<number, Envelope>();
  /** The last post count of each session. */
  readonly #counts = new Map<SessionId, number>();
  #connectionCount = 0;
  #requestNumber = 0;
  #numbersBelow = 1;
  #now = 0;

  run(line: string): string[] {
    const words = new Words(line);
    const first = words.next();
    const outcome = this.#runWorld(first, words) ?? this.#runPeer(first, words);
    words.end();
    return outcome;
  }

  /** Asserts that replaying the records restores the mail. */
  end(): void {
    const live = liveMessages(this.#running());
    const again = replayed(this.#records, this.#limits, this.#numbersBelow);
    assert.deepEqual(liveMessages(again), live);
  }

  #runWorld(word: string, words: Words): string[] | undefined {
    switch (word) {
      case 'limits':
        for (const [name, value] of words.rest()) {
          this.#limits = { ...this.#limits, [name]: Number(value) };
        }
        return [];
      case 'after':
        this.#now += milliseconds(words.next());
        return this.#take(this.#running().tick(instantAt(this.#now)));
      case 'events':
        this.#running().areEventsWanted = true;
        return [];
      case 'deadline': {
        const deadline = this.#running().nextDeadline();
        return [deadline === undefined ? 'none' : `at ${deadline / 1_000}s`];
      }
      case 'resumed':
        this.#running().resumed(instantAt(this.#now));
        return [];
      case 'restart':
        return this.#restart(words);
      case 'compact':
        return this.#compact();
      default:
        return undefined;
    }
  }

  #restart(words: Words): string[] {
    const lost = words.number('lost') ?? 0;
    const records = this.#records.slice(0, this.#records.length - lost);
    this.#records = records;
    const given = words.flag('twice') ? [...records, ...records] : records;
    const numbersBelow = words.number('numbers-below') ?? this.#numbersBelow;
    const engine = replayed(given, this.#limits, numbersBelow);
    const { size, nextNumber } = engine;
    engine.begin(identity, instantAt(this.#now));
    this.#engine = engine;
    this.#peers.clear();
    return [`replay   ${given.length} records, ${size} messages, next number ${nextNumber}`];
  }

  #compact(): string[] {
    const engine = this.#running();
    const before = durableOf(engine);
    const copies = before.messages.map((copy) => ({ ...copy, body: Buffer.alloc(0) }));
    this.#records = [...before.head, ...copies];
    this.#numbersBelow = before.nextNumber;
    assert.deepEqual(durableOf(replayed(this.#records, this.#limits, this.#numbersBelow)), before);
    return this.#records.map((record) => `journal  ${recordText(record)}`);
  }

  #running(): Engine {
    if (this.#engine) return this.#engine;
    this.#engine = new Engine(this.#limits);
    this.#engine.begin(identity, instantAt(this.#now));
    return this.#engine;
  }

  #runPeer(name: string, words: Words): string[] {
    const peer = this.#peer(name);
    const { connection } = peer;
    const kind = words.next();
    const engine = this.#running();
    if (kind === 'disconnect') {
      this.#peers.delete(name);
      return this.#take(engine.step({ kind }, connection, instantAt(this.#now)));
    }
    if (kind === 'flushed') {
      const bytes = Number(words.next());
      return this.#take(engine.step({ kind, bytes }, connection, instantAt(this.#now)));
    }
    const label = words.after('as') ?? kind;
    const again = words.number('request');
    const request = this.#request(kind, again ?? ++this.#requestNumber, peer, words);
    if (request.kind !== 'cancel') peer.requests.set(request.request, label);
    return this.#take(engine.step(request, connection, instantAt(this.#now)));
  }

  #peer(name: string): Peer {
    const known = this.#peers.get(name);
    if (known) return known;
    const session = sessionOf(name.replace(/\/.*/, ''));
    const peer = { name, session, connection: ++this.#connectionCount, requests: new Map() };
    this.#peers.set(name, peer);
    return peer;
  }

  #request(kind: string, request: number, peer: Peer, words: Words): BrokerRequest {
    switch (kind) {
      case 'hello': {
        const standby = words.flag('standby');
        const held = this.#holds(words.option('held'));
        const sentUpTo = words.number('sent') ?? sentAny;
        const folder = words.option('folder');
        const own = folder === undefined ? origin : { ...origin, folder };
        return { kind, request, session: peer.session, origin: own, standby, sentUpTo, held };
      }
      case 'post':
        return this.#post(request, peer, words);
      case 'wait':
        return {
          kind,
          request,
          mailboxes: mailboxList(words.next()),
          waitMs: milliseconds(words.next()),
          answers: fullId(words.option('answers') ?? ''),
        };
      case 'watch': {
        const pauseMs = milliseconds(words.option('pause') ?? '0s');
        return {
          kind,
          request,
          told: this.#told(words.option('told'), pauseMs),
          path: words.option('path') ?? '',
          mailboxes: mailboxList(words.next()),
          waitMs: milliseconds(words.next()),
        };
      }
      case 'fetch': {
        const bytesMax = words.number('bytes') ?? 1_000;
        const messagesMax = words.number('messages') ?? 100;
        return { kind, request, mailboxes: mailboxList(words.next()), bytesMax, messagesMax };
      }
      case 'cancel':
        return { kind, request: requestCalled(words.next(), peer) };
      case 'settle':
        return { kind, request, holds: this.#holds(words.next()) };
      case 'release': {
        const [unread, rejected] = [words.flag('unread'), words.flag('rejected')];
        const sessionEnds = words.flag('ends');
        const how = { unread, rejected, sessionEnds };
        return { kind, request, holds: this.#holds(words.next()), ...how };
      }
      case 'retry': {
        const ids = words.option('ids')?.split(',') ?? [];
        const to = (words.option('to') ?? '') as Name | '';
        const after = words.number('after') ?? 0;
        return { kind, request, to, ids: ids.map(fullId) as MessageId[], after };
      }
      case 'peek': {
        const messagesMax = words.number('messages') ?? 100;
        const partBytesMax = words.number('bytes') ?? 10;
        const after = words.number('after') ?? 0;
        return { kind, request, mailbox: words.next() as Name, after, messagesMax, partBytesMax };
      }
      case 'drop': {
        const dryRun = words.flag('dry');
        const ids = words.option('ids')?.split(',') ?? [];
        const ageMsMin = milliseconds(words.option('age') ?? '0s');
        const [after, upTo] = [words.number('after') ?? 0, words.number('up-to') ?? 0];
        const mailbox = words.next() as Name;
        const which = { ageMsMin, after, upTo, ids: ids.map(fullId) as MessageId[] };
        return { kind, request, mailbox, dryRun, ...which };
      }
      case 'find': {
        const ids = words.next().split(',').map(fullId) as MessageId[];
        return { kind, request, ids, answersIn: (words.option('answers-in') ?? '') as Name | '' };
      }
      case 'pause':
      case 'resume': {
        const names = words.next();
        const mailboxes = names === 'all' ? [] : mailboxList(names);
        return { kind: 'pause', request, isPaused: kind === 'pause', mailboxes };
      }
      case 'status':
      case 'goodbye':
        return { kind, request };
      default:
        throw new Error(`no command: ${kind}`);
    }
  }

  #post(request: number, { session }: Peer, words: Words): BrokerRequest {
    const id = (words.option('id') ?? '') as MessageId | '';
    const lastCount = this.#counts.get(session) ?? 0;
    const [to, ...alsoTo] = mailboxList(words.next());
    const count = id === '' ? (words.number('count') ?? lastCount + 1) : 0;
    if (count > 0) this.#counts.set(session, Math.max(lastCount, count + alsoTo.length));
    const body = bodyOf(words.next());
    return {
      kind: 'post',
      request,
      count,
      id,
      ackedUpTo: words.number('mark') ?? 0,
      to: to as Name,
      alsoTo,
      from: (words.option('from') ?? '') as Name | '',
      answers: fullId(words.option('answers') ?? ''),
      settles: this.#holds(words.option('settles')),
      checksum: bodyChecksum(body),
      body,
    };
  }

  #told(text: string | undefined, pauseMs: number): Told | undefined {
    if (text === undefined) return undefined;
    const [number = 0, attempt = 0] = text.split(':').map(Number);
    return { number, attempt, time: timeStart + this.#now, pauseMs };
  }

  #holds(text = ''): Hold[] {
    if (text === '') return [];
    return text.split(',').map((part) => {
      const [digits = '', id] = part.split(':');
      const number = Number(digits);
      if (id !== undefined) return { number, id: fullId(id) as MessageId };
      const envelope = this.#envelopes.get(number);
      assert(envelope, `message ${number} was not posted yet`);
      return { number, id: envelope.id };
    });
  }

  #take({ records, events, replies }: Outcome): string[] {
    if (records.length + replies.length === 0) return ['nothing'];
    for (const record of records) {
      this.#records.push(record);
      if (record.kind !== 'posted') continue;
      for (const envelope of [record.envelope, ...record.also]) {
        this.#envelopes.set(envelope.number, envelope);
      }
    }
    return [
      ...records.flatMap((record, index) => [
        `journal  ${recordText(record)}`,
        ...(events[index] ?? []).map((event) => `event    ${eventText(event)}`),
      ]),
      ...replies.map((reply) => `${reply.after.padEnd(7)}  ${this.#replyText(reply)}`),
    ];
  }

  #replyText({ to, response }: Reply): string {
    const peer = [...this.#peers.values()].find(({ connection }) => connection === to);
    assert(peer, `connection ${to} is open`);
    const { request } = response;
    const label = request === 0 ? undefined : peer.requests.get(request);
    assert(request === 0 || label, `request ${request} was made by ${peer.name}`);
    if (response.kind === 'offer' || response.kind === 'peeked') {
      assert.deepEqual(response.envelope, this.#envelopes.get(response.envelope.number));
    }
    return `${peer.name}${label ? ` ${label}` : ''}: ${answerText(response)}`;
  }
}

function eventText(event: EventOfRecord): string {
  const { kind } = event;
  if (kind === 'paused' || kind === 'resumed') return `${kind} ${event.mailbox || 'all'}`;
  if (kind === 'stored') {
    const { number, id, to } = event.envelope;
    return `${kind} ${number} ${shortId(id)} to=${to} ${bodyText(event.part ?? Buffer.alloc(0))}`;
  }
  const more = fields({
    mailbox: 'mailbox' in event ? event.mailbox : '',
    attempt: 'attempt' in event ? event.attempt : 0,
    session: 'session' in event ? shortId(event.session) : '',
    name: 'name' in event ? event.name : '',
    by: 'by' in event && event.by ? shortId(event.by) : '',
  });
  const last = 'lastHold' in event ? heldBefore(event.lastHold) : '';
  return `${kind} ${event.message.number}${more}${last}`;
}

function requestCalled(label: string, peer: Peer): number {
  const found = [...peer.requests].findLast(([, other]) => other === label);
  assert(found, `${peer.name} made a request called ${label}`);
  return found[0];
}

function milliseconds(text: string): number {
  const [, digits, unit] = /^(\d+)(ms|s)$/.exec(text) ?? [];
  assert(unit, `${text} is a time, such as 60s or 500ms`);
  return Number(digits) * (unit === 's' ? 1_000 : 1);
}

function bodyOf(text: string): Buffer {
  const [, times, part] = /^(\d+)\*(.)$/.exec(text) ?? [];
  if (part !== undefined) return Buffer.from(part.repeat(Number(times)));
  assert.match(text, /^".*"$/, 'a body is in quotes');
  return Buffer.from(text.slice(1, -1));
}

function bodyText(body: Buffer): string {
  return body.length > 20 ? `(${body.length} bytes)` : JSON.stringify(body.toString());
}

function recordText(record: JournalRecord): string {
  const { kind } = record;
  switch (kind) {
    case 'posted': {
      const { number, id, to, from, answers, depth } = record.envelope;
      const more = fields({
        also: record.also.map(({ number, id, to }) => `${number}:${shortId(id)}:${to}`),
        from,
        answers: shortId(answers),
        depth,
        mark: record.ackedUpTo,
        settles: record.settles,
      });
      return `${kind} ${number} ${shortId(id)} to=${to} ${bodyText(record.body ?? Buffer.alloc(0))}${more}`;
    }
    case 'copied': {
      const { envelope, mailbox, attempt, holder, lastHold } = record;
      const more = fields({ mailbox, attempt, holder: shortId(holder) });
      return `${kind} ${envelope.number} ${shortId(envelope.id)}${more}${heldBefore(lastHold)}`;
    }
    case 'offered':
      return `${kind} ${record.number} holder=${shortId(record.holder)} attempt=${record.attempt}`;
    case 'released':
      return `${kind} ${record.number} attempt=${record.attempt}${heldBefore(record.lastHold)}`;
    case 'moved':
      return `${kind} ${record.number} mailbox=${record.mailbox} attempt=${record.attempt}${heldBefore(record.lastHold)}`;
    case 'settled':
      return `${kind} ${record.numbers.join(',')}`;
    case 'session': {
      const answers = record.numbers.map(([count, number]) => `${count}:${number}`);
      return `${kind} ${shortId(record.session)} mark=${record.ackedUpTo}${fields({ answers })}`;
    }
    case 'forgotten':
      return `${kind} ${shortId(record.session)}`;
    case 'named':
      return `${kind} ${record.ids.map(([id, number]) => `${id}:${number}`).join(',')}`;
    case 'settledById':
      return `${kind} ${record.holds.map(({ id, number }) => `${number}:${shortId(id)}`).join(',')}`;
    case 'fingerprints':
      return `${kind} ${record.fingerprints.map(([number]) => number).join(',')}`;
    case 'paused':
      return `${record.isPaused ? 'paused' : 'resumed'} ${mailboxOrAll(record.mailbox)}`;
  }
}

/** Of the last hold. */
function heldBefore(lastHold: PastHold | undefined): string {
  if (!lastHold) return '';
  const { name, from, to, ended } = lastHold;
  return ` last=${name || '-'}@${since(from)}-${since(to)},${ended}`;
}

/** Milliseconds since the start of the transcript's clock. */
function since(time: number): number {
  return time - timeStart;
}

function answerText(response: Response): string {
  const { kind } = response;
  switch (kind) {
    case 'welcome':
      return `${kind} messages=${response.messages}${fields({ lost: response.revoked.map(holdText) })}`;
    case 'stored': {
      const { duplicate, also, notHeld, elsewhere, ...first } = response;
      const stored = [first, ...also].map((each) => {
        const { number, id, reader, watched, paused, before, holder, same } = each;
        const ahead = { before, holder: holderText(holder), same: sameText(same) };
        return `${number} ${shortId(id)}${fields({ duplicate, reader, watched, paused, ...ahead })}`;
      });
      const more = { notHeld: notHeld.map(holdText), elsewhere: elsewhere.map(leftText) };
      return `${kind} ${stored.join(', ')}${fields(more)}`;
    }
    case 'offer': {
      const {
        envelope,
        mailbox,
        attempt,
        others,
        otherFolder = '',
        remaining,
        elsewhere,
      } = response;
      const left = { remaining, elsewhere: elsewhere.map(leftText) };
      const more = fields({ others, otherFolder, depth: envelope.depth, ...left });
      return `${kind} ${envelope.number} mailbox=${mailbox} attempt=${attempt}${more}`;
    }
    case 'peeked': {
      const { envelope, mailbox, attempt, holder, partBytes } = response;
      const more = fields({
        holder: holder ? shortId(holder.session) : '',
        gone: holder !== undefined && holder.origin === undefined,
        bytes: partBytes,
      });
      return `${kind} ${envelope.number} mailbox=${mailbox} attempt=${attempt}${more}`;
    }
    case 'notice': {
      const { number, mailbox, attempt, unread, ageMs } = response;
      return `${kind} ${number} mailbox=${mailbox} attempt=${attempt} unread=${unread} age=${ageMs / 1_000}s`;
    }
    case 'end': {
      const { remaining, elsewhere, otherFolder = '', paused = [] } = response;
      const more = fields({ elsewhere: elsewhere.map(leftText), otherFolder, paused });
      return `${kind} remaining=${remaining}${more}`;
    }
    case 'pausing':
      return `${kind}${fields({ mailboxes: response.mailboxes.map(mailboxOrAll) })}`;
    case 'settled':
      return `${kind}${fields({ notHeld: response.notHeld.map(holdText) })}`;
    case 'status': {
      const { messages, bytes, sessions, mailboxCount } = response;
      const counts = `messages=${messages} bytes=${bytes} sessions=${sessions} mailboxes=${mailboxCount}`;
      const dead = response.deadLetters.map(({ to, messages }) => `${messages} meant for ${to}`);
      const parts = [...response.mailboxes.map(mailboxText), ...dead];
      const people = response.sessionList.map(sessionText);
      const paused = response.paused.map((mailbox) => `paused: ${mailboxOrAll(mailbox)}`);
      return [`${kind} ${counts}`, ...parts, ...paused, ...people].join(' | ');
    }
    case 'retried': {
      const { moved, stayed, next } = response;
      return `${kind}${fields({ moved: moved.map(wayText), stayed: stayed.map(wayText), next })}`;
    }
    case 'dropped': {
      const { dropped, held, next, upTo } = response;
      const gone = dropped.map(({ number, id, from }) => {
        return `${number}:${shortId(id)}${from === '' ? '' : `:${from}`}`;
      });
      return `${kind}${fields({ gone, held, next, upTo })}`;
    }
    case 'found':
      return [kind, ...response.found.map(foundText)].join(' | ');
    case 'error':
      return `${kind} ${response.code}, ${shortId(response.message)}`;
    default:
      return kind;
  }
}

function mailboxList(words: string): MailboxList {
  const [first = '', ...rest] = words.split(',');
  return [first, ...rest] as unknown as MailboxList;
}

function mailboxOrAll(mailbox: Name | ''): string {
  return mailbox || 'all';
}

function mailboxText(status: MailboxStatus): string {
  const { mailbox, ready, held, waiting, watching, paused, oldestTime } = status;
  const oldest = oldestTime === 0 ? 'none' : `${(oldestTime - timeStart) / 1_000}s`;
  return `${mailbox} ready=${ready} held=${held} waiting=${waiting}${fields({ watching, paused })} oldest=${oldest}`;
}

function foundText({ state, number = 0, answeredBy = 0, place }: FoundMessage): string {
  const { mailbox = '', to = '', attempt = 0, holder } = place ?? {};
  const moved = to === mailbox ? '' : to;
  const more = { answeredBy, mailbox, to: moved, attempt };
  return `${state}${fields({ number, ...more, holder: holder ? shortId(holder.session) : '' })}`;
}

function sessionText(connected: ConnectedSession): string {
  const { session, name, waitsOn, watches, wakePath, lastNotice, held, holds, since } = connected;
  const numbers = holds.map(({ number, since = 0 }) => `${number}:${(since - timeStart) / 1_000}s`);
  const told = lastNotice
    ? `${(lastNotice.time - timeStart) / 1_000}s${lastNotice.isRead ? ':read' : ''}`
    : '';
  const watching = { watches, path: wakePath, told };
  const more = fields({ waits: waitsOn, ...watching, held, holds: numbers });
  return `${shortId(session)} is ${name} since=${(since - timeStart) / 1_000}s${more}`;
}

/** What holds messages up: `3:ben:20s`. */
function holderText(holder: HeldAhead | undefined): string {
  return holder ? `${holder.number}:${holder.name}:${holder.heldMs / 1_000}s` : '';
}

function sameText(same: SameText | undefined): string {
  return same ? `${same.number}:${same.ageMs / 1_000}s${same.isHeld ? ':held' : ''}` : '';
}

function leftText({ mailbox, ready }: MailElsewhere): string {
  return `${ready}:${mailbox}`;
}

function wayText({ id, to }: DeadLetter): string {
  return `${shortId(id)}->${to}`;
}

function holdText({ number }: Hold): string {
  return String(number);
}

/** ` name=value` for each non-empty value; lists are separated by commas. */
function fields(values: Record<string, string | number | boolean | readonly unknown[]>): string {
  return Object.entries(values)
    .map(([name, value]) => [name, Array.isArray(value) ? value.join(',') : value] as const)
    .filter(([, value]) => value !== '' && value !== 0 && value !== false)
    .map(([name, value]) => (value === true ? ` ${name}` : ` ${name}=${value}`))
    .join('');
}

/** `ann0000000000000.3` is written `ann.3`. */
function shortId(text: string): string {
  return text.replace(/\b([a-v]+)0+(?=\.|\b)/g, (id, name) => (id.length === 16 ? name : id));
}

function fullId(text: string): MessageId | '' {
  const [, name, count] = /^([a-v]+)\.(\d+)$/.exec(text) ?? [];
  return (name === undefined ? text : `${sessionOf(name)}.${count}`) as MessageId | '';
}
