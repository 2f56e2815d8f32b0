// MCP over stdio: one JSON-RPC message a line. A plain call is given to the tool, all else to the SDK (plain-call.ts).
// The transport follows the result of each call, and each answer to a tasks/get:
// 1. the call arrives and is in flight;  2. its result is being written;  3. its result is written;
// 4. the host cancels it, at any time up to then and after. A cancelled call gets no result.
import type { Readable, Writable } from 'node:stream';
import {
  type CallToolResult,
  CLIENT_INFO_META_KEY,
  type JSONRPCErrorResponse,
  type JSONRPCMessage,
  type JSONRPCRequest,
  type RequestId,
  serializeMessage,
  type Transport,
} from '@modelcontextprotocol/server';
import { presentError } from '../app/summaries.ts';
import { BoundedMap } from '../base/bounded-map.ts';
import { parseLine, type Refusal, repeatedId } from './line-parser.ts';
import { LineReader } from './line-reader.ts';
import type { HostRequest, PlainCall } from './plain-call.ts';
import { schemaFaultWords } from './schema-fault.ts';

/** The methods whose results may hand mail over. */
const followed: readonly string[] = ['tools/call', 'tasks/get'];

/** Follows the result of a call. Each method is called at most once, in this order. */
export interface ResultWatcher {
  writing(): void;
  written(): void;
  /** Instead of the others, or after them: the result is an error, was cancelled, or cannot be written. */
  gone(): void;
}

/** Runs a plain call. It does not throw: an error is a result, too. */
type RunCall = (given: Record<string, unknown>, request: HostRequest) => Promise<CallToolResult>;

/** One request of `followed`, from its arrival until its result is written and can no longer be cancelled. */
class InFlightCall {
  isGone = false;
  watcher: ResultWatcher | undefined;
  /** Of a plain call: aborted when it is cancelled, or the connection closes. */
  stopped: AbortController | undefined;

  gone(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.watcher?.gone();
  }
}

/** Calls whose results are written: a cancellation may still come. */
const writtenMax = 1_000;

export class HostTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: NonNullable<Transport['onmessage']>;
  oncall?: RunCall;
  readonly #input: Readable;
  readonly #output: Writable;
  readonly #lines = new LineReader();
  readonly #flights = new Map<RequestId, InFlightCall>();
  readonly #written = new BoundedMap<RequestId, InFlightCall>(writtenMax);
  readonly #onData = (chunk: Buffer) => this.#read(chunk);
  #isClosed = false;
  /**
   * Of a plain call that has ended without being cancelled, for the next one. To make one, and to listen to it for the
   * first time, takes longer than all else that a call needs of the transport. No code listens to it when its call has
   * ended: the next call's cancellation would reach it.
   */
  #unusedStop: AbortController | undefined;
  /** The host has initialized this connection, as those of the legacy era do. */
  #isLegacy = false;
  #hostName: string | undefined;

  constructor(input: Readable, output: Writable) {
    this.#input = input;
    this.#output = output;
  }

  /** The name that the host has reported: in the legacy era once, in later ones with each request. */
  get hostName(): string | undefined {
    return this.#hostName;
  }

  async start(): Promise<void> {
    const close = () => void this.close();
    this.#input.on('data', this.#onData);
    this.#input.on('error', (error) => this.onerror?.(error));
    for (const event of ['end', 'close']) this.#input.on(event, close);
    this.#output.on('error', (error) => {
      if (!this.#isClosed) this.onerror?.(error);
      close();
    });
    if (this.#input.readableEnded || this.#input.destroyed) setImmediate(close);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#input.off('data', this.#onData);
    this.#input.pause();
    for (const { stopped } of this.#flights.values()) stopped?.abort();
    this.onclose?.();
  }

  /** The SDK calls it when it answers an `initialize`. */
  setProtocolVersion(): void {
    this.#isLegacy = true;
  }

  /** Follows the result of a call in flight. */
  watch(id: RequestId, watcher: ResultWatcher): void {
    const flight = this.#flights.get(id);
    if (!flight || flight.isGone) watcher.gone();
    else flight.watcher = watcher;
  }

  /** The handler of a call has ended: of a cancelled one no result will come. */
  finished(id: RequestId): void {
    if (this.#flights.get(id)?.isGone) this.#flights.delete(id);
  }

  async send(message: JSONRPCMessage): Promise<void> {
    if (this.#isClosed) throw new Error('the host closed the connection');
    const flight = this.#flightOf(message);
    if (flight?.isGone) {
      // A cancelled call gets no answer: its mail was released.
      if ('id' in message) this.#flights.delete(message.id as RequestId);
      return;
    }
    if (isError(message)) flight?.gone();
    else flight?.watcher?.writing();
    await this.#write('error' in message ? inWords(message) : message, flight);
  }

  #read(chunk: Buffer): void {
    for (const line of this.#lines.push(chunk)) {
      const parsed = parseLine(line);
      try {
        if (parsed.kind === 'refused') this.#refuse(parsed);
        if (parsed.kind === 'call' && !this.#isRepeated(parsed.call)) this.#called(parsed.call);
        if (parsed.kind === 'message' && !this.#isRepeated(parsed.message)) {
          this.#arrived(parsed.message);
        }
      } catch (error) {
        this.onerror?.(error as Error);
      }
    }
  }

  /** An error that no request of the host gets is reported. */
  #refuse({ error, answer }: Refusal): void {
    if ((answer?.id ?? null) === null) this.onerror?.(error);
    if (!answer) return;
    const { id, code } = answer;
    const response = { jsonrpc: '2.0', id, error: { code, message: presentError(error) } };
    this.#output.write(`${JSON.stringify(response)}\n`);
  }

  /**
   * Refuses a request under the id of a call in flight: one of two results would not reach the agent, nor the mail in it.
   * The refusal names no id whose result is still to come: a host would take it for that.
   */
  #isRepeated(message: JSONRPCMessage): boolean {
    if (!('method' in message && 'id' in message)) return false;
    const flight = this.#flights.get(message.id);
    if (flight) this.#refuse(repeatedId(message.id, flight.isGone));
    return flight !== undefined;
  }

  #called(call: PlainCall): void {
    if (!this.#isLegacy || !this.oncall) return this.#arrived(call);
    this.#answer(call, this.oncall).catch((error) => this.onerror?.(error));
  }

  /** As the SDK does it: a call that is cancelled gets no answer. */
  async #answer({ id, params }: PlainCall, run: RunCall): Promise<void> {
    const flight = this.#follow(id);
    const stopped = this.#unusedStop ?? new AbortController();
    this.#unusedStop = undefined;
    flight.stopped = stopped;
    const { signal } = stopped;
    const { arguments: given = {}, _meta = {} } = params;
    const notify: HostRequest['notify'] = (notification) =>
      this.send({ jsonrpc: '2.0', ...notification });
    const result = await run(given, { id, signal, _meta, notify });
    flight.stopped = undefined;
    if (signal.aborted) return;
    this.#unusedStop = stopped;
    await this.send({ result, jsonrpc: '2.0', id });
  }

  #arrived(message: JSONRPCMessage): void {
    if ('method' in message && 'id' in message) this.#requested(message);
    else if ('method' in message && message.method === 'notifications/cancelled') {
      this.#cancelled(message.params?.requestId as RequestId | undefined);
    }
    this.onmessage?.(message);
  }

  #requested(request: JSONRPCRequest): void {
    this.#hostName = nameOfHost(request) ?? this.#hostName;
    if (followed.includes(request.method)) this.#follow(request.id);
  }

  #follow(id: RequestId): InFlightCall {
    const flight = new InFlightCall();
    this.#flights.set(id, flight);
    this.#written.delete(id);
    return flight;
  }

  #cancelled(id: RequestId | undefined): void {
    if (id === undefined) return;
    const flight = this.#flights.get(id);
    flight?.gone();
    flight?.stopped?.abort();
    this.#written.get(id)?.gone();
    this.#written.delete(id);
  }

  #flightOf(message: JSONRPCMessage): InFlightCall | undefined {
    if ('method' in message || message.id === undefined) return undefined;
    return this.#flights.get(message.id);
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
    if (!flight.watcher) return;
    flight.watcher.written();
    this.#written.set(id, flight);
  }
}

/** An error of the schemas of MCP is a sentence. */
function inWords(response: JSONRPCErrorResponse): JSONRPCErrorResponse {
  const { error } = response;
  return { ...response, error: { ...error, message: schemaFaultWords(error.message) } };
}

function nameOfHost({ method, params }: JSONRPCRequest): string | undefined {
  const info = method === 'initialize' ? params?.clientInfo : params?._meta?.[CLIENT_INFO_META_KEY];
  const name = (info as { name?: unknown } | undefined)?.name;
  return typeof name === 'string' ? name : undefined;
}

/** An error hands no mail over. The SDK answers a tool that throws with a result that is an error. */
function isError(message: JSONRPCMessage): boolean {
  if ('error' in message) return true;
  return 'result' in message && message.result.isError === true;
}
