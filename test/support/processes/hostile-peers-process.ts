// Hostile peers with the key, many connections at a time; arguments: HOME PORT SEED FRAMES. It ends by itself
// when it has sent its frames, and reports the responses by their kinds.
import { setTimeout as sleep } from 'node:timers/promises';
import { IpcError } from '../../../src/base/errors.ts';
import { dial } from '../../../src/net/connect.ts';
import type { Connection } from '../../../src/net/connection.ts';
import { loadKeys } from '../../../src/net/keys.ts';
import { decodeResponse, encodeRequest } from '../../../src/protocol/codec.ts';
import { cut, mutate, requestFrames } from '../fuzz.ts';
import { HostileRequests, Loot } from '../hostile-requests.ts';
import { Random } from '../random.ts';

export interface HostileReport {
  readonly frames: number;
  readonly connections: number;
  /** Connections that the broker closed. */
  readonly closed: number;
  /** Responses by kind, and errors by code. */
  readonly responses: Readonly<Record<string, number>>;
  readonly isOver: boolean;
}

const connectionsAtOnce = 24;
const burstMax = 48;
/** Attempts to connect once more. */
const dialsMax = 20;
/** The request number of the status at the end of a burst; hostile requests have lower ones, or a border. */
const barrierNumber = 2_000_000_000;
const reportFrames = 1_000;
/** Parts of a frame that are sent one by one; the rest follows at once. */
const partsMax = 5;

const [home = '', port = '', seed = '', framesMax = ''] = process.argv.slice(2);
const keys = await loadKeys(home, {});
const loot = new Loot();
const responses: Record<string, number> = {};
const target = { host: '127.0.0.1', port: Number(port) };
let frames = 0;
let connections = 0;
let closed = 0;
let reported = 0;

process.on('disconnect', () => process.exit());
await Promise.all(Array.from({ length: connectionsAtOnce }, (_, index) => lane(index)));
report(true);
process.disconnect();

async function lane(index: number): Promise<void> {
  const random = new Random(Number(seed) + index);
  while (frames < Number(framesMax)) await connectOnce(random);
}

async function connectOnce(random: Random): Promise<void> {
  const requests = new HostileRequests(random, loot);
  const connection = await dialOn();
  connections += 1;
  let isClosed = false;
  let passBarrier = () => {};
  connection.onClose = () => {
    isClosed = true;
    passBarrier();
  };
  connection.onFrame = (frame) => {
    const { response } = decodeResponse(frame);
    count(response.kind === 'error' ? `error ${response.code}` : response.kind);
    requests.received(response);
    if (response.kind === 'status' && response.request === barrierNumber) passBarrier();
  };
  connection.send(encodeRequest(requests.hello()));
  while (!isClosed && frames < Number(framesMax) && !random.oneIn(8)) {
    const passed = new Promise<void>((resolve) => {
      passBarrier = resolve;
    });
    for (let left = 1 + random.below(burstMax); left > 0 && !isClosed; left--) {
      await send(connection, requests.next(), random);
    }
    if (isClosed) break;
    connection.send(encodeRequest({ kind: 'status', request: barrierNumber }));
    await passed;
  }
  if (isClosed) closed += 1;
  else await end(connection, random, requests.next());
}

/** On a busy machine a handshake may take too long. */
async function dialOn(): Promise<Connection> {
  for (let left = dialsMax; ; left--) {
    try {
      return await dial(target, keys);
    } catch (error) {
      if (!(error instanceof IpcError) || left === 0) throw error;
      count(`dial ${error.code}`);
    }
  }
}

/** At once, or in parts that the broker receives one by one. */
async function send(connection: Connection, frame: Buffer, random: Random): Promise<void> {
  frames += 1;
  if (frames - reported >= reportFrames) report(false);
  if (!random.oneIn(25)) return connection.send([frame]);
  const parts = cut(random, frame);
  for (const part of [...parts.splice(0, partsMax), Buffer.concat(parts)]) {
    connection.send([part]);
    await new Promise(setImmediate);
  }
}

/** In good order, in the middle of a frame, after mutated bytes, or without reading what is still to come. */
async function end(connection: Connection, random: Random, frame: Buffer): Promise<void> {
  switch (random.below(4)) {
    case 0:
      return connection.close();
    case 1:
      connection.send([frame.subarray(0, random.below(frame.length))]);
      await sleep(1);
      return connection.destroy();
    case 2:
      frames += 1;
      connection.send(cut(random, mutate(random, frame, requestFrames)));
      await sleep(1);
      return connection.destroy(new IpcError('cancelled', 'the end of a hostile peer'));
    default:
      return connection.destroy();
  }
}

function count(kind: string): void {
  responses[kind] = (responses[kind] ?? 0) + 1;
}

function report(isOver: boolean): void {
  reported = frames;
  const state: HostileReport = { frames, connections, closed, responses, isOver };
  process.send?.(state);
}
