// A form for one message. Its text is kept until the broker has stored it.
import { useId, useRef, useState } from 'preact/hooks';
import { knownNames, me } from '../page-store.ts';
import { newPostId, type SentNote, send } from '../write-store.ts';
import { AgentName } from './basics.tsx';

export interface WriteFormProps {
  readonly to: string;
  /** Id of the message that it answers. */
  readonly answers: string | undefined;
  /** It has the focus when it appears. */
  readonly isFirst?: boolean;
  readonly onCancel?: () => void;
  readonly onSent?: () => void;
}

export function WriteForm({
  to: given,
  answers,
  isFirst = false,
  onCancel,
  onSent,
}: WriteFormProps) {
  const [to, setTo] = useState(given);
  const [text, setText] = useState('');
  const [isSending, setSending] = useState(false);
  const [note, setNote] = useState<SentNote | undefined>(undefined);
  const postId = useRef(newPostId());
  const id = useId();
  const submit = async (event: Event) => {
    event.preventDefault();
    if (isSending || to.trim() === '' || text === '') return;
    setSending(true);
    const sent = await send(to.trim(), text, answers, postId.current);
    setSending(false);
    setNote(sent);
    if (sent.isFault) return;
    postId.current = newPostId();
    setText('');
    onSent?.();
  };
  /** Another text, or another mailbox, makes it another message, also if the answer to the last one was lost. */
  const changed = () => {
    postId.current = newPostId();
    setNote(undefined);
  };
  const sendByKey = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void submit(event);
  };
  return (
    <form class="write" onSubmit={submit} onKeyDown={sendByKey}>
      <p class="write-from">
        From <AgentName name={me.value} />
        {answers !== undefined && (
          <>
            <span class="arrow">→</span> <AgentName name={to} />
          </>
        )}
      </p>
      {answers === undefined && (
        <label>
          <span>To</span>
          <input
            value={to}
            onInput={({ currentTarget }) => {
              setTo(currentTarget.value);
              changed();
            }}
            list={`${id}-names`}
            placeholder="a mailbox"
            autocomplete="off"
            required
            autofocus={isFirst}
          />
          <datalist id={`${id}-names`}>
            {knownNames.value.map((name) => (
              <option key={name} value={name} />
            ))}
          </datalist>
        </label>
      )}
      <label>
        <span>Text</span>
        <textarea
          value={text}
          onInput={({ currentTarget }) => {
            setText(currentTarget.value);
            changed();
          }}
          rows={6}
          required
          autofocus={isFirst && answers !== undefined}
        />
      </label>
      <div class="dialog-buttons">
        <span class={note?.isFault ? 'note bad-text' : 'note'} role="status">
          {isSending ? 'sending …' : (note?.text ?? '')}
        </span>
        {onCancel && (
          <button type="button" onClick={onCancel}>
            Cancel
          </button>
        )}
        <button type="submit" class="primary" disabled={isSending} title="Ctrl+Enter">
          {answers === undefined ? 'Send' : 'Answer'}
        </button>
      </div>
    </form>
  );
}
