// The keys of the page. One table drives the page and its help.

export type KeyAction =
  | 'overview'
  | 'conversations'
  | 'mail'
  | 'search'
  | 'next'
  | 'previous'
  | 'first'
  | 'last'
  | 'open'
  | 'close'
  | 'write'
  | 'answer'
  | 'pause'
  | 'theme'
  | 'help';

export interface KeyBinding {
  /** Values of `KeyboardEvent.key`, each a way to do it. */
  readonly keys: readonly string[];
  readonly action: KeyAction;
  readonly help: string;
}

export const keyBindings: readonly KeyBinding[] = [
  { keys: ['1'], action: 'overview', help: 'Overview' },
  { keys: ['2'], action: 'conversations', help: 'Conversations' },
  { keys: ['3'], action: 'mail', help: 'My mail' },
  { keys: ['/'], action: 'search', help: 'Search in conversations' },
  { keys: ['j', 'ArrowDown'], action: 'next', help: 'Next message' },
  { keys: ['k', 'ArrowUp'], action: 'previous', help: 'Previous message' },
  { keys: ['Home'], action: 'first', help: 'Oldest message' },
  { keys: ['End'], action: 'last', help: 'Newest message; follow the flow' },
  { keys: ['Enter'], action: 'open', help: 'Open the message' },
  { keys: ['Escape'], action: 'close', help: 'Close the message or the dialog' },
  { keys: ['c'], action: 'write', help: 'Write a message' },
  { keys: ['r'], action: 'answer', help: 'Answer the open message' },
  { keys: ['p'], action: 'pause', help: 'Pause or resume all mailboxes (asks first)' },
  { keys: ['t'], action: 'theme', help: 'Dark, light, or as the system' },
  { keys: ['?'], action: 'help', help: 'This list' },
];

/** Keys that also work while somebody writes. */
const always: readonly KeyAction[] = ['close'];

export function actionOf(key: string, isWriting: boolean): KeyAction | undefined {
  const action = keyBindings.find(({ keys }) => keys.includes(key))?.action;
  return action !== undefined && isWriting && !always.includes(action) ? undefined : action;
}
