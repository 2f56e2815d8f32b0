// Sessions of a benchmark and their messages.

import type { Name } from '../../src/model/message.ts';
import { parseNatsAddress } from '../../src/nats/nats-address.ts';
import { NatsServer } from '../../src/nats/nats-server.ts';
import { NatsSession } from '../../src/session/nats-session.ts';
import { Session } from '../../src/session/session.ts';

export const mailbox = 'bench' as Name;
export const waitMs = 60_000;

export function openSession(home: string, port: number): Session {
  return new Session({ home, port, origin: originHere(), env: {} });
}

/** A session whose mail is on a NATS server, or on this machine if `url` is empty. */
export function openSessionAt(url: string, home: string, port: number): Session | NatsSession {
  if (url === '') return openSession(home, port);
  const server = new NatsServer({ address: parseNatsAddress(url), name: 'bench' });
  return new NatsSession({ server, home, port, origin: originHere() });
}

function originHere() {
  return { program: 'bench', pid: process.pid, machine: 'here' };
}

export function bodyOf(bytes: number): Buffer {
  return Buffer.alloc(bytes, 'x');
}
