// A session in a simulated process. It owns the broker of its port or joins the owner, as
// session/session.ts does with real ports, and records its calls and results in the history.

import { IpcError, systemErrorCode } from '../../src/base/errors.ts';
import { prologueBytesMax } from '../../src/base/limits.ts';
import { Broker, type BrokerLimits } from '../../src/broker/broker.ts';
import { Client } from '../../src/client/client.ts';
import type { Connector } from '../../src/client/link.ts';
import { prologueOf } from '../../src/journal/history-file.ts';
import { segmentPath } from '../../src/journal/paths.ts';
import type { Notice } from '../../src/model/mail-ahead.ts';
import type { EventBatch } from '../../src/model/mail-events.ts';
import type {
  Delivery,
  EventsArguments,
  FetchArguments,
  Held,
  PostArguments,
  WatchArguments,
} from '../../src/model/mail-service.ts';
import type { MailboxList, Name } from '../../src/model/message.ts';
import type { Connection } from '../../src/net/connection.ts';
import { Backoff } from '../../src/session/backoff.ts';
import type { History, Unread } from './history.ts';
import type { SimNetwork } from './network.ts';
import type { SimProcess } from './process.ts';

export interface SimSessionOptions {
  readonly process: SimProcess;
  readonly network: SimNetwork;
  readonly history: History;
  /** The network namespace, which has its own ports; all namespaces share the store. */
  readonly namespace: string;
  readonly folder: string;
  readonly limits: Partial<BrokerLimits>;
  /** On another machine: the session connects, and never owns. */
  readonly isRemote: boolean;
  /** Its broker announces no later requests. */
  readonly isOld: boolean;
  /** A session follows the events, so the beginnings of epochs are recorded. */
  readonly isFollowed: boolean;
}

const dyingOwnerMsMax = 10_000;
const hangUpMsMax = 1_500;
const bidPauseMsMax = 50;
const takeoverMsMax = 1_000;
const closeMs = 2_000;

export class SimSession {
  readonly client: Client;
  readonly #options: SimSessionOptions;
  readonly #backoff: Backoff;
  #broker: Broker | undefined;
  #closed = false;

  constructor(options: SimSessionOptions) {
    this.#options = options;
    const connector: Connector = {
      connect: () => this.#connect(),
      describeSilentOwner: async () => new IpcError('owner_silent', 'the broker does not answer'),
      welcomed: () => {},
      isStandby: () => this.#mayOwn(),
    };
    const { process } = options;
    this.#backoff = new Backoff(process);
    const origin = { program: 'sim', pid: process.pid, machine: options.namespace };
    this.client = new Client(origin, connector, process);
  }

  get ownsBroker(): boolean {
    return this.#broker !== undefined;
  }

  async post(
    to: readonly string[],
    from: string,
    body: string,
    options: PostArguments = {},
  ): Promise<void> {
    const { process, history } = this.#options;
    history.add({ kind: 'post', process: process.name, to, from, body });
    if (options.settles) this.#recordSettle(options.settles);
    const [first, ...alsoTo] = to as Name[];
    const asked = { ...options, alsoTo, from: from as Name };
    const result = await this.client.post(first as Name, Buffer.from(body), asked);
    for (const { id, number } of [result, ...result.also]) {
      history.add({ kind: 'stored', body, id, number });
    }
  }

  async wait(from: readonly string[], timeoutMs: number, signal: AbortSignal): Promise<Delivery[]> {
    const mailboxes = from as unknown as MailboxList;
    const delivery = await this.client.wait(mailboxes, { timeoutMs, signal });
    const deliveries = delivery ? [delivery] : [];
    this.#options.history.delivered(this.#options.process.name, deliveries);
    return deliveries;
  }

  async watch(mailboxes: MailboxList, options: WatchArguments): Promise<Notice | undefined> {
    const { history, process } = this.#options;
    history.add({ kind: 'watching', process: process.name, mailboxes });
    const notice = await this.client.watch(mailboxes, options);
    if (notice) history.add({ kind: 'told', process: process.name, notice });
    return notice;
  }

  /** One batch, which is recorded. Returns where the next one begins. */
  async follow(
    after: EventsArguments['after'],
    timeoutMs: number,
    batch: number,
  ): Promise<EventBatch> {
    const seen = await this.client.events({ after, timeoutMs, partBytesMax: 100 });
    const { events, gap, next } = seen;
    const briefs = events.map((event) => {
      const { kind: what, sequence } = event;
      const id = 'message' in event ? event.message.id : 'envelope' in event && event.envelope.id;
      return { sequence, what, id: id || '', batch };
    });
    this.#options.history.add({ kind: 'saw', epoch: next.epoch, events: briefs, gap });
    return seen;
  }

  /** Records the messages of these mailboxes that nobody holds. `watchers`: the processes that live. */
  async lookUnread(mailboxes: readonly string[], watchers: readonly string[]): Promise<void> {
    const messages: Unread[] = [];
    for (const mailbox of mailboxes as Name[]) {
      const look = { messagesMax: 1_000, partBytesMax: 0 };
      const { messages: found } = await this.client.peek(mailbox, look);
      for (const { envelope, attempt, holder } of found) {
        if (!holder) messages.push({ mailbox, number: envelope.number, attempt });
      }
    }
    this.#options.history.add({ kind: 'unread', messages, watchers });
  }

  async fetch(from: readonly string[], options: FetchArguments): Promise<Delivery[]> {
    const mailboxes = from as unknown as MailboxList;
    const { deliveries } = await this.client.fetch(mailboxes, options);
    this.#options.history.delivered(this.#options.process.name, deliveries);
    return [...deliveries];
  }

  async settle(deliveries: readonly Delivery[]): Promise<void> {
    this.#recordSettle(deliveries);
    await this.client.settle(deliveries);
  }

  /** The number of unsettled messages in the store. */
  async messages(): Promise<number> {
    const { messages, damaged, warnings } = await this.client.status();
    const { history } = this.#options;
    if (damaged > 0) history.add({ kind: 'reported', what: `${damaged} corrupt messages` });
    // That the disk is full is no corruption.
    const found = warnings.filter((what) => !what.startsWith('the disk was full'));
    for (const what of found) history.add({ kind: 'reported', what });
    return messages;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.client.close(closeMs);
    const broker = this.#broker;
    this.#broker = undefined;
    await broker?.close();
    this.#options.network.unbind(this.#options.process);
  }

  /** Gives the role up cleanly; the session may own the broker again later. */
  async handOver(): Promise<void> {
    const broker = this.#broker;
    this.#broker = undefined;
    await broker?.close();
  }

  #recordSettle(deliveries: readonly Held[]): void {
    const ids = deliveries.map(({ envelope }) => envelope.id);
    const { history, process } = this.#options;
    if (ids.length > 0) history.add({ kind: 'settle', process: process.name, ids });
  }

  #mayOwn(): boolean {
    return !this.#options.isRemote && !this.#closed;
  }

  #mayElect(): boolean {
    return this.#mayOwn() && !this.#backoff.isPaused(this.client.hasCallers);
  }

  async #connect(): Promise<Connection> {
    const { process, network, namespace } = this.#options;
    const began = process.now();
    for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, bidPauseMsMax)) {
      if (this.#mayElect()) await this.#elect();
      try {
        return await network.dial(process, namespace);
      } catch (error) {
        if (!this.#mayRetry(error, process.now() - began)) throw this.#explain(error);
      }
      await process.sleep(pauseMs);
    }
  }

  #mayRetry(error: unknown, passedMs: number): boolean {
    if (!(error instanceof IpcError) || error.code !== 'unreachable' || this.#closed) return false;
    if (error.cause === undefined) return passedMs < hangUpMsMax;
    return passedMs < (this.#mayElect() ? dyingOwnerMsMax : takeoverMsMax);
  }

  #explain(error: unknown): unknown {
    const isRefused = error instanceof IpcError && error.cause !== undefined;
    return (isRefused && this.#mayOwn() && this.#backoff.error) || error;
  }

  async #elect(): Promise<void> {
    const { process, network, namespace, folder, limits, history, isOld } = this.#options;
    const { isFollowed } = this.#options;
    if (!network.bind(namespace, process)) return;
    try {
      const broker = await Broker.start({
        listeners: {
          addresses: ['127.0.0.1'],
          holdsLock: true,
          listenOn: async () => {},
          close: () => {
            if (!process.isDead) network.unbind(process);
          },
        },
        acceptor: {
          serve: (welcome) => network.serve(namespace, process, welcome),
        },
        folder,
        limits,
        // Whatever the wall clock says.
        history: { bytesMax: Number.MAX_SAFE_INTEGER, ageMsMax: Number.POSITIVE_INFINITY },
        disk: process.disk,
        runtime: process,
        isOld,
        onFailed: (error) => {
          history.add({ kind: 'fault', what: `${process.name} gives up: ${error.code}` });
          this.#backoff.failed(error);
          if (this.#broker === broker) this.#broker = undefined;
        },
      });
      history.add({ kind: 'fault', what: `${process.name} owns epoch ${broker.epoch}` });
      if (isFollowed) {
        const start = this.#startOf(broker.epoch);
        if (start !== undefined) history.add({ kind: 'owns', epoch: broker.epoch, start });
      }
      this.#backoff.opened();
      this.#broker = broker;
      if (this.#closed) await broker.close();
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      if (process.isDead) return;
      if (error.code !== 'no_broker') this.#backoff.failed(error);
    }
  }

  /** The number of the first record of the epoch; undefined if the process dies at this look. */
  #startOf(epoch: number): number | undefined {
    const { process, folder } = this.#options;
    const id = { epoch, segment: 1 };
    const read = () => process.disk.readPart(segmentPath(folder, id), 0, prologueBytesMax);
    try {
      return prologueOf(read(), id)?.ownStart ?? 0;
    } catch (error) {
      if (process.isDead) return undefined;
      // A fault of a single call is meant for one of the broker.
      if (systemErrorCode(error) !== 'EIO') throw error;
      return prologueOf(read(), id)?.ownStart ?? 0;
    }
  }
}
