// The page's HTTP interface over staged mail, without a broker: for long lists, and for states that are rare.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { BrokerStatus } from '../../../src/model/mail-service.ts';
import type { WireEvent, WireFound, WireStored } from '../../../src/ui/wire.ts';
import type { StagedMail } from './staged-mail.ts';

const files = fileURLToPath(new URL('../../../../dist/ui/', import.meta.url));
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'none'";

export interface StagedServer {
  readonly url: string;
  /** Sends what was staged since the last call. */
  flush(): void;
  /** Ends the streams, as if the server were gone, and serves nothing until resume(). */
  cut(): void;
  resume(): void;
  close(): Promise<void>;
}

export interface StagedOptions {
  readonly mail: StagedMail;
  readonly me: string;
  readonly status: BrokerStatus | null;
  /** Only the newest of the events are given out at first. */
  readonly newest?: number;
  /** Answers a change; else it is 404. */
  readonly onChange?: (path: string, body: unknown) => unknown;
}

export async function stageServer(options: StagedOptions): Promise<StagedServer> {
  const { mail, me, status } = options;
  const streams = new Map<ServerResponse, number>();
  let isCut = false;
  const sent = (event: string, data: unknown) =>
    `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
  const next = () => ({ epoch: 1, sequence: mail.sequence });
  const json = (response: ServerResponse, body: unknown, code = 200) =>
    response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));

  const api = async (request: IncomingMessage, response: ServerResponse, url: URL) => {
    const path = url.pathname.slice('/api/'.length);
    if (path === 'state') {
      return json(response, {
        me,
        status,
        paused: [],
        version: '0.1.0',
        place: '127.0.0.1:19900',
        history: '30d,256MB',
      });
    }
    if (path === 'messages') {
      const events = mail.events.slice(-(options.newest ?? mail.events.length));
      return json(response, { events, next: next(), isWhole: options.newest === undefined });
    }
    if (path === 'message')
      return json(response, messageOf(mail, url.searchParams.get('id') ?? ''));
    if (path === 'search') return json(response, search(mail, url.searchParams));
    if (path === 'live') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      if (status) response.write(sent('status', { status, paused: [] }));
      streams.set(response, Number(url.searchParams.get('sequence')));
      response.on('close', () => streams.delete(response));
      return flush();
    }
    if (request.method !== 'POST')
      return json(response, { error: { code: 'not_found', message: path, hint: '' } }, 404);
    const answer = options.onChange?.(path, JSON.parse(await text(request)));
    return answer === undefined
      ? json(
          response,
          { error: { code: 'not_found', message: 'not staged', hint: 'nothing to do' } },
          404,
        )
      : json(response, answer);
  };
  const flush = () => {
    for (const [response, after] of streams) {
      const events = mail.events.filter(({ sequence }) => sequence > after);
      response.write(sent('mail', { events, next: next() }));
      streams.set(response, mail.sequence);
    }
  };
  const server = createServer((request, response) => {
    if (isCut) return void request.socket.destroy();
    response.setHeader('content-security-policy', policy);
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    if (url.pathname.startsWith('/api/')) return void api(request, response, url);
    const name = url.pathname === '/' ? 'index.html' : url.pathname.slice(1);
    const types: Record<string, string> = {
      'index.html': 'text/html',
      'page.js': 'text/javascript',
      'page.css': 'text/css',
    };
    const type = types[name];
    if (type === undefined) return void response.writeHead(404).end();
    response.setHeader('content-type', `${type}; charset=utf-8`).end(readFileSync(files + name));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    flush,
    cut: () => {
      isCut = true;
      for (const response of streams.keys()) response.destroy();
    },
    resume: () => {
      isCut = false;
    },
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function idOf(event: WireEvent): string {
  if (event.kind === 'stored') return event.envelope.id;
  return 'message' in event ? event.message.id : '';
}

function messageOf({ events }: StagedMail, id: string) {
  const stored = events.filter((event): event is WireStored => event.kind === 'stored');
  const ids = new Set([id]);
  for (let size = 0; size !== ids.size; ) {
    size = ids.size;
    for (const { envelope } of stored) {
      if (ids.has(envelope.id) && envelope.answers !== '') ids.add(envelope.answers);
      if (ids.has(envelope.answers)) ids.add(envelope.id);
    }
  }
  return {
    event: stored.find(({ envelope }) => envelope.id === id),
    life: events.filter((event) => event.kind !== 'stored' && idOf(event) === id),
    thread: events.filter((event) => ids.has(idOf(event))),
  };
}

function search({ events }: StagedMail, parameters: URLSearchParams): WireFound {
  const limit = Number(parameters.get('limit'));
  const below = Number(parameters.get('below') ?? Number.POSITIVE_INFINITY);
  const sought = (parameters.get('text') ?? '').toLowerCase();
  const found = events.filter(
    (event): event is WireStored =>
      event.kind === 'stored' &&
      event.envelope.number < below &&
      (event.text ?? '').toLowerCase().includes(sought),
  );
  const ids = new Set(found.slice(-limit).map(idOf));
  const isMore = found.length > limit;
  return { events: events.filter((event) => ids.has(idOf(event))), excerpts: {}, isMore };
}
