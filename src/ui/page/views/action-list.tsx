// What was done by hand, newest first: "applying" until the broker has applied it.
import { useEffect } from 'preact/hooks';
import { actions, dismiss } from '../hands.ts';
import { type HandAction, titleOf } from '../state/hand-actions.ts';
import { lastSent } from '../write-store.ts';
import { ClockTime, Icon } from './basics.tsx';

/** An action that has been applied goes by itself; a failed one stays until it was seen. */
const appliedMs = 12_000;
const sentMs = 6_000;

export function ActionList() {
  return (
    <section class="actions" aria-label="Done by hand" aria-live="polite">
      {lastSent.value && <SentRow key={lastSent.value.number} {...lastSent.value} />}
      {actions.value.slice(0, 4).map((action) => (
        <ActionRow key={action.key} action={action} />
      ))}
    </section>
  );
}

function SentRow({ to, number }: { readonly to: string; readonly number: number }) {
  useEffect(() => {
    const gone = setTimeout(() => {
      lastSent.value = undefined;
    }, sentMs);
    return () => clearTimeout(gone);
  }, []);
  return (
    <div class="action applied">
      <i class="dot" aria-hidden="true" />
      <p>
        <strong>Message to {to}</strong>
        <span class="action-note">stored as #{number}</span>
      </p>
    </div>
  );
}

function ActionRow({ action }: { readonly action: HandAction }) {
  const { key, command, state, note, time } = action;
  useEffect(() => {
    if (state !== 'applied') return;
    const gone = setTimeout(() => dismiss(key), appliedMs);
    return () => clearTimeout(gone);
  }, [key, state]);
  const noteText = note === '' ? '' : `: ${note}`;
  return (
    <div class={`action ${state}`}>
      <i class="dot" aria-hidden="true" />
      <p>
        <strong>{titleOf(command)}</strong>
        <span class="action-note">
          <span class="action-state">{state}</span>
          {state === 'applied' && (
            <>
              {' '}
              at <ClockTime time={time} />
            </>
          )}
          {noteText}
        </span>
      </p>
      <button
        type="button"
        class="bare"
        aria-label={`Close: ${titleOf(command)}`}
        onClick={() => dismiss(key)}
      >
        <Icon name="close" />
      </button>
    </div>
  );
}
