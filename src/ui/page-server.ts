// The server of the page, on 127.0.0.1 alone. It decides nothing about mail: it checks who asks (page-access.ts), and
// hands the request on (page-routes.ts).
//
// node:http alone: fifteen addresses need no framework, and each line between a request and the mail is one to review.
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { IpcError, systemErrorCode } from '../base/errors.ts';
import {
  pageConnectionsMax,
  pageHeadBytesMax,
  pageHeadMs,
  pageRequestMs,
} from '../base/page-limits.ts';
import { listenError, ownerAddress } from '../net/listen.ts';
import { describeHolder } from '../session/port-owner.ts';
import { faultAnswer, HttpFault } from './http-fault.ts';
import { PageAccess } from './page-access.ts';
import type { PageFile } from './page-files.ts';
import { isOtherUser } from './peer-user.ts';

export interface PageRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Behind the path of the page: `api/state`. */
  readonly address: string;
  readonly query: URLSearchParams;
  /** Aborted when the page no longer wants the answer. */
  readonly signal: AbortSignal;
}

/** Answers a request that is allowed. A fault that it throws becomes the answer, unless one has begun. */
export type PageHandler = (request: PageRequest) => Promise<void>;

export interface PageServerOptions {
  readonly port: number;
  readonly files: ReadonlyMap<string, PageFile>;
  readonly handle: PageHandler;
  /** Gets faults of this program. */
  readonly onFault: (error: unknown) => void;
}

/** No script, style or address but those of the server itself, and nothing inline: a body that became HTML could do nothing. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const headers: Readonly<Record<string, string>> = {
  'content-security-policy': policy,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
};

/** The same for all that are refused. */
const refusedHint =
  'run `ipc ui` again, or press Enter in its terminal, and open the URL that it prints';

export class PageServer {
  readonly #options: PageServerOptions;
  readonly #server: Server;
  readonly #access: PageAccess;

  private constructor(server: Server, access: PageAccess, options: PageServerOptions) {
    this.#server = server;
    this.#access = access;
    this.#options = options;
  }

  static async listen(options: PageServerOptions): Promise<PageServer> {
    let answer: RequestListener = (_request, response) => response.destroy();
    const server = await listen(options.port, (...each) => answer(...each));
    const { port } = server.address() as AddressInfo;
    const page = new PageServer(server, new PageAccess(port), options);
    answer = (request, response) => void page.#answer(request, response);
    return page;
  }

  /** For one use; the last one that was not used is worth nothing any more. */
  newUrl(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://${ownerAddress}:${port}/?token=${this.#access.newToken()}`;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    try {
      await this.#route(request, response);
    } catch (error) {
      const isExpected = error instanceof HttpFault || error instanceof IpcError;
      if (!isExpected && !isGone(request, error)) this.#options.onFault(error);
      this.#refuse(request, response, error);
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!this.#access.hasOwnHost(request.headers)) throw forbidden();
    const [path = '', query = ''] = cutAt(request.url ?? '', '?');
    if (path === '/') return this.#begin(request, response, new URLSearchParams(query));
    if (!path.startsWith(this.#access.path)) throw forbidden();
    const address = path.slice(this.#access.path.length);
    if (!this.#access.isAllowed(request.headers, accessKind(request, address))) throw forbidden();
    const file = this.#options.files.get(address);
    if (request.method === 'GET' && file) {
      response.setHeader('content-type', file.type);
      response.end(file.bytes);
      return;
    }
    const ended = new AbortController();
    response.on('close', () => ended.abort());
    const rest = { query: new URLSearchParams(query), signal: ended.signal };
    await this.#options.handle({ request, response, address, ...rest });
  }

  /** The token in the printed URL becomes a cookie, and the URL one without a token. */
  async #begin(request: IncomingMessage, response: ServerResponse, query: URLSearchParams) {
    const { method, headers, socket } = request;
    const token = query.get('token');
    // A browser that only guesses what its user will open would use the token up.
    const isGuess = headers['sec-purpose'] !== undefined || headers.purpose !== undefined;
    if (method !== 'GET' || token === null || isGuess) throw forbidden();
    if (await isOtherUser(socket)) throw forbidden();
    const cookie = this.#access.redeem(token);
    if (cookie === undefined) throw forbidden();
    response.setHeader('set-cookie', cookie);
    const { path } = this.#access;
    const site = headers['sec-fetch-site'] ?? 'none';
    if (site === 'none') {
      response.writeHead(303, { location: path }).end();
      return;
    }
    // After a link on another page a browser does not send a SameSite=Strict cookie along with the redirect, but it
    // does with what this page asks for.
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(
      `<!doctype html><meta http-equiv="refresh" content="0;url=${path}"><title>agent-ipc</title>`,
    );
  }

  #refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    const { status, fault } = faultAnswer(error);
    // What is left of a request that was too large is not read.
    if (!request.complete) response.setHeader('connection', 'close');
    const isForProgram = (request.url ?? '').includes('/api/');
    const type = isForProgram ? 'application/json' : 'text/plain; charset=utf-8';
    const { message, hint } = fault.error;
    const text = isForProgram ? JSON.stringify(fault) : `${message}: ${hint}\n`;
    response.writeHead(status, { 'content-type': type }).end(text);
  }
}

/** The browser has closed the connection, as it does when a download is cancelled. */
function isGone({ socket }: IncomingMessage, error: unknown): boolean {
  const codes = ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'];
  return socket.destroyed && codes.includes(systemErrorCode(error));
}

function forbidden(): HttpFault {
  return new HttpFault(403, 'forbidden', 'this page is not open to you', refusedHint);
}

function accessKind({ method }: IncomingMessage, address: string) {
  if (method !== 'GET') return 'change';
  return address === 'api/live' ? 'stream' : 'look';
}

function cutAt(text: string, separator: string): readonly string[] {
  const at = text.indexOf(separator);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/** node:http is loaded here alone, because it takes a few milliseconds that other commands do not have. */
async function listen(port: number, answer: RequestListener): Promise<Server> {
  const { createServer } = await import('node:http');
  const server = createServer({
    headersTimeout: pageHeadMs,
    requestTimeout: pageRequestMs,
    connectionsCheckingInterval: 1_000,
    maxHeaderSize: pageHeadBytesMax,
  });
  server.on('request', answer);
  server.maxConnections = pageConnectionsMax;
  server.on('upgrade', hangUp).on('connect', hangUp);
  server.on('clientError', (_error, socket) => hangUp(undefined, socket as Socket));
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: ownerAddress, port, exclusive: true }, resolve);
    });
  } catch (error) {
    throw await portError(error, port);
  }
  // EMFILE and the like: the browser connects again.
  server.on('error', () => {});
  return server;
}

/** There are no WebSockets and no tunnels here. */
function hangUp(_request: unknown, socket: Pick<Socket, 'on' | 'end' | 'destroySoon'>): void {
  socket.on('error', () => {});
  socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
  socket.destroySoon();
}

async function portError(error: unknown, port: number): Promise<unknown> {
  const fault = listenError(error, ownerAddress, port);
  if (fault.code !== 'port_taken') return fault;
  const holder = await describeHolder(port);
  const what = `port ${port} is taken${holder === undefined ? '' : ` by ${holder}`}`;
  const hint = 'use the `ipc ui` that runs there, or choose another port with --port';
  return new IpcError('port_taken', what, { cause: error, hint });
}
