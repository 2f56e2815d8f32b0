// The replies of calls that read, and of posts: what they ask for, and what the session learns beside it.
import type { Hold, MailboxList } from '../model/message.ts';
import type { PeekRequest, PostRequest, RequestNumber, StoredResponse } from '../model/requests.ts';
import type { SessionConnection } from './connections.ts';
import { storedResponse } from './fan-out.ts';
import type { Looks } from './looks.ts';
import type { OutcomeBuilder } from './outcome-builder.ts';
import { endResponse, mailElsewhere, offer } from './receipts.ts';
import type { LiveMessage, State } from './state.ts';
import type { EndedWatch } from './watches.ts';

export class Replies {
  readonly #outcome: OutcomeBuilder;
  readonly #state: State;
  readonly #looks: Looks;

  constructor(outcome: OutcomeBuilder, state: State, looks: Looks) {
    this.#outcome = outcome;
    this.#state = state;
    this.#looks = looks;
  }

  /** `of`: a fetch says in its end which mail is elsewhere, a wait in its offer. */
  offer(
    message: LiveMessage,
    to: SessionConnection,
    request: RequestNumber,
    of: 'wait' | 'fetch',
  ): void {
    const { mailbox, envelope } = message;
    const elsewhere = of === 'wait' ? mailElsewhere(to, [mailbox], this.#state) : [];
    const more = { others: this.#looks.others(mailbox, to), elsewhere };
    to.unreadBytes += envelope.bodyBytes;
    const folder = this.#looks.otherFolder([mailbox], to);
    this.#outcome.reply(to.id, offer(message, request, { ...more, ...folder }, this.#state));
  }

  /** Of a wait, a watch or a fetch. */
  end(to: SessionConnection, request: RequestNumber, mailboxes: MailboxList): void {
    const end = endResponse(request, mailboxes, to, this.#state);
    this.#outcome.reply(to.id, { ...end, ...this.#looks.otherFolder(mailboxes, to) });
  }

  peek(peek: PeekRequest, to: SessionConnection): void {
    for (const response of this.#looks.peek(peek)) {
      if (response.kind === 'peeked') to.unreadBytes += response.partBytes;
      this.#outcome.reply(to.id, response);
    }
  }

  /** Of a watch that has ended: with a notice, or because its time is over. */
  watched({ watch, notice }: EndedWatch<SessionConnection>): void {
    const { owner, request, mailboxes } = watch;
    if (notice) this.#outcome.reply(owner.id, { kind: 'notice', request, ...notice });
    else this.end(owner, request, mailboxes);
  }

  /** `messages`: those of the post, with the numbers under which they are or were stored. */
  stored(
    post: PostRequest,
    messages: readonly Hold[],
    poster: SessionConnection,
    more: Pick<StoredResponse, 'duplicate' | 'notHeld'> & { readonly time: number },
  ): void {
    const outcome = { ...more, poster, isWatched: this.#looks.isWatched };
    const response = storedResponse(post, messages, this.#state, outcome);
    this.#outcome.replyAfterSync(poster.id, response);
  }
}
