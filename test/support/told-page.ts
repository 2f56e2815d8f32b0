// The page's server in this process, with mail that the test tells it of, and requests over real sockets.
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import type { EventBatch, EventCursor, MailEvent } from '../../src/model/mail-events.ts';
import type { BrokerStatus, MailService } from '../../src/model/mail-service.ts';
import type { Envelope, MessageId, Name, SessionId } from '../../src/model/message.ts';
import type { MailFeed } from '../../src/ui/mail-feed.ts';
import { servePage } from '../../src/ui/page-service.ts';
import { freePort, makeHome } from './places.ts';

export const me = 'boss' as Name;

/** An event, whose record has the next number unless it gives one. */
export type ToldEvent = Omit<MailEvent, 'sequence' | 'time'> & { readonly sequence?: number };

/** The events of a store, which the test writes. */
export class ToldFeed implements MailFeed {
  readonly events: MailEvent[] = [];
  epoch = 1;
  /** Thrown by the next calls, until it is undefined again. */
  fault: Error | undefined;
  /** How often the past was read. */
  reads = 0;
  #wake = () => {};

  tell(...events: readonly ToldEvent[]): void {
    for (const event of events) {
      const sequence = (this.events.at(-1)?.sequence ?? 0) + 1;
      this.events.push({ sequence, time: 1_000 + sequence, ...event } as MailEvent);
    }
    this.wake();
  }

  wake(): void {
    this.#wake();
  }

  get next(): EventCursor {
    return { epoch: this.epoch, sequence: this.events.at(-1)?.sequence ?? 0 };
  }

  async *past(): AsyncGenerator<{ events: readonly MailEvent[]; next: EventCursor }> {
    this.reads += 1;
    if (this.fault) throw this.fault;
    yield { events: [...this.events], next: this.next };
  }

  async live(after: EventCursor, { signal }: { signal: AbortSignal }): Promise<EventBatch> {
    for (;;) {
      if (this.fault) throw this.fault;
      const events = this.events.filter(({ sequence }) => sequence > after.sequence);
      const { next } = this;
      if (events.length > 0 || next.epoch !== after.epoch) {
        return { events, next, gap: undefined, hasMore: false };
      }
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve;
        signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
      });
    }
  }
}

export function storedEvent(
  number: number,
  body: string,
  given: Partial<Envelope> = {},
): ToldEvent {
  const part = Buffer.from(body);
  const envelope = {
    ...{ id: `id-${number}` as MessageId, number, to: 'ann' as Name, from: 'ben' as Name },
    ...{ time: number, answers: '', depth: 0, bodyBytes: part.length, checksum: 0 },
    origin: { program: 'test', pid: 1, machine: 'here' },
    ...given,
  };
  return { kind: 'stored', envelope, part } as ToldEvent;
}

export function deliveredEvent(number: number, attempt = 1): ToldEvent {
  return {
    kind: 'delivered',
    ...about(number),
    attempt,
    session: 's' as SessionId,
    name: 'ann',
  } as ToldEvent;
}

export function lifeEvent(
  kind: 'requeued' | 'settled' | 'deadLettered' | 'retried',
  number: number,
): ToldEvent {
  const attempt = kind === 'requeued' ? { attempt: 2 } : {};
  return { kind, ...about(number), ...attempt } as ToldEvent;
}

function about(number: number) {
  const message = { id: `id-${number}`, number, to: 'ann', from: 'ben' };
  return { message, mailbox: 'ann' };
}

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

export interface PagePlace {
  readonly port: number;
  readonly feed: ToldFeed;
  /** What the page's server has asked the broker to change. */
  readonly calls: unknown[][];
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  newUrl(): string;
  /** `NAME=VALUE` of the cookie, and the path of the page. */
  enter(): Promise<{ cookie: string; path: string }>;
  /** Writes bytes to a new connection, and returns what comes until it is closed. */
  raw(bytes: string): Promise<string>;
}

export async function pagePlace(
  context: TestContext,
  mail: Partial<MailService> = {},
): Promise<PagePlace> {
  const folder = join(await makeHome(context), 'page');
  await mkdir(folder);
  await writeFile(join(folder, 'index.html'), '<!doctype html><title>page</title>');
  await writeFile(join(folder, 'page.js'), 'export {};');
  await writeFile(join(folder, 'page.css'), 'body {}');
  await writeFile(join(folder, 'secret.txt'), 'secret words');
  const port = await freePort();
  const feed = new ToldFeed();
  const calls: unknown[][] = [];
  const page = await servePage({
    ...{ mail: toldMail(calls, mail), feed, me, port, folder, history: '30d' },
    place: '127.0.0.1:1',
    onFault: (error) => {
      throw error;
    },
  });
  context.after(() => page.close());
  return {
    ...{ port, feed, calls, origin: `http://127.0.0.1:${port}` },
    newUrl: page.newUrl,
    enter: () => enter(page.newUrl()),
    raw: (bytes) => rawRequest(port, bytes),
  };
}

export async function enter(url: string): Promise<{ cookie: string; path: string }> {
  const { status, headers } = await fetch(url, { redirect: 'manual' });
  const [cookie = ''] = (headers.get('set-cookie') ?? '').split(';');
  if (status !== 303) throw new Error(`the URL was answered with ${status}`);
  return { cookie, path: headers.get('location') ?? '' };
}

export async function rawRequest(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.on('error', () => {});
  socket.write(bytes);
  return text(socket).catch(() => '');
}

/** The status and the body of an answer that came over a socket. */
export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d+) /.exec(answer)?.[1]);
}

function toldMail(calls: unknown[][], mail: Partial<MailService>): MailService {
  const note =
    <Result>(name: string, result: Result) =>
    async (...given: unknown[]): Promise<Result> => {
      calls.push([name, ...given.filter((each) => !isOptions(each))]);
      return result;
    };
  return {
    status: async () => ({ port: 1, paused: [] }) as unknown as BrokerStatus,
    post: note('post', { id: 'new-1', number: 7, duplicate: false }),
    pause: note('pause', ['jobs']),
    resume: note('resume', []),
    drop: note('drop', { dropped: [{ id: 'id-1' }], held: 1, upTo: 9 }),
    retry: note('retry', { moved: [{ id: 'id-1' }], stayed: [] }),
    find: async () => [],
    ...mail,
  } as unknown as MailService;
}

function isOptions(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'signal' in value;
}
