// What a status must say of the sessions, and a find of messages, told from all connections, waits and messages.
import assert from 'node:assert/strict';
import type { EngineLimits } from '../../../src/engine/engine-limits.ts';
import type { ConnectedSession } from '../../../src/model/look-results.ts';
import type { Name, SessionId } from '../../../src/model/message.ts';
import type { FindRequest, FoundResponse, StatusResponse } from '../../../src/model/requests.ts';
import type { KnownIds, StoredMessage } from './engine-oracle.ts';
import { isUnread, type OpenWatch } from './watch-oracle.ts';

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
  watches: readonly (OpenWatch & Pick<OpenWait, 'session'>)[],
  messages: ReadonlyMap<number, StoredMessage>,
  { statusSessionsMax }: Pick<EngineLimits, 'statusSessionsMax'>,
): void {
  const listed = sessionList.map(({ session }) => session);
  assert.equal(sessions, connected.size);
  assert.ok(namedSessions <= sessions);
  assert.equal(listed.length, Math.min(namedSessions, statusSessionsMax));
  assert.equal(new Set(listed).size, listed.length);
  const all = [...messages.values()];
  for (const listedSession of sessionList) {
    const { session, waitsOn, held, holds } = listedSession;
    assert.ok(connected.has(session));
    const boxes = waits.filter((wait) => wait.session === session).map(({ mailbox }) => mailbox);
    assert.deepEqual([...waitsOn].sort(), [...new Set(boxes)].sort().slice(0, 16));
    checkWatching(
      listedSession,
      watches.filter((watch) => watch.session === session),
      messages,
    );
    const numbers = all
      .filter(({ holder }) => holder === session)
      .map(({ envelope }) => envelope.number);
    assert.equal(held, numbers.length);
    assert.equal(holds.length, Math.min(held, 8));
    assert.ok(holds.every(({ number }) => numbers.includes(number)));
  }
  if (own !== undefined && listed.includes(own)) assert.equal(listed[0], own);
}

function checkWatching(
  { watches, wakePath, lastNotice }: ConnectedSession,
  own: readonly OpenWatch[],
  messages: ReadonlyMap<number, StoredMessage>,
): void {
  const names = new Set(own.flatMap(({ mailboxes }) => mailboxes));
  assert.deepEqual([...watches].sort(), [...names].sort());
  const [first] = own;
  assert.equal(wakePath, first?.path ?? '');
  const told = first?.told;
  const notice = told && { time: told.time, isRead: !isUnread(first, messages) };
  assert.deepEqual(lastNotice, notice);
}

export function checkFound(
  { ids, answersIn }: FindRequest,
  { found }: FoundResponse,
  known: KnownIds,
  messages: ReadonlyMap<number, StoredMessage>,
): void {
  assert.equal(found.length, ids.length);
  for (const [index, id] of ids.entries()) {
    const { state, number, answeredBy, place } = found[index] ?? {};
    const live = messages.get(known.live(id) ?? 0);
    const answers = [...messages.values()]
      .filter(({ envelope, holder }) => envelope.answers === id && holder === undefined)
      .filter(({ mailbox }) => mailbox === (answersIn || live?.envelope.from))
      .map(({ envelope }) => envelope.number);
    assert.equal(answeredBy, answers.length === 0 ? undefined : Math.min(...answers));
    if (live) {
      const { envelope, mailbox, attempt, holder } = live;
      assert.deepEqual([state, number], [holder ? 'held' : 'ready', envelope.number]);
      assert.ok(place);
      assert.deepEqual(
        { ...place, holder: place.holder?.session },
        { mailbox, to: envelope.to, time: envelope.time, attempt, holder },
      );
      continue;
    }
    const stored = known.numberOf(id);
    const isSettled = stored !== undefined || known.settledAs(id) !== undefined;
    const unknown = known.isAnswered(id) ? 'forgotten' : 'unknown';
    assert.deepEqual([state, number, place], [isSettled ? 'settled' : unknown, stored, undefined]);
  }
}
