// Sessions of a benchmark and their messages.

import type { Name } from '../../src/model/message.ts';
import { Session } from '../../src/session/session.ts';

export const mailbox = 'bench' as Name;
export const waitMs = 60_000;

export function openSession(home: string, port: number): Session {
  const origin = { program: 'bench', pid: process.pid, machine: 'here' };
  return new Session({ home, port, origin, env: {} });
}

export function bodyOf(bytes: number): Buffer {
  return Buffer.alloc(bytes, 'x');
}
