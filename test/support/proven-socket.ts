// A peer with the key that does with its socket what no client of ours does: it floods, or reads nothing.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { clearBinding } from '../../src/wire/channel.ts';
import { ClientHandshake, type Keys } from '../../src/wire/handshake.ts';
import { encodeRequest } from '../../src/wire/protocol.ts';
import { origin, sessionOf } from './engine.ts';

export function hello(name: string): Buffer[] {
  const session = sessionOf(name);
  return encodeRequest({ kind: 'hello', request: 1, session, origin, standby: false, held: [] });
}

/** A socket that proved the key and said hello, and that reads nothing more by itself. */
export async function provenSocket(
  context: TestContext,
  { port, keys }: { readonly port: number; readonly keys: Keys },
  name: string,
): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  context.after(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  const binding = clearBinding('127.0.0.1', port);
  const handshake = new ClientHandshake({ keys, nonce: Buffer.alloc(32, 1), binding });
  socket.write(handshake.start());
  const [proof] = (await once(socket, 'data')) as [Buffer];
  socket.write(handshake.push(proof).send);
  for (const bytes of hello(name)) socket.write(bytes);
  await once(socket, 'data');
  socket.pause();
  return socket;
}
