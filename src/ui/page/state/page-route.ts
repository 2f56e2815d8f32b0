// The address of the page: which view, which filter, which message is open. So "back" works, and a reload stays.
import { filterFrom, type MessageFilter, noFilter, parametersOf } from './message-filter.ts';

export type ViewName = 'overview' | 'conversations' | 'mail';

export interface PageRoute {
  readonly view: ViewName;
  readonly filter: MessageFilter;
  /** Id of the message that is shown; '' for none. */
  readonly open: string;
}

const viewNames: readonly ViewName[] = ['overview', 'conversations', 'mail'];
export const firstRoute: PageRoute = { view: 'overview', filter: noFilter, open: '' };

/** `hash`: with its '#'. */
export function routeFrom(hash: string): PageRoute {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?');
  const parameters = new URLSearchParams(query);
  const view = viewNames.find((name) => name === path) ?? 'overview';
  return { view, filter: filterFrom(parameters), open: parameters.get('open') ?? '' };
}

export function hashOf({ view, filter, open }: PageRoute): string {
  const parameters = view === 'conversations' ? parametersOf(filter) : new URLSearchParams();
  if (open !== '') parameters.set('open', open);
  const query = parameters.toString();
  return `#/${view}${query === '' ? '' : `?${query}`}`;
}
