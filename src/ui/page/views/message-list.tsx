// A long list of messages, of which only the visible rows are in the page (a virtual list).
// 1. All rows have the same height, so the window follows from the scroll position. 2. At its end the list follows the
// flow. 3. Elsewhere the row at the top stays where it is, whatever begins or is forgotten around it.
// The focus stays on the list; the chosen row is its active descendant.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { MessageStory } from '../../../app/message-stories.ts';
import { setListKeys } from '../page-keys.ts';
import { go } from '../page-store.ts';
import { excerpts } from '../search-store.ts';
import { indexOfNumber, listWindow, scrollToShow } from '../state/list-window.ts';
import { numberOf } from '../state/mail-book.ts';
import { lineOf } from '../state/marked-text.ts';
import { plural } from '../state/relative-time.ts';
import { AgentName, ClockTime, Icon, Marked, StatePill } from './basics.tsx';

export interface MessageListProps {
  /** In the order of their numbers. */
  readonly rows: readonly MessageStory[];
  /** Id of the message that is open. */
  readonly open: string;
  readonly search: string;
  readonly label: string;
}

const rowHeightWide = 34;
const rowHeightPhone = 58;
const phone = matchMedia('(max-width: 719px)');

export function MessageList({ rows, open, search, label }: MessageListProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const [scrollTop, setScrollTop] = useState(0);
  const [viewHeight, setViewHeight] = useState(600);
  const [rowHeight, setRowHeight] = useState(phone.matches ? rowHeightPhone : rowHeightWide);
  const [chosen, setChosen] = useState<number | undefined>(undefined);
  const isFollowing = useRef(true);
  /** The row at the top, and how far it is scrolled out. */
  const anchor = useRef({ number: 0, beyond: 0 });
  const newestSeen = useRef(0);

  const numberAt = (index: number) => numberOf(rows[index] as MessageStory);
  const newest = rows.length === 0 ? 0 : numberAt(rows.length - 1);
  const chosenIndex = chosen === undefined ? -1 : indexOf(rows, chosen);

  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const sized = new ResizeObserver(() => {
      setViewHeight(element.clientHeight);
      setRowHeight(phone.matches ? rowHeightPhone : rowHeightWide);
    });
    sized.observe(element);
    return () => sized.disconnect();
  }, []);

  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    if (isFollowing.current) {
      element.scrollTop = rows.length * rowHeight;
      newestSeen.current = newest;
    } else {
      const index = indexOfNumber(rows.length, numberAt, anchor.current.number);
      element.scrollTop = index * rowHeight + anchor.current.beyond;
    }
    setScrollTop(element.scrollTop);
  }, [rows.length, newest, rows[0], rowHeight, viewHeight]);

  const onScroll = ({ currentTarget }: { readonly currentTarget: HTMLElement }) => {
    const top = currentTarget.scrollTop;
    isFollowing.current = top + currentTarget.clientHeight >= rows.length * rowHeight - 4;
    if (isFollowing.current) newestSeen.current = newest;
    const index = Math.min(rows.length - 1, Math.floor(top / rowHeight));
    if (index >= 0) anchor.current = { number: numberAt(index), beyond: top - index * rowHeight };
    setScrollTop(top);
  };

  const choose = (index: number) => {
    const story = rows[index];
    const element = scroller.current;
    if (!story || !element) return;
    setChosen(numberOf(story));
    element.scrollTop = scrollToShow(index, element.scrollTop, element.clientHeight, rowHeight);
  };

  /** The open message follows the choice, where there is room for both. */
  const chooseAndShow = (index: number) => {
    choose(index);
    const story = rows[index];
    if (story && open !== '' && !phone.matches) go({ open: story.stored.envelope.id }, true);
  };

  const follow = () => {
    isFollowing.current = true;
    chooseAndShow(rows.length - 1);
    if (scroller.current) scroller.current.scrollTop = rows.length * rowHeight;
  };

  const pageRows = Math.max(1, Math.floor(viewHeight / rowHeight) - 1);
  const move = (
    action: 'next' | 'previous' | 'first' | 'last' | 'open' | 'pageUp' | 'pageDown',
  ) => {
    // Enter is for the chosen row then, not for the button that had the focus.
    scroller.current?.focus({ preventScroll: true });
    const current = chosenIndex === -1 ? rows.length : chosenIndex;
    const last = rows.length - 1;
    if (action === 'next') chooseAndShow(Math.min(last, current + 1));
    if (action === 'previous') chooseAndShow(Math.max(0, current - 1));
    if (action === 'pageUp') chooseAndShow(Math.max(0, current - pageRows));
    if (action === 'pageDown') chooseAndShow(Math.min(last, current + pageRows));
    if (action === 'first') chooseAndShow(0);
    if (action === 'last') follow();
    if (action === 'open') {
      const story = rows[chosenIndex];
      if (story) go({ open: story.stored.envelope.id });
    }
  };
  // Before the next key, which an effect after the paint might not be.
  useLayoutEffect(() =>
    setListKeys({
      move,
      answer: () => {
        const story = rows.find(({ stored }) => stored.envelope.id === open) ?? rows[chosenIndex];
        return story && answerTo(story);
      },
    }),
  );
  // A message that was opened from elsewhere is chosen. It is not opened again: the page may have left it before this
  // runs, which is after the paint.
  useEffect(() => {
    const index = rows.findIndex(({ stored }) => stored.envelope.id === open);
    if (index === -1 || index === chosenIndex) return;
    isFollowing.current = index === rows.length - 1;
    choose(index);
  }, [open]);

  const onKeyDown = (event: KeyboardEvent) => {
    const page = { PageUp: 'pageUp', PageDown: 'pageDown' } as const;
    if (event.key !== 'PageUp' && event.key !== 'PageDown') return;
    event.preventDefault();
    move(page[event.key]);
  };

  const { first, end } = listWindow(scrollTop, viewHeight, rowHeight, rows.length);
  const behind = isFollowing.current
    ? 0
    : rows.length - indexOfNumber(rows.length, numberAt, newestSeen.current + 1);
  return (
    <div class="list-frame">
      <div
        ref={scroller}
        class="message-list"
        role="listbox"
        aria-label={label}
        tabIndex={0}
        aria-activedescendant={
          chosenIndex >= first && chosenIndex < end ? `row-${chosen}` : undefined
        }
        onScroll={onScroll}
        onKeyDown={onKeyDown}
      >
        <div
          class="all-rows"
          role="presentation"
          style={{ height: `${rows.length * rowHeight}px` }}
        >
          {rows.slice(first, end).map((story, offset) => {
            const index = first + offset;
            return (
              <MessageRow
                key={numberOf(story)}
                story={story}
                index={index}
                count={rows.length}
                top={index * rowHeight}
                isChosen={index === chosenIndex}
                isOpen={story.stored.envelope.id === open}
                search={search}
                onClick={() => {
                  setChosen(numberOf(story));
                  go({ open: story.stored.envelope.id }, open !== '' && !phone.matches);
                }}
              />
            );
          })}
        </div>
      </div>
      {behind > 0 && (
        <button type="button" class="newer primary" onClick={follow}>
          <Icon name="down" /> {plural(behind, 'new message')}
        </button>
      )}
    </div>
  );
}

interface MessageRowProps {
  readonly story: MessageStory;
  readonly index: number;
  readonly count: number;
  /** Pixels from the beginning of the list. */
  readonly top: number;
  readonly isChosen: boolean;
  readonly isOpen: boolean;
  readonly search: string;
  readonly onClick: () => void;
}

function MessageRow({
  story,
  index,
  count,
  top,
  isChosen,
  isOpen,
  search,
  onClick,
}: MessageRowProps) {
  const { envelope, time } = story.stored;
  const excerpt = search === '' ? undefined : excerpts.value[envelope.id];
  const line = excerpt ?? lineOf(story.text ?? '', search);
  return (
    // The list has the focus and the keys; see its first lines.
    // biome-ignore lint/a11y/useKeyWithClickEvents: see above
    // biome-ignore lint/a11y/useFocusableInteractive: see above
    <div
      id={`row-${envelope.number}`}
      class={`row ${isChosen ? 'chosen' : ''} ${isOpen ? 'open' : ''} is-${story.state}`}
      role="option"
      aria-selected={isChosen}
      aria-setsize={count}
      aria-posinset={index + 1}
      style={{ transform: `translateY(${top}px)` }}
      onClick={onClick}
    >
      <span class="row-time">
        <ClockTime time={time} />
      </span>
      <span class="row-number">#{envelope.number}</span>
      <span class="row-names">
        <AgentName name={envelope.from} />
        <span class="arrow" role="img" aria-label="to">
          →
        </span>
        <AgentName name={envelope.to} />
      </span>
      <span class={envelope.answers === '' ? 'row-text' : 'row-text answer'}>
        {story.text === undefined ? (
          <em>corrupt on disk</em>
        ) : line === '' ? (
          <em>empty</em>
        ) : (
          <Marked text={line} search={search} />
        )}
      </span>
      <StatePill story={story} />
    </div>
  );
}

function indexOf(rows: readonly MessageStory[], number: number): number {
  const index = indexOfNumber(rows.length, (at) => numberOf(rows[at] as MessageStory), number);
  const story = rows[index];
  return story && numberOf(story) === number ? index : -1;
}

export function answerTo({ stored: { envelope } }: MessageStory) {
  if (envelope.from === '') return undefined;
  return { to: envelope.from, answers: { id: envelope.id, number: envelope.number } };
}
