// The replies of calls that read, and of posts: what they ask for, and what the session learns beside it.
import { emptyList } from '../base/empty-list.ts';
import type { Held } from '../model/mail-service.ts';
import type { MailboxList } from '../model/message.ts';
import type { Offer, PeekRequest, PostRequest, RequestNumber } from '../model/requests.ts';
import type { SessionConnection } from './connections.ts';
import { type MessagesOf, storedResponse } from './fan-out.ts';
import type { Looks } from './looks.ts';
import type { OutcomeBuilder } from './outcome-builder.ts';
import { endResponse, mailElsewhere, type PostReceipt } from './receipts.ts';
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
    const { mailbox, envelope, attempt, lastHold } = message;
    to.unreadBytes += envelope.bodyBytes;
    const offer: Offer = {
      kind: 'offer',
      request,
      envelope,
      mailbox,
      attempt,
      others: this.#looks.others(mailbox, to),
      lastHold,
      remaining: this.#state.readyCount(mailbox),
      elsewhere: of === 'wait' ? mailElsewhere(to, [mailbox], this.#state) : emptyList,
    };
    const otherFolder = this.#looks.otherFolderOn(mailbox, to);
    this.#outcome.reply(to.id, otherFolder === undefined ? offer : { ...offer, otherFolder });
  }

  /** Ends a wait, a watch or a fetch. */
  end(to: SessionConnection, request: RequestNumber, mailboxes: MailboxList): void {
    const end = endResponse(request, mailboxes, to, this.#state);
    const otherFolder = this.#looks.otherFolder(mailboxes, to);
    this.#outcome.reply(to.id, otherFolder === undefined ? end : { ...end, otherFolder });
  }

  peek(peek: PeekRequest, to: SessionConnection): void {
    for (const response of this.#looks.peek(peek)) {
      if (response.kind === 'peeked') to.unreadBytes += response.partBytes;
      this.#outcome.reply(to.id, response);
    }
  }

  /** Ends a watch: with a notice, or because its time is over. */
  watched({ watch, notice }: EndedWatch<SessionConnection>): void {
    const { owner, request, mailboxes } = watch;
    if (notice) this.#outcome.reply(owner.id, { kind: 'notice', request, ...notice });
    else this.end(owner, request, mailboxes);
  }

  /** `messages`: those of the post, with the numbers under which they are or were stored. */
  stored(post: PostRequest, messages: MessagesOf<Held>, receipt: PostReceipt): void {
    const response = storedResponse(post, messages, this.#state, receipt, this.#looks.isWatched);
    this.#outcome.replyAfterSync(receipt.poster.id, response);
  }
}
