// An engine with its journal, without connections; arguments: fill|replay FOLDER MAIL MESSAGES MAILBOXES.
// Reports by how much its memory has grown, and ends when its channel closes.
import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Command } from '../../src/engine/commands.ts';
import { Engine } from '../../src/engine/engine.ts';
import { Journal } from '../../src/journal/journal.ts';
import {
  bodyChecksum,
  type MessageId,
  type Name,
  type SessionId,
} from '../../src/model/message.ts';
import type { JournalRecord } from '../../src/model/records.ts';
import type { Hello, PostRequest } from '../../src/model/requests.ts';
import { decodeRequest, encodeRequest, type RequestToSend } from '../../src/protocol/codec.ts';
import { FrameDecoder } from '../../src/protocol/frame.ts';
import { sessionIdOf, sessionSecretBytes } from '../../src/protocol/session-secret.ts';
import { bodyOf } from './mail.ts';

export interface Figures {
  readonly heapBytes: number;
  /** Array buffers, which hold cached bodies. */
  readonly otherBytes: number;
  /** Time for opening the journal, which replays it. */
  readonly openMs: number;
}

type Texts = Pick<PostRequest, 'id' | 'to' | 'from' | 'answers'> & Hello['origin'];

const postsPerAppend = 1_000;
const bodyBytes = 256;
const [step, folder = '', mail = '', messages = '', mailboxes = ''] = process.argv.slice(2);
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
/** Each of a hostile session is from a program of its own. */
const postsPerSession = mail === 'hostile' ? 1 : 1_000;
const instant = { now: 0, time: 1_700_000_000_000 };
const decoder = new FrameDecoder();
/** Of the posts that one append writes. */
const records: JournalRecord[] = [];

const before = figures();
const engine = new Engine();
const openedMs = performance.now();
const journal = await Journal.open({
  folder,
  owner: { pid: process.pid, started: 0, addresses: [] },
  restore: (record) => engine.restore(record),
  restorePlain: (post) => engine.restore(post),
  snapshot: () => engine.snapshot(),
});
const openMs = performance.now() - openedMs;
const identity = { store: journal.storeId, epoch: journal.epoch, format: 1, pid: 1, addresses: [] };
engine.begin(identity, instant);
if (step === 'fill') fill();
await journal.sync();
const after = figures();
process.once('disconnect', () => void journal.close());
process.send?.({
  heapBytes: after.heapBytes - before.heapBytes,
  otherBytes: after.otherBytes - before.otherBytes,
  openMs,
} satisfies Figures);

function figures(): Omit<Figures, 'openMs'> {
  for (let run = 0; run < 3; run++) collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return { heapBytes: heapUsed, otherBytes: arrayBuffers };
}

function fill(): void {
  for (let index = 0; index < Number(messages); index++) {
    const count = 1 + (index % postsPerSession);
    const connection = 1 + Math.floor(index / postsPerSession);
    const secret = Buffer.alloc(sessionSecretBytes);
    secret.writeUInt32BE(connection);
    const session = sessionIdOf(secret);
    const { id, to, from, answers, ...origin } = textsOf(index, session);
    if (count === 1) {
      const [standby, sentUpTo, held] = [false, 0, []];
      take(connection, {
        kind: 'hello',
        request: 1,
        session,
        secret,
        origin,
        standby,
        sentUpTo,
        held,
      });
    }
    const body = bodyOf(bodyBytes);
    const checksum = bodyChecksum(body);
    const counts = { count: id === '' ? count : 0, ackedUpTo: count - 1 };
    const post = { id, to, from, answers, body, checksum, alsoTo: [], settles: [] };
    take(connection, { kind: 'post', request: 1 + count, ...counts, ...post });
    if (count === postsPerSession) {
      take(connection, { kind: 'goodbye', request: 2 + count });
      records.push(...engine.step({ kind: 'disconnect' }, connection, instant).records);
    }
    if ((index + 1) % postsPerAppend === 0) journal.append(records.splice(0));
  }
}

function textsOf(index: number, session: SessionId): Texts {
  const pid = 1_000 + (index % 100);
  const mailbox = index % Number(mailboxes);
  if (mail === 'hostile') {
    // Beyond Latin-1, so V8 needs two bytes for each unit.
    const long = (label: string, number: number) => `${label}${number}\u0101`.padEnd(199, 'x');
    return {
      id: long('id', index) as MessageId,
      to: long('to', mailbox) as Name,
      from: long('from', index) as Name,
      answers: long('answers', index) as MessageId,
      ...{ program: long('program', index), pid, machine: long('machine', index) },
    };
  }
  return {
    id: '' as MessageId,
    to: `reviewer-${mailbox}` as Name,
    from: `planner-${index % 10}` as Name,
    answers: (mail === 'answers' ? `${session}.${5_000 + index}` : '') as MessageId,
    ...{ program: 'claude-code', pid, machine: 'workstation-7' },
  };
}

/** As the bytes of the request arrive, so that each text is one of its own. */
function take(connection: number, request: RequestToSend): void {
  for (const frame of decoder.push(Buffer.concat(encodeRequest(request)))) {
    const outcome = engine.step(decodeRequest(frame) as Command, connection, instant);
    for (const { response } of outcome.replies) assert.notEqual(response.kind, 'error');
    records.push(...outcome.records);
  }
}
