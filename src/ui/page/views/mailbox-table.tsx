// Mailboxes with depth and age, and what can be done to each.
import { compareNeed, isUnattended, type MailboxFacts } from '../../../app/mailbox-need.ts';
import { ask } from '../hands.ts';
import { go, isPausedBox, now, paused, status } from '../page-store.ts';
import { noFilter } from '../state/message-filter.ts';
import { countText, plural } from '../state/relative-time.ts';
import { AgentName, Ago, Empty } from './basics.tsx';

const deadLetters = 'dead-letters';

/** A mailbox without mail and readers is in no status, but its pause and its dead letters are. */
function boxRows(): MailboxFacts[] {
  const known = status.value;
  const rows = new Map<string, MailboxFacts>();
  const none = { ready: 0, held: 0, waiting: 0, watching: 0, oldestTime: 0, dead: 0 };
  const empty = (mailbox: string) => {
    return { ...none, mailbox, isPausedItself: paused.value.has(mailbox) };
  };
  for (const box of known?.mailboxes ?? []) {
    rows.set(box.mailbox, { ...empty(box.mailbox), ...box });
  }
  for (const { to, messages } of known?.deadLetters ?? []) {
    rows.set(to, { ...empty(to), ...rows.get(to), dead: messages });
  }
  for (const mailbox of paused.value) {
    if (mailbox !== '' && !rows.has(mailbox)) rows.set(mailbox, empty(mailbox));
  }
  return [...rows.values()].sort((one, other) => compareNeed(one, other, now.value));
}

export function MailboxTable() {
  const rows = boxRows();
  if (rows.length === 0) {
    return (
      <Empty title="No mail and no reader">
        A mailbox appears with its first message or reader.
      </Empty>
    );
  }
  return (
    <div class="scroll-x">
      <table>
        <thead>
          <tr>
            <th scope="col">Mailbox</th>
            <th scope="col" class="number">
              Ready
            </th>
            <th scope="col" class="number">
              Held
            </th>
            <th scope="col" class="number">
              Readers
            </th>
            <th scope="col" class="number">
              Oldest
            </th>
            <th scope="col">
              <span class="unseen">Hands on</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <MailboxRow key={row.mailbox} row={row} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function MailboxRow({ row }: { readonly row: MailboxFacts }) {
  const { mailbox, ready, held, waiting, watching, oldestTime, dead } = row;
  const isUnread = !isPausedBox(mailbox) && isUnattended(row, now.value);
  const isDeadLetters = mailbox === deadLetters;
  const show = () => go({ view: 'conversations', filter: { ...noFilter, mailbox }, open: '' });
  return (
    <tr>
      <th scope="row">
        <button type="button" class="as-link" onClick={show}>
          <AgentName name={mailbox} />
          <span class="unseen">: show its mail</span>
        </button>
        {isPausedBox(mailbox) && <span class="chip paused">paused</span>}
        {isUnread && <span class="chip held">unread</span>}
        {dead > 0 && <span class="chip dead">{plural(dead, 'dead letter')}</span>}
      </th>
      <td class="number">{countText(ready)}</td>
      <td class={held > 0 ? 'number held-text' : 'number'}>{countText(held)}</td>
      <td class="number">{countText(waiting + watching)}</td>
      <td class={isUnread ? 'number held-text' : 'number'}>
        {oldestTime === 0 ? <span class="faint">–</span> : <Ago time={oldestTime} />}
      </td>
      <td class="row-buttons">
        <BoxButtons row={row} isDeadLetters={isDeadLetters} />
      </td>
    </tr>
  );
}

function BoxButtons({
  row,
  isDeadLetters,
}: {
  readonly row: MailboxFacts;
  readonly isDeadLetters: boolean;
}) {
  const { mailbox, ready, dead } = row;
  const kind = isPausedBox(mailbox) ? 'resume' : 'pause';
  const isByAll = paused.value.has('') && !paused.value.has(mailbox);
  return (
    <>
      {dead > 0 && (
        <button
          type="button"
          onClick={() => ask({ kind: 'retry', to: mailbox })}
          aria-label={`Try the dead letters to ${mailbox} again`}
        >
          Retry
        </button>
      )}
      {isDeadLetters && ready > 0 && (
        <button
          type="button"
          onClick={() => ask({ kind: 'retry' })}
          aria-label="Try all dead letters again"
        >
          Retry all
        </button>
      )}
      {!isByAll && (
        <button
          type="button"
          onClick={() => ask({ kind, mailbox })}
          aria-label={`${kind === 'pause' ? 'Pause' : 'Resume'} ${mailbox}`}
        >
          {kind === 'pause' ? 'Pause' : 'Resume'}
        </button>
      )}
      <button
        type="button"
        disabled={ready === 0}
        onClick={() => ask({ kind: 'drop', mailbox })}
        aria-label={`Drop the mail of ${mailbox}`}
      >
        Drop
      </button>
      {!isDeadLetters && (
        <button
          type="button"
          onClick={() => ask({ kind: 'stop', mailbox })}
          aria-label={`Stop the worker of ${mailbox}`}
        >
          Stop
        </button>
      )}
    </>
  );
}
