// What `ipc doctor` says of the sessions that are woken by mail.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watchFindings } from '../../../src/cli/doctor/watch-checks.ts';
import type { SessionStatus } from '../../../src/model/mail-service.ts';
import type { Name, SessionId } from '../../../src/model/message.ts';

const minute = 60_000;
const now = Date.UTC(2026, 10, 29, 14, 30);

function session(name: string, given: Partial<SessionStatus> = {}): SessionStatus {
  return {
    session: 'iscnl9hqnoalmv04' as SessionId,
    name: name as Name,
    origin: { program: 'claude-code', pid: 7, machine: 'laptop', folder: '~/shop' },
    ...{ since: now, waitsOn: [], watches: [name as Name], wakePath: 'inbox' },
    ...{ lastNotice: undefined, held: 0, holds: [], own: false },
    ...given,
  };
}

function told(minutes: number, isRead: boolean): Partial<SessionStatus> {
  return { lastNotice: { time: now - minutes * minute, isRead } };
}

const hint =
  'look at that session: either its host did not wake it, or its agent did not read; a wait there reads the mail';

test('each session that watches is reported, and no other one', () => {
  const found = watchFindings([session('idle', { watches: [] }), session('ann')], now);
  assert.deepEqual(found, [
    {
      about: 'watch',
      ok: true,
      what: '"ann" ("claude-code" on "laptop" in "~/shop") watches "ann" (woken by "inbox")',
      hint: undefined,
    },
  ]);
});

test('a session that was told more than ten minutes ago and has not read is a problem, and comes first', () => {
  const sessions = [
    session('new', told(9, false)),
    session('done', told(99, true)),
    session('late', told(11, false)),
  ];
  const found = watchFindings(sessions, now);
  assert.deepEqual(
    found.map(({ ok, what }) => [ok, what.split(' ')[0]]),
    [
      [false, '"late"'],
      [true, '"new"'],
      [true, '"done"'],
    ],
  );
  assert.deepEqual(found[0], {
    about: 'watch',
    ok: false,
    what: '"late" ("claude-code" on "laptop" in "~/shop") watches "late" (woken by "inbox"; told 14:19 UTC, not read yet): it was told 11 min ago',
    hint,
  });
});

test('of many sessions 20 are reported, and the others are counted', () => {
  const late = Array.from({ length: 21 }, (_, index) => session(`s${index}`, told(60, false)));
  const found = watchFindings([...late, session('ann')], now);
  assert.deepEqual(found.at(-1), {
    ...{ about: 'watch', ok: false },
    ...{ what: '2 more sessions watch mailboxes; 1 of them do not read', hint },
  });
  const others = watchFindings([...late.slice(0, 20), session('ann'), session('ben')], now);
  assert.deepEqual([others.length, others.at(-1)?.ok], [21, true]);
});
