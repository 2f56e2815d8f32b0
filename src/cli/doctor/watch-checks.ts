// The sessions of a broker that are to be woken when they have mail: one that was told of mail and does not read it is
// asleep, or its host does not wake it.
import { roughTime } from '../../app/durations.ts';
import { watchWords } from '../../app/presence.ts';
import { placed } from '../../app/sanitize.ts';
import { quoted } from '../../base/quoted.ts';
import type { SessionStatus } from '../../model/mail-service.ts';
import { bad, type Finding, fine } from './finding.ts';

/** An agent that was woken has read its mail by then, unless it is busy with a long turn. */
const readMsMax = 10 * 60_000;
/** Sessions that have a finding of their own. */
const sessionsShown = 20;

const hint =
  'look at that session: either its host did not wake it, or its agent did not read; a wait there reads the mail';

/** Those that do not read come first. */
export function watchFindings(sessions: readonly SessionStatus[], nowMs: number): Finding[] {
  const watching = sessions.filter(({ watches }) => watches.length > 0);
  const isLate = (each: SessionStatus) => lateMs(each, nowMs) > readMsMax;
  const ordered = [...watching.filter(isLate), ...watching.filter((each) => !isLate(each))];
  const shown = ordered.slice(0, sessionsShown).map((each) => watchFinding(each, nowMs));
  const hidden = ordered.slice(sessionsShown);
  if (hidden.length === 0) return shown;
  const late = hidden.filter(isLate).length;
  const what = `${hidden.length} more sessions watch mailboxes`;
  const rest = late === 0 ? fine(what) : bad(`${what}; ${late} of them do not read`, hint);
  return [...shown, { about: 'watch', ...rest }];
}

function watchFinding(session: SessionStatus, nowMs: number): Finding {
  const { name, origin } = session;
  const who = `${quoted(name)} (${placed(origin)})`;
  const what = [who, ...watchWords(session, nowMs)].join(' ');
  const ms = lateMs(session, nowMs);
  if (ms <= readMsMax) return { about: 'watch', ...fine(what) };
  return { about: 'watch', ...bad(`${what}: it was told ${roughTime(ms)} ago`, hint) };
}

/** How long ago the session was told of mail that it has not read; 0 if it has. */
function lateMs({ lastNotice }: SessionStatus, nowMs: number): number {
  if (lastNotice === undefined || lastNotice.isRead) return 0;
  return Math.max(0, nowMs - lastNotice.time);
}
