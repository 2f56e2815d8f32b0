// The person's own mailbox: what came, what was sent, and a form. A message that is opened here is read, and settled;
// in Conversations it is only looked at.
import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { MessageStory } from '../../../app/message-stories.ts';
import { faultText, server } from '../api/server-requests.ts';
import { notifyState, switchNotifications } from '../notifications.ts';
import { addOlder, book, go, isLoaded, isWhole, me, route, unread } from '../page-store.ts';
import { plural } from '../state/relative-time.ts';
import { AgentName, Empty, Icon } from './basics.tsx';
import { MessageList } from './message-list.tsx';
import { MessagePanel } from './message-panel.tsx';
import { WriteForm } from './write-form.tsx';

const readFault = signal('');

async function markRead(ids: readonly string[]): Promise<void> {
  try {
    await server.read({ ids });
    readFault.value = '';
  } catch (fault) {
    readFault.value = faultText(fault);
  }
}

/** Mail to the person may be older than the newest messages of all. */
async function loadOwn(): Promise<void> {
  const parameters = new URLSearchParams({ mailbox: me.peek(), limit: '200' });
  try {
    addOlder((await server.search(parameters)).events);
  } catch (fault) {
    readFault.value = faultText(fault);
  }
}

type Folder = 'in' | 'sent';

export function MyMail() {
  const { open } = route.value;
  const [folder, setFolder] = useState<Folder>('in');
  const mine = me.value;
  const { stories } = book();
  const rows = stories.filter(
    ({ stored: { envelope } }) => (folder === 'in' ? envelope.to : envelope.from) === mine,
  );
  const opened = open === '' ? undefined : book().byId(open);
  const isUnread = opened?.state === 'ready' && opened.mailbox === mine;
  useEffect(() => {
    if (isUnread && open !== '') void markRead([open]);
  }, [isUnread, open]);
  useEffect(() => {
    if (!isWhole.peek()) void loadOwn();
  }, []);
  const count = unread.value.length;
  return (
    <div class={open === '' ? 'conversations mail' : 'conversations mail opened'}>
      <div class="list-side">
        <div class="filters">
          <div class="folders" role="group" aria-label="Folder">
            <FolderButton folder="in" current={folder} onChoose={setFolder}>
              For me {count > 0 && <span class="badge">{count}</span>}
            </FolderButton>
            <FolderButton folder="sent" current={folder} onChoose={setFolder}>
              From me
            </FolderButton>
          </div>
          {count > 0 && (
            <button
              type="button"
              onClick={() => void markRead(unread.value.map(({ stored }) => stored.envelope.id))}
            >
              Mark all as read
            </button>
          )}
          <span class="spring" />
          <NotifyButton />
        </div>
        <div class="list-note" role="status">
          {readFault.value !== '' ? (
            <span class="bad-text">{readFault.value}</span>
          ) : (
            <span class="faint">
              Mailbox <AgentName name={mine} /> · {plural(count, 'unread message')} · opening one
              here marks it as read
            </span>
          )}
        </div>
        <MailRows rows={rows} open={open} folder={folder} />
        <div class="compose">
          <h2>Write</h2>
          <WriteForm to="" answers={undefined} />
        </div>
      </div>
      {open !== '' && <MessagePanel key={open} id={open} search="" />}
    </div>
  );
}

interface MailRowsProps {
  readonly rows: readonly MessageStory[];
  readonly open: string;
  readonly folder: Folder;
}

function MailRows({ rows, open, folder }: MailRowsProps) {
  const label =
    folder === 'in' ? 'Messages for me, oldest first' : 'Messages from me, oldest first';
  if (rows.length > 0 || !isLoaded.value) {
    return <MessageList key={folder} rows={rows} open={open} search="" label={label} />;
  }
  return folder === 'in' ? (
    <Empty title="No mail for you">
      Agents write to you with <code>ipc post {me.value}</code>.
    </Empty>
  ) : (
    <Empty title="You have written nothing yet">
      <button
        type="button"
        onClick={() => document.querySelector<HTMLElement>('.compose input')?.focus()}
      >
        Write the first message
      </button>
    </Empty>
  );
}

interface FolderButtonProps {
  readonly folder: Folder;
  readonly current: Folder;
  readonly onChoose: (folder: Folder) => void;
  readonly children: ComponentChildren;
}

function FolderButton({ folder, current, onChoose, children }: FolderButtonProps) {
  const choose = () => {
    onChoose(folder);
    go({ open: '' });
  };
  return (
    <button type="button" aria-pressed={folder === current} onClick={choose}>
      {children}
    </button>
  );
}

const notifyWords = {
  on: 'Notifications on',
  off: 'Notify me',
  blocked: 'Notifications blocked by the browser',
  missing: 'This browser has no notifications',
} as const;

function NotifyButton() {
  const state = notifyState.value;
  return (
    <button
      type="button"
      aria-pressed={state === 'on'}
      disabled={state === 'blocked' || state === 'missing'}
      onClick={() => void switchNotifications()}
    >
      <Icon name="bell" />
      {notifyWords[state]}
    </button>
  );
}
