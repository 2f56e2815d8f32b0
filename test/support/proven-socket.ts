// A peer with the key that misuses its socket as no real client does: it floods, or reads nothing.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { clearBinding } from '../../src/net/tls.ts';
import { encodeRequest } from '../../src/protocol/codec.ts';
import { ClientHandshake, type Keys } from '../../src/protocol/handshake.ts';
import type { HelloToSend } from '../../src/protocol/hello-codec.ts';
import { sessionIdOf, sessionSecretBytes } from '../../src/protocol/session-secret.ts';
import { origin } from './model/engine.ts';
import { rawSocket } from './sockets.ts';

export interface Listening {
  readonly port: number;
  readonly keys: Keys;
}

export function hello(name: string): Buffer[] {
  return encodeRequest(helloOf(Buffer.from(name.padEnd(sessionSecretBytes))));
}

/** A session of its own for each secret, which holds nothing. */
export function helloOf(secret: Buffer): HelloToSend {
  const session = sessionIdOf(secret);
  return {
    kind: 'hello',
    request: 1,
    session,
    secret,
    origin,
    standby: false,
    sentUpTo: 0,
    held: [],
  };
}

/** A socket on which only the handshake was done. */
export async function shakenSocket({ port, keys }: Listening): Promise<Socket> {
  const socket = await rawSocket(port);
  const binding = clearBinding({ address: '127.0.0.1', port });
  const handshake = new ClientHandshake({ keys, nonce: Buffer.alloc(32, 1), binding });
  socket.write(handshake.start());
  const [proof] = (await once(socket, 'data')) as [Buffer];
  socket.write(handshake.push(proof).send);
  return socket;
}

/** Like provenSocket(), but paused: it reads nothing more by itself. */
export async function muteSocket(context: TestContext, listening: Listening): Promise<Socket> {
  const socket = await shakenSocket(listening);
  context.after(() => socket.destroy());
  socket.pause();
  return socket;
}

/** A paused socket that has sent hello and received the welcome. */
export async function provenSocket(
  context: TestContext,
  listening: Listening,
  name: string,
): Promise<Socket> {
  const socket = await muteSocket(context, listening);
  for (const bytes of hello(name)) socket.write(bytes);
  socket.resume();
  await once(socket, 'data');
  socket.pause();
  return socket;
}
