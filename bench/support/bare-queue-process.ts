// The least that a queue in Node can do which writes before it delivers, and syncs on the thread pool before it
// acknowledges: one list of messages in memory, and a file that nobody reads. It has no ids, checksums, sessions,
// limits or recovery. Argument: the path of its file. Reports its port.
import { fdatasync, fsyncSync, openSync, writeSync, writevSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { promisify } from 'node:util';
import { joinBytesMax, kinds, QueueFrames } from './queue-frames.ts';

interface Call {
  readonly frames: QueueFrames;
  readonly request: number;
}

const sync = promisify(fdatasync);
/** Preallocated zeros, which are overwritten again and again. */
const fileBytes = 64 * 1_024 ** 2;
const file = openSync(process.argv[2] ?? '', 'wx', 0o600);
writeSync(file, Buffer.alloc(fileBytes));
fsyncSync(file);

let end = 0;
let records: Buffer[] = [];
let recordBytes = 0;
/** Calls of the turn that runs: their records are not yet in the file. */
let notWritten: Call[] = [];
let notSynced: Call[] = [];
let isSyncing = false;
let isTurnScheduled = false;
let messages: Buffer[] = [];
let oldest = 0;
const waits: Call[] = [];

const server = createServer({ noDelay: true }, (socket) => {
  const frames: QueueFrames = new QueueFrames(socket, (kind, request, body) => {
    const call = { frames, request };
    if (kind === kinds.clear) clear(call);
    else if (kind === kinds.wait) waits.push(call);
    else store(kind, call, body);
    if (isTurnScheduled) return;
    isTurnScheduled = true;
    setImmediate(endTurn);
  });
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.once('disconnect', () => process.exit());

function clear({ frames, request }: Call): void {
  messages = [];
  oldest = 0;
  frames.send(kinds.done, request);
}

function store(kind: number, call: Call, body: Buffer): void {
  const head = Buffer.allocUnsafe(8);
  head.writeUInt32BE(kind, 0);
  head.writeUInt32BE(body.length, 4);
  records.push(head, body);
  recordBytes += head.length + body.length;
  notWritten.push(call);
  // A short body would keep all that came with it in memory.
  if (kind === kinds.post) messages.push(body.length > joinBytesMax ? body : Buffer.from(body));
}

function endTurn(): void {
  isTurnScheduled = false;
  if (end + recordBytes > fileBytes) end = 0;
  if (recordBytes > joinBytesMax) writevSync(file, records, end);
  else if (recordBytes > 0) writeSync(file, Buffer.concat(records), 0, recordBytes, end);
  end += recordBytes;
  records = [];
  recordBytes = 0;
  // Not before: a sync that ends within the turn begins the next one, which would not cover the write.
  notSynced.push(...notWritten);
  notWritten = [];
  while (waits.length > 0 && oldest < messages.length) {
    const { frames, request } = waits.shift() as Call;
    frames.send(kinds.done, request, messages[oldest++]);
  }
  if (oldest === messages.length) {
    messages = [];
    oldest = 0;
  }
  void syncAll();
}

async function syncAll(): Promise<void> {
  if (isSyncing) return;
  isSyncing = true;
  while (notSynced.length > 0) {
    const calls = notSynced;
    notSynced = [];
    await sync(file);
    for (const { frames, request } of calls) frames.send(kinds.done, request);
  }
  isSyncing = false;
}
