// The frame of the page: header, views, banners, dialogs, and what was done by hand.
import { useEffect } from 'preact/hooks';
import { ask } from '../hands.ts';
import { isHelpOpen } from '../page-keys.ts';
import {
  go,
  history,
  link,
  paused,
  place,
  route,
  status,
  troubleText,
  unread,
  version,
} from '../page-store.ts';
import type { ViewName } from '../state/page-route.ts';
import { plural } from '../state/relative-time.ts';
import { nextTheme, theme } from '../theme.ts';
import { openDraft } from '../write-store.ts';
import { ActionList } from './action-list.tsx';
import { Icon, type IconName } from './basics.tsx';
import { Conversations } from './conversations.tsx';
import { AskDialog, HelpDialog, WriteDialog } from './dialogs.tsx';
import { MyMail } from './my-mail.tsx';
import { Overview } from './overview.tsx';

const titles: Readonly<Record<ViewName, string>> = {
  overview: 'Overview',
  conversations: 'Conversations',
  mail: 'My mail',
};

export function App() {
  const { view } = route.value;
  const count = unread.value.length;
  useEffect(() => {
    document.title = `${count > 0 ? `(${count}) ` : ''}${titles[view]} · agent-ipc`;
  }, [view, count]);
  return (
    <div class="shell">
      <button type="button" class="skip" onClick={skipToMain}>
        Skip to the content
      </button>
      <Header />
      <Navigation />
      <main id="main" tabIndex={-1} aria-label={titles[view]}>
        <Banners />
        {view === 'overview' && <Overview />}
        {view === 'conversations' && <Conversations />}
        {view === 'mail' && <MyMail />}
      </main>
      <ActionList />
      <AskDialog />
      <WriteDialog />
      <HelpDialog />
      <p class="unseen" role="status">
        {count > 0 ? `${plural(count, 'unread message')} for you` : ''}
      </p>
    </div>
  );
}

function skipToMain(): void {
  document.querySelector<HTMLElement>('#main')?.focus();
}

const linkWords = {
  loading: 'loading',
  live: 'live',
  brokerGone: 'no broker',
  serverGone: 'not connected',
  refused: 'not connected',
} as const;

function Header() {
  const isAllPaused = paused.value.has('');
  const state = link.value;
  const { pid, host } = status.value ?? {};
  const about = [
    place.value,
    pid && `process ${pid}${host ? ` on ${host}` : ''}`,
    version.value && `version ${version.value}`,
    history.value && `history ${history.value}`,
  ];
  return (
    <header>
      <h1>agent-ipc</h1>
      <span class={`link ${state}`} title={about.filter(Boolean).join(' · ')}>
        <i class="dot" aria-hidden="true" />
        <span role="status">{linkWords[state]}</span>
        <span class="place">{place.value}</span>
      </span>
      <span class="spring" />
      <button type="button" class="primary" onClick={() => openDraft({})}>
        <Icon name="write" />
        <span class="wide-only">Write</span>
      </button>
      <button
        type="button"
        class={isAllPaused ? 'attention' : ''}
        onClick={() => ask({ kind: isAllPaused ? 'resume' : 'pause', mailbox: '' })}
        aria-label={isAllPaused ? 'Resume all mailboxes' : 'Pause all mailboxes'}
      >
        <Icon name={isAllPaused ? 'resume' : 'pause'} />
        <span class="wide-only">{isAllPaused ? 'Resume all' : 'Pause all'}</span>
      </button>
      <button
        type="button"
        class="bare"
        onClick={nextTheme}
        aria-label={`Colours: ${theme.value}`}
        title={`Colours: ${theme.value} (t)`}
      >
        <Icon name={theme.value} />
      </button>
      <button
        type="button"
        class="bare"
        aria-label="Keys"
        title="Keys (?)"
        onClick={() => {
          isHelpOpen.value = true;
        }}
      >
        <span aria-hidden="true">?</span>
      </button>
    </header>
  );
}

function Navigation() {
  const items: readonly [ViewName, IconName][] = [
    ['overview', 'overview'],
    ['conversations', 'conversations'],
    ['mail', 'mail'],
  ];
  const count = unread.value.length;
  return (
    <nav aria-label="Views">
      {items.map(([view, icon], index) => (
        <a
          key={view}
          href={`#/${view}`}
          aria-current={route.value.view === view ? 'page' : undefined}
          onClick={(event) => {
            event.preventDefault();
            go({ view, open: '' });
          }}
        >
          <Icon name={icon} />
          <span>{titles[view]}</span>
          {view === 'mail' && count > 0 ? (
            <span class="badge" role="img" aria-label={`${count} unread`}>
              {count > 99 ? '99+' : count}
            </span>
          ) : (
            <span class="key" aria-hidden="true">
              {index + 1}
            </span>
          )}
        </a>
      ))}
    </nav>
  );
}

function Banners() {
  const state = link.value;
  const names = [...paused.value];
  return (
    <>
      <div role="alert">
        {state === 'brokerGone' && (
          <p class="banner bad">
            <Icon name="warning" />
            <span>
              <strong>The broker cannot be reached.</strong> {troubleText.value}. The page goes on
              by itself when one is there.
            </span>
          </p>
        )}
        {state === 'serverGone' && (
          <p class="banner bad">
            <Icon name="warning" />
            <span>
              <strong>The page is not connected.</strong> Is <code>ipc ui</code> still running? It
              tries again by itself.
            </span>
          </p>
        )}
        {state === 'refused' && (
          <p class="banner bad">
            <Icon name="warning" />
            <span>
              <strong>This browser is not let in.</strong> Open the address that <code>ipc ui</code>{' '}
              prints; it is valid once.
            </span>
          </p>
        )}
      </div>
      {names.length > 0 && (
        <p class="banner held" role="status">
          <Icon name="pause" />
          <span>
            {paused.value.has('') ? (
              <strong>All mailboxes are paused.</strong>
            ) : (
              <>
                <strong>Paused:</strong> {names.join(', ')}.
              </>
            )}{' '}
            Mail is stored and not delivered.
          </span>
          <button
            type="button"
            onClick={() =>
              ask({ kind: 'resume', mailbox: names.length === 1 ? (names[0] ?? '') : '' })
            }
          >
            Resume{names.length > 1 ? ' all' : ''}
          </button>
        </p>
      )}
    </>
  );
}
