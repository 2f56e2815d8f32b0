// The id of a task. A host keeps it for longer than a server lives, and asks a new server for the task. So the id
// says all that is needed to go on with it, and a MAC under the key of the store shows that a process with that key
// has made it: base64url of the MAC and a JSON list.
import assert from 'node:assert/strict';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { taskIdCharactersMax } from '../base/limits.ts';
import type { Keys } from '../protocol/handshake.ts';

/** The operations that can be tasks. */
const taskOperations = ['wait', 'ask', 'receive', 'watch'] as const;
export type TaskOperation = (typeof taskOperations)[number];

/** What a task does. */
export interface TaskWork {
  readonly operation: TaskOperation;
  /** The machine of the broker, undefined for this one; of a receive the address on which it listens. */
  readonly host: string | undefined;
  readonly port: number;
  /** Of a wait or watch its mailboxes; of an ask the mailbox of the answer, and id and number of the question. */
  readonly names: readonly string[];
}

/** A call that became a task. */
export interface TaskCall extends TaskWork {
  /** When the call came, in milliseconds since 1970. */
  readonly startedMs: number;
  /** The timeout of the call; undefined: the task has no end. */
  readonly seconds: number | undefined;
}

/** 128 bits. */
const macBytes = 16;
const idBytesMax = Math.floor((taskIdCharactersMax * 3) / 4);
/** Two calls of one millisecond get different ids. */
const nonceCharacters = 4;

/** Whether the id of such a call is not too long. */
export function fitsTaskId(call: TaskCall): boolean {
  return macBytes + listOf(call, '0'.repeat(nonceCharacters)).length <= idBytesMax;
}

/** `nonce`: four characters of base 32. */
export function makeTaskId(call: TaskCall, nonce: string, [key]: Keys): string {
  assert(nonce.length === nonceCharacters);
  const list = listOf(call, nonce);
  const id = Buffer.concat([macOf(list, key), list]).toString('base64url');
  assert(id.length <= taskIdCharactersMax, 'a call whose id is too long becomes no task');
  return id;
}

/** undefined for a text that no process with one of these keys has made as an id. */
export function readTaskId(id: string, keys: Keys): TaskCall | undefined {
  if (id.length > taskIdCharactersMax) return undefined;
  const bytes = Buffer.from(id, 'base64url');
  // Node skips characters that are not base64: one task has one id.
  if (bytes.length <= macBytes || bytes.toString('base64url') !== id) return undefined;
  const mac = bytes.subarray(0, macBytes);
  const list = bytes.subarray(macBytes);
  if (!keys.some((key) => timingSafeEqual(macOf(list, key), mac))) return undefined;
  const [name, , startedMs, seconds, host, port, ...names] = JSON.parse(list.toString('utf8'));
  // A later version may have further operations.
  const operation = taskOperations.find((known) => known === name);
  if (operation === undefined) return undefined;
  return {
    ...{ operation, host: host || undefined, port, names },
    ...{ startedMs, seconds: seconds || undefined },
  };
}

function listOf({ operation, host, port, names, startedMs, seconds }: TaskCall, nonce: string) {
  const list = [operation, nonce, startedMs, seconds ?? 0, host ?? '', port, ...names];
  return Buffer.from(JSON.stringify(list));
}

/** The key of the MAC is derived, so that no MAC says anything about the key of the store. */
function macOf(list: Buffer, key: Buffer): Buffer {
  const derived = createHmac('sha256', key).update('agent-ipc task 1\0', 'latin1').digest();
  return createHmac('sha256', derived).update(list).digest().subarray(0, macBytes);
}
