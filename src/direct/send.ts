// Point to point, the sending side: sends a message to a session that receives, or pings it. Attempts
// that fail with a temporary error are repeated until the time is over. When the whole message was written
// and the connection ends before the response, the sender cannot know whether it arrived: the error is
// `cut_off`, and the message is not sent again.
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { cancelled, IpcError } from '../base/errors.ts';
import { sendRetryMs } from '../base/limits.ts';
import { saidBy } from '../base/quoted.ts';
import { Patience } from '../base/standstill.ts';
import type { PingRequest, SendRequest } from '../model/direct-requests.ts';
import { bodyChecksum, type Name, type Origin } from '../model/message.ts';
import type { Response } from '../model/requests.ts';
import { dial } from '../net/connect.ts';
import type { Connection } from '../net/connection.ts';
import { dialAddresses } from '../net/tls.ts';
import { decodeResponse, encodeRequest } from '../protocol/codec.ts';
import type { Keys } from '../protocol/handshake.ts';

export interface PingArguments {
  readonly host: string;
  readonly port: number;
  readonly keys: Keys;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface SendArguments extends PingArguments {
  readonly from: Name | '';
  readonly origin: Origin;
  readonly body: Buffer;
}

/** Resolves when the receiver has confirmed the message. */
export async function send(options: SendArguments): Promise<void> {
  const { from, origin, body } = options;
  const checksum = bodyChecksum(body);
  const request: SendRequest = { kind: 'send', request: 1, from, origin, checksum, body };
  await tryAgain(options, (connection, signal) => ask(connection, request, signal));
}

/** `ms`: from request to response, on a connection that is open. */
export async function ping(options: PingArguments): Promise<{ ms: number }> {
  return tryAgain(options, async (connection, signal) => {
    const began = performance.now();
    await ask(connection, { kind: 'ping', request: 1 }, signal);
    return { ms: performance.now() - began };
  });
}

/** Repeats the attempt until the time is over, as long as its error is temporary. */
async function tryAgain<T>(
  options: PingArguments,
  attempt: (connection: Connection, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const addresses = await dialAddresses(options.host);
  const over = new AbortController();
  const end = (): void => over.abort();
  const patience = new Patience(options.timeoutMs);
  patience.onOver = end;
  options.signal?.addEventListener('abort', end, { once: true });
  let lastError = new IpcError('unreachable', `no answer in ${options.timeoutMs} ms`);
  try {
    for (let attempts = 0; ; attempts += 1) {
      if (options.signal?.aborted) throw cancelled();
      if (over.signal.aborted) throw lastError;
      const host = addresses[attempts % addresses.length] ?? addresses[0];
      try {
        return await tryOnce({ host, port: options.port }, options.keys, over.signal, attempt);
      } catch (error) {
        const isFirst = host === addresses[0];
        lastError = temporary(error, lastError, isFirst);
      }
      await sleep(sendRetryMs, undefined, { signal: over.signal }).catch(() => {});
    }
  } finally {
    patience.end();
    options.signal?.removeEventListener('abort', end);
  }
}

async function tryOnce<T>(
  address: { host: string; port: number },
  keys: Keys,
  signal: AbortSignal,
  attempt: (connection: Connection, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const connection = await dial(address, keys, { signal });
  try {
    return await attempt(connection, signal);
  } finally {
    connection.destroy();
  }
}

/**
 * Returns the error to report if no later attempt succeeds; throws an error that is not temporary. The first
 * address of a host speaks for the others: this machine may lack IPv6, for example.
 */
function temporary(error: unknown, before: IpcError, isFirst: boolean): IpcError {
  if (!(error instanceof IpcError)) throw error;
  if (error.code === 'cancelled') return before;
  if (error.code === 'busy') return error;
  if (error.code === 'unreachable') return isFirst ? error : before;
  throw error;
}

/** Resolves at the response. For a send, an error after the whole request was written is `cut_off`. */
function ask(
  connection: Connection,
  request: SendRequest | PingRequest,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let written = false;
    const lost = (error: IpcError): void => {
      signal.removeEventListener('abort', abort);
      reject(written && request.kind === 'send' ? cutOff(error) : error);
    };
    const abort = (): void => lost(cancelled());
    signal.addEventListener('abort', abort, { once: true });
    connection.onClose = (reason) => lost(reason ?? hungUp());
    connection.onFrame = (frame) => {
      try {
        checkResponse(decodeResponse(frame).response, request);
        resolve();
      } catch (error) {
        reject(error);
      }
      signal.removeEventListener('abort', abort);
    };
    connection.send(encodeRequest(request), () => {
      written = true;
    });
    if (signal.aborted) abort();
  });
}

/** How a receiver says yes. */
const success = { send: 'received', ping: 'pong' } as const;

function checkResponse(response: Response, { kind, request }: SendRequest | PingRequest): void {
  if (response.kind === success[kind] && response.request === request) return;
  switch (response.kind) {
    case 'going':
      throw new IpcError('busy', 'the receiver took another message, or ended');
    case 'error':
      throw new IpcError(response.code, saidBy('receiver', response.message));
    default: {
      const what = `${response.kind} with the number ${response.request} is no response to this ${kind}`;
      throw new IpcError('bad_frame', what, { maybeStored: kind === 'send' });
    }
  }
}

function cutOff(error: IpcError): IpcError {
  const why = error.code === 'cancelled' ? 'no answer came in time' : error.message;
  return new IpcError('cut_off', `the message was sent, but ${why}; it may have been received`);
}

function hungUp(): IpcError {
  return new IpcError('unreachable', 'the other side hung up');
}
