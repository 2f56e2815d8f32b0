// What a peek must show and a drop must settle, told from all messages of the store.
import assert from 'node:assert/strict';
import type { Reply } from '../../../src/engine/commands.ts';
import type { Name, SessionId } from '../../../src/model/message.ts';
import type { DropRequest, PeekRequest } from '../../../src/model/requests.ts';
import type { StoredMessage } from './engine-oracle.ts';

/** Messages that a drop settles, and those that would be settled if no session held them. */
export function droppable(
  { mailbox, ids, ageMsMin, after, upTo }: DropRequest,
  messages: Iterable<StoredMessage>,
  time: number,
): { ready: StoredMessage[]; held: StoredMessage[] } {
  const wanted = inOrder(messages)
    .filter((message) => message.mailbox === mailbox)
    .filter(({ envelope }) => upTo === 0 || envelope.number <= upTo)
    .filter(({ envelope }) => ageMsMin === 0 || envelope.time <= time - ageMsMin)
    .filter(({ envelope }) => ids.length === 0 || ids.includes(envelope.id))
    .filter(({ envelope }) => envelope.number > after);
  return {
    ready: wanted.filter(({ holder }) => holder === undefined),
    held: wanted.filter(({ holder }) => holder !== undefined),
  };
}

export function checkPeek(
  peek: PeekRequest,
  messages: Iterable<StoredMessage>,
  sessions: {
    readonly connected: ReadonlySet<SessionId>;
    readonly names: ReadonlyMap<SessionId, Name | ''>;
  },
  replies: readonly Reply[],
): void {
  const there = inOrder(messages)
    .filter(({ mailbox }) => mailbox === peek.mailbox)
    .filter(({ envelope }) => envelope.number > peek.after);
  const seen = replies.flatMap(({ response }) => (response.kind === 'peeked' ? [response] : []));
  assert.deepEqual(
    seen.map(({ envelope, mailbox, attempt, holder, lastHold }) => ({
      ...{ envelope, mailbox, attempt, holder: holder?.session, lastHold },
      ...{ name: holder?.name, since: holder?.since },
      isConnected: holder?.origin !== undefined,
    })),
    there
      .slice(0, Math.min(peek.messagesMax, 250))
      .map(({ envelope, mailbox, attempt, holder, heldSince: since, lastHold }) => ({
        ...{ envelope, mailbox, attempt, holder, lastHold },
        ...{ name: holder && sessions.names.get(holder), since },
        isConnected: holder !== undefined && sessions.connected.has(holder),
      })),
  );
  const last = replies.at(-1)?.response;
  assert(last?.kind === 'end' && replies.length === seen.length + 1);
  assert.equal(last.remaining, there.length - seen.length);
}

function inOrder(messages: Iterable<StoredMessage>): StoredMessage[] {
  return [...messages].sort((one, other) => one.envelope.number - other.envelope.number);
}
