// Keys of the whole page. Elements that have keys of their own come first: they stop the event.
import { signal } from '@preact/signals';
import { ask } from './hands.ts';
import { go, paused, route } from './page-store.ts';
import { actionOf, type KeyAction } from './state/key-bindings.ts';
import { nextTheme } from './theme.ts';
import { type Draft, openDraft } from './write-store.ts';

export const isHelpOpen = signal(false);

/** What a list of messages does for a key; the one that is shown sets it. */
export interface ListKeys {
  readonly move: (action: 'next' | 'previous' | 'first' | 'last' | 'open') => void;
  /** undefined when no message is open. */
  readonly answer: () => Draft | undefined;
}

let list: ListKeys | undefined;

/** Returns a function that ends it. */
export function setListKeys(keys: ListKeys): () => void {
  list = keys;
  return () => {
    if (list === keys) list = undefined;
  };
}

export function beginKeys(): void {
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isIn = (selector: string) =>
      event.target instanceof Element && event.target.closest(selector) !== null;
    const action = actionOf(event.key, isIn('input, textarea, select'));
    if (action === undefined || document.querySelector('dialog[open]')) return;
    // Enter and the arrows belong to what has the focus.
    if (event.key === 'Enter' && isIn('button, a, summary')) return;
    if (act(action)) event.preventDefault();
  });
}

function act(action: KeyAction): boolean {
  switch (action) {
    case 'overview':
    case 'conversations':
    case 'mail':
      go({ view: action, open: '' });
      return true;
    case 'search':
      go({ view: 'conversations' });
      setTimeout(() => document.querySelector<HTMLInputElement>('#search')?.focus(), 50);
      return true;
    case 'close':
      if (route.value.open === '') {
        if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
        return false;
      }
      go({ open: '' });
      return true;
    case 'write':
      openDraft({});
      return true;
    case 'answer': {
      const draft = list?.answer();
      if (draft) openDraft(draft);
      return draft !== undefined;
    }
    case 'pause':
      ask({ kind: paused.value.has('') ? 'resume' : 'pause', mailbox: '' });
      return true;
    case 'theme':
      nextTheme();
      return true;
    case 'help':
      isHelpOpen.value = true;
      return true;
    default:
      list?.move(action);
      return list !== undefined;
  }
}
