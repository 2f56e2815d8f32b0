// docs/internals/protocol.md writes one whole exchange out in bytes: they are those of the handshake and the frames.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { bodyChecksum, parseMessageId, parseName } from '../../../src/model/message.ts';
import { laterRequests, type Response } from '../../../src/model/requests.ts';
import { clearBinding } from '../../../src/net/tls.ts';
import { encodeRequest, encodeResponse, type RequestToSend } from '../../../src/protocol/codec.ts';
import { ClientHandshake, ServerHandshake } from '../../../src/protocol/handshake.ts';
import { sessionIdOf } from '../../../src/protocol/session-secret.ts';
import { nothingAhead, nothingLeft } from '../../support/receipts.ts';

const key = Buffer.from(Array.from({ length: 32 }, (_, index) => index));
const clientNonce = Buffer.alloc(32, 'c');
const serverNonce = Buffer.alloc(32, 's');
const place = '0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0 net:[4026531840]';
const binding = clearBinding({ address: '127.0.0.1', port: 19_901 }, place);

const secret = Buffer.from(Array.from({ length: 16 }, (_, index) => 0x30 + index));
const session = sessionIdOf(secret);
const origin = { program: 'demo', pid: 258, machine: 'm' };
const id = parseMessageId(`${session}.1`);
const to = parseName('ann');
const from = parseName('ben');
const body = Buffer.from('hello');
const checksum = bodyChecksum(body);
const holds = [{ number: 1, id }];

const requests: readonly RequestToSend[] = [
  { kind: 'hello', request: 1, session, secret, origin, standby: false, sentUpTo: 0, held: [] },
  {
    kind: 'post',
    request: 2,
    count: 1,
    ackedUpTo: 0,
    checksum,
    id: '',
    to,
    alsoTo: [],
    from,
    answers: '',
    settles: [],
    body,
  },
  { kind: 'wait', request: 3, mailboxes: [to], waitMs: 60_000, answers: '' },
  { kind: 'settle', request: 4, holds },
];

const envelope = {
  number: 1,
  time: 1_700_000_000_000,
  id,
  to,
  from,
  answers: '',
  origin,
  depth: 0,
  bodyBytes: body.length,
  checksum,
} as const;

const answers: readonly Response[] = [
  {
    kind: 'welcome',
    request: 1,
    store: '00112233445566778899aabbccddeeff',
    epoch: 1,
    format: 1,
    pid: 772,
    addresses: ['127.0.0.1'],
    revoked: [],
    messages: 0,
    requests: laterRequests,
  },
  {
    kind: 'stored',
    request: 2,
    number: 1,
    id,
    duplicate: false,
    reader: false,
    ...nothingAhead,
    elsewhere: [],
    also: [],
    notHeld: [],
  },
  { kind: 'offer', request: 3, attempt: 1, others: 0, mailbox: to, envelope, ...nothingLeft },
  { kind: 'settled', request: 4, notHeld: [] },
];

/** What each side sends, in order. */
function exchanged(): [string, Buffer][] {
  const client = new ClientHandshake({ keys: [key], nonce: clientNonce, binding });
  const server = new ServerHandshake({ keys: [key], nonce: serverNonce, binding });
  const greeting = client.start();
  const challenge = server.push(greeting).send;
  const proof = client.push(challenge).send;
  assert.deepEqual(server.push(proof).key, key);
  const frames = requests.flatMap((request, index): [string, Buffer][] => {
    const response = answers[index];
    assert(response);
    return [
      [`client ${request.kind}`, Buffer.concat(encodeRequest(request))],
      [`server ${response.kind}`, Buffer.concat(encodeResponse(response, bodyOf(response)))],
    ];
  });
  return [
    ['client preface and nonce', greeting],
    ['server preface, nonce and proof', challenge],
    ['client proof', proof],
    ...frames,
  ];
}

function bodyOf(response: Response): Buffer | undefined {
  return response.kind === 'offer' ? body : undefined;
}

/** A head begins a line; below it stand bytes, and after two spaces or more a note. */
function written(): [string, Buffer][] {
  const page = readFileSync(
    new URL('../../../../docs/internals/protocol.md', import.meta.url),
    'utf8',
  );
  const [, dump = ''] = /\n## One whole exchange\n[\s\S]*?\n```\n([\s\S]*?)```\n/.exec(page) ?? [];
  return dump.split(/\n(?=\S)/).map((part) => {
    const [head = '', ...lines] = part.trimEnd().split('\n');
    const hex = lines.map((line) => /^ {2}((?: ?[0-9a-f]+)+)(?: {2}|$)/.exec(line)?.[1] ?? line);
    return [head, Buffer.from(hex.join('').replaceAll(' ', ''), 'hex')];
  });
}

test('the exchange in docs/internals/protocol.md has the bytes of the program', () => {
  const inHex = (parts: [string, Buffer][]) =>
    parts.map(([head, bytes]) => [head, bytes.toString('hex')]);
  assert.deepEqual(inHex(written()), inHex(exchanged()));
});
