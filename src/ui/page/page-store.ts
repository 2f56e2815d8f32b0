// All that the page knows, as signals: a view that reads one is drawn again when it changes.
// 1. begin() loads the state and the newest messages. 2. The stream keeps them up to date; its events are folded at once
// and drawn together, at most thirty times a second. 3. After a gap everything is loaded anew.
import { computed, signal } from '@preact/signals';
import type { MessageStory } from '../../app/message-stories.ts';
import type { BrokerStatus } from '../../model/mail-service.ts';
import type { WireEvent, WireMail, WireStatus } from '../wire.ts';
import { LiveStream } from './api/live-stream.ts';
import { ServerFault, server } from './api/server-requests.ts';
import { MailBook, messagesMax } from './state/mail-book.ts';
import { firstRoute, hashOf, type PageRoute, routeFrom } from './state/page-route.ts';
import { Traffic } from './state/traffic.ts';

/** `refused`: this browser has no valid cookie. */
export type LinkState = 'loading' | 'live' | 'brokerGone' | 'serverGone' | 'refused';

const drawMs = 33;
const loadAgainMs = 2_000;
/** The answer of a server that has no mail yet, because no broker is there. */
const statusOfNoBroker = 503;

export const me = signal('');
export const version = signal('');
export const place = signal('');
export const history = signal('');
export const status = signal<BrokerStatus | undefined>(undefined);
/** '' stands for all mailboxes. */
export const paused = signal<ReadonlySet<string>>(new Set());
export const troubleText = signal('');
export const now = signal(Date.now());
export const route = signal<PageRoute>(firstRoute);
/** Changes whenever a message began or changed. */
const revision = signal(0);
/** The store keeps no message that the page does not have. */
export const isWhole = signal(true);
/** The messages are loaded. */
export const isLoaded = signal(false);

const isRefused = signal(false);
const isServerGone = signal(false);
const isBrokerGone = signal(false);

export const link = computed<LinkState>(() => {
  if (isRefused.value) return 'refused';
  if (isServerGone.value) return 'serverGone';
  if (isBrokerGone.value) return 'brokerGone';
  return isLoaded.value ? 'live' : 'loading';
});

/** They are replaced when everything is loaded anew; read them through `revision`. */
let mail = new MailBook();
let traffic = new Traffic(true);
let stream: LiveStream | undefined;
let isDrawing = false;
const listeners: ((changed: readonly MessageStory[]) => void)[] = [];

/** The messages, of which a view is drawn again when one changes. */
export function book(): MailBook {
  revision.value;
  return mail;
}

export function trafficNow(): Traffic {
  revision.value;
  return traffic;
}

/** Mail to the person that nobody has read, oldest first. */
export const unread = computed(() =>
  book().stories.filter(({ state, mailbox }) => state === 'ready' && mailbox === me.value),
);

/** Names of sessions, senders and mailboxes, for suggestions. */
export const knownNames = computed(() => {
  const names = new Set<string>();
  for (const { stored } of book().stories) names.add(stored.envelope.from).add(stored.envelope.to);
  for (const { name } of status.value?.sessionList ?? []) names.add(name);
  for (const { mailbox } of status.value?.mailboxes ?? []) names.add(mailbox);
  names.delete('');
  return [...names].sort();
});

export function isPausedBox(mailbox: string): boolean {
  return paused.value.has(mailbox) || paused.value.has('');
}

/** Called with each message that live events began or changed, before it is drawn. */
export function onChange(listener: (changed: readonly MessageStory[]) => void): void {
  listeners.push(listener);
}

export function begin(): void {
  route.value = routeFrom(location.hash);
  addEventListener('hashchange', () => {
    if (location.hash !== hashOf(route.value)) route.value = routeFrom(location.hash);
  });
  const tick = () => {
    // A page that nobody sees is drawn again only for mail, which its title counts.
    if (!document.hidden) now.value = Date.now();
  };
  setInterval(tick, 1_000);
  document.addEventListener('visibilitychange', tick);
  void load();
}

/** `replaces`: "back" leads to where the page was before, not to this address without the change. */
export function go(change: Partial<PageRoute>, replaces = false): void {
  const hash = hashOf({ ...route.value, ...change });
  if (hash === location.hash) return;
  // At once, because the next key may come before the browser reports the change.
  route.value = routeFrom(hash);
  if (replaces) window.history.replaceState(null, '', hash);
  else location.hash = hash;
}

/** Adds messages that are older than those that are kept live. */
export function addOlder(events: readonly WireEvent[]): void {
  mail.addOlder(events);
  draw();
}

async function load(): Promise<void> {
  stream?.close();
  try {
    const state = await server.state();
    isServerGone.value = false;
    me.value = state.me;
    version.value = state.version;
    place.value = state.place;
    history.value = state.history;
    paused.value = new Set(state.paused);
    status.value = state.status ?? undefined;
    isBrokerGone.value = state.status === null;
    troubleText.value = state.error ?? '';
    const { events, next, isWhole: whole } = await server.messages(messagesMax);
    mail = new MailBook();
    traffic = new Traffic(whole);
    mail.apply(events);
    traffic.apply(events);
    isWhole.value = whole;
    stream = new LiveStream(next, listener);
    isLoaded.value = true;
    now.value = Date.now();
    revision.value += 1;
  } catch (fault) {
    troubleText.value = (fault as Error).message;
    isRefused.value = isRefusal(fault);
    isBrokerGone.value = fault instanceof ServerFault && fault.status === statusOfNoBroker;
    isServerGone.value = !isRefused.value && !isBrokerGone.value;
    if (!isRefused.value) setTimeout(() => void load(), loadAgainMs);
  }
}

function isRefusal(fault: unknown): boolean {
  return fault instanceof ServerFault && fault.status === 403;
}

const listener = {
  onMail: ({ events }: WireMail) => {
    if (events.length === 0) return;
    for (const event of events) notePause(event);
    traffic.apply(events);
    const changed = mail.apply(events);
    for (const listen of listeners) listen(changed);
    draw();
  },
  onStatus: (news: WireStatus) => {
    isBrokerGone.value = false;
    status.value = news.status;
    paused.value = new Set(news.paused);
  },
  onOpen: () => {
    isServerGone.value = false;
  },
  onLost: () => {
    isServerGone.value = true;
    troubleText.value = 'the server of this page cannot be reached';
    // A new server of the page does not know this browser; then its answer says so.
    server.state().catch((fault) => {
      isRefused.value = isRefusal(fault);
    });
  },
  onTrouble: ({ message }: { readonly message: string }) => {
    isBrokerGone.value = true;
    troubleText.value = message;
  },
  onFine: () => {
    isBrokerGone.value = false;
  },
  onGap: () => void load(),
};

function notePause(event: WireEvent): void {
  if (event.kind !== 'paused' && event.kind !== 'resumed') return;
  const mailboxes = new Set(paused.value);
  if (event.kind === 'paused') mailboxes.add(event.mailbox);
  else if (event.mailbox === '') mailboxes.clear();
  else mailboxes.delete(event.mailbox);
  paused.value = mailboxes;
}

function draw(): void {
  if (isDrawing) return;
  isDrawing = true;
  setTimeout(() => {
    isDrawing = false;
    revision.value += 1;
  }, drawMs);
}
