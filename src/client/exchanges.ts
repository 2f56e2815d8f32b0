// Requests with one response each. A call that names more than one of them may name sends one part after the other.
import { deadLettersPerRetry, findIdsMax, messagesPerDrop } from '../base/limits.ts';
import type { FoundMessage } from '../model/look-results.ts';
import type {
  Cancellable,
  DropArguments,
  DropResult,
  FindArguments,
  RetryArguments,
  RetryResult,
} from '../model/mail-service.ts';
import type { MessageId, Name } from '../model/message.ts';
import type { DeadLetter, DroppedMessage, Response, SessionRequest } from '../model/requests.ts';

/** A request without its number. */
export type Asked = WithoutNumber<Extract<SessionRequest, { kind: AskedKind }>>;
type AskedKind =
  | 'compact'
  | 'drop'
  | 'erase'
  | 'find'
  | 'import'
  | 'listen'
  | 'pause'
  | 'retry'
  | 'status';
type WithoutNumber<Each> = Each extends unknown ? Omit<Each, 'request'> : never;

export type ResponseOf<Kind extends Response['kind']> = Extract<Response, { kind: Kind }>;

/** Sends a request, again after each reconnect, until it has its response. */
export type Exchange = <Kind extends Response['kind']>(
  asked: Asked,
  kind: Kind,
  options: Cancellable,
) => Promise<ResponseOf<Kind>>;

/** A part that is sent again no longer finds what it dropped. */
export async function dropAll(
  exchange: Exchange,
  mailbox: Name,
  options: DropArguments,
): Promise<DropResult> {
  const { ids = [], ageMsMin = 0, dryRun = false, signal } = options;
  const dropped: DroppedMessage[] = [];
  let held = 0;
  let upTo = options.upTo ?? 0;
  // No ids means all messages.
  const parts = ids.length === 0 ? [[]] : slices([...new Set(ids)], messagesPerDrop);
  for (const part of parts) {
    let after = 0;
    do {
      const which = { mailbox, ids: part, ageMsMin, dryRun, after, upTo };
      const response = await exchange({ kind: 'drop', ...which }, 'dropped', { signal });
      dropped.push(...response.dropped);
      held += response.held;
      ({ next: after, upTo } = response);
    } while (after !== 0);
  }
  return { dropped, held, upTo };
}

/** A dead letter that moved is one no more, so no repeated part moves it twice. */
export async function retryAll(
  exchange: Exchange,
  { to, ids = [], signal }: RetryArguments,
): Promise<RetryResult> {
  const moved: DeadLetter[] = [];
  const stayed: DeadLetter[] = [];
  // No ids means all dead letters.
  const parts = ids.length === 0 ? [[]] : slices([...new Set(ids)], deadLettersPerRetry);
  for (const part of parts) {
    let after = 0;
    do {
      const retry = { kind: 'retry', to: to ?? '', ids: part, after } as const;
      const retried = await exchange(retry, 'retried', { signal });
      moved.push(...retried.moved);
      stayed.push(...retried.stayed);
      after = retried.next;
    } while (after !== 0);
  }
  return { moved, stayed };
}

export async function findAll(
  exchange: Exchange,
  ids: readonly MessageId[],
  { answersIn, signal }: FindArguments,
): Promise<readonly FoundMessage[]> {
  const found: FoundMessage[] = [];
  for (const part of slices(ids, findIdsMax)) {
    const find = { kind: 'find', ids: part, answersIn: answersIn ?? '' } as const;
    const response = await exchange(find, 'found', { signal });
    found.push(...part.map((_, index) => response.found[index] ?? unknownMessage));
  }
  return found;
}

/** A broker that means harm may leave some out. */
const unknownMessage: FoundMessage = {
  state: 'unknown',
  number: undefined,
  answeredBy: undefined,
  place: undefined,
};

/** `max`: how many items one request may have. */
export function slices<T>(all: readonly T[], max: number): T[][] {
  const starts = Array.from({ length: Math.ceil(all.length / max) }, (_, i) => i * max);
  return starts.map((start) => all.slice(start, start + max));
}
