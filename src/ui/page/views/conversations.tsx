// The live flow and the past in one list, a filter above it, and the message that is open beside it.
import { book, go, isLoaded, now, route } from '../page-store.ts';
import { foundNumbers, isMore, isSearching, loadOlder, searchFault } from '../search-store.ts';
import { numberOf } from '../state/mail-book.ts';
import { isFiltering, matches, noFilter } from '../state/message-filter.ts';
import { countText } from '../state/relative-time.ts';
import { Empty } from './basics.tsx';
import { FilterBar } from './filter-bar.tsx';
import { MessageList } from './message-list.tsx';
import { MessagePanel } from './message-panel.tsx';

export function Conversations() {
  const { filter, open } = route.value;
  const { stories } = book();
  const found = foundNumbers.value;
  const isByTime = filter.range !== '';
  const rows = isFiltering(filter)
    ? stories.filter((story) => matches(story, filter, isByTime ? now.value : 0, found))
    : stories;
  const oldest = rows[0] && numberOf(rows[0]);
  return (
    <div class={open === '' ? 'conversations' : 'conversations opened'}>
      <div class="list-side">
        <FilterBar shown={rows.length} />
        <div class="list-note" role="status">
          {isSearching.value && 'Searching the store …'}
          {searchFault.value !== '' && <span class="bad-text">{searchFault.value}</span>}
          {!isSearching.value && isMore.value && (
            <button type="button" class="as-link" onClick={() => loadOlder(oldest)}>
              Load older messages
            </button>
          )}
          {!isSearching.value && !isMore.value && searchFault.value === '' && (
            <span class="faint">
              {isLoaded.value
                ? `${countText(rows.length)} of ${countText(stories.length)} messages`
                : 'Loading …'}
            </span>
          )}
        </div>
        {rows.length === 0 && isLoaded.value ? (
          <NoRows isFiltered={isFiltering(filter)} />
        ) : (
          <MessageList
            rows={rows}
            open={open}
            search={filter.text}
            label="Messages, oldest first"
          />
        )}
      </div>
      {open !== '' && <MessagePanel key={open} id={open} search={filter.text} />}
    </div>
  );
}

function NoRows({ isFiltered }: { readonly isFiltered: boolean }) {
  if (!isFiltered) {
    return (
      <Empty title="No mail yet">
        Messages appear here as they are sent, and stay when they are done.
      </Empty>
    );
  }
  return (
    <Empty title={isSearching.value ? 'Searching …' : 'No message matches'}>
      <button type="button" onClick={() => go({ filter: noFilter })}>
        Show all
      </button>
    </Empty>
  );
}
