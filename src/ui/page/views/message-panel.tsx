// One message whole: its text, its life, its thread, and what can be done to it. Reading it here marks nothing.
import { useEffect, useRef, useState } from 'preact/hooks';
import { MessageStories, type MessageStory } from '../../../app/message-stories.ts';
import { lifeWords, type StoryForms } from '../../../app/story-words.ts';
import { faultText, server } from '../api/server-requests.ts';
import { ask } from '../hands.ts';
import { book, go, now } from '../page-store.ts';
import { fold, numberOf } from '../state/mail-book.ts';
import { lineOf } from '../state/marked-text.ts';
import { bytesText, exactText, plural, spanText } from '../state/relative-time.ts';
import { openDraft } from '../write-store.ts';
import { AgentName, ClockTime, Icon, Marked, StatePill } from './basics.tsx';
import { answerTo } from './message-list.tsx';

interface WholeMessage {
  /** undefined while it is loaded, or if it is corrupt on disk. */
  readonly text: string | undefined;
  readonly story: MessageStory | undefined;
  readonly thread: readonly MessageStory[];
  readonly fault: string;
  readonly isLoaded: boolean;
}

const nothing: WholeMessage = {
  text: undefined,
  story: undefined,
  thread: [],
  fault: '',
  isLoaded: false,
};

/** Loads it again when it has changed, so that its life and its thread stay true. */
function useWholeMessage(id: string): WholeMessage {
  const [whole, setWhole] = useState(nothing);
  const known = book().byId(id);
  const changes = known ? known.life.length + known.answeredBy.length : 0;
  useEffect(() => {
    const left = new AbortController();
    server.message(id, left.signal).then(
      ({ event, thread }) => {
        if (left.signal.aborted) return;
        const stories = new MessageStories();
        for (const each of thread) fold(stories, each);
        setWhole({
          text: event.text ?? undefined,
          story: stories.byId(id),
          thread: [...stories],
          fault: '',
          isLoaded: true,
        });
      },
      (fault) => {
        if (left.signal.aborted) return;
        setWhole((before) => ({ ...before, fault: faultText(fault), isLoaded: true }));
      },
    );
    return () => left.abort();
  }, [id, changes]);
  return whole;
}

export interface MessagePanelProps {
  readonly id: string;
  readonly search: string;
}

export function MessagePanel({ id, search }: MessagePanelProps) {
  const whole = useWholeMessage(id);
  const panel = useRef<HTMLElement>(null);
  const story = book().byId(id) ?? whole.story;
  useEffect(() => {
    // On a phone the panel hides the list, so the focus goes along.
    if (matchMedia('(max-width: 719px)').matches) panel.current?.focus();
  }, []);
  return (
    <section
      ref={panel}
      class="panel"
      tabIndex={-1}
      aria-label={story ? `Message ${story.stored.envelope.number}` : 'Message'}
    >
      <button
        type="button"
        class="bare panel-close"
        aria-label="Close the message"
        title="Close (Esc)"
        onClick={() => go({ open: '' })}
      >
        <Icon name="close" />
      </button>
      {story ? (
        <PanelBody story={story} whole={whole} search={search} />
      ) : (
        <p class="panel-note">
          {whole.isLoaded ? whole.fault || 'The store does not keep this message.' : 'Loading …'}
        </p>
      )}
    </section>
  );
}

interface PanelBodyProps {
  readonly story: MessageStory;
  readonly whole: WholeMessage;
  readonly search: string;
}

function PanelBody({ story, whole, search }: PanelBodyProps) {
  const { envelope, time } = story.stored;
  const text = whole.text ?? story.text;
  const { origin } = envelope;
  return (
    <>
      <div class="panel-head">
        <h2>
          <AgentName name={envelope.from} /> <span class="arrow">→</span>{' '}
          <AgentName name={envelope.to} />
        </h2>
        <p class="panel-facts">
          <span>#{envelope.number}</span>
          <span title={exactText(time)}>
            <ClockTime time={time} />
          </span>
          <span>{bytesText(envelope.bodyBytes)}</span>
          <span
            title={`process ${origin.pid} on ${origin.machine}${origin.folder ? `, in ${origin.folder}` : ''}`}
          >
            {origin.program}
          </span>
        </p>
        <StatePill story={story} />
        <PanelButtons story={story} />
      </div>
      {whole.fault !== '' && <p class="bad-text">{whole.fault}</p>}
      {text === undefined ? (
        <p class="panel-note">{whole.isLoaded ? 'The text is corrupt on disk.' : 'Loading …'}</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: with the focus, keys scroll a long text
        <pre class="body" role="region" tabIndex={0} aria-label="Text of the message">
          {text === '' ? <em>empty</em> : <Marked text={text} search={search} />}
        </pre>
      )}
      <Life story={story} />
      <Thread thread={whole.thread} id={envelope.id} />
      <p class="panel-id faint">
        id <code>{envelope.id}</code>
      </p>
    </>
  );
}

function PanelButtons({ story }: { readonly story: MessageStory }) {
  const { id, to } = story.stored.envelope;
  const answer = answerTo(story);
  const isReady = story.state === 'ready' || story.state === 'dead';
  return (
    <div class="panel-buttons">
      {answer && (
        <button type="button" class="primary" onClick={() => openDraft(answer)}>
          Answer
        </button>
      )}
      {story.state === 'dead' && (
        <button type="button" onClick={() => ask({ kind: 'retry', ids: [id] })}>
          Try again
        </button>
      )}
      {isReady && (
        <button
          type="button"
          onClick={() =>
            ask({ kind: 'drop', mailbox: story.state === 'dead' ? story.mailbox : to, ids: [id] })
          }
        >
          Drop
        </button>
      )}
    </div>
  );
}

const forms: StoryForms = {
  name: String,
  message: (id) => {
    const story = book().byId(id);
    return story ? `#${numberOf(story)}` : id;
  },
};

function Life({ story }: { readonly story: MessageStory }) {
  const { envelope, time } = story.stored;
  const steps = story.life.map((event) => ({
    key: `${event.sequence}-${event.kind}`,
    kind: event.kind as string,
    time: event.time,
    words: lifeWords(event, forms),
  }));
  const all = [
    { key: 'stored', kind: 'stored', time, words: `stored in ${envelope.to}` },
    ...steps,
  ];
  return (
    <section class="life" aria-labelledby="life-title">
      <h3 id="life-title">Life</h3>
      <ol>
        {all.map(({ key, kind, time: at, words }, index) => (
          <li key={key} class={`step ${kind}`}>
            <span class="step-time">
              <ClockTime time={at} />
            </span>
            <span>{words}</span>
            {index > 0 && (
              <span class="faint step-span">+{spanText(at - (all[index - 1]?.time ?? at))}</span>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}

function Thread({ thread, id }: { readonly thread: readonly MessageStory[]; readonly id: string }) {
  if (thread.length < 2) return null;
  return (
    <section class="thread" aria-labelledby="thread-title">
      <h3 id="thread-title">
        Thread <span class="faint">{plural(thread.length, 'message')}</span>
      </h3>
      <ol>
        {thread.map((folded) => {
          const { envelope } = folded.stored;
          const story = book().byId(envelope.id) ?? folded;
          return (
            <li key={envelope.id} class={envelope.id === id ? 'current' : ''}>
              <button
                type="button"
                aria-current={envelope.id === id ? 'true' : undefined}
                onClick={() => go({ open: envelope.id })}
              >
                <span class="row-names">
                  <span class="row-number">#{envelope.number}</span>
                  <AgentName name={envelope.from} />
                  <span class="arrow">→</span>
                  <AgentName name={envelope.to} />
                  <time class="faint" title={exactText(story.stored.time)}>
                    {spanText(Math.max(0, now.value - story.stored.time))} ago
                  </time>
                </span>
                <span class="thread-text">
                  <Marked text={lineOf(story.text ?? '', '')} search="" />
                </span>
              </button>
            </li>
          );
        })}
      </ol>
    </section>
  );
}
