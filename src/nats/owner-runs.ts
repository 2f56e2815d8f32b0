// Which messages of a stream count: those of each owner, from its claim up to the first message of another writer.
// An owner sends many messages at a time, each with the sequence of the one before it. So when another claims the store
// meanwhile, the first of them is refused, but the next may expect the very sequence of that claim, and is stored. Its
// owner has reported none of them as stored.
import type { LogMessage } from './log-message.ts';

interface Run {
  readonly claim: string;
  /** The sequence of the claim. */
  readonly begin: number;
}

export class OwnerRuns {
  /** undefined after a message that does not count. */
  #run: Run | undefined;
  /** The sequence of the last message that was seen. */
  #seen = 0;

  /** `claim`: undefined for bytes that are no claim. */
  claimed(sequence: number, claim: string | undefined): void {
    this.#seen = sequence;
    this.#run = claim === undefined ? undefined : { claim, begin: sequence };
  }

  /** Whether this message counts; undefined: one that is not of agent-ipc. */
  counts(sequence: number, message: Pick<LogMessage, 'claim' | 'count'> | undefined): boolean {
    const seen = this.#seen;
    this.#seen = sequence;
    const run = message && { claim: message.claim, begin: sequence - message.count };
    if (run?.claim === this.#run?.claim && run?.begin === this.#run?.begin)
      return run !== undefined;
    // Older claims are purged. A claim that would lie before what was seen is that of an owner that was replaced.
    this.#run = run && run.begin > seen ? run : undefined;
    return this.#run !== undefined;
  }
}
