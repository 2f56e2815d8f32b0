// Encodes requests and responses as frames, and decodes them. What is decoded is valid. Bytes that break
// this protocol are a fatal error for the connection; a name, id, body or amount that is not allowed is an
// error of that one request.
import type { ByteWriter } from '../base/binary.ts';
import { IpcError, isErrorCode, unreachable } from '../base/errors.ts';
import { errorCharactersMax } from '../base/limits.ts';
import type { SendRequest } from '../model/direct-requests.ts';
import {
  readHolds,
  readNameOrNone,
  readOrigin,
  writeHolds,
  writeOrigin,
} from '../model/envelope.ts';
import type { ErrorResponse, Hello, ReleaseRequest, Request, Response } from '../model/requests.ts';
import {
  decodeRetried,
  decodeRetry,
  writeRetriedHeader,
  writeRetryHeader,
} from './dead-letter-codec.ts';
import { decodeErase, decodeErased, writeErasedHeader, writeEraseHeader } from './erase-codec.ts';
import {
  decodeEvent,
  decodeEvents,
  decodeEventsEnd,
  eventBody,
  writeEventHeader,
  writeEventsEndHeader,
  writeEventsHeader,
} from './events-codec.ts';
import { decodeFind, decodeFound, writeFindHeader, writeFoundHeader } from './find-codec.ts';
import { type Frame, FrameBatch, noBytes } from './frame.ts';
import { checkBody, checkNoBody, checkNoHeader, holdsBytes, readHeader } from './header-fields.ts';
import {
  decodeHello,
  decodeWelcome,
  type HelloToSend,
  writeHelloHeader,
  writeWelcomeHeader,
} from './hello-codec.ts';
import {
  decodeImport,
  decodeImported,
  writeImportedHeader,
  writeImportHeader,
} from './import-codec.ts';
import { readJson, writeJson } from './json-header.ts';
import { decodeListen, decodeListening, writeAddressesHeader } from './listen-codec.ts';
import {
  decodeDrop,
  decodeDropped,
  decodePeek,
  decodePeeked,
  writeDropHeader,
  writeDroppedHeader,
  writePeekedHeader,
  writePeekHeader,
} from './look-codec.ts';
import { decodeEnd, decodeOffer, writeEndHeader, writeOfferHeader } from './offer-codec.ts';
import { decodePause, decodePausing, writePauseHeader, writePausingHeader } from './pause-codec.ts';
import { decodePost, decodeStored, writePostHeader, writeStoredHeader } from './post-codec.ts';
import {
  decodeFetch,
  decodeNotice,
  decodeWait,
  decodeWatch,
  writeFetchHeader,
  writeNoticeHeader,
  writeWaitHeader,
  writeWatchHeader,
} from './read-codec.ts';
import { decodeStatus, statusBody, writeStatusHeader } from './status-codec.ts';

/** A request as its sender encodes it: a hello with the secret of its session. */
export type RequestToSend = Exclude<Request, Hello> | HelloToSend;

export const requestTypes = {
  hello: 0x01,
  post: 0x02,
  wait: 0x03,
  fetch: 0x04,
  cancel: 0x05,
  settle: 0x06,
  release: 0x07,
  status: 0x08,
  goodbye: 0x09,
  send: 0x0a,
  ping: 0x0b,
  retry: 0x0c,
  peek: 0x0d,
  drop: 0x0e,
  listen: 0x0f,
  compact: 0x10,
  find: 0x11,
  watch: 0x12,
  events: 0x13,
  pause: 0x15,
  erase: 0x16,
  import: 0x17,
} as const satisfies Record<Request['kind'], number>;

export const responseTypes = {
  welcome: 0x81,
  stored: 0x82,
  offer: 0x83,
  end: 0x84,
  settled: 0x85,
  released: 0x86,
  status: 0x87,
  error: 0x88,
  going: 0x89,
  received: 0x8a,
  pong: 0x8b,
  retried: 0x8c,
  peeked: 0x8d,
  dropped: 0x8e,
  listening: 0x8f,
  compacted: 0x90,
  found: 0x91,
  notice: 0x92,
  event: 0x93,
  eventsEnd: 0x94,
  pausing: 0x95,
  erased: 0x96,
  imported: 0x97,
} as const satisfies Record<Response['kind'], number>;

const requestKinds = kindsByType<Request['kind']>(requestTypes);
const responseKinds = kindsByType<Response['kind']>(responseTypes);

function kindsByType<Kind extends string>(types: Record<Kind, number>): ReadonlyMap<number, Kind> {
  return new Map((Object.keys(types) as Kind[]).map((kind) => [types[kind], kind]));
}

/** Memory for the frame of one request or response. */
const single = new FrameBatch();

export function encodeRequest(request: RequestToSend): Buffer[] {
  addRequest(single, request);
  return single.take();
}

/** encodeRequest() for several that are sent together. */
export function addRequest(batch: FrameBatch, request: RequestToSend): void {
  writeRequestHeader(batch.beginFrame(), request);
  batch.endFrame(requestTypes[request.kind], request.request, requestBody(request));
}

/** `body`: the body of an offer or of a peeked message; undefined when it is damaged. */
export function encodeResponse(response: Response, body?: Buffer): Buffer[] {
  addResponse(single, response, body);
  return single.take();
}

/** encodeResponse() for several that are sent together. */
export function addResponse(batch: FrameBatch, response: Response, body?: Buffer): void {
  writeResponseHeader(batch.beginFrame(), response, !body);
  const { kind, request } = response;
  batch.endFrame(responseTypes[kind], request, responseBody(response, body) ?? noBytes);
}

function responseBody(response: Response, body: Buffer | undefined): Buffer | undefined {
  if (response.kind === 'welcome') return holdsBytes(response.revoked);
  if (response.kind === 'status') return statusBody(response);
  if (response.kind === 'event') return eventBody(response);
  return response.kind === 'peeked' ? body?.subarray(0, response.partBytes) : body;
}

/** Throws an IpcError: a fatal one ends the connection, any other one is the response to `frame.request`. */
export function decodeRequest(frame: Frame): Request {
  const kind = requestKinds.get(frame.type);
  if (kind === undefined) throw new IpcError('bad_frame', `no request has the type ${frame.type}`);
  if (!hasBody(kind)) checkNoBody(frame);
  switch (kind) {
    case 'hello':
      return decodeHello(frame);
    case 'post':
      return decodePost(frame);
    case 'wait':
      return decodeWait(frame);
    case 'watch':
      return decodeWatch(frame);
    case 'fetch':
      return decodeFetch(frame);
    case 'settle':
      return { kind, request: frame.request, holds: readHeader(frame, readHolds) };
    case 'release':
      return decodeRelease(frame);
    case 'retry':
      return decodeRetry(frame);
    case 'listen':
      return decodeListen(frame);
    case 'peek':
      return decodePeek(frame);
    case 'drop':
      return decodeDrop(frame);
    case 'find':
      return decodeFind(frame);
    case 'events':
      return decodeEvents(frame);
    case 'pause':
      return decodePause(frame);
    case 'erase':
      return decodeErase(frame);
    case 'import':
      return decodeImport(frame);
    case 'send':
      return decodeSend(frame);
    case 'cancel':
    case 'status':
    case 'compact':
    case 'goodbye':
    case 'ping':
      checkNoHeader(frame);
      return { kind, request: frame.request };
    default:
      return unreachable(kind);
  }
}

/**
 * `body`: what the frame of an offer or a peeked message has of its body, unless that is damaged. Every error is fatal:
 * brokers send only valid responses.
 */
export function decodeResponse(frame: Frame): { response: Response; body: Buffer | undefined } {
  try {
    const kind = responseKinds.get(frame.type);
    if (kind === 'offer') return decodeOffer(frame);
    if (kind === 'peeked') return decodePeeked(frame);
    return { response: readResponse(frame), body: undefined };
  } catch (error) {
    if (!(error instanceof IpcError) || error.kind.fatal) throw error;
    throw new IpcError('bad_frame', error.message);
  }
}

function readResponse(frame: Frame): Response {
  const { request } = frame;
  const kind = responseKinds.get(frame.type);
  if (kind === undefined || kind === 'offer' || kind === 'peeked')
    throw new IpcError('bad_frame', `no response has the type ${frame.type}`);
  if (kind !== 'welcome' && kind !== 'status' && kind !== 'event') checkNoBody(frame);
  switch (kind) {
    case 'welcome':
      return decodeWelcome(frame);
    case 'stored':
      return decodeStored(frame);
    case 'end':
      return decodeEnd(frame);
    case 'settled':
      return { kind, request, notHeld: readHeader(frame, readHolds) };
    case 'retried':
      return decodeRetried(frame);
    case 'listening':
      return decodeListening(frame);
    case 'dropped':
      return decodeDropped(frame);
    case 'found':
      return decodeFound(frame);
    case 'notice':
      return decodeNotice(frame);
    case 'event':
      return decodeEvent(frame);
    case 'eventsEnd':
      return decodeEventsEnd(frame);
    case 'pausing':
      return decodePausing(frame);
    case 'erased':
      return decodeErased(frame);
    case 'imported':
      return decodeImported(frame);
    case 'status':
      return decodeStatus(frame);
    case 'error':
      return decodeError(frame);
    case 'going':
      checkNoHeader(frame);
      if (request !== 0) throw new IpcError('bad_frame', 'going has the request number 0');
      return { kind, request };
    case 'released':
    case 'compacted':
    case 'received':
    case 'pong':
      checkNoHeader(frame);
      return { kind, request };
    default:
      return unreachable(kind);
  }
}

function writeRequestHeader(writer: ByteWriter, request: RequestToSend): void {
  switch (request.kind) {
    case 'hello':
      return writeHelloHeader(writer, request);
    case 'post':
      return writePostHeader(writer, request);
    case 'wait':
      return writeWaitHeader(writer, request);
    case 'watch':
      return writeWatchHeader(writer, request);
    case 'fetch':
      return writeFetchHeader(writer, request);
    case 'settle':
      return writeHolds(writer, request.holds);
    case 'release':
      return writeReleaseHeader(writer, request);
    case 'retry':
      return writeRetryHeader(writer, request);
    case 'listen':
      return writeAddressesHeader(writer, request);
    case 'peek':
      return writePeekHeader(writer, request);
    case 'drop':
      return writeDropHeader(writer, request);
    case 'find':
      return writeFindHeader(writer, request);
    case 'events':
      return writeEventsHeader(writer, request);
    case 'pause':
      return writePauseHeader(writer, request);
    case 'erase':
      return writeEraseHeader(writer, request);
    case 'import':
      return writeImportHeader(writer, request);
    case 'send':
      return writeSendHeader(writer, request);
    case 'cancel':
    case 'status':
    case 'compact':
    case 'goodbye':
    case 'ping':
      return;
    default:
      return unreachable(request);
  }
}

function requestBody(request: RequestToSend): Buffer {
  if (request.kind === 'hello') return holdsBytes(request.held);
  return 'body' in request ? request.body : noBytes;
}

function hasBody(kind: Request['kind']): boolean {
  return kind === 'hello' || kind === 'post' || kind === 'import' || kind === 'send';
}

/** `isDamaged`: there is no body to send. */
function writeResponseHeader(writer: ByteWriter, response: Response, isDamaged: boolean): void {
  switch (response.kind) {
    case 'offer':
      return writeOfferHeader(writer, response, isDamaged);
    case 'peeked':
      return writePeekedHeader(writer, response, isDamaged && response.partBytes > 0);
    case 'welcome':
      return writeWelcomeHeader(writer, response);
    case 'end':
      return writeEndHeader(writer, response);
    case 'stored':
      return writeStoredHeader(writer, response);
    case 'settled':
      return writeHolds(writer, response.notHeld);
    case 'retried':
      return writeRetriedHeader(writer, response);
    case 'listening':
      return writeAddressesHeader(writer, response);
    case 'dropped':
      return writeDroppedHeader(writer, response);
    case 'found':
      return writeFoundHeader(writer, response);
    case 'notice':
      return writeNoticeHeader(writer, response);
    case 'event':
      return writeEventHeader(writer, response);
    case 'eventsEnd':
      return writeEventsEndHeader(writer, response);
    case 'pausing':
      return writePausingHeader(writer, response);
    case 'erased':
      return writeErasedHeader(writer, response);
    case 'imported':
      return writeImportedHeader(writer, response);
    case 'status':
      return writeStatusHeader(writer, response);
    case 'error':
      return writeJson(writer, { code: response.code, message: response.message });
    case 'released':
    case 'compacted':
    case 'going':
    case 'received':
    case 'pong':
      return;
    default:
      return unreachable(response);
  }
}

/** How the holds of a release end, each as its place in the list. */
const releaseFlags = ['counted', 'unread', 'rejected', 'sessionEnds'] as const;

function writeReleaseHeader(writer: ByteWriter, release: ReleaseRequest): void {
  const how = releaseFlags.findIndex((flag) => flag !== 'counted' && release[flag]);
  writer.u8(Math.max(0, how));
  writeHolds(writer, release.holds);
}

function decodeRelease(frame: Frame): ReleaseRequest {
  const { how, holds } = readHeader(frame, (reader) => ({
    how: reader.u8(),
    holds: readHolds(reader),
  }));
  const flag = releaseFlags[how];
  if (!flag) throw new IpcError('bad_frame', `a release with the flag ${how}`);
  const [unread, rejected] = [flag === 'unread', flag === 'rejected'];
  const ending = flag === 'sessionEnds' && { sessionEnds: true };
  return { kind: 'release', request: frame.request, holds, unread, rejected, ...ending };
}

function writeSendHeader(writer: ByteWriter, send: SendRequest): void {
  writer.u32(send.checksum).text(send.from);
  writeOrigin(writer, send.origin);
}

function decodeSend(frame: Frame): SendRequest {
  const { request, body } = frame;
  const fields = readHeader(frame, (reader) => ({
    checksum: reader.u32(),
    from: readNameOrNone(reader),
    origin: readOrigin(reader),
  }));
  checkBody(body, fields.checksum);
  return { kind: 'send', request, ...fields, body };
}

function decodeError(frame: Frame): ErrorResponse {
  const fields = readJson(frame);
  const code = fields.text('code');
  const message = fields.text('message');
  const { request } = frame;
  if (isErrorCode(code)) return { kind: 'error', request, code, message: clipped(message) };
  // A code of a later version: its text says more than an error about the code.
  const text = clipped(`${code}: ${message}`);
  return { kind: 'error', request, code: 'unknown_error', message: text };
}

/** The broker wrote the text, and a model reads it. */
function clipped(text: string): string {
  if (text.length <= errorCharactersMax) return text;
  return `${text.slice(0, errorCharactersMax).toWellFormed()}…`;
}
