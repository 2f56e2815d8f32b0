// A claim: the message with which a session becomes the owner of a store on a NATS server. It is appended only if nothing
// was appended since the session looked, and every later message of an owner expects the one before it. So the last
// claim is that of the owner, and what an earlier owner writes after it is refused, or does not count: see owner-runs.ts.
import { IpcError } from '../base/errors.ts';
import { randomId } from '../base/random-id.ts';
import type { Origin } from '../model/message.ts';
import { claimFile, type LogStream } from './log-stream.ts';
import { checkServerHint } from './nats-faults.ts';

/** Who owns the store. */
export interface Claim {
  /** Unique, random: 22 characters. */
  readonly claim: string;
  readonly pid: number;
  readonly program: string;
  readonly machine: string;
}

/** A claim of this process. */
export function newClaim({ pid, program, machine }: Origin): Claim {
  return { claim: randomId(22), pid, program, machine };
}

/** The newest claim; undefined before the first. */
export async function lastClaim(stream: LogStream): Promise<Claim | undefined> {
  const found = await stream.last(claimFile);
  return found && parseClaim(found.data);
}

/**
 * Returns its sequence; undefined if something was appended after the sequence `after`, so there may be an owner.
 * Throws `unreachable` when the server does not store it, and `not_authorized`.
 */
export async function makeClaim(
  stream: LogStream,
  claim: Claim,
  after: number,
): Promise<number | undefined> {
  const data = Buffer.from(JSON.stringify(claim));
  const result = await stream.append({ file: claimFile, data, id: claim.claim, after });
  if (result.kind === 'stored') return result.sequence;
  if (result.kind === 'refused') return undefined;
  if (result.forbidden) throw result.forbidden;
  const found = await stream.last(claimFile);
  if (found && parseClaim(found.data)?.claim === claim.claim) return found.sequence;
  throw new IpcError('unreachable', `the stream takes no message: ${result.reason}`, {
    hint: checkServerHint,
  });
}

/** undefined for a message that is not of agent-ipc. */
export function parseClaim(data: Buffer): Claim | undefined {
  try {
    const { claim, pid, program, machine } = JSON.parse(data.toString('utf8'));
    if (!/^[0-9a-v]{22}$/.test(claim) || !Number.isSafeInteger(pid)) return undefined;
    return { claim, pid, program: String(program), machine: String(machine) };
  } catch {
    return undefined;
  }
}
