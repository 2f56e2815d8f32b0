// Browser notifications for mail to the person. They are off until the person asks for them, and the browser then asks
// as well.
import { signal } from '@preact/signals';
import type { MessageStory } from '../../app/message-stories.ts';
import { go, me, onChange } from './page-store.ts';
import { lineOf } from './state/marked-text.ts';

const setting = 'agent-ipc.notify';

/** `blocked`: the browser's own setting forbids them. `missing`: it has none. */
export type NotifyState = 'on' | 'off' | 'blocked' | 'missing';

export const notifyState = signal<NotifyState>(stateNow());

function stateNow(): NotifyState {
  if (typeof Notification === 'undefined') return 'missing';
  if (Notification.permission === 'denied') return 'blocked';
  const isOn = localStorage.getItem(setting) === 'on' && Notification.permission === 'granted';
  return isOn ? 'on' : 'off';
}

export async function switchNotifications(): Promise<void> {
  if (notifyState.value === 'on') {
    localStorage.removeItem(setting);
  } else if ((await Notification.requestPermission()) === 'granted') {
    localStorage.setItem(setting, 'on');
  }
  notifyState.value = stateNow();
}

onChange((changed) => {
  if (notifyState.value !== 'on') return;
  for (const story of changed) if (isNewToMe(story)) show(story);
});

function isNewToMe({ stored, life }: MessageStory): boolean {
  return stored.envelope.to === me.value && life.length === 0;
}

function show({ stored: { envelope }, text }: MessageStory): void {
  const title = `Mail from ${envelope.from || 'a session without a name'}`;
  // The text is shown as text; a notification has no other kind.
  const notification = new Notification(title, {
    body: lineOf(text ?? '', '').slice(0, 120),
    tag: envelope.id,
  });
  notification.addEventListener('click', () => {
    window.focus();
    go({ view: 'mail', open: envelope.id });
    notification.close();
  });
}
