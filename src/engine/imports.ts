// A message that comes from another store keeps its id, sender, recipient, origin and time. Its id does not say whether
// it was stored here before: it may have been here, been moved away, and come back, and then it must be stored again. So
// deduplication remembers it under a key of its own, made of the store, the mailbox and the number that it had there.
//
// 1. An import with a known key, and the same content, is a repetition.
// 2. An import whose id an unsettled message has already is a repetition if the content is the same, else a conflict.
// 3. An import that names a `previous` one is refused if that was not stored, so that a row of imports that are on their
//    way together keeps its order even when one of them is refused.
// 4. The mover says up to which number the other store has no message of that mailbox any more. Keys up to there are
//    forgotten, as after the acknowledged-up-to count of a session.
import { IpcError } from '../base/errors.ts';
import { orderedEnvelope } from '../model/envelope.ts';
import type { ImportedResponse } from '../model/import-requests.ts';
import { fingerprintOf, isDeadLetter, isSameMessage, sessionMessageId } from '../model/message.ts';
import type { JournalRecord } from '../model/records.ts';
import type { ImportCommand } from './commands.ts';
import type { EngineLimits } from './engine-limits.ts';
import { importRefusal } from './quota.ts';
import type { State } from './state.ts';

/** `write` applies its record at once. Returns why the message is refused, if it is. */
export function importMessage(
  command: ImportCommand,
  state: State,
  limits: EngineLimits,
  write: (record: JournalRecord) => void,
): ImportedResponse | IpcError {
  const { envelope: given, request, body, keySession } = command;
  const known = knownNumber(command, state);
  if (known instanceof IpcError) return known;
  if (known !== undefined) {
    completeDeadLetter(known, command, state, write);
    return { kind: 'imported', request, number: known, duplicate: true };
  }
  const refusal = outOfTurn(command, state) ?? importRefusal(command, state, limits);
  if (refusal) return refusal;
  const number = state.nextNumber;
  const ackedUpTo = Math.min(command.movedUpTo, given.number - 1);
  const importKey = sessionMessageId(keySession, given.number);
  const envelope = orderedEnvelope({ ...given, number });
  write({ kind: 'posted', envelope, also: [], settles: [], body, ackedUpTo, importKey });
  if (isDead(command)) write(deadLetterRecord(number, command));
  state.deduplication.sessions.shrink();
  return { kind: 'imported', request, number, duplicate: false };
}

/** The number of the message here, if it was stored before; an error if another one has its id. */
function knownNumber(
  { envelope, body, keySession }: ImportCommand,
  state: State,
): number | IpcError | undefined {
  const stored = state.deduplication.sessions.get(keySession, envelope.number);
  const fingerprint = stored?.fingerprint ?? fingerprintOf(envelope);
  if (stored && fingerprint === fingerprintOf(envelope)) return stored.number;
  const live = state.withId(envelope.id)?.envelope;
  if (!live) return undefined;
  if (isSameMessage(live, { ...envelope, body })) return live.number;
  const what = `an unsettled message with the id ${envelope.id} is here already, and differs`;
  return new IpcError('id_conflict', what);
}

function outOfTurn(
  { envelope, previous, keySession }: ImportCommand,
  { deduplication: { sessions } }: State,
): IpcError | undefined {
  if (previous <= sessions.ackedUpTo(keySession)) return undefined;
  if (sessions.get(keySession, previous) !== undefined) return undefined;
  const what = `message ${previous}, which comes before message ${envelope.number}, was not stored`;
  return new IpcError('too_many_unanswered', what);
}

/** A crash may have left the record of a dead letter without the one that makes it a dead letter. */
function completeDeadLetter(
  number: number,
  command: ImportCommand,
  state: State,
  write: (record: JournalRecord) => void,
): void {
  const live = state.message(number);
  const isUntouched = live?.holder === undefined && live?.attempt === 1 && !live.lastHold;
  const isHalf = isUntouched && live.mailbox !== command.mailbox;
  if (isHalf && isDead(command)) write(deadLetterRecord(number, command));
}

function isDead({ mailbox, envelope }: ImportCommand): boolean {
  return isDeadLetter(mailbox, envelope.to);
}

function deadLetterRecord(number: number, { mailbox, attempt, lastHold }: ImportCommand) {
  return { kind: 'moved', number, mailbox, attempt, lastHold } as const;
}
