// What this session has posted: the head of an answer names its question by number and first words (to a model the id
// that an answer carries says nothing), a status says what has become of each, and a post with the text of an earlier
// one is noted only if the result of the earlier one may not have been seen.
import { BoundedMap } from '../base/bounded-map.ts';
import { quoted } from '../base/quoted.ts';
import type { StoredMessage } from '../model/mail-ahead.ts';
import type { PostResult } from '../model/mail-service.ts';
import type { MessageId } from '../model/message.ts';

/** Posts that are remembered. The oldest is forgotten first, and answers to it are named as answers alone. */
const postsMax = 1_000;
const wordsCharacters = 40;
/** Enough for that many characters of UTF-8. */
const wordsBytes = wordsCharacters * 4;

interface OwnPost {
  readonly id: MessageId;
  readonly number: number;
  readonly start: BodyStart;
}

/** Enough of a body for its first words, which are made when they are shown: few posts are answered. */
interface BodyStart {
  readonly text: string;
  readonly isAll: boolean;
}

export class OwnPosts {
  readonly #posts = new BoundedMap<MessageId, OwnPost>(postsMax);
  /** Posts whose results were written, by broker and number. */
  readonly #seen = new BoundedMap<string, true>(postsMax);

  add(posted: readonly Pick<StoredMessage, 'id' | 'number'>[], body: Buffer): void {
    const text = body.toString('utf8', 0, wordsBytes);
    const start = { text, isAll: body.length <= wordsBytes };
    for (const { id, number } of posted) this.#posts.set(id, { id, number, start });
  }

  /** The result of the post was written. */
  seen(broker: string, posted: readonly Pick<StoredMessage, 'number'>[]): void {
    for (const { number } of posted) this.#seen.set(`${number} ${broker}`, true);
  }

  /** Without the messages of the same text whose posting was seen: the poster repeats its text on purpose. */
  withoutSeen(broker: string, result: PostResult): PostResult {
    const shown = <Stored extends StoredMessage>(stored: Stored): Stored => {
      const isSeen = stored.same && this.#seen.has(`${stored.same.number} ${broker}`);
      return isSeen ? { ...stored, same: undefined } : stored;
    };
    return { ...shown(result), also: result.also.map(shown) };
  }

  /** The posts that are remembered, the newest first. */
  newestFirst(): OwnPost[] {
    return [...this.#posts.values()].reverse();
  }

  /**
   * `, an answer to your #8 "APPROVED"`. Empty for what this session has not posted: a post is marked as an answer by
   * the ticket that it carries, also if it goes to another agent, for whom it is no answer.
   */
  answered(id: MessageId): string {
    const post = this.#posts.get(id);
    return post === undefined
      ? ''
      : `, an answer to your #${post.number} ${firstWords(post.start)}`;
  }
}

/** In quotes. */
function firstWords({ text, isAll }: BodyStart): string {
  const start = text.trim();
  const [line = ''] = start.split(/\r?\n/, 1);
  const words = [...line].slice(0, wordsCharacters).join('');
  return quoted(isAll && words === start ? words : `${words}…`);
}
