// A man in the middle that relays everything and records it. Driven by network-namespaces.ts.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { Patience } from '../../../src/base/standstill.ts';
import { secureAsClient, secureAsServer } from '../../../src/net/tls.ts';

export interface RelayReport {
  /** All bytes of both directions in base64. */
  readonly wire: string;
  readonly connections: number;
  readonly changed: number;
}

/** A longer chunk than any handshake message, so it contains a body. */
const bodyBytes = 2_000;

/** `from` and `to`: an address with a port, or the path of a Unix socket. */
const [from = '', to = '', manner = ''] = process.argv.slice(2);
/** For a relay between two TLS channels of its own. */
const key = Buffer.from(process.env.IPC_KEY ?? '', 'hex');
const wire: Buffer[] = [];
let connections = 0;
let changed = 0;

const server = createServer((near) => {
  connections += 1;
  const far = connect(endpoint(to));
  if (manner === 'splices') void splice(near, far).catch(() => near.destroy());
  else join(near, far);
});
server.listen(endpoint(from), () => process.send?.('listening'));
process.on('message', () => {
  const report: RelayReport = {
    wire: Buffer.concat(wire).toString('base64'),
    connections,
    changed,
  };
  process.send?.(report);
});
process.on('disconnect', () => process.exit());

function endpoint(text: string): { host: string; port: number } | { path: string } {
  const { host, port } = /^(?<host>[\d.]+):(?<port>\d+)$/.exec(text)?.groups ?? {};
  return host === undefined ? { path: text } : { host, port: Number(port) };
}

async function splice(near: Socket, far: Socket): Promise<void> {
  await once(far, 'connect');
  const [one, other] = await Promise.all([
    secureAsServer(near, [key], new Patience(1_000)),
    secureAsClient(far, key, new Patience(1_000), to),
  ]);
  join(one.socket, other.socket);
}

function join(one: Socket, other: Socket): void {
  pass(one, other);
  pass(other, one);
}

function pass(one: Socket, other: Socket): void {
  one.on('error', () => {});
  one.on('close', () => other.destroy());
  one.on('data', (chunk) => {
    wire.push(chunk);
    other.write(mayChange(chunk));
  });
}

/** Flips one bit of the first body. */
function mayChange(chunk: Buffer): Buffer {
  if (manner !== 'changes' || changed > 0 || chunk.length < bodyBytes) return chunk;
  changed += 1;
  const other = Buffer.from(chunk);
  other[1_000] = (other[1_000] ?? 0) ^ 1;
  return other;
}
