// What the server finds beyond that which the page has: older messages, and texts behind the part that is shown in a
// list. What it finds is added to the messages; the list applies the filter itself.
import { effect, signal } from '@preact/signals';
import { faultText, server } from './api/server-requests.ts';
import { addOlder, isLoaded, isWhole, now, route } from './page-store.ts';
import { isFiltering, type MessageFilter, searchParameters } from './state/message-filter.ts';

const typingMs = 250;
const pageMax = 200;

export const isSearching = signal(false);
export const searchFault = signal('');
/** Numbers of messages in which the server found the text. */
export const foundNumbers = signal<ReadonlySet<number>>(new Set());
/** What is around the text, by id, where it comes behind the part that the list has. */
export const excerpts = signal<Readonly<Record<string, string>>>({});
/** The store has older messages that match. */
export const isMore = signal(false);

/** The search of the present filter. */
let last = new AbortController();
let waiting: ReturnType<typeof setTimeout> | undefined;
let lastFilter: MessageFilter | undefined;

export function beginSearch(): void {
  effect(() => {
    const { filter } = route.value;
    if (!isLoaded.value || JSON.stringify(filter) === JSON.stringify(lastFilter)) return;
    lastFilter = filter;
    foundNumbers.value = new Set();
    excerpts.value = {};
    searchFault.value = '';
    isMore.value = !isWhole.peek();
    clearTimeout(waiting);
    last.abort();
    isSearching.value = false;
    const isNeeded = filter.text !== '' || (isFiltering(filter) && !isWhole.peek());
    if (isNeeded) waiting = setTimeout(() => void search(filter, undefined), typingMs);
  });
}

/** `oldest`: number of the first message of the list. Where the server has searched, it goes on from there. */
export function loadOlder(oldest: number | undefined): void {
  const found = [...foundNumbers.peek()];
  void search(route.peek().filter, found.length > 0 ? Math.min(...found) : oldest);
}

async function search(filter: MessageFilter, below: number | undefined): Promise<void> {
  last.abort();
  last = new AbortController();
  const { signal: left } = last;
  const parameters = searchParameters(filter, now.peek());
  parameters.set('limit', `${pageMax}`);
  if (below !== undefined) parameters.set('below', `${below}`);
  isSearching.value = true;
  try {
    const found = await server.search(parameters, left);
    if (left.aborted) return; // the filter has changed
    addOlder(found.events);
    const numbers = new Set(foundNumbers.value);
    for (const event of found.events) {
      if (event.kind === 'stored') numbers.add(event.envelope.number);
    }
    foundNumbers.value = numbers;
    excerpts.value = { ...excerpts.value, ...found.excerpts };
    isMore.value = found.isMore;
    searchFault.value = '';
  } catch (fault) {
    if (!left.aborted) searchFault.value = faultText(fault);
  }
  if (!left.aborted) isSearching.value = false;
}
