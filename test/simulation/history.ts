// The events of a simulation in order: calls and their results, frames of the brokers, and injected
// faults. Bodies identify messages, so each body belongs to one post.
import { createHash } from 'node:crypto';
import type { Notice } from '../../src/model/mail-ahead.ts';
import type { EventGap } from '../../src/model/mail-events.ts';
import type { Delivery } from '../../src/model/mail-service.ts';
import type { Hold } from '../../src/model/message.ts';
import type { Request, Response } from '../../src/model/requests.ts';
import {
  decodeRequest,
  decodeResponse,
  requestTypes,
  responseTypes,
} from '../../src/protocol/codec.ts';
import { type Frame, FrameDecoder } from '../../src/protocol/frame.ts';
import type { SimSocket } from './network.ts';

/** The fields of a delivery that the history needs. */
export interface Seen {
  readonly id: string;
  readonly number: number;
  readonly attempt: number;
  readonly mailbox: string;
  readonly to: string;
  readonly from: string;
  /** Empty if the body is corrupt. */
  readonly body: string;
  /** The head says who had it before. */
  readonly hasPastHold: boolean;
}

/** A message that nobody holds. */
export interface Unread {
  readonly mailbox: string;
  readonly number: number;
  readonly attempt: number;
}

/** An event as a session saw it that follows. */
export interface SawEvent {
  readonly sequence: number;
  /** Its kind. */
  readonly what: string;
  readonly id: string;
  /** Counts the batches of the session. */
  readonly batch: number;
}

export type Entry = { readonly at: number } & ( // Calls and their results.
  | {
      readonly kind: 'post';
      readonly process: string;
      readonly to: readonly string[];
      readonly from: string;
      readonly body: string;
    }
  | { readonly kind: 'stored'; readonly body: string; readonly id: string; readonly number: number }
  | { readonly kind: 'delivered'; readonly process: string; readonly message: Seen }
  | { readonly kind: 'watching'; readonly process: string; readonly mailboxes: readonly string[] }
  | { readonly kind: 'told'; readonly process: string; readonly notice: Notice }
  /** All unread messages, after nothing was read for long. `watchers`: the processes that watch, and live. */
  | {
      readonly kind: 'unread';
      readonly messages: readonly Unread[];
      readonly watchers: readonly string[];
    }
  /** A batch of events. `epoch`: of the broker. */
  | {
      readonly kind: 'saw';
      readonly epoch: number;
      readonly events: readonly SawEvent[];
      readonly gap: EventGap | undefined;
    }
  | { readonly kind: 'settle'; readonly process: string; readonly ids: readonly string[] }
  /** The session ends in order, and gives up all that it holds, even if no broker reads that. */
  | { readonly kind: 'ended'; readonly session: string }
  // Frames of a broker. A session has one connection to a broker at a time.
  | {
      readonly kind: 'welcomed';
      readonly epoch: number;
      readonly on: string;
      readonly session: string;
      readonly ids: readonly string[];
    }
  | {
      readonly kind: 'offered';
      readonly epoch: number;
      readonly on: string;
      readonly message: Seen;
    }
  | {
      readonly kind: 'noticed';
      readonly epoch: number;
      readonly on: string;
      readonly notice: Notice;
    }
  /** The broker has read a pause or a resume, and may have done it or not. */
  | { readonly kind: 'pauseRead'; readonly on: string }
  /** It has done so. */
  | {
      readonly kind: 'pausing';
      readonly epoch: number;
      readonly on: string;
      /** All that are paused; '' for all. */
      readonly mailboxes: readonly string[];
    }
  | {
      readonly kind: 'acked';
      readonly epoch: number;
      readonly on: string;
      readonly id: string;
      readonly number: number;
    }
  | {
      readonly kind: 'settled';
      readonly epoch: number;
      readonly on: string;
      readonly ids: readonly string[];
    }
  /** The broker has read that the session no longer holds these messages. */
  | { readonly kind: 'gaveUp'; readonly on: string; readonly ids: readonly string[] }
  | { readonly kind: 'gone'; readonly on: string }
  /** A broker has begun. `start`: the number of the first record of its epoch. Only in histories with a follower. */
  | { readonly kind: 'owns'; readonly epoch: number; readonly start: number }
  // Faults and phases of the simulation.
  | { readonly kind: 'fault'; readonly what: string }
  /** All processes stand still for a while. `isCalm`: without other faults. */
  | { readonly kind: 'frozen'; readonly isCalm: boolean }
  /** Corruption of the disk was reported to a caller. */
  | { readonly kind: 'reported'; readonly what: string }
  /** From here on, all mail is read and settled. */
  | { readonly kind: 'draining' }
  | { readonly kind: 'drained' }
  | { readonly kind: 'stuck'; readonly what: string }
);

/** Each variant without its time. */
type Untimed<T> = T extends unknown ? Omit<T, 'at'> : never;

export class History {
  readonly entries: Entry[] = [];
  readonly #now: () => number;
  #connections = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  add(entry: Untimed<Entry>): void {
    this.entries.push({ at: Math.round(this.#now() * 1_000) / 1_000, ...entry } as Entry);
  }

  delivered(process: string, deliveries: readonly Delivery[]): void {
    for (const { body, ...delivery } of deliveries) {
      if (body) this.add({ kind: 'delivered', process, message: seen(delivery, body) });
      else this.add({ kind: 'reported', what: `${delivery.envelope.id} is corrupt` });
    }
  }

  /** Records the frames at the end of a connection that a broker has. */
  listen(server: SimSocket): void {
    const on = `${server.process.name}/${++this.#connections}`;
    const listener = new Listener(on, (entry) => this.add(entry));
    server.onSent = (bytes) => listener.sent(bytes);
    server.onRead = (bytes) => listener.read(bytes);
    server.onGone = () => this.add({ kind: 'gone', on });
  }

  hash(): string {
    return createHash('sha256').update(this.text()).digest('hex');
  }

  text(): string {
    return this.entries.map((entry) => JSON.stringify(entry)).join('\n');
  }
}

/** Matches the responses of one connection to their requests. */
class Listener {
  readonly #on: string;
  readonly #add: (entry: Untimed<Entry>) => void;
  readonly #requests = new FrameDecoder();
  readonly #answers = new FrameDecoder();
  readonly #holds = new Map<number, readonly Hold[]>();
  #session = '';
  #epoch = 0;

  constructor(on: string, add: (entry: Untimed<Entry>) => void) {
    this.#on = on;
    this.#add = add;
  }

  read(bytes: Buffer): void {
    for (const frame of this.#requests.push(bytes)) {
      if (!isBeat(frame)) this.#requested(decodeRequest(frame));
    }
  }

  sent(bytes: Buffer): void {
    for (const frame of this.#answers.push(bytes)) {
      if (isBeat(frame)) continue;
      const { response, body } = decodeResponse(frame);
      this.#responded(response, body);
    }
  }

  #requested(request: Request): void {
    switch (request.kind) {
      case 'hello':
        this.#session = request.session;
        this.#holds.set(request.request, request.held);
        return;
      case 'post':
        this.#holds.set(request.request, request.settles);
        return this.#gaveUp(request.settles);
      case 'settle':
        this.#holds.set(request.request, request.holds);
        return this.#gaveUp(request.holds);
      case 'release':
        return this.#gaveUp(request.holds);
      case 'pause':
        return this.#add({ kind: 'pauseRead', on: this.#on });
    }
  }

  #gaveUp(holds: readonly Hold[]): void {
    if (holds.length > 0) this.#add({ kind: 'gaveUp', on: this.#on, ids: idsOf(holds) });
  }

  #responded(response: Response, body: Buffer | undefined): void {
    const on = this.#on;
    const epoch = this.#epoch;
    switch (response.kind) {
      case 'welcome': {
        this.#epoch = response.epoch;
        const ids = this.#without(response.request, response.revoked);
        this.#add({ kind: 'welcomed', epoch: response.epoch, on, session: this.#session, ids });
        return;
      }
      case 'offer':
        return this.#add({ kind: 'offered', epoch, on, message: seen(response, body) });
      case 'notice': {
        const { kind: _kind, request: _request, ...notice } = response;
        return this.#add({ kind: 'noticed', epoch, on, notice });
      }
      case 'pausing':
        return this.#add({ kind: 'pausing', epoch, on, mailboxes: response.mailboxes });
      case 'stored': {
        for (const { id, number } of [response, ...response.also]) {
          this.#add({ kind: 'acked', epoch, on, id, number });
        }
        return this.#settled(response.request, response.notHeld);
      }
      case 'settled':
        return this.#settled(response.request, response.notHeld);
    }
  }

  #settled(request: number, notHeld: readonly Hold[]): void {
    const ids = this.#without(request, notHeld);
    if (ids.length > 0) this.#add({ kind: 'settled', epoch: this.#epoch, on: this.#on, ids });
  }

  #without(request: number, holds: readonly Hold[]): string[] {
    const asked = idsOf(this.#holds.get(request) ?? []);
    this.#holds.delete(request);
    const excepted = idsOf(holds);
    return asked.filter((id) => !excepted.includes(id));
  }
}

/** Heartbeats, which both sides send. */
function isBeat({ type }: Frame): boolean {
  return type === requestTypes.ping || type === responseTypes.pong;
}

function idsOf(holds: readonly Hold[]): string[] {
  return holds.map(({ id }) => id);
}

function seen(
  {
    envelope,
    attempt,
    mailbox,
    lastHold,
  }: Pick<Delivery, 'envelope' | 'attempt' | 'mailbox' | 'lastHold'>,
  body: Buffer | undefined,
): Seen {
  const { id, number, to, from } = envelope;
  const hasPastHold = lastHold !== undefined;
  return { id, number, attempt, mailbox, to, from, body: body?.toString() ?? '', hasPastHold };
}
