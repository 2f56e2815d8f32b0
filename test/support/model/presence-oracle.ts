// What a status must say of the sessions, told from all connections, waits and messages.
import assert from 'node:assert/strict';
import type { EngineLimits } from '../../../src/engine/commands.ts';
import type { Name, SessionId } from '../../../src/model/message.ts';
import type { StatusResponse } from '../../../src/model/requests.ts';
import type { StoredMessage } from './engine-oracle.ts';

export interface OpenWait {
  readonly session: SessionId | undefined;
  readonly mailbox: Name;
}

/** `own`: the session that asked. Names are in the transcripts. */
export function checkSessions(
  { sessions, namedSessions, sessionList }: StatusResponse,
  own: SessionId | undefined,
  connected: ReadonlySet<SessionId>,
  waits: readonly OpenWait[],
  messages: Iterable<StoredMessage>,
  { statusSessionsMax }: Pick<EngineLimits, 'statusSessionsMax'>,
): void {
  const listed = sessionList.map(({ session }) => session);
  assert.equal(sessions, connected.size);
  assert.ok(namedSessions <= sessions);
  assert.equal(listed.length, Math.min(namedSessions, statusSessionsMax));
  assert.equal(new Set(listed).size, listed.length);
  const all = [...messages];
  for (const { session, waitsOn, held, holds } of sessionList) {
    assert.ok(connected.has(session));
    const boxes = waits.filter((wait) => wait.session === session).map(({ mailbox }) => mailbox);
    assert.deepEqual([...waitsOn].sort(), [...new Set(boxes)].sort().slice(0, 16));
    const numbers = all
      .filter(({ holder }) => holder === session)
      .map(({ envelope }) => envelope.number);
    assert.equal(held, numbers.length);
    assert.equal(holds.length, Math.min(held, 8));
    assert.ok(holds.every(({ number }) => numbers.includes(number)));
  }
  if (own !== undefined && listed.includes(own)) assert.equal(listed[0], own);
}
