// The filter of the list, kept in the address of the page, and its export.
import { useId } from 'preact/hooks';
import { go, knownNames, now, route } from '../page-store.ts';
import {
  isFiltering,
  type MessageFilter,
  noFilter,
  type RangeName,
  searchParameters,
} from '../state/message-filter.ts';
import { Icon } from './basics.tsx';

export function FilterBar({ shown }: { readonly shown: number }) {
  const { filter } = route.value;
  const set = (change: Partial<MessageFilter>) => go({ filter: { ...filter, ...change } }, true);
  const names = knownNames.value;
  const isBetween = filter.since !== undefined || filter.before !== undefined;
  return (
    <form
      class="filters"
      role="search"
      aria-label="Filter of the messages"
      onSubmit={(event) => event.preventDefault()}
    >
      <label class="search">
        <Icon name="search" />
        <span class="unseen">Search text or id</span>
        <input
          id="search"
          type="search"
          placeholder="Search text or id"
          autocomplete="off"
          value={filter.text}
          onInput={({ currentTarget }) => set({ text: currentTarget.value })}
          onKeyDown={leaveByEnter}
        />
      </label>
      <NameChoice
        label="Agent"
        all="Any agent"
        value={filter.agent}
        names={names}
        onChange={(agent) => set({ agent, partner: agent === '' ? '' : filter.partner })}
      />
      {filter.agent !== '' && (
        <NameChoice
          label="With"
          all="with anybody"
          value={filter.partner}
          names={names.filter((name) => name !== filter.agent)}
          onChange={(partner) => set({ partner })}
        />
      )}
      <NameChoice
        label="Mailbox"
        all="Any mailbox"
        value={filter.mailbox}
        names={names}
        onChange={(mailbox) => set({ mailbox })}
      />
      <Choice
        label="State"
        value={filter.state}
        choices={[
          ['', 'Any state'],
          ['ready', 'Stored'],
          ['held', 'Held'],
          ['done', 'Done'],
          ['dead', 'Dead'],
          ['dropped', 'Dropped'],
        ]}
        onChange={(state) => set({ state: state as MessageFilter['state'] })}
      />
      <Choice
        label="Time"
        value={isBetween ? 'between' : filter.range}
        choices={[
          ['', 'Any time'],
          ['15m', 'Last 15 min'],
          ['1h', 'Last hour'],
          ['24h', 'Last 24 h'],
          ['7d', 'Last 7 days'],
          ['between', 'Between …'],
        ]}
        onChange={(range) =>
          range === 'between'
            ? set({ range: '', since: now.peek() - 3_600_000 })
            : set({ range: range as RangeName | '', since: undefined, before: undefined })
        }
      />
      {isBetween && (
        <>
          <TimeChoice label="From" value={filter.since} onChange={(since) => set({ since })} />
          <TimeChoice label="Until" value={filter.before} onChange={(before) => set({ before })} />
        </>
      )}
      {isFiltering(filter) && (
        <button type="button" class="as-link" onClick={() => go({ filter: noFilter }, true)}>
          Clear
        </button>
      )}
      <span class="spring" />
      <Export filter={filter} isEmpty={shown === 0} />
    </form>
  );
}

/** From the search into the list, which then has the keys. */
function leaveByEnter(event: KeyboardEvent): void {
  if (event.key !== 'Enter' && event.key !== 'ArrowDown') return;
  event.preventDefault();
  event.stopPropagation();
  document.querySelector<HTMLElement>('.message-list')?.focus();
}

interface ChoiceProps {
  readonly label: string;
  readonly value: string;
  /** Value and text. */
  readonly choices: readonly (readonly [string, string])[];
  readonly onChange: (value: string) => void;
}

function Choice({ label, value, choices, onChange }: ChoiceProps) {
  return (
    <select
      aria-label={label}
      class={value === '' ? '' : 'chosen'}
      value={value}
      onChange={({ currentTarget }) => onChange(currentTarget.value)}
    >
      {choices.map(([each, text]) => (
        <option key={each} value={each} selected={each === value}>
          {text}
        </option>
      ))}
    </select>
  );
}

interface NameChoiceProps {
  readonly label: string;
  readonly all: string;
  readonly value: string;
  readonly names: readonly string[];
  readonly onChange: (name: string) => void;
}

function NameChoice({ label, all, value, names, onChange }: NameChoiceProps) {
  // A name of the address may be of nobody who is known.
  const known = value === '' || names.includes(value) ? names : [value, ...names];
  const choices = [['', all] as const, ...known.map((name) => [name, name] as const)];
  return <Choice label={label} value={value} choices={choices} onChange={onChange} />;
}

interface TimeChoiceProps {
  readonly label: string;
  readonly value: number | undefined;
  readonly onChange: (time: number | undefined) => void;
}

function TimeChoice({ label, value, onChange }: TimeChoiceProps) {
  const id = useId();
  // The field has local time without a zone.
  const shown =
    value === undefined
      ? ''
      : new Date(value - new Date(value).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  return (
    <span class="time-choice">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="datetime-local"
        value={shown}
        onChange={({ currentTarget }) => {
          const time = new Date(currentTarget.value).getTime();
          onChange(Number.isNaN(time) ? undefined : time);
        }}
      />
    </span>
  );
}

function Export({
  filter,
  isEmpty,
}: {
  readonly filter: MessageFilter;
  readonly isEmpty: boolean;
}) {
  const address = (format: string) => {
    const parameters = searchParameters(filter, now.peek());
    parameters.set('format', format);
    return `api/export?${parameters}`;
  };
  return (
    <details class="menu">
      <summary>
        <Icon name="down" />
        Export
      </summary>
      <div class="menu-items">
        <a href={address('jsonl')} download="mail.jsonl">
          JSON lines
        </a>
        <a href={address('md')} download="mail.md">
          Markdown
        </a>
        <p class="faint">
          {isEmpty ? 'No message of this page matches. ' : ''}
          Everything the store keeps that matches{filter.state === '' ? '' : ', in any state'}.
        </p>
      </div>
    </details>
  );
}
