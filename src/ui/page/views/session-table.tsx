// Sessions: who is there, where it runs, what it waits on and what it holds.
import type { SessionStatus } from '../../../model/mail-service.ts';
import { book, now, status } from '../page-store.ts';
import { countText, durationText } from '../state/relative-time.ts';
import { AgentName, Ago, Empty } from './basics.tsx';
import { openStory } from './open-story.ts';

export function SessionTable() {
  const sessions = status.value?.sessionList ?? [];
  if (sessions.length === 0) {
    return (
      <Empty title="No session has a name yet">It gets one with its first post or read.</Empty>
    );
  }
  return (
    <div class="scroll-x">
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Program</th>
            <th scope="col">Waits on</th>
            <th scope="col">Holds</th>
            <th scope="col" class="number">
              Since
            </th>
          </tr>
        </thead>
        <tbody>
          {sessions.map((session) => (
            <SessionRow key={session.session} session={session} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function SessionRow({ session }: { readonly session: SessionStatus }) {
  const { name, origin, waitsOn, watches, holds, held, since } = session;
  const { folder } = origin;
  return (
    <tr>
      <th scope="row">
        <AgentName name={name} />
      </th>
      <td title={folder}>
        {origin.program}{' '}
        <span class="faint">
          {origin.pid}
          {folder === undefined ? '' : ` · ${folder.split('/').at(-1)}`}
        </span>
      </td>
      <td>
        {waitsOn.length > 0 && <span>{waitsOn.join(', ')}</span>}
        {watches.length > 0 && <span class="faint"> watches {watches.join(', ')}</span>}
        {waitsOn.length + watches.length === 0 && <span class="faint">–</span>}
      </td>
      <td>
        {held === 0 && <span class="faint">–</span>}
        {holds.slice(0, 3).map((hold) => {
          const story = book().byNumber(hold.number);
          const time = hold.since === undefined ? '' : ` ${durationText(now.value - hold.since)}`;
          return story ? (
            <button
              key={hold.number}
              type="button"
              class="chip held"
              onClick={() => openStory(story)}
            >
              #{hold.number}
              {time}
            </button>
          ) : (
            <span key={hold.number} class="chip held">
              #{hold.number}
              {time}
            </span>
          );
        })}
        {held > 3 && (
          <span class="faint"> and {countText(held - Math.min(3, holds.length))} more</span>
        )}
      </td>
      <td class="number">
        <Ago time={since} />
      </td>
    </tr>
  );
}
