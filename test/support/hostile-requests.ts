// Requests of a peer that has the key and means harm: well-formed frames with values at the borders of what
// the protocol allows and just beyond, sequences that reach deep into the engine, and frames with smashed bytes.
import { randomBytes } from 'node:crypto';
import { eventMailboxesMax } from '../../src/base/event-limits.ts';
import {
  bodyBytesMax,
  fetchBytesMax,
  fetchMessagesMax,
  findIdsMax,
  mailboxesPerPostMax,
  mailboxesPerReadMax,
  nameBytesMax,
  unacknowledgedPostsMax,
  waitMsMax,
  wakePathBytesMax,
  watchPauseMsMax,
} from '../../src/base/limits.ts';
import {
  bodyChecksum,
  type Hold,
  type MailboxList,
  type MessageId,
  type Name,
  type SessionId,
  sessionMessageId,
} from '../../src/model/message.ts';
import type { PostRequest, Response } from '../../src/model/requests.ts';
import { encodeRequest, type RequestToSend } from '../../src/protocol/codec.ts';
import { sessionIdOf, sessionSecretBytes } from '../../src/protocol/session-secret.ts';
import { pick, type Random } from './random.ts';

/** Mailboxes of the hostile peers, few enough that they meet in them. */
const boxes = [
  ...Array.from({ length: 12 }, (_, index) => `box${index}`),
  ...['dead-letters', '__proto__', 'constructor', 'toString', 'é'.repeat(100), '\u{1F600}'],
  'n'.repeat(nameBytesMax),
];
const badNames = ['', ' box', 'a\0b', '\u202ebox', '\ufeff', 'n'.repeat(nameBytesMax + 1)];
const amounts = [0, 1, 2, 255, 256, 4_096, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
const numbers = [1, 2, 4_095, 4_096, 4_097, 2 ** 32, 10 ** 15 - 1, 10 ** 15, 2 ** 53 - 1];
const marks = [0, ...numbers];
/** Loopback only: no test opens the machine to its network. */
const addresses = ['127.0.0.2', '127.0.0.3', '::1', '0:0::1', '', 'box', '300.1.1.1', '::1%lo0'];
const origin = { program: 'hostile', pid: 2 ** 32 - 1, machine: 'm'.repeat(200) };
/** How many sessions, holds and messages are remembered. */
const lootMax = 300;

/** What hostile peers have seen of each other: sessions, and messages that one of them was given. */
export class Loot {
  /** The secrets of the sessions. */
  readonly sessions: Buffer[] = [];
  readonly holds: Hold[] = [];

  /** A session of another peer, which this one takes over; or a new one. */
  session(random: Random): Buffer {
    if (this.sessions.length > 0 && random.oneIn(4)) return pick(random, this.sessions);
    const secret = randomBytes(sessionSecretBytes);
    remember(this.sessions, secret);
    return secret;
  }
}

export class HostileRequests {
  readonly #random: Random;
  readonly #loot: Loot;
  readonly #secret: Buffer;
  readonly #session: SessionId;
  /** Messages that this connection was given. */
  readonly #own: Hold[] = [];
  #number = 1;
  #count = 0;
  #ackedUpTo = 0;
  #lastPost: PostRequest | undefined;

  constructor(random: Random, loot: Loot) {
    this.#random = random;
    this.#loot = loot;
    this.#secret = loot.session(random);
    this.#session = sessionIdOf(this.#secret);
  }

  hello(request = 1): RequestToSend {
    const held = this.#random.oneIn(3) ? this.#holds() : [];
    const standby = this.#random.oneIn(2);
    const [session, secret] = [this.#session, this.#secret];
    const sentUpTo = this.#random.oneIn(2) ? 0 : pick(this.#random, marks);
    return { kind: 'hello', request, session, secret, origin, standby, sentUpTo, held };
  }

  received(response: Response): void {
    if (response.kind === 'stored' && this.#random.oneIn(2)) this.#ackedUpTo = this.#count;
    if (response.kind !== 'offer' && response.kind !== 'peeked') return;
    const { number, id } = response.envelope;
    remember(this.#loot.holds, { number, id });
    if (response.kind === 'offer') remember(this.#own, { number, id });
  }

  /** The next frame. Few of them end the connection. */
  next(): Buffer {
    const frame = Buffer.concat(encodeRequest(this.#request()));
    return this.#random.oneIn(150) ? smash(this.#random, frame) : frame;
  }

  #request(): RequestToSend {
    const random = this.#random;
    const request = this.#requestNumber();
    switch (random.below(30)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
      case 5:
        return this.#post(request);
      case 6:
      case 7:
      case 8: {
        const waitMs = pick(random, [0, 1, 20, 1_000, waitMsMax, waitMsMax + 1]);
        const answers = random.oneIn(3) ? this.#id() : '';
        return { kind: 'wait', request, mailboxes: this.#mailboxList(), answers, waitMs };
      }
      case 9:
      case 10:
      case 11: {
        const bytesMax = pick(random, [0, 1, 1_000, fetchBytesMax, fetchBytesMax + 1]);
        const messagesMax = pick(random, [0, 1, 3, 20, fetchMessagesMax, fetchMessagesMax + 1]);
        return { kind: 'fetch', request, mailboxes: this.#mailboxList(), bytesMax, messagesMax };
      }
      case 12:
      case 13:
        return { kind: 'cancel', request: Math.max(0, request - random.below(5)) };
      case 14:
      case 15:
      case 16:
        return { kind: 'settle', request, holds: this.#holds() };
      case 17:
      case 18: {
        const how = random.below(3);
        const flags = { unread: how === 1, rejected: how === 2 };
        return { kind: 'release', request, holds: this.#holds(), ...flags };
      }
      case 19:
        return { kind: 'status', request };
      case 20: {
        const to = random.oneIn(2) ? '' : this.#name();
        const ids = random.oneIn(2) ? [] : this.#ids();
        return { kind: 'retry', request, to, ids, after: this.#after() };
      }
      case 21:
      case 22: {
        const messagesMax = pick(random, [0, 1, 20, fetchMessagesMax, fetchMessagesMax + 1]);
        const partBytesMax = pick(random, [0, 1, 480, bodyBytesMax, bodyBytesMax + 1]);
        const shape = { messagesMax, partBytesMax, after: this.#after() };
        return { kind: 'peek', request, mailbox: this.#name(), ...shape };
      }
      case 23:
        return this.#drop(request);
      case 24:
        return { kind: 'ping', request };
      case 26:
        return this.#watch(request);
      case 27:
      case 28:
        return this.#events(request);
      case 25: {
        const ids = random.oneIn(20)
          ? Array.from({ length: findIdsMax + random.below(2) }, () => this.#id())
          : this.#ids();
        return { kind: 'find', request, answersIn: random.oneIn(2) ? '' : this.#name(), ids };
      }
      default:
        return this.#rare(request);
    }
  }

  /** Told of a message that it may have seen, with pauses and times at the borders. */
  #watch(request: number): RequestToSend {
    const random = this.#random;
    const waitMs = pick(random, [0, 1, 20, 1_000, waitMsMax, waitMsMax + 1]);
    const length = wakePathBytesMax + random.below(2);
    const path = random.oneIn(10) ? 'p'.repeat(length) : pick(random, ['', 'task', '\u{1F600}']);
    const hold = this.#loot.holds.length > 0 && pick(random, this.#loot.holds);
    const pauseMs = pick(random, [0, 1, 50, watchPauseMsMax, watchPauseMsMax + 1]);
    const number = hold && random.oneIn(2) ? hold.number : pick(random, numbers);
    const attempt = random.oneIn(3) ? pick(random, amounts) : 1 + random.below(3);
    const told = random.oneIn(2) ? undefined : { number, attempt, time: 2 ** 40, pauseMs };
    return { kind: 'watch', request, mailboxes: this.#mailboxList(), waitMs, told, path };
  }

  /** From any place, known or not, with waits and sizes at the borders. */
  #events(request: number): RequestToSend {
    const random = this.#random;
    const cursor = { epoch: pick(random, [0, 1, 2, 2 ** 53 - 1]), sequence: pick(random, marks) };
    const after = pick(random, ['start', 'now', cursor] as const);
    const waitMs = pick(random, [0, 1, 20, 1_000, waitMsMax, waitMsMax + 1]);
    const partBytesMax = pick(random, [0, 1, 480, bodyBytesMax, bodyBytesMax + 1]);
    const length = random.oneIn(10) ? eventMailboxesMax + random.below(2) : random.below(4);
    const mailboxes = Array.from({ length }, () => this.#name());
    return { kind: 'events', request, after, waitMs, partBytesMax, mailboxes };
  }

  /** Empties a mailbox, or little of one. Without it the store of a long run would fill up. */
  #drop(request: number): RequestToSend {
    const random = this.#random;
    const mailbox = this.#name();
    const all = { after: 0, upTo: 0, ids: [], ageMsMin: 0, dryRun: false };
    if (random.oneIn(2)) return { kind: 'drop', request, mailbox, ...all };
    const ids = random.oneIn(2) ? [] : this.#ids();
    const ageMsMin = pick(random, marks);
    const range = { after: this.#after(), upTo: pick(random, marks), ids, ageMsMin };
    return { kind: 'drop', request, mailbox, ...range, dryRun: random.oneIn(2) };
  }

  #rare(request: number): RequestToSend {
    const random = this.#random;
    const body = Buffer.from('hostile');
    switch (random.below(24)) {
      case 0:
        return { kind: 'compact', request };
      case 1:
      case 2: {
        const length = pick(random, [0, 1, 1, 2, 3]);
        const wanted = Array.from({ length }, () => pick(random, addresses));
        return { kind: 'listen', request, addresses: wanted };
      }
      case 3:
        return this.hello(request);
      case 4:
      case 5:
      case 6:
        return { kind: 'goodbye', request };
      default: {
        const checksum = bodyChecksum(body);
        return { kind: 'send', request, from: this.#name(), origin, checksum, body };
      }
    }
  }

  #post(request: number): RequestToSend {
    const random = this.#random;
    if (this.#lastPost && random.oneIn(10)) return { ...this.#lastPost, request };
    const body = this.#body();
    const alsoTo = random.oneIn(6) ? this.#otherBoxes() : [];
    const isNamed = random.oneIn(5);
    const count = isNamed ? 0 : this.#postCount(1 + alsoTo.length);
    this.#lastPost = {
      ...{ kind: 'post', request, count, body, alsoTo },
      id: isNamed ? (`named${random.below(40)}` as MessageId) : '',
      ackedUpTo: random.oneIn(300) ? pick(random, marks) : this.#ackedUpTo,
      to: this.#name(),
      from: random.oneIn(2) ? '' : this.#name(),
      answers: random.oneIn(2) ? '' : this.#id(),
      settles: random.oneIn(3) ? this.#holds() : [],
      checksum: random.oneIn(500) ? 1 : bodyChecksum(body),
    };
    return this.#lastPost;
  }

  /** The next count, one that was used before, or one at a border. */
  #postCount(messages: number): number {
    const random = this.#random;
    const unacked = this.#count - this.#ackedUpTo;
    if (unacked > 0 && random.oneIn(20)) return this.#ackedUpTo + 1 + random.below(unacked);
    if (random.oneIn(100)) return this.#ackedUpTo + unacknowledgedPostsMax + random.below(2);
    if (random.oneIn(300)) return pick(random, numbers);
    const count = this.#count + 1;
    this.#count += messages;
    return count;
  }

  #body(): Buffer {
    const random = this.#random;
    if (random.oneIn(300)) return Buffer.alloc(bodyBytesMax, 'x');
    if (random.oneIn(100)) return Buffer.from([0xc3, 0x28]);
    return Buffer.alloc(random.below(300), 'y');
  }

  #otherBoxes(): Name[] {
    const random = this.#random;
    const length = random.oneIn(10)
      ? mailboxesPerPostMax - 1 + random.below(3)
      : 1 + random.below(4);
    return Array.from({ length }, (_, index) => `also${index}` as Name);
  }

  /** Sometimes with others, and now and then too many, or a name twice. */
  #mailboxList(): MailboxList {
    const random = this.#random;
    if (!random.oneIn(3)) return [this.#name()];
    const length = random.oneIn(10) ? mailboxesPerReadMax - 2 + random.below(3) : random.below(4);
    const others = Array.from({ length }, (_, index) => `list ${index}` as Name);
    return [this.#name(), ...others, ...(random.oneIn(2) ? [this.#name()] : [])];
  }

  /** Now and then the number of an earlier request, or a border. */
  #requestNumber(): number {
    if (this.#random.oneIn(300)) return pick(this.#random, amounts);
    if (this.#random.oneIn(100)) return this.#number;
    this.#number += 1;
    return this.#number;
  }

  #name(): Name {
    return pick(this.#random, this.#random.oneIn(30) ? badNames : boxes) as Name;
  }

  #after(): number {
    return this.#random.oneIn(2) ? 0 : pick(this.#random, marks);
  }

  #ids(): MessageId[] {
    return Array.from({ length: 1 + this.#random.below(4) }, () => this.#id());
  }

  /** Of a message that some peer has seen, or of one that perhaps does not exist. */
  #id(): MessageId {
    const random = this.#random;
    if (random.oneIn(2) && this.#loot.holds.length > 0) return pick(random, this.#loot.holds).id;
    if (random.oneIn(3)) return `named${random.below(40)}` as MessageId;
    return sessionMessageId(sessionIdOf(pick(random, this.#loot.sessions)), 1 + random.below(40));
  }

  /** Messages of its own, of others, with wrong ids or numbers, and the same one twice. */
  #holds(): Hold[] {
    const random = this.#random;
    const all = [this.#own, this.#own, this.#loot.holds].filter(({ length }) => length > 0);
    const holds = Array.from({ length: random.below(8) }, (): Hold => {
      if (all.length === 0 || random.oneIn(8)) {
        return { number: pick(random, numbers), id: this.#id() };
      }
      const hold = pick(random, pick(random, all));
      return random.oneIn(8) ? { ...hold, id: this.#id() } : hold;
    });
    return random.oneIn(6) ? [...holds, ...holds] : holds;
  }
}

/** Writes a number at a border somewhere behind the length, so that the frame stays whole. */
function smash(random: Random, frame: Buffer): Buffer {
  const smashed = Buffer.from(frame);
  const at = 4 + random.below(frame.length - 7);
  smashed.writeUInt32BE(pick(random, amounts), at);
  return smashed;
}

function remember<T>(list: T[], item: T): void {
  list.push(item);
  if (list.length > lootMax) list.shift();
}
