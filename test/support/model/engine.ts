// Shared by the engine tests: readable names, and the state that a replay must restore.

import type {
  Command,
  ConnectionId,
  Identity,
  Instant,
  Outcome,
} from '../../../src/engine/commands.ts';
import { Engine } from '../../../src/engine/engine.ts';
import type { EngineLimits } from '../../../src/engine/engine-limits.ts';
import { type Origin, parseSessionId, type SessionId } from '../../../src/model/message.ts';
import type { CopiedRecord, JournalRecord } from '../../../src/model/records.ts';

export const identity: Identity = {
  store: '0123456789abcdef0123456789abcdef',
  epoch: 1,
  format: 1,
  pid: 100,
  addresses: ['127.0.0.1'],
};

export const origin: Origin = { program: 'test', pid: 200, machine: 'here' };

/** The wall clock when the monotonic clock of the engine is 0. */
export const timeStart = 1_700_000_000_000;

/** Both clocks `now` milliseconds after the start. */
export function instantAt(now: number): Instant {
  return { now, time: timeStart + now };
}

/** A command, with the connection that it is of. */
export type SentCommand = Command & { readonly connection: ConnectionId };

export function stepOf(engine: Engine, command: SentCommand, now: number): Outcome {
  return engine.step(command, command.connection, instantAt(now));
}

/** `ann` becomes the id `ann0000000000000`: letters from a to v, then zeros. */
export function sessionOf(name: string): SessionId {
  return parseSessionId(name.padEnd(16, '0'));
}

/** The state of an engine that survives its process. */
export interface Durable {
  readonly size: number;
  readonly nextNumber: number;
  readonly head: readonly JournalRecord[];
  readonly messages: readonly Omit<CopiedRecord, 'body'>[];
}

export function durableOf(engine: Engine): Durable {
  return {
    size: engine.size,
    nextNumber: engine.nextNumber,
    head: engine.snapshot(),
    messages: liveMessages(engine),
  };
}

/** All live messages in their current state, by number. */
export function liveMessages(engine: Engine): Omit<CopiedRecord, 'body'>[] {
  const messages: Omit<CopiedRecord, 'body'>[] = [];
  for (let number = 1; number < engine.nextNumber; number++) {
    const message = engine.copyOf(number);
    if (message) messages.push(message);
  }
  return messages;
}

/** An engine that has replayed the records, but has not begun. */
export function replayed(
  records: readonly JournalRecord[],
  limits: Partial<EngineLimits>,
  numbersBelow: number,
): Engine {
  const engine = new Engine(limits);
  for (const record of records) engine.restore(record);
  engine.reserveNumbersBelow(numbersBelow);
  return engine;
}

/** For a session that may have sent any post. */
export const sentAny = Number.MAX_SAFE_INTEGER;
