// The stream of a store on a NATS server.
import { setTimeout as sleep } from 'node:timers/promises';
import type { MsgHdrs, NatsConnection, Subscription } from '@nats-io/transport-node';
import { IpcError } from '../base/errors.ts';
import { randomId } from '../base/random-id.ts';
import {
  type AppendedMessage,
  type AppendResult,
  claimFile,
  type LogStream,
  type StreamMessage,
  type StreamState,
} from './log-stream.ts';
import { streamOf } from './nats-address.ts';
import { NoAnswer, natsFault, StreamGone } from './nats-faults.ts';
import type { Nats } from './nats-server.ts';
import {
  bytesMaxWanted,
  type FoundStream,
  foundStream,
  messageBytesMin,
  replicasWanted,
  settingsOf,
} from './stream-settings.ts';

/** A leader of a cluster is elected within this time. */
const appendMs = 5_000;
/** A slower way to the server than this is not served: 16 KB a second. */
const slowestBytesPerMs = 16;
/** The header that a message has beside its data. */
const headerBytesMax = 512;
const wrongSequence = 10_071;
const noStream = 10_059;
const subjectsOverlap = 10_065;
/** How often, and in what steps, a stream is looked for that another session may be making. */
const looksMax = 10;
const lookMs = 50;
/** A server, an account, the nodes of a cluster or a stream have no room for what is asked. */
const noRoom: readonly number[] = [10_002, 10_005, 10_023, 10_047, 10_077];
/**
 * Messages that are asked for ahead of those that were read: 8 MB at most, since one has 256 KB. A server ends a connection
 * for which 64 MB wait, or that takes longer than 10 s to take what waits. The limit is no number of bytes: within one the
 * server sends no message that is longer than what is left, and the client of NATS adds only as many bytes as it has read,
 * which may be fewer than the next message has.
 */
const messagesAhead = 32;
/** A consumer that sends nothing for this long may never send again. A message of 1 MB may take it, at 70 KB a second. */
const readSilenceMsMax = 15_000;

interface WaitingAppend {
  readonly count: number;
  readonly subject: string;
  end(result: AppendResult): void;
}

export class JetStreamLog implements LogStream {
  readonly #nats: Nats;
  readonly #name: string;
  readonly #prefix: string;
  readonly #inbox: string;
  #acks: Subscription | undefined;
  readonly #followed: Subscription[] = [];
  #count = 0;
  /** By the id of the message. */
  readonly #waiting = new Map<string, WaitingAppend>();
  /** Of the messages whose outcome is not known. */
  #waitingBytes = 0;
  #found: FoundStream | undefined;
  /** Ends the read that is under way: there is one at a time. */
  #cutRead: (reason: string) => void = () => {};

  /** `port`: the number of the broker. */
  constructor(nats: Nats, port: number) {
    this.#nats = nats;
    this.#name = streamOf(port);
    this.#prefix = `ipc.${port}.`;
    this.#inbox = `_INBOX.${randomId(22)}.`;
  }

  get messageBytesMax(): number {
    const ofServer = this.#nats.connection.info?.max_payload ?? 0;
    return Math.min(ofServer, this.#found?.messageBytesMax ?? ofServer) - headerBytesMax;
  }

  /** Makes the stream if it is not there, unless `mayMake` is false; then it throws `no_broker`. */
  async open(mayMake: boolean): Promise<FoundStream> {
    const { info } = this.#nats.connection;
    if (info && info.max_payload < messageBytesMin) {
      const what = `${this.#nats.url} takes messages of ${info.max_payload} bytes at most`;
      const hint = `set its max_payload to ${messageBytesMin} or more; 1 MB is the default`;
      throw new IpcError('unreachable', what, { hint });
    }
    this.#found = await this.#findOrMake(mayMake);
    return this.#found;
  }

  async #findOrMake(mayMake: boolean): Promise<FoundStream> {
    const found = await this.#find();
    if (found) return found;
    if (mayMake) return this.#make();
    const what = `there is no stream ${this.#name} on ${this.#nats.url} yet, so no session has a broker there`;
    throw new IpcError('no_broker', what);
  }

  async #find(): Promise<FoundStream | undefined> {
    try {
      const { config } = await this.#nats.manager.streams.info(this.#name);
      return foundStream(config, this.#prefix);
    } catch (error) {
      if (apiCode(error) === noStream) return undefined;
      throw natsFault(error, this.#nats.url);
    }
  }

  /** With one replica where the server is no cluster, but not where a node of a cluster is down. */
  async #make(): Promise<FoundStream> {
    let last: unknown;
    const { info } = this.#nats.connection;
    const replicas = info?.cluster === undefined ? 1 : replicasWanted;
    for (const bytesMax of bytesMaxWanted) {
      try {
        const settings = settingsOf(this.#name, this.#prefix, replicas, bytesMax);
        const { config } = await this.#nats.manager.streams.add(settings);
        return { ...foundStream(config, this.#prefix), isNew: true };
      } catch (error) {
        last = error;
        // The server says so, too, while another session is making this stream.
        const found = apiCode(error) === subjectsOverlap ? await this.#findSoon() : undefined;
        if (found) return found;
        if (!noRoom.includes(apiCode(error) ?? 0)) break;
      }
    }
    throw natsFault(last, this.#nats.url);
  }

  async #findSoon(): Promise<FoundStream | undefined> {
    for (let looks = 0; looks < looksMax; looks++) {
      await sleep(lookMs);
      const found = await this.#find();
      if (found) return found;
    }
    return undefined;
  }

  async state(): Promise<StreamState> {
    const { state, config, created } = await this.#ask(() =>
      this.#nats.manager.streams.info(this.#name),
    );
    // Its operator may have changed it meanwhile.
    const { bytesMax } = foundStream(config, this.#prefix);
    return { lastSequence: state.last_seq, bytes: state.bytes, bytesMax, created };
  }

  append(message: AppendedMessage): Promise<AppendResult> {
    const { connection } = this.#nats;
    const { id, file, data } = message;
    const count = ++this.#count;
    const subject = this.#subject(file);
    return new Promise((resolve) => {
      const end = (result: AppendResult) => {
        clearTimeout(timer);
        this.#waitingBytes -= data.length;
        if (this.#waiting.get(id) === waiting) this.#waiting.delete(id);
        resolve(result);
      };
      const waiting = { count, subject, end };
      this.#waitingBytes += data.length;
      const limitMs = appendMs + this.#wayMs;
      const timer = setTimeout(() => {
        end({ kind: 'unknown', reason: `the server has not answered for ${limitMs} ms` });
        this.#nats.unanswered(this.#wayMs);
      }, limitMs);
      this.#waiting.set(id, waiting);
      try {
        this.#acks ??= this.#takeAcks(connection);
        const reply = `${this.#inbox}${id.replaceAll('.', '-')}.${count}`;
        connection.publish(subject, data, { headers: this.#headers(message), reply });
      } catch (error) {
        end({ kind: 'unknown', reason: (error as Error).message });
      }
    });
  }

  /** How long the messages whose outcome is not known may be on their way to the server. */
  get #wayMs(): number {
    return Math.round(this.#waitingBytes / slowestBytesPerMs);
  }

  async last(file: string): Promise<StreamMessage | undefined> {
    return this.#get({ last_by_subj: this.#subject(file) });
  }

  async at(sequence: number): Promise<StreamMessage | undefined> {
    return this.#get({ seq: sequence });
  }

  async *read(upTo: number): AsyncIterable<StreamMessage> {
    const { library, connection, manager } = this.#nats;
    const consumer = await this.#ask(() => library.jetstream(connection).consumers.get(this.#name));
    const messages = await consumer.consume({ max_messages: messagesAhead });
    let count = 0;
    try {
      for await (const message of this.#untilCut(messages)) {
        if (message.seq <= upTo) {
          count++;
          yield {
            sequence: message.seq,
            file: fileOf(message.subject),
            data: asBuffer(message.data),
          };
        }
        // That nothing is pending says nothing: a node of a cluster may be behind.
        if (message.seq >= upTo) return await this.#checkWhole(upTo, count);
      }
      throw new Error(`the stream ended before message ${upTo}`);
    } catch (error) {
      throw this.#fault(error);
    } finally {
      messages.stop();
      const info = await consumer.info(true).catch(() => undefined);
      if (info) await manager.consumers.delete(this.#name, info.name).catch(() => {});
    }
  }

  async files(): Promise<ReadonlySet<string>> {
    const { state } = await this.#ask(() =>
      this.#nats.manager.streams.info(this.#name, { subjects_filter: `${this.#prefix}f.*` }),
    );
    return new Set(Object.keys(state.subjects ?? {}).map(fileOf));
  }

  async purge(file: string, keep = 0): Promise<void> {
    const filter = this.#subject(file);
    await this.#ask(() =>
      this.#nats.manager.streams.purge(this.#name, keep > 0 ? { filter, keep } : { filter }),
    );
  }

  /** Sequences have gaps where messages were purged; what a consumer skips would look the same, and its mail be gone. */
  async #checkWhole(upTo: number, count: number): Promise<void> {
    const { state } = await this.#nats.manager.streams.info(this.#name);
    const missing = state.messages - (state.last_seq - upTo) - count;
    if (missing > 0) throw new Error(`messages of the stream that the server left out: ${missing}`);
  }

  /** Calls `onMessage` for each message that anybody tries to append for a file. */
  follow(file: string, onMessage: () => void): void {
    const callback = () => onMessage();
    this.#followed.push(this.#nats.connection.subscribe(this.#subject(file), { callback }));
  }

  /** Throws when nothing has come for `readSilenceMsMax`, and after interrupt(): what was lost is not sent again. */
  async *#untilCut<Message>(messages: AsyncIterable<Message>): AsyncIterable<Message> {
    const iterator = messages[Symbol.asyncIterator]();
    let reason: string | undefined;
    let cut = () => {};
    this.#cutRead = (why) => {
      reason ??= why;
      cut();
    };
    for (;;) {
      const what = `the stream has sent nothing for ${readSilenceMsMax} ms`;
      const timer = setTimeout(() => this.#cutRead(what), readSilenceMsMax);
      // A race with one promise for all messages would keep them until that ends, with their bodies.
      const next = await new Promise<IteratorResult<Message>>((resolve, reject) => {
        cut = () => reject(new Error(reason));
        if (reason !== undefined) cut();
        else iterator.next().then(resolve, reject);
      }).finally(() => clearTimeout(timer));
      if (next.done) return;
      yield next.value;
    }
  }

  /** The connection was lost meanwhile, and with it what was under way, or the response. */
  interrupt(reason = 'the connection to the server was lost'): void {
    this.#cutRead(reason);
    for (const { end } of [...this.#waiting.values()]) end({ kind: 'unknown', reason });
  }

  /** The server has refused to publish a message on this subject. */
  forbidden(subject: string, error: Error): void {
    const fault = natsFault(error, this.#nats.url);
    if (!(fault instanceof IpcError)) return;
    const result = { kind: 'unknown', reason: fault.message, forbidden: fault } as const;
    for (const each of [...this.#waiting.values()]) if (each.subject === subject) each.end(result);
  }

  close(): void {
    for (const each of this.#followed.splice(0)) each.unsubscribe();
    this.#acks?.unsubscribe();
    this.#acks = undefined;
    this.interrupt('the session has ended');
  }

  #subject(file: string): string {
    return file === claimFile ? `${this.#prefix}${claimFile}` : `${this.#prefix}f.${file}`;
  }

  #headers({ id, after }: AppendedMessage): MsgHdrs {
    const headers = this.#nats.library.headers();
    headers.set('Nats-Msg-Id', id);
    headers.set('Nats-Expected-Last-Sequence', String(after));
    return headers;
  }

  #takeAcks(connection: NatsConnection): Subscription {
    return connection.subscribe(`${this.#inbox}>`, {
      callback: (error, message) => {
        if (error) return;
        const [id = '', count] = message.subject.slice(this.#inbox.length).split('.');
        const waiting = this.#waiting.get(id.replaceAll('-', '.'));
        const result = resultOf(message.headers?.code, asBuffer(message.data));
        // Of an earlier append under this id only that it is stored is still true.
        if (result.kind === 'stored' || Number(count) === waiting?.count) waiting?.end(result);
      },
    });
  }

  async #get(
    query: { readonly seq: number } | { readonly last_by_subj: string },
  ): Promise<StreamMessage | undefined> {
    const found = await this.#ask(() => this.#nats.manager.streams.getMessage(this.#name, query));
    if (!found) return undefined;
    return { sequence: found.seq, file: fileOf(found.subject), data: asBuffer(found.data) };
  }

  async #ask<T>(request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      throw this.#fault(error);
    }
  }

  #fault(error: unknown): unknown {
    const { url } = this.#nats;
    if (apiCode(error) === noStream) return new StreamGone(this.#name, url);
    const fault = natsFault(error, url);
    if (fault instanceof NoAnswer) this.#nats.unanswered(this.#wayMs);
    return fault;
  }
}

function fileOf(subject: string): string {
  return subject.slice(subject.lastIndexOf('.') + 1);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function apiCode(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error ? Number(error.code) : undefined;
}

/** The response to an append. */
function resultOf(status: number | undefined, data: Buffer): AppendResult {
  if (status === 503) return { kind: 'unknown', reason: 'no server stores the stream now' };
  try {
    const { error, seq } = JSON.parse(data.toString('utf8'));
    if (error?.err_code === wrongSequence) return { kind: 'refused' };
    if (Number.isSafeInteger(seq) && !error) return { kind: 'stored', sequence: seq };
    const isFull = noRoom.includes(error?.err_code);
    return { kind: 'unknown', reason: `the server says: ${error?.description}`, isFull };
  } catch {
    return { kind: 'unknown', reason: 'the response of the server cannot be read' };
  }
}
