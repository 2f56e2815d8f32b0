// Small parts that all views use.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { MessageStory } from '../../../app/message-stories.ts';
import { isPausedBox, me, now } from '../page-store.ts';
import { agentHue } from '../state/agent-hue.ts';
import { markedParts } from '../state/marked-text.ts';
import { clockText, durationText, exactText } from '../state/relative-time.ts';
import { stateWords } from '../state/state-words.ts';

/** A name in its colour. '' is a session without a name. */
export function AgentName({ name }: { readonly name: string }) {
  if (name === '') return <span class="agent nameless">no name</span>;
  return (
    <span class="agent" style={{ '--hue': agentHue(name) }} title={name}>
      {name}
      {name === me.value && <span class="you">you</span>}
    </span>
  );
}

export function StatePill({ story }: { readonly story: MessageStory }) {
  const { tone, word, detail } = stateWords(story, now.value, isPausedBox(story.mailbox));
  return (
    <span class={`pill ${tone}`}>
      <i class="dot" aria-hidden="true" />
      <span class="pill-word">{word}</span>
      <span class="pill-detail">{detail}</span>
    </span>
  );
}

/** The clock of the day, exact under the pointer. */
export function ClockTime({ time }: { readonly time: number }) {
  return (
    <time dateTime={new Date(time).toISOString()} title={exactText(time)}>
      {clockText(time, now.value)}
    </time>
  );
}

export function Ago({ time }: { readonly time: number }) {
  return (
    <time dateTime={new Date(time).toISOString()} title={exactText(time)}>
      {durationText(now.value - time)}
    </time>
  );
}

/** Text with the hits of a search marked; always text, whatever is in it. */
export function Marked({ text, search }: { readonly text: string; readonly search: string }) {
  return (
    <>
      {markedParts(text, search).map((part, index) =>
        part.isHit ? <mark key={index}>{part.text}</mark> : part.text,
      )}
    </>
  );
}

export function Empty({
  title,
  children,
}: {
  readonly title: string;
  readonly children?: ComponentChildren;
}) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      <p>{children}</p>
    </div>
  );
}

export function Dialog({
  title,
  onClose,
  children,
  wide = false,
}: {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
  readonly wide?: boolean;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    // The browser gives the focus back only if the dialog is closed before it is removed.
    return () => before instanceof HTMLElement && before.focus();
  }, []);
  return (
    <dialog
      ref={dialog}
      class={wide ? 'wide' : ''}
      aria-labelledby="dialog-title"
      onClose={onClose}
      onCancel={onClose}
    >
      <h2 id="dialog-title">{title}</h2>
      {children}
    </dialog>
  );
}

const paths = {
  overview: 'M3 3h7v8H3zM14 3h7v5h-7zM14 12h7v9h-7zM3 15h7v6H3z',
  conversations: 'M4 5h16v11H9l-5 4z',
  mail: 'M3 6h18v13H3zM3 7l9 7 9-7',
  pause: 'M7 5v14M17 5v14',
  resume: 'M7 5l12 7-12 7z',
  write: 'M4 20l1-5L16 4l4 4L9 19zM14 6l4 4',
  dark: 'M20 14a8 8 0 1 1-10-10 6 6 0 0 0 10 10z',
  light:
    'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.5 1.5M17.5 17.5L19 19M5 19l1.5-1.5M17.5 6.5L19 5',
  auto: 'M4 5h16v11H4zM9 20h6M12 16v4',
  close: 'M6 6l12 12M18 6L6 18',
  bell: 'M6 16V11a6 6 0 0 1 12 0v5l2 2H4zM10 21h4',
  search: 'M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l5 5',
  down: 'M12 5v14M6 13l6 6 6-6',
  warning: 'M12 4l9 16H3zM12 10v4M12 17v.5',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}
