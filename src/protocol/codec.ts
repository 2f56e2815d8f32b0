// Encodes requests and responses as frames, and decodes them. What is decoded is valid. Bytes that break
// this protocol are a fatal error for the connection; a name, id, body or amount that is not allowed is an
// error of that one request.
import { ByteWriter } from '../base/binary.ts';
import { IpcError, isErrorCode, unreachable } from '../base/errors.ts';
import { fetchBytesMax, fetchMessagesMax, waitMsMax } from '../base/limits.ts';
import { version } from '../base/version.ts';
import {
  parseOrigin,
  readEnvelope,
  readHolds,
  readMessageIdOrNone,
  readName,
  readNameOrNone,
  readOrigin,
  readStoredName,
  writeEnvelope,
  writeHolds,
  writeOrigin,
} from '../model/envelope.ts';
import { parseSessionId, parseStoredName } from '../model/message.ts';
import type {
  DeadLetterCount,
  ErrorResponse,
  FetchRequest,
  Hello,
  MailboxStatus,
  Offer,
  ReleaseRequest,
  Request,
  Response,
  SendRequest,
  StatusResponse,
  WaitRequest,
  Welcome,
} from '../model/requests.ts';
import { decodeRetried, decodeRetry, retriedHeader, retryHeader } from './dead-letter-codec.ts';
import { encodeFrame, type Frame, noBytes } from './frame.ts';
import {
  checkBody,
  checkChecksum,
  checkNoBody,
  checkNoHeader,
  holdsBytes,
  holdsOf,
  readFlag,
  readHeader,
} from './header-fields.ts';
import { type JsonFields, readJson, writeJson } from './json-header.ts';
import { decodePost, decodeStored, postHeader, storedHeader } from './post-codec.ts';

/** The version of the frames after the handshake. The handshake itself never changes. */
const protocolNumber = 1;

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
} as const satisfies Record<Response['kind'], number>;

const requestKinds = kindsByType<Request['kind']>(requestTypes);
const responseKinds = kindsByType<Response['kind']>(responseTypes);

function kindsByType<Kind extends string>(types: Record<Kind, number>): ReadonlyMap<number, Kind> {
  return new Map((Object.keys(types) as Kind[]).map((kind) => [types[kind], kind]));
}

export function encodeRequest(request: Request): Buffer[] {
  const type = requestTypes[request.kind];
  const body = requestBody(request);
  return encodeFrame({ type, request: request.request, header: requestHeader(request), body });
}

/** `body`: the body of an offer; undefined when it is damaged. */
export function encodeResponse(response: Response, body?: Buffer): Buffer[] {
  const type = responseTypes[response.kind];
  const responseBody =
    response.kind === 'welcome' ? holdsBytes(response.revoked) : (body ?? noBytes);
  const header =
    response.kind === 'offer' ? offerHeader(response, !body) : responseHeader(response);
  return encodeFrame({ type, request: response.request, header, body: responseBody });
}

/** Throws an IpcError: a fatal one ends the connection, any other one is the response to `frame.request`. */
export function decodeRequest(frame: Frame): Request {
  const kind = requestKinds.get(frame.type);
  if (kind === undefined) throw new IpcError('bad_frame', `no request has the type ${frame.type}`);
  if (kind !== 'hello' && kind !== 'post' && kind !== 'send') checkNoBody(frame);
  switch (kind) {
    case 'hello':
      return decodeHello(frame);
    case 'post':
      return decodePost(frame);
    case 'wait':
      return decodeWait(frame);
    case 'fetch':
      return decodeFetch(frame);
    case 'settle':
      return { kind, request: frame.request, holds: readHeader(frame, readHolds) };
    case 'release':
      return decodeRelease(frame);
    case 'retry':
      return decodeRetry(frame);
    case 'send':
      return decodeSend(frame);
    case 'cancel':
    case 'status':
    case 'goodbye':
    case 'ping':
      checkNoHeader(frame);
      return { kind, request: frame.request };
    default:
      return unreachable(kind);
  }
}

/** `body`: the body of an offer that is not damaged. Every error is fatal: brokers send only valid responses. */
export function decodeResponse(frame: Frame): { response: Response; body: Buffer | undefined } {
  try {
    if (responseKinds.get(frame.type) === 'offer') return decodeOffer(frame);
    return { response: readResponse(frame), body: undefined };
  } catch (error) {
    if (!(error instanceof IpcError) || error.kind.fatal) throw error;
    throw new IpcError('bad_frame', error.message);
  }
}

function readResponse(frame: Frame): Response {
  const { request } = frame;
  const kind = responseKinds.get(frame.type);
  if (kind === undefined || kind === 'offer')
    throw new IpcError('bad_frame', `no response has the type ${frame.type}`);
  if (kind !== 'welcome') checkNoBody(frame);
  switch (kind) {
    case 'welcome':
      return decodeWelcome(frame);
    case 'stored':
      return decodeStored(frame);
    case 'end':
      return { kind, request, remaining: readHeader(frame, (reader) => reader.u32()) };
    case 'settled':
      return { kind, request, notHeld: readHeader(frame, readHolds) };
    case 'retried':
      return decodeRetried(frame);
    case 'status':
      return decodeStatus(frame);
    case 'error':
      return decodeError(frame);
    case 'going':
      checkNoHeader(frame);
      if (request !== 0) throw new IpcError('bad_frame', 'going has the request number 0');
      return { kind, request };
    case 'released':
    case 'received':
    case 'pong':
      checkNoHeader(frame);
      return { kind, request };
    default:
      return unreachable(kind);
  }
}

function requestHeader(request: Request): Buffer {
  switch (request.kind) {
    case 'hello':
      return helloHeader(request);
    case 'post':
      return postHeader(request);
    case 'wait':
      return waitHeader(request);
    case 'fetch':
      return fetchHeader(request);
    case 'settle':
      return holdsBytes(request.holds);
    case 'release':
      return releaseHeader(request);
    case 'retry':
      return retryHeader(request);
    case 'send':
      return sendHeader(request);
    case 'cancel':
    case 'status':
    case 'goodbye':
    case 'ping':
      return noBytes;
    default:
      return unreachable(request);
  }
}

function requestBody(request: Request): Buffer {
  if (request.kind === 'hello') return holdsBytes(request.held);
  return request.kind === 'post' || request.kind === 'send' ? request.body : noBytes;
}

function responseHeader(response: Exclude<Response, Offer>): Buffer {
  switch (response.kind) {
    case 'welcome':
      return welcomeHeader(response);
    case 'stored':
      return storedHeader(response);
    case 'end':
      return new ByteWriter().u32(response.remaining).bytes();
    case 'settled':
      return holdsBytes(response.notHeld);
    case 'retried':
      return retriedHeader(response);
    case 'status':
      return statusHeader(response);
    case 'error':
      return writeJson({ code: response.code, message: response.message });
    case 'released':
    case 'going':
    case 'received':
    case 'pong':
      return noBytes;
    default:
      return unreachable(response);
  }
}

// Hello and welcome: JSON, with the holds in the body, which has room for 4096 of them.

function helloHeader(hello: Hello): Buffer {
  const { session, origin, standby } = hello;
  return writeJson({ protocol: protocolNumber, version, session, ...origin, standby });
}

function decodeHello(frame: Frame): Hello {
  const fields = readJson(frame.header);
  checkProtocol(fields);
  try {
    return {
      kind: 'hello',
      request: frame.request,
      session: parseSessionId(fields.text('session')),
      origin: parseOrigin(fields.text('program'), fields.whole('pid'), fields.text('machine')),
      standby: fields.flag('standby'),
      held: holdsOf(frame.body),
    };
  } catch (error) {
    // A connection is useless without its hello, so every error in a hello is fatal.
    if (error instanceof IpcError) throw new IpcError('bad_frame', `hello: ${error.message}`);
    throw error;
  }
}

function welcomeHeader(welcome: Welcome): Buffer {
  const { store, epoch, format, pid, addresses, messages } = welcome;
  return writeJson({
    protocol: protocolNumber,
    version,
    store,
    epoch,
    format,
    pid,
    addresses,
    messages,
  });
}

function decodeWelcome(frame: Frame): Welcome {
  const fields = readJson(frame.header);
  checkProtocol(fields);
  return {
    kind: 'welcome',
    request: frame.request,
    store: fields.text('store'),
    epoch: fields.whole('epoch'),
    format: fields.whole('format'),
    pid: fields.whole('pid'),
    addresses: fields.texts('addresses'),
    revoked: holdsOf(frame.body),
    messages: fields.whole('messages'),
  };
}

function checkProtocol(fields: JsonFields): void {
  const protocol = fields.whole('protocol');
  if (protocol === protocolNumber) return;
  const theirs = `agent-ipc ${fields.text('version')} with protocol ${protocol}`;
  const ours = `this is ${version} with protocol ${protocolNumber}`;
  throw new IpcError('version_mismatch', `the other side is ${theirs}; ${ours}`);
}

function waitHeader({ mailbox, waitMs, answers }: WaitRequest): Buffer {
  return new ByteWriter().text(mailbox).u32(waitMs).text(answers).bytes();
}

function decodeWait(frame: Frame): WaitRequest {
  const wait = readHeader(frame, (reader) => ({
    mailbox: readName(reader),
    waitMs: reader.u32(),
    answers: readMessageIdOrNone(reader),
  }));
  const { waitMs } = wait;
  if (waitMs > waitMsMax) throw new IpcError('bad_timeout', `${waitMs} ms; limit ${waitMsMax}`);
  return { kind: 'wait', request: frame.request, ...wait };
}

function fetchHeader(fetch: FetchRequest): Buffer {
  return new ByteWriter().text(fetch.mailbox).u32(fetch.bytesMax).u32(fetch.messagesMax).bytes();
}

function decodeFetch(frame: Frame): FetchRequest {
  const { mailbox, bytesMax, messagesMax } = readHeader(frame, (reader) => ({
    mailbox: readName(reader),
    bytesMax: reader.u32(),
    messagesMax: reader.u32(),
  }));
  if (bytesMax > fetchBytesMax || messagesMax > fetchMessagesMax) {
    const limits = `${fetchBytesMax} bytes, ${fetchMessagesMax} messages`;
    throw new IpcError(
      'bad_parameter',
      `a fetch of ${bytesMax} bytes, ${messagesMax} messages; limits ${limits}`,
    );
  }
  return { kind: 'fetch', request: frame.request, mailbox, bytesMax, messagesMax };
}

function releaseHeader(release: ReleaseRequest): Buffer {
  const writer = new ByteWriter().u8(Number(release.unread));
  writeHolds(writer, release.holds);
  return writer.bytes();
}

function decodeRelease(frame: Frame): ReleaseRequest {
  const { unread, holds } = readHeader(frame, (reader) => ({
    unread: readFlag(reader),
    holds: readHolds(reader),
  }));
  return { kind: 'release', request: frame.request, holds, unread };
}

function sendHeader(send: SendRequest): Buffer {
  const writer = new ByteWriter().u32(send.checksum).text(send.from);
  writeOrigin(writer, send.origin);
  return writer.bytes();
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

function offerHeader(offer: Offer, isDamaged: boolean): Buffer {
  const writer = new ByteWriter().u32(offer.attempt).u32(offer.others).u8(Number(isDamaged));
  writer.text(offer.mailbox);
  writeEnvelope(writer, offer.envelope);
  return writer.bytes();
}

function decodeOffer(frame: Frame): { response: Offer; body: Buffer | undefined } {
  const { request, body } = frame;
  let isDamaged = false;
  const response = readHeader(frame, (reader): Offer => {
    const attempt = reader.u32();
    const others = reader.u32();
    isDamaged = readFlag(reader);
    const mailbox = readStoredName(reader);
    return { kind: 'offer', request, mailbox, attempt, others, envelope: readEnvelope(reader) };
  });
  if (response.attempt === 0) throw new IpcError('bad_frame', 'an offer with the attempt 0');
  if (isDamaged) {
    checkNoBody(frame);
    return { response, body: undefined };
  }
  const { bodyBytes, checksum } = response.envelope;
  if (body.length !== bodyBytes) {
    throw new IpcError('bad_frame', `a body of ${body.length} bytes instead of ${bodyBytes}`);
  }
  checkChecksum(body, checksum);
  return { response, body };
}

function statusHeader({ kind: _kind, request: _request, ...fields }: StatusResponse): Buffer {
  return writeJson(fields);
}

function decodeStatus(frame: Frame): StatusResponse {
  const fields = readJson(frame.header);
  return {
    kind: 'status',
    request: frame.request,
    messages: fields.whole('messages'),
    bytes: fields.whole('bytes'),
    sessions: fields.whole('sessions'),
    mailboxCount: fields.whole('mailboxCount'),
    mailboxes: fields.objects('mailboxes').map(mailboxStatus),
    deadLetterCount: fields.whole('deadLetterCount'),
    deadLetters: fields.objects('deadLetters').map(deadLetterCount),
    damaged: fields.whole('damaged'),
    storageStalledMs: fields.whole('storageStalledMs'),
    warnings: fields.texts('warnings'),
  };
}

function deadLetterCount(fields: JsonFields): DeadLetterCount {
  return { to: parseStoredName(fields.text('to')), messages: fields.whole('messages') };
}

function mailboxStatus(fields: JsonFields): MailboxStatus {
  return {
    mailbox: parseStoredName(fields.text('mailbox')),
    ready: fields.whole('ready'),
    held: fields.whole('held'),
    waiting: fields.whole('waiting'),
    oldestTime: fields.whole('oldestTime'),
  };
}

function decodeError(frame: Frame): ErrorResponse {
  const fields = readJson(frame.header);
  const code = fields.text('code');
  const message = fields.text('message');
  const { request } = frame;
  if (isErrorCode(code)) return { kind: 'error', request, code, message };
  // A code of a later version: its text says more than an error about the code.
  return { kind: 'error', request, code: 'unknown_error', message: `${code}: ${message}` };
}
