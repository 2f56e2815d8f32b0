// When a delivery is settled, for hosts that do not report whether a model saw a result. Pure: it decides,
// and the caller settles and releases.
//
// 1. give() gives a ticket to what a result hands over. 2. writing(), written() and gone() follow that
// result to the host. 3. begin() runs at the start of each call, and returns what the call settles:
//    (a) what its tickets stand for;
//    (b) if it posts without a ticket, and its caller holds exactly one message from the recipient: that one,
//        which the post answers.
// 4. end() returns what an orderly end settles: (c) each message `shutdown` that was written, since its reader
//    obeys it by ending.
// All else is held until its ticket is named, and goes back at an end. A read settles nothing: one server may
// serve several agents, of which each reads while the others work.
//
// At a host that drops calls silently a result may never have been seen. There (b) does not hold: a read
// without a ticket redelivers each message to its caller once, and the next such read settles it.
import assert from 'node:assert/strict';
import { BoundedMap } from '../base/bounded-map.ts';
import type { Delivery, Held } from '../model/mail-service.ts';
import { isShutdown, type MailboxList, type MessageId, type Name } from '../model/message.ts';

/** A thread of the host, or '' for the session itself. */
export type CallerId = string;

export interface Caller {
  readonly id: CallerId;
  /** Its host drops calls silently: a result that was written may never have been seen. */
  readonly dropsCalls: boolean;
}

export interface BrokerMailbox {
  readonly broker: string;
  readonly mailbox: Name;
}

/** The mailboxes of a read, and their broker. */
export interface BrokerMailboxes {
  readonly broker: string;
  readonly mailboxes: MailboxList;
}

/** The mailboxes that a call reads, or the one that it posts to. */
export interface CallTarget {
  readonly reads?: BrokerMailboxes;
  readonly posts?: BrokerMailbox;
}

/** Messages of one broker. */
export interface Batch {
  readonly broker: string;
  readonly deliveries: readonly Held[];
}

export interface ReleaseBatch extends Batch {
  /** Nothing of the result left this process: the attempt does not count. */
  readonly unread: boolean;
}

export interface Part {
  readonly ticket: string;
  /** From 2: the first part came with the result itself. */
  readonly number: number;
}

/** A message that a caller holds, and the ticket that stands for it. */
export interface HeldMessage {
  readonly ticket: string;
  readonly number: number;
  readonly from: Name | '';
}

/** What a call does with earlier results before its own work. */
export interface Plan {
  readonly settles: readonly Batch[];
  /** To be released, so that it is redelivered to the caller. */
  readonly redelivers: Batch | undefined;
  /** Of the messages that the call settles the one that its post answers, and the mailboxes of the read that took it. */
  readonly answers: { readonly id: MessageId; readonly mailboxes: MailboxList } | undefined;
  /**
   * Messages whose tickets a call without one could have named. Of a read: all that its caller holds. Of a post:
   * those from its recipient, if there are several.
   */
  readonly unnamed: readonly HeldMessage[];
  readonly part: Part | undefined;
  /** Tickets of the call that this process did not give. */
  readonly unknown: readonly string[];
}

/** A message that was handed over. Its body would stay in memory until it is settled. */
interface Handed extends Held {
  readonly mailbox: Name;
  readonly from: Name | '';
  readonly isShutdown: boolean;
  state: 'held' | 'settling';
  /** Its result was cancelled while it was being settled. */
  isGone: boolean;
}

/** Messages of one read. */
interface ReadBatch extends Batch, BrokerMailboxes {
  readonly deliveries: readonly Handed[];
}

interface Ticket extends BrokerMailboxes {
  readonly caller: CallerId;
  deliveries: readonly Handed[];
  written: 'no' | 'begun' | 'yes';
}

/** Released tickets that are remembered: a caller may still name one. */
const releasedMax = 256;
/** Messages that are remembered as given once to a caller. */
const givenOnceMax = 4_096;

const form = /^([0-9a-v]{4})-([1-9][0-9]{0,8})(?:\.([1-9][0-9]{0,4}))?$/;

export class Tickets {
  readonly #nonce: string;
  #count = 0;
  readonly #open = new Map<string, Ticket>();
  readonly #released = new BoundedMap<string, ReadBatch>(releasedMax);
  /** Messages that were given once to a caller, and released since. */
  readonly #givenOnce = new BoundedMap<string, true>(givenOnceMax);

  /** `nonce`: four characters of base 32, of this process alone. */
  constructor(nonce: string) {
    assert(/^[0-9a-v]{4}$/.test(nonce));
    this.#nonce = nonce;
  }

  /** The ticket of a result that hands over these deliveries. Without any, naming it settles nothing. */
  give(caller: CallerId, read: BrokerMailboxes | undefined, given: readonly Delivery[]): string {
    const name = `${this.#nonce}-${++this.#count}`;
    if (!read || given.length === 0) return name;
    this.#open.set(name, { caller, ...read, deliveries: given.map(handed), written: 'no' });
    return name;
  }

  /** The result begins to leave: from now on a model may have read it. */
  writing(name: string): void {
    const ticket = this.#open.get(name);
    if (ticket) ticket.written = 'begun';
  }

  written(name: string): void {
    const ticket = this.#open.get(name);
    if (ticket) ticket.written = 'yes';
  }

  /** The call was cancelled, or its result could not be written: its messages are to be released. */
  gone(name: string): ReleaseBatch | undefined {
    const ticket = this.#open.get(name);
    if (!ticket) return undefined;
    for (const delivery of ticket.deliveries) delivery.isGone = delivery.state === 'settling';
    return this.#release(name, ticket, ({ state }) => state === 'held');
  }

  /** `after`: the tickets of the call. */
  begin(caller: Caller, after: readonly string[], { reads, posts }: CallTarget): Plan {
    const known = after.map((text) => this.#parse(text));
    const [first, second] = known;
    if (first?.part !== undefined && second === undefined) {
      return planOf([], { part: { ticket: first.name, number: first.part } });
    }
    const isTicket = (_: string, index: number) => known[index]?.part === undefined && known[index];
    const unknown = after.filter((text, index) => !isTicket(text, index));
    const names = after.filter(isTicket);
    const to = posts?.mailbox;
    if (caller.dropsCalls) return planOf(unknown, this.#beginAgain(caller, names, reads, to));
    if (names.length > 0) return planOf(unknown, settling(this.#settleNamed(names), to));
    const held = reads || posts ? this.#heldBy(caller, posts) : [];
    const [only, ...others] = held;
    // A wrong ticket was to name one message, which need not be this one.
    if (posts && unknown.length === 0 && only && others.length === 0) {
      const { message, ...read } = only;
      message.state = 'settling';
      return planOf(unknown, settling([{ ...read, deliveries: [message] }], to));
    }
    const unnamed = held.map(({ ticket, message: { envelope, from } }) => {
      return { ticket, number: envelope.number, from };
    });
    return planOf(unknown, { unnamed });
  }

  /** The batches of a plan are settled. */
  settled(batches: readonly Batch[]): void {
    for (const batch of batches) this.#forget(batch);
  }

  /** The batches could not be settled. Returns what to release: its result is gone by now. */
  unsettled(batches: readonly Batch[]): readonly ReleaseBatch[] {
    const ids = new Set(batches.flatMap(({ deliveries }) => deliveries.map(idOf)));
    for (const { deliveries } of this.#open.values()) {
      for (const delivery of deliveries) if (ids.has(idOf(delivery))) delivery.state = 'held';
    }
    const isOver = (each: Handed) => each.isGone && ids.has(idOf(each));
    const releases = [...this.#open].map(([name, ticket]) => this.#release(name, ticket, isOver));
    return releases.filter((release) => release !== undefined);
  }

  /** What an orderly end settles and releases. What is being settled already is in neither. */
  end(): { settles: readonly Batch[]; releases: readonly ReleaseBatch[] } {
    const settles: Batch[] = [];
    const releases: ReleaseBatch[] = [];
    for (const [name, ticket] of this.#open) {
      const { broker, deliveries, written } = ticket;
      const isOver = (each: Handed) => each.isShutdown && written === 'yes';
      const over = deliveries.filter((each) => each.state === 'held' && isOver(each));
      if (over.length > 0) settles.push({ broker, deliveries: over });
      const release = this.#release(name, ticket, (each) => each.state === 'held' && !isOver(each));
      if (release) releases.push(release);
    }
    return { settles, releases };
  }

  /** undefined for a ticket that this process did not give. */
  #parse(text: string): { name: string; part?: number } | undefined {
    const match = form.exec(text);
    if (match?.[1] !== this.#nonce || Number(match[2]) > this.#count) return undefined;
    const name = `${match[1]}-${match[2]}`;
    return match[3] === undefined ? { name } : { name, part: Number(match[3]) };
  }

  /** Also what was released: the broker settles it unless another session holds it. */
  #settleNamed(names: readonly string[]): ReadBatch[] {
    const batches = names.map((name) => {
      const ticket = this.#open.get(name);
      if (!ticket) return this.#released.get(name);
      for (const delivery of ticket.deliveries) delivery.state = 'settling';
      const { broker, mailboxes, deliveries } = ticket;
      return { broker, mailboxes, deliveries };
    });
    return batches.filter((batch) => batch !== undefined);
  }

  /** Messages that the caller holds, and whose results were written, oldest first. `from`: only of that sender. */
  #heldBy({ id }: Caller, from: BrokerMailbox | undefined) {
    const held: (BrokerMailboxes & { ticket: string; message: Handed })[] = [];
    for (const [ticket, { broker, mailboxes, caller, deliveries, written }] of this.#open) {
      if (caller !== id || written !== 'yes' || (from && from.broker !== broker)) continue;
      for (const message of deliveries) {
        if (message.state !== 'held' || (from && from.mailbox !== message.from)) continue;
        held.push({ broker, mailboxes, ticket, message });
      }
    }
    return held;
  }

  /** begin() at a host that drops calls. */
  #beginAgain(
    caller: Caller,
    named: readonly string[],
    reads: BrokerMailboxes | undefined,
    to: Name | undefined,
  ): Pick<Plan, 'settles' | 'answers' | 'redelivers'> {
    const own = this.#settleNamed(named);
    const ownIds = new Set(own.flatMap(({ deliveries }) => deliveries.map(idOf)));
    const seen: Held[] = [];
    const redelivers: Held[] = [];
    for (const [name, ticket] of this.#open) {
      if (named.includes(name) || ticket.broker !== reads?.broker) continue;
      if (ticket.caller !== caller.id) continue;
      const isHere = (d: Handed) => d.state === 'held' && reads.mailboxes.includes(d.mailbox);
      const isFirst = (d: Handed) =>
        isHere(d) && !ownIds.has(idOf(d)) && !this.#givenOnce.has(givenKey(ticket, d));
      redelivers.push(...this.#takeBack(name, ticket, isFirst));
      if (named.length > 0 || ticket.written !== 'yes') continue;
      const rest = ticket.deliveries.filter(isHere);
      for (const delivery of rest) delivery.state = 'settling';
      seen.push(...rest);
    }
    const { settles, answers } = settling(own, to);
    const broker = reads?.broker ?? '';
    return {
      settles: [...settles, ...batches(broker, seen)],
      answers,
      redelivers: batches(broker, redelivers)[0],
    };
  }

  /** Takes the deliveries that are to be redelivered out of a ticket. */
  #takeBack(name: string, ticket: Ticket, isFirst: (d: Handed) => boolean): readonly Held[] {
    const taken = ticket.deliveries.filter(isFirst);
    for (const delivery of taken) this.#givenOnce.set(givenKey(ticket, delivery), true);
    this.#release(name, ticket, (each) => taken.includes(each));
    return taken;
  }

  /** Takes deliveries out of a ticket. They can still be settled under its name. */
  #release(
    name: string,
    ticket: Ticket,
    isReleased: (delivery: Handed) => boolean,
  ): ReleaseBatch | undefined {
    const { broker, mailboxes, written } = ticket;
    const deliveries = ticket.deliveries.filter(isReleased);
    if (deliveries.length === 0) return undefined;
    ticket.deliveries = ticket.deliveries.filter((delivery) => !deliveries.includes(delivery));
    if (ticket.deliveries.length === 0) this.#open.delete(name);
    const before = this.#released.get(name)?.deliveries ?? [];
    this.#released.set(name, { broker, mailboxes, deliveries: [...before, ...deliveries] });
    return { broker, deliveries, unread: written === 'no' };
  }

  /** Settled messages leave every ticket: one may have been delivered twice. */
  #forget({ broker, deliveries }: Batch): void {
    const ids = new Set(deliveries.map(idOf));
    for (const [name, ticket] of this.#open) {
      if (ticket.broker !== broker) continue;
      ticket.deliveries = ticket.deliveries.filter((delivery) => !ids.has(idOf(delivery)));
      if (ticket.deliveries.length === 0) this.#open.delete(name);
    }
    for (const [name, released] of [...this.#released]) {
      if (released.broker !== broker) continue;
      const left = released.deliveries.filter((delivery) => !ids.has(idOf(delivery)));
      if (left.length === released.deliveries.length) continue;
      if (left.length === 0) this.#released.delete(name);
      else this.#released.set(name, { ...released, deliveries: left });
    }
  }
}

/** Field by field: a spread would take longer than the plan itself. */
function planOf(
  unknown: readonly string[],
  { settles = [], redelivers, answers, unnamed = [], part }: Partial<Plan>,
): Plan {
  return { settles, redelivers, answers, unnamed, part, unknown };
}

function handed({ envelope: { number, id, from }, mailbox, body }: Delivery): Handed {
  const isOrder = body !== undefined && isShutdown(body);
  const message = { envelope: { number, id }, mailbox, from, isShutdown: isOrder };
  return { ...message, state: 'held', isGone: false };
}

/** `to`: the mailbox of a post, which answers the only message, or the only one of several that came from there. */
function settling(
  batches: readonly ReadBatch[],
  to: Name | undefined,
): Pick<Plan, 'settles' | 'answers'> {
  const settles = batches.map(({ broker, deliveries }) => ({ broker, deliveries }));
  const all = batches.flatMap(({ mailboxes, deliveries }) =>
    deliveries.map((each) => ({ id: idOf(each), from: each.from, mailboxes })),
  );
  const [answered, ...others] = all.length === 1 ? all : all.filter(({ from }) => from === to);
  if (!answered || others.length > 0) return { settles, answers: undefined };
  const { id, mailboxes } = answered;
  return { settles, answers: { id, mailboxes } };
}

function idOf({ envelope }: Held): MessageId {
  return envelope.id;
}

function batches(broker: string, deliveries: readonly Held[]): Batch[] {
  return deliveries.length === 0 ? [] : [{ broker, deliveries }];
}

/** Ids are unique even when a broker gets another store. */
function givenKey({ caller, broker }: Ticket, { mailbox, envelope }: Handed): string {
  return JSON.stringify([caller, broker, mailbox, envelope.id]);
}
