// What the page can look at, by GET, and the way to what it can change. All answers are JSON, but for the event stream
// and the files that are exported; a body of a message is only ever a text in JSON.
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { IpcError } from '../base/errors.ts';
import {
  pageChangeMs,
  pageMessagesMax,
  pageSearchesMax,
  pageStatusMs,
  searchResultsDefault,
  searchResultsMax,
} from '../base/page-limits.ts';
import type { EventCursor } from '../model/mail-events.ts';
import type { MailService } from '../model/mail-service.ts';
import { type Name, parseMessageId } from '../model/message.ts';
import { HttpFault } from './http-fault.ts';
import type { LiveHub } from './live-hub.ts';
import { exportMail } from './mail-export.ts';
import type { MailFeed } from './mail-feed.ts';
import { parseFilter, parseWhole } from './mail-filter.ts';
import { OwnMailbox } from './own-mailbox.ts';
import { changes } from './page-changes.ts';
import type { PageRequest } from './page-server.ts';
import { readFields } from './request-body.ts';
import { readMessage, searchStore } from './store-search.ts';
import type { WireMessages, WireState } from './wire.ts';

export interface RouteOptions {
  readonly mail: MailService;
  readonly feed: MailFeed;
  readonly hub: LiveHub;
  /** The person's name. */
  readonly me: Name;
  readonly state: () => Promise<WireState>;
}

export class PageRoutes {
  readonly #options: RouteOptions;
  readonly #own: OwnMailbox;
  #searches = 0;

  constructor(options: RouteOptions) {
    this.#options = options;
    this.#own = new OwnMailbox(options.mail, options.me);
  }

  /** A change is a POST, and a POST is a change: nothing is changed by a GET. */
  async handle(page: PageRequest): Promise<void> {
    const { request, address } = page;
    const name = address.startsWith('api/') ? address.slice('api/'.length) : undefined;
    const change = changes.get(name ?? '');
    if (change) {
      requireMethod(page, 'POST');
      const fields = await readFields(request);
      const { mail, me } = this.#options;
      const signal = AbortSignal.any([page.signal, AbortSignal.timeout(pageChangeMs)]);
      return sendJson(page, await change(fields, { mail, me, own: this.#own, signal }));
    }
    if (name !== undefined && looks.has(name)) requireMethod(page, 'GET');
    switch (name) {
      case 'state':
        return sendJson(page, await this.#options.state());
      case 'messages':
        return this.#messages(page);
      case 'live':
        await this.#loaded(page);
        return this.#options.hub.open(page.response, cursorOf(page));
      case 'message':
        return this.#search(() => this.#message(page));
      case 'search':
        return this.#search(() => this.#find(page));
      case 'export':
        return this.#search(() => this.#export(page));
      default:
        throw new HttpFault(404, 'not_found', 'there is nothing at this address');
    }
  }

  async #messages(page: PageRequest): Promise<void> {
    const limit = Math.min(parseWhole(page.query, 'limit') ?? pageMessagesMax, pageMessagesMax);
    await this.#loaded(page);
    const { recent } = this.#options.hub.pump;
    const { next } = recent;
    const isWhole = recent.isWhole && recent.size <= limit;
    const messages: WireMessages = { events: recent.events(limit), next, isWhole };
    sendJson(page, messages);
  }

  async #message(page: PageRequest): Promise<void> {
    const { feed, hub } = this.#options;
    const id = parseMessageId(page.query.get('id') ?? '');
    const message = await readMessage(feed, hub.pump.recent, id, page.signal);
    if (message) return sendJson(page, message);
    const hint = 'settled mail is kept for as long as IPC_HISTORY says';
    throw new HttpFault(404, 'not_found', 'the store has no such message, or not any more', hint);
  }

  async #find(page: PageRequest): Promise<void> {
    const { query, signal } = page;
    const limit = Math.min(parseWhole(query, 'limit') ?? searchResultsDefault, searchResultsMax);
    const { feed } = this.#options;
    sendJson(page, await searchStore(feed, parseFilter(query), Math.max(1, limit), signal));
  }

  async #export({ query, response, signal }: PageRequest): Promise<void> {
    const format = query.get('format') ?? 'jsonl';
    if (format !== 'jsonl' && format !== 'md') {
      throw new IpcError('bad_parameter', 'format must be "jsonl" or "md"');
    }
    const filter = parseFilter(query);
    const text = await exportMail(this.#options.feed, filter, format, signal);
    const type = format === 'md' ? 'text/markdown' : 'application/jsonl';
    const about = filter.mailbox ?? filter.with ?? filter.to ?? filter.from;
    response.writeHead(200, {
      'content-type': `${type}; charset=utf-8`,
      'content-disposition': `attachment; filename="${fileName(about, format)}"`,
    });
    await pipeline(Readable.from(text), response);
  }

  /** The first page may come before the past has been read, or while there is no broker. */
  async #loaded({ signal }: PageRequest): Promise<void> {
    const { hub } = this.#options;
    const patienceMs = hub.trouble === undefined ? pageChangeMs : pageStatusMs;
    const isOver = await Promise.race([
      hub.pump.loaded().then(() => false),
      over(AbortSignal.any([signal, AbortSignal.timeout(patienceMs)])),
    ]);
    if (isOver) throw new IpcError('no_broker', hub.trouble ?? 'the mail is still being read');
  }

  /** Each reads the whole store, so there are only a few at a time. */
  async #search(run: () => Promise<void>): Promise<void> {
    if (this.#searches >= pageSearchesMax) {
      const what = `${pageSearchesMax} searches run already`;
      throw new HttpFault(429, 'too_many', what, 'try again when one has ended');
    }
    this.#searches += 1;
    try {
      await run();
    } finally {
      this.#searches -= 1;
    }
  }
}

const looks = new Set(['state', 'messages', 'live', 'message', 'search', 'export']);

function requireMethod({ request, response }: PageRequest, method: 'GET' | 'POST'): void {
  if (request.method === method) return;
  response.setHeader('allow', method);
  throw new HttpFault(405, 'bad_request', `this address takes ${method} alone`);
}

function sendJson({ response }: PageRequest, value: object): void {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(value));
}

/** A browser that connects again says in Last-Event-ID what it has. */
function cursorOf({ request, query }: PageRequest): EventCursor {
  const last = /^(\d{1,15})\.(\d{1,15})$/.exec(String(request.headers['last-event-id']));
  if (last) return { epoch: Number(last[1]), sequence: Number(last[2]) };
  return { epoch: parseWhole(query, 'epoch') ?? 0, sequence: parseWhole(query, 'sequence') ?? 0 };
}

/** Of letters that need no quoting and end no header, whatever the name of the mailbox. */
function fileName(about: string | undefined, format: string): string {
  const words = (about ?? '').replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, '');
  const day = new Date().toISOString().slice(0, 10);
  const parts = ['ipc', words.slice(0, 60), day].filter((part) => part !== '');
  return `${parts.join('-')}.${format}`;
}

function over(signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(true);
    signal.addEventListener('abort', () => resolve(true), { once: true });
  });
}
