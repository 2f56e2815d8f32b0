// Sessions of a benchmark and their messages.

import type { Name } from '../../src/model/message.ts';
import { parseNatsAddress } from '../../src/nats/nats-address.ts';
import { NatsServer } from '../../src/nats/nats-server.ts';
import { NatsSession } from '../../src/session/nats-session.ts';
import { Session } from '../../src/session/session.ts';

export const mailbox = 'bench' as Name;
export const waitMs = 60_000;

/** `url`: of a NATS server; without one the broker keeps its mail on this machine. */
export function openSession(home: string, port: number, url = ''): Session | NatsSession {
  const origin = { program: 'bench', pid: process.pid, machine: 'here' };
  if (url === '') return new Session({ home, port, origin, env: {} });
  const server = new NatsServer({ address: parseNatsAddress(url), name: 'bench' });
  return new NatsSession({ server, home, port, origin });
}

export function bodyOf(bytes: number): Buffer {
  return Buffer.alloc(bytes, 'x');
}
