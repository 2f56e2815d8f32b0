// Captures all packets between two hosts with a packet socket, which Node does not offer, so Python
// opens it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import type { Host } from './network-namespaces.ts';

/**
 * Prints a 0 when it is ready; after the end of stdin each packet with its length, then the number of
 * lost packets.
 */
const script = `
import select, socket, struct, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.bind(('wire', 0))
out = sys.stdout.buffer
out.write(struct.pack('>I', 0))
out.flush()
def take():
    packet = wire.recv(2**18)
    out.write(struct.pack('>I', len(packet)) + packet)
while sys.stdin not in select.select([wire, sys.stdin], [], [])[0]:
    take()
while select.select([wire], [], [], 0.2)[0]:
    take()
lost = struct.unpack('II', wire.getsockopt(263, 6, 8))[1]
out.write(struct.pack('>II', 0, lost))
`;

export interface Captured {
  /** All packets, with their headers, concatenated. */
  readonly packets: Buffer;
  /** The TCP payload of each direction of each connection. */
  readonly streams: readonly Buffer[];
  readonly lost: number;
}

export class Capture {
  readonly #child: ChildProcess;
  readonly #out: Readable;
  readonly #chunks: Buffer[] = [];

  /** The reason why this machine does not allow it, if so. */
  static async start(context: TestContext, { prefix }: Host): Promise<Capture | string> {
    const [command = '', ...rest] = [...prefix, 'python3', '-c', script];
    const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'pipe'] });
    context.after(() => child.kill('SIGKILL'));
    const errors: string[] = [];
    child.stderr.on('data', (chunk) => errors.push(String(chunk)));
    const isReady = await new Promise((resolve) => {
      child.stdout.once('data', () => resolve(true));
      child.once('error', (error) => resolve(!errors.push(error.message)));
      child.once('close', () => resolve(false));
    });
    return isReady ? new Capture(child, child.stdout) : `no packets to see: ${errors.join('')}`;
  }

  private constructor(child: ChildProcess, out: Readable) {
    this.#child = child;
    this.#out = out;
    out.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
  }

  async end(): Promise<Captured> {
    const closed = once(this.#out, 'close');
    this.#child.stdin?.end();
    await closed;
    return parse(Buffer.concat(this.#chunks));
  }
}

function parse(bytes: Buffer): Captured {
  const packets: Buffer[] = [];
  const streams = new Map<string, Buffer[]>();
  let offset = 0;
  for (;;) {
    const length = bytes.readUInt32BE(offset);
    offset += 4;
    if (length === 0) break;
    const packet = bytes.subarray(offset, offset + length);
    offset += length;
    packets.push(packet);
    const segment = tcpSegment(packet);
    if (!segment) continue;
    const stream = streams.get(segment.stream) ?? [];
    streams.set(segment.stream, stream);
    stream.push(segment.payload);
  }
  const joined = [...streams.values()].map((parts) => Buffer.concat(parts));
  return { packets: Buffer.concat(packets), streams: joined, lost: bytes.readUInt32BE(offset) };
}

/** The TCP payload of a packet, behind the Ethernet, IPv4 and TCP headers. */
function tcpSegment(packet: Buffer): { stream: string; payload: Buffer } | undefined {
  const ip = packet.subarray(14);
  if (packet.readUInt16BE(12) !== 0x0800 || ip[9] !== 6) return undefined;
  const tcp = ip.subarray(((ip[0] ?? 0) & 15) * 4, ip.readUInt16BE(2));
  const ends = [ip.subarray(12, 20), tcp.subarray(0, 4)];
  const payload = tcp.subarray(((tcp[12] ?? 0) >> 4) * 4);
  return { stream: Buffer.concat(ends).toString('hex'), payload };
}
