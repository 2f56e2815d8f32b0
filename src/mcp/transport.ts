// MCP over stdio, as the SDK speaks it, but with an eye on each call's result: when it begins to leave,
// when it is written, and when its host takes the call back, even after the handler has returned.
import { pipeline, type Readable, type Writable } from 'node:stream';
import {
  isJSONRPCErrorResponse,
  isJSONRPCNotification,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type RequestId,
  serializeMessage,
  type Transport,
} from '@modelcontextprotocol/server';
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { presentError } from '../app/summaries.ts';
import type { IpcError } from '../base/errors.ts';
import { lineBytesMax } from '../base/limits.ts';
import { Lines } from './input-lines.ts';

/** What becomes of a call's result. Each is told at most once, in this order. */
export interface ResultWatcher {
  writing(): void;
  written(): void;
  /** Instead of, or after, any of the others: it is an error, not wanted, or cannot be written. */
  gone(): void;
}

/** One tools/call, from its arrival until its result is written and not cancelled any more. */
class InFlightCall {
  isGone = false;
  watcher: ResultWatcher | undefined;

  gone(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.watcher?.gone();
  }
}

/** Calls whose results are written; a cancellation may come later. */
const writtenMax = 1_000;

/** Of JSON-RPC. */
const parseErrorCode = -32_700;
const invalidRequestCode = -32_600;

export class HostTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: NonNullable<Transport['onmessage']>;
  readonly #inner: StdioServerTransport;
  readonly #input: Readable;
  readonly #lines = new Lines((error, id) => this.#refuse(error, id));
  readonly #output: Writable;
  readonly #flights = new Map<RequestId, InFlightCall>();
  /** Its oldest goes first. */
  readonly #written = new Map<RequestId, InFlightCall>();
  #isClosed = false;

  constructor(input: Readable, output: Writable) {
    this.#input = input;
    this.#output = output;
    // Each line is taken at once, so there is never more in its buffer than one.
    this.#inner = new StdioServerTransport(this.#lines, output, { maxBufferSize: lineBytesMax });
    this.#inner.onmessage = (message) => this.#arrived(message);
    this.#inner.onerror = (error) => this.onerror?.(error);
    this.#inner.onclose = () => {
      this.#isClosed = true;
      this.onclose?.();
    };
  }

  async start(): Promise<void> {
    await this.#inner.start();
    // How the input ends is told by the lines.
    pipeline(this.#input, this.#lines, () => {});
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  /** Follows the result of an open call. */
  watch(id: RequestId, watcher: ResultWatcher): void {
    const flight = this.#flights.get(id);
    if (!flight || flight.isGone) watcher.gone();
    else flight.watcher = watcher;
  }

  /** The handler is done with a call that is gone: no result will come. */
  finished(id: RequestId): void {
    if (this.#flights.get(id)?.isGone) this.#flights.delete(id);
  }

  async send(message: JSONRPCMessage): Promise<void> {
    if (this.#isClosed) throw new Error('the host closed the connection');
    const flight = this.#flightOf(message);
    if (flight?.isGone) {
      // Nothing is said about a call that was taken back: its mail went back too.
      if ('id' in message) this.#flights.delete(message.id as RequestId);
      return;
    }
    if (isError(message)) flight?.gone();
    else flight?.watcher?.writing();
    await this.#write(message, flight);
  }

  #refuse(error: IpcError, id: RequestId | undefined): void {
    const isUnread = error.code === 'bad_body';
    if (id === undefined) this.onerror?.(error);
    // A notification is never answered; what could not be parsed is, as JSON-RPC wants it.
    if (id === undefined && !isUnread) return;
    const code = isUnread ? parseErrorCode : invalidRequestCode;
    const answer = {
      jsonrpc: '2.0',
      id: id ?? null,
      error: { code, message: presentError(error) },
    };
    this.#output.write(`${JSON.stringify(answer)}\n`);
  }

  #arrived(message: JSONRPCMessage): void {
    if (isJSONRPCRequest(message) && message.method === 'tools/call') {
      this.#flights.set(message.id, new InFlightCall());
      this.#written.delete(message.id);
    } else if (isJSONRPCNotification(message) && message.method === 'notifications/cancelled') {
      this.#cancelled(message.params?.requestId as RequestId | undefined);
    }
    this.onmessage?.(message);
  }

  #cancelled(id: RequestId | undefined): void {
    if (id === undefined) return;
    this.#flights.get(id)?.gone();
    this.#written.get(id)?.gone();
    this.#written.delete(id);
  }

  #flightOf(message: JSONRPCMessage): InFlightCall | undefined {
    if (!isJSONRPCResultResponse(message) && !isJSONRPCErrorResponse(message)) return undefined;
    return message.id === undefined ? undefined : this.#flights.get(message.id);
  }

  #write(message: JSONRPCMessage, flight: InFlightCall | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#output.write(serializeMessage(message), (error) => {
        if (flight && 'id' in message) this.#wrote(message.id as RequestId, flight, error);
        if (error) reject(error);
        else resolve();
      });
    });
  }

  #wrote(id: RequestId, flight: InFlightCall, error: Error | null | undefined): void {
    this.#flights.delete(id);
    if (flight.isGone) return;
    if (error) return flight.gone();
    flight.watcher?.written();
    if (!flight.watcher) return;
    this.#written.set(id, flight);
    for (const oldest of this.#written.keys()) {
      if (this.#written.size <= writtenMax) return;
      this.#written.delete(oldest);
    }
  }
}

/** It hands nothing over. A tool that throws is answered with a result that says so. */
function isError(message: JSONRPCMessage): boolean {
  if (isJSONRPCErrorResponse(message)) return true;
  return isJSONRPCResultResponse(message) && message.result.isError === true;
}
