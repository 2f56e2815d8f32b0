// When a delivery is settled, for hosts that do not report whether a model saw a result. Pure: it decides,
// and the caller settles and releases.
//
// 1. give() gives a ticket to what a result hands over. 2. writing(), written() and gone() follow that
// result to the host. 3. begin() runs at the start of each call, and returns what the call settles:
//    (a) the ticket that it names;
//    (b) if it reads a mailbox without a ticket: what the same caller got from that mailbox in results
//        that were written.
// 4. end() returns what an orderly end settles: (c) what was written long enough ago to have been seen.
//
// At a host that drops calls silently (b) and (c) do not hold: a message is redelivered to its caller once
// before (b) settles it, and an end releases all.
import assert from 'node:assert/strict';
import { BoundedMap } from '../base/bounded-map.ts';
import { settleMsSeen } from '../base/limits.ts';
import { type Held, withoutBody } from '../model/mail-service.ts';
import type { MessageId, Name } from '../model/message.ts';

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

/** What a call does with earlier results before its own work. */
export interface Plan {
  readonly settles: readonly Batch[];
  /** To be released, so that it is redelivered to the caller. */
  readonly redelivers: Batch | undefined;
  /** The one message that the named ticket stands for. */
  readonly answers: MessageId | undefined;
  readonly part: Part | undefined;
  /** The call names a ticket that this process did not give. */
  readonly isUnknown: boolean;
}

interface Ticket extends BrokerMailbox {
  readonly caller: CallerId;
  deliveries: readonly Held[];
  state: 'given' | 'settling';
  written: 'no' | 'begun' | { readonly atMs: number };
  /** Its result was cancelled while it was being settled. */
  isGone: boolean;
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
  readonly #released = new BoundedMap<string, Batch>(releasedMax);
  /** Messages that were given once to a caller, and released since. */
  readonly #givenOnce = new BoundedMap<string, true>(givenOnceMax);

  /** `nonce`: four characters of base 32, of this process alone. */
  constructor(nonce: string) {
    assert.match(nonce, /^[0-9a-v]{4}$/);
    this.#nonce = nonce;
  }

  /** The ticket of a result that hands over these deliveries. Without any, naming it settles nothing. */
  give(caller: CallerId, box: BrokerMailbox | undefined, given: readonly Held[]): string {
    const name = `${this.#nonce}-${++this.#count}`;
    if (!box || given.length === 0) return name;
    // The bodies would stay in memory until the messages are settled.
    const deliveries = given.map(withoutBody);
    const state = { state: 'given', written: 'no', isGone: false } as const;
    this.#open.set(name, { caller, ...box, deliveries, ...state });
    return name;
  }

  /** The result begins to leave: from now on a model may have read it. */
  writing(name: string): void {
    const ticket = this.#open.get(name);
    if (ticket) ticket.written = 'begun';
  }

  written(name: string, nowMs: number): void {
    const ticket = this.#open.get(name);
    if (ticket) ticket.written = { atMs: nowMs };
  }

  /** The call was cancelled, or its result could not be written: its messages are to be released. */
  gone(name: string): ReleaseBatch | undefined {
    const ticket = this.#open.get(name);
    if (!ticket) return undefined;
    if (ticket.state === 'settling') {
      ticket.isGone = true;
      return undefined;
    }
    return this.#release(name, ticket);
  }

  /** `reads`: the mailbox of a wait or a fetch. */
  begin(caller: Caller, after: string | undefined, reads: BrokerMailbox | undefined): Plan {
    const named = this.#parse(after);
    const isUnknown = after !== undefined && named === undefined;
    if (named?.part !== undefined) {
      const part = { ticket: named.name, number: named.part };
      return { settles: [], redelivers: undefined, answers: undefined, part, isUnknown };
    }
    const own = named && this.#settleNamed(named.name);
    const ownIds = own && new Set(own.deliveries.map(idOf));
    const rest = reads && this.#settleRest(caller, reads, named?.name, ownIds);
    const settles = [own, rest?.settle].filter((batch) => batch !== undefined);
    const [first, second] = own?.deliveries ?? [];
    const answers = second ? undefined : first?.envelope.id;
    return { settles, redelivers: rest?.redelivers, answers, part: undefined, isUnknown };
  }

  /** The batches of a plan are settled. */
  settled(batches: readonly Batch[]): void {
    for (const batch of batches) this.#forget(batch);
  }

  /** The batches could not be settled. Returns what to release: its result is gone by now. */
  unsettled(batches: readonly Batch[]): readonly ReleaseBatch[] {
    const releases: ReleaseBatch[] = [];
    const ids = new Set(batches.flatMap(({ deliveries }) => deliveries.map(idOf)));
    for (const [name, ticket] of this.#open) {
      if (ticket.state !== 'settling' || !ticket.deliveries.some((d) => ids.has(idOf(d)))) continue;
      ticket.state = 'given';
      if (ticket.isGone) releases.push(this.#release(name, ticket));
    }
    return releases;
  }

  /** What an orderly end settles and releases. What is being settled already is in neither. */
  end(
    nowMs: number,
    dropsCalls: boolean,
  ): { settles: readonly Batch[]; releases: readonly ReleaseBatch[] } {
    const settles: Batch[] = [];
    const releases: ReleaseBatch[] = [];
    for (const [name, ticket] of this.#open) {
      if (ticket.state === 'settling') continue;
      const { broker, deliveries, written } = ticket;
      const isSeen = typeof written === 'object' && nowMs - written.atMs >= settleMsSeen;
      if (isSeen && !dropsCalls) settles.push({ broker, deliveries });
      else releases.push(this.#release(name, ticket));
    }
    return { settles, releases };
  }

  /** undefined for a ticket that this process did not give. */
  #parse(after: string | undefined): { name: string; part?: number } | undefined {
    const match = form.exec(after ?? '');
    if (match?.[1] !== this.#nonce || Number(match[2]) > this.#count) return undefined;
    const name = `${match[1]}-${match[2]}`;
    return match[3] === undefined ? { name } : { name, part: Number(match[3]) };
  }

  /** Also what was released: the broker settles it unless another session holds it. */
  #settleNamed(name: string): Batch | undefined {
    const ticket = this.#open.get(name);
    if (!ticket) return this.#released.get(name);
    ticket.state = 'settling';
    return { broker: ticket.broker, deliveries: ticket.deliveries };
  }

  #settleRest(
    caller: Caller,
    { broker, mailbox }: BrokerMailbox,
    named: string | undefined,
    namedIds: ReadonlySet<MessageId> = new Set(),
  ): { settle: Batch | undefined; redelivers: Batch | undefined } {
    const settle: Held[] = [];
    const redelivers: Held[] = [];
    for (const [name, ticket] of this.#open) {
      const isHere = ticket.broker === broker && ticket.mailbox === mailbox;
      if (name === named || !isHere || ticket.caller !== caller.id || ticket.state !== 'given') {
        continue;
      }
      const isFirst = (d: Held) =>
        caller.dropsCalls && !namedIds.has(idOf(d)) && !this.#givenOnce.has(givenKey(ticket, d));
      redelivers.push(...this.#takeBack(name, ticket, isFirst));
      if (named !== undefined || typeof ticket.written !== 'object') continue;
      ticket.state = 'settling';
      settle.push(...ticket.deliveries);
    }
    return { settle: batch(broker, settle), redelivers: batch(broker, redelivers) };
  }

  /** Takes the deliveries that are to be redelivered out of a ticket. */
  #takeBack(name: string, ticket: Ticket, isFirst: (d: Held) => boolean): Held[] {
    const taken = ticket.deliveries.filter(isFirst);
    if (taken.length === 0) return taken;
    for (const delivery of taken) this.#givenOnce.set(givenKey(ticket, delivery), true);
    this.#released.set(name, { broker: ticket.broker, deliveries: taken });
    ticket.deliveries = ticket.deliveries.filter((delivery) => !taken.includes(delivery));
    if (ticket.deliveries.length === 0) this.#open.delete(name);
    return taken;
  }

  #release(name: string, ticket: Ticket): ReleaseBatch {
    const { broker, deliveries, written } = ticket;
    this.#open.delete(name);
    this.#released.set(name, { broker, deliveries });
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
      else this.#released.set(name, { broker, deliveries: left });
    }
  }
}

function idOf({ envelope }: Held): MessageId {
  return envelope.id;
}

function batch(broker: string, deliveries: readonly Held[]): Batch | undefined {
  return deliveries.length === 0 ? undefined : { broker, deliveries };
}

/** Ids are unique even when a broker gets another store. */
function givenKey({ caller, broker, mailbox }: Ticket, { envelope }: Held): string {
  return JSON.stringify([caller, broker, mailbox, envelope.id]);
}
