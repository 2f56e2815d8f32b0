// Fills a store without a broker: writes the records of posts with the journal; arguments: STORE MESSAGES MAILBOXES.
// Reports when they are synced, and ends with its channel.
import { Journal } from '../../src/journal/journal.ts';
import { bodyChecksum, type Envelope, type MessageId, type Name } from '../../src/model/message.ts';
import type { PostedRecord } from '../../src/model/records.ts';
import { sessionIdOf, sessionSecretBytes } from '../../src/protocol/session-secret.ts';
import { bodyOf } from './mail.ts';

const [folder = '', messages = '', mailboxes = ''] = process.argv.slice(2);
const body = bodyOf(256);
const checksum = bodyChecksum(body);
const postsPerSession = 10_000;
const postsPerAppend = 1_000;
const appendsPerSync = 20;

const journal = await Journal.open({
  folder,
  owner: { pid: process.pid, started: 0, addresses: [] },
  restore: () => {},
  snapshot: () => [],
});
for (let written = 0; written < Number(messages); written += postsPerAppend) {
  const posts = Math.min(postsPerAppend, Number(messages) - written);
  journal.append(Array.from({ length: posts }, (_, index) => recordOf(written + index)));
  if ((written / postsPerAppend) % appendsPerSync === 0) await journal.sync();
}
await journal.sync();
await journal.close();
// A listener keeps the channel open, and so the process alive until its parent has read the report.
process.once('disconnect', () => {});
process.send?.('filled');

function recordOf(index: number): PostedRecord {
  const secret = Buffer.alloc(sessionSecretBytes);
  secret.writeUInt32BE(Math.floor(index / postsPerSession));
  const count = 1 + (index % postsPerSession);
  const envelope: Envelope = {
    id: `${sessionIdOf(secret)}.${count}` as MessageId,
    number: 1 + index,
    to: `reader-${index % Number(mailboxes)}` as Name,
    from: `planner-${index % 10}` as Name,
    answers: '',
    time: 1_700_000_000_000 + index,
    depth: 0,
    origin: { program: 'bench', pid: 1_000 + (index % 100), machine: 'here' },
    bodyBytes: body.length,
    checksum,
  };
  return { kind: 'posted', envelope, also: [], ackedUpTo: count - 1, settles: [], body };
}
