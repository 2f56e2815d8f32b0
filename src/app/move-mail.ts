// Moves all unsettled mail from one broker to another: each message once, in the order of its mailbox.
//
// 1. Deliveries at the source are paused, so that nobody reads there what is already at the target. A name of a mailbox
//    that nobody uses is paused with them: it says, also after a crash of the mover, that the pause is a move's.
// 2. What is paused at the source is first paused at the target, too: a pause must not end by a move.
// 3. For each mailbox: look at some messages and their bodies, import them at the target, and drop them at the source
//    when the target has said "stored". A message that is imported twice is stored once, so a mover that died between
//    the two only has to begin again.
// 4. The pause ends, unless a message may be at both brokers. Then it stays until the next run has finished.
import { cancelled, IpcError } from '../base/errors.ts';
import { bodyBytesMax, messagesPerPeek } from '../base/limits.ts';
import type { ForeignMessage } from '../model/import-requests.ts';
import type {
  BrokerStatus,
  Cancellable,
  MailService,
  PeekedMessage,
} from '../model/mail-service.ts';
import { bodyChecksum, type MessageId, type Name, type SessionId } from '../model/message.ts';
import type { PausedNames } from '../model/pause-requests.ts';

const markerStart = 'ipc store move to ';

/** Paused at the source with all mailboxes, while its mail moves to that store. */
export function moveMarker(store: string): Name {
  return `${markerStart}${store}` as Name;
}

export interface MoveOptions {
  readonly signal?: AbortSignal | undefined;
  /** Only look at what would move. */
  readonly dryRun?: boolean | undefined;
  /** Called after each part of a mailbox. */
  readonly onProgress?: ((progress: MoveProgress) => void) | undefined;
}

export interface MoveProgress {
  /** Messages that have moved. */
  readonly moved: number;
  /** Messages that were at the source when the move began. */
  readonly total: number;
}

export interface MovedMailbox {
  readonly mailbox: Name;
  readonly messages: number;
  readonly bytes: number;
}

/** A message that stays at the source. */
export interface StayedMessage {
  readonly id: MessageId;
  readonly mailbox: Name;
  /** Why it stays. */
  readonly reason: string;
}

export interface MoveResult {
  /** Messages that moved, or would move. */
  readonly messages: number;
  /** Bytes of their bodies. */
  readonly bytes: number;
  /** Those of them that were at the target already: an earlier run was interrupted. */
  readonly again: number;
  readonly mailboxes: readonly MovedMailbox[];
  /** Messages that sessions hold at the source. They stay. */
  readonly held: number;
  /** How many sessions hold them. */
  readonly holders: number;
  /** Damaged messages, and messages that the target refuses for what they are. */
  readonly stayed: readonly StayedMessage[];
  /** Messages that were posted to the source since the move began. */
  readonly later: number;
  /** Messages that were delivered at the source while they moved, because deliveries were resumed there. */
  readonly taken: number;
  /** What was paused at the source, and is paused at the target now; '' stands for all. */
  readonly paused: PausedNames;
}

/** What a move asks of each of the two brokers. */
export interface MoveSide
  extends Pick<MailService, 'storeId' | 'pause' | 'resume' | 'peek' | 'drop' | 'import'> {
  status(options?: Cancellable): Promise<Pick<BrokerStatus, 'mailboxes' | 'messages' | 'paused'>>;
}

export function moveMail(
  source: MoveSide,
  target: MoveSide,
  options: MoveOptions = {},
): Promise<MoveResult> {
  return new Move(source, target, options).run();
}

class Move {
  readonly #source: MoveSide;
  readonly #target: MoveSide;
  readonly #options: MoveOptions;
  #store = '';
  #marker = '' as Name;
  /** The highest number at the source when the move began. */
  #upTo = 0;
  #total = 0;
  #messages = 0;
  #bytes = 0;
  #again = 0;
  #held = 0;
  #taken = 0;
  /** A message may be at both brokers. */
  #isInDoubt = false;
  readonly #holders = new Set<SessionId>();
  readonly #mailboxes: MovedMailbox[] = [];
  readonly #stayed: StayedMessage[] = [];

  constructor(source: MoveSide, target: MoveSide, options: MoveOptions) {
    this.#source = source;
    this.#target = target;
    this.#options = options;
  }

  async run(): Promise<MoveResult> {
    const { dryRun = false, signal } = this.#options;
    const [store, other] = await Promise.all([
      this.#source.storeId({ signal }),
      this.#target.storeId({ signal }),
    ]);
    if (store === other) {
      const hint = 'name another broker, or another port';
      throw new IpcError('bad_parameter', 'source and target are the same store', { hint });
    }
    this.#store = store;
    this.#marker = moveMarker(other);
    const pauses = await this.#readPauses();
    if (dryRun) {
      await this.#moveAll();
      return this.#result(pauses.users, 0);
    }
    try {
      await this.#pause(pauses);
      await this.#moveAll();
    } catch (error) {
      // What an earlier run left in doubt is so until all has moved.
      this.#isInDoubt ||= pauses.isContinued;
      if (!this.#isInDoubt) await this.#resume(pauses).catch(() => {});
      throw this.#explained(error);
    }
    await this.#resume(pauses);
    const { messages: left } = await this.#source.status();
    const later = Math.max(0, left - this.#held - this.#stayed.length);
    return this.#result(pauses.users, later);
  }

  #result(paused: PausedNames, later: number): MoveResult {
    return {
      messages: this.#messages,
      bytes: this.#bytes,
      again: this.#again,
      mailboxes: this.#mailboxes,
      held: this.#held,
      holders: this.#holders.size,
      stayed: this.#stayed,
      later,
      taken: this.#taken,
      paused,
    };
  }

  async #readPauses(): Promise<SourcePauses> {
    const { signal } = this.#options;
    const { paused: there } = await this.#target.status({ signal });
    if (there.some(isMarker)) throw unended('the target');
    const { paused } = await this.#source.status({ signal });
    const isContinued = paused.includes(this.#marker);
    // Its mail may be at that other broker, too.
    if (paused.some(isMarker) && !isContinued) throw unended('the source, to another broker,');
    const isOwn = isContinued || !paused.includes('');
    const users = paused.filter((name) => name !== this.#marker && !(isOwn && name === ''));
    return { users, isOwn, isContinued };
  }

  async #pause({ users, isOwn, isContinued }: SourcePauses): Promise<void> {
    const { signal } = this.#options;
    const names = users.filter(isName);
    if (names.length > 0) await this.#target.pause(names, { signal });
    if (users.includes('')) await this.#target.pause([], { signal });
    if (!isOwn) return;
    if (!isContinued) await this.#source.pause([this.#marker], { signal });
    await this.#source.pause([], { signal });
  }

  /** A crash between the two calls ends the pauses of people at the source. By then their mailboxes have moved. */
  async #resume({ users, isOwn }: SourcePauses): Promise<void> {
    if (!isOwn) return;
    await this.#source.resume([]);
    const names = users.filter(isName);
    if (names.length > 0) await this.#source.pause(names);
  }

  async #moveAll(): Promise<void> {
    const { signal } = this.#options;
    const nothing = { ids: [this.#marker as string as MessageId], dryRun: true, signal };
    this.#upTo = (await this.#source.drop(this.#marker, nothing)).upTo;
    const done = new Set<Name>();
    for (;;) {
      const { mailboxes, messages } = await this.#source.status({ signal });
      this.#total ||= messages;
      const next = mailboxes.filter(
        (each) => each.ready + each.held > 0 && !done.has(each.mailbox),
      );
      if (next.length === 0) return;
      for (const { mailbox } of next) {
        await this.#moveMailbox(mailbox);
        done.add(mailbox);
      }
    }
  }

  async #moveMailbox(mailbox: Name): Promise<void> {
    const { dryRun = false, signal } = this.#options;
    const before = { messages: this.#messages, bytes: this.#bytes };
    const place: MailboxPlace = { goneUpTo: 0, lowestLeft: Number.POSITIVE_INFINITY };
    for (let after = 0; ; ) {
      if (signal?.aborted) throw cancelled();
      const partBytesMax = dryRun ? 0 : bodyBytesMax;
      const look = { after, messagesMax: messagesPerPeek, partBytesMax, signal };
      const { messages } = await this.#source.peek(mailbox, look);
      const wanted = messages.filter(({ envelope }) => envelope.number <= this.#upTo);
      const last = wanted.at(-1);
      if (!last) break;
      after = last.envelope.number;
      const ready = wanted.filter((message) => this.#isReady(message, place));
      if (dryRun) this.#count(ready, 0);
      else await this.#movePart(mailbox, ready, place);
      place.goneUpTo = after;
      this.#options.onProgress?.({ moved: this.#messages, total: this.#total });
    }
    const messages = this.#messages - before.messages;
    if (messages > 0) {
      this.#mailboxes.push({ mailbox, messages, bytes: this.#bytes - before.bytes });
    }
  }

  #isReady(message: PeekedMessage, place: MailboxPlace): boolean {
    const { envelope, holder, mailbox, part } = message;
    if (holder) {
      this.#held++;
      this.#holders.add(holder.session);
    } else if (this.#options.dryRun || isWhole(envelope, part)) return true;
    else {
      const reason = 'its body is damaged on the disk of the source';
      this.#stayed.push({ id: envelope.id, mailbox, reason });
    }
    place.lowestLeft = Math.min(place.lowestLeft, envelope.number);
    return false;
  }

  async #movePart(
    mailbox: Name,
    ready: readonly PeekedMessage[],
    place: MailboxPlace,
  ): Promise<void> {
    if (ready.length === 0) return;
    const movedUpTo = Math.min(place.goneUpTo, place.lowestLeft - 1);
    const parts = new ImportedPart(this.#target, this.#store, movedUpTo);
    this.#isInDoubt = true;
    await parts.import(ready);
    const { stored, refused, failure } = parts;
    if (stored.length > 0) {
      const upTo = ready.at(-1)?.envelope.number;
      const ids = stored.map(({ envelope }) => envelope.id);
      const { held } = await this.#source.drop(mailbox, { ids, upTo });
      this.#taken += held;
      this.#count(stored, parts.duplicates);
    }
    for (const { message, reason } of refused) {
      place.lowestLeft = Math.min(place.lowestLeft, message.envelope.number);
      this.#stayed.push({ id: message.envelope.id, mailbox, reason });
    }
    if (failure === undefined) this.#isInDoubt = false;
    else {
      this.#isInDoubt = !(failure instanceof IpcError) || parts.isInDoubt;
      throw failure;
    }
  }

  #count(moved: readonly PeekedMessage[], duplicates: number): void {
    this.#messages += moved.length;
    this.#again += duplicates;
    for (const { envelope } of moved) this.#bytes += envelope.bodyBytes;
  }

  #explained(error: unknown): unknown {
    if (!(error instanceof IpcError)) return error;
    const { code, message, maybeStored } = error;
    const what = `${message}; ${this.#messages} messages moved before`;
    const rest = this.#isInDoubt
      ? 'deliveries at the source stay paused until then, since a message may be at both'
      : 'the rest is at the source as before';
    const hint = `${error.hint}. Nothing is lost. Run the same move again; ${rest}`;
    return new IpcError(code, what, { cause: error, hint, maybeStored });
  }
}

interface SourcePauses {
  /** Those that people made. */
  readonly users: PausedNames;
  /** The move pauses all mailboxes itself. */
  readonly isOwn: boolean;
  /** An earlier run paused them, and died. */
  readonly isContinued: boolean;
}

interface MailboxPlace {
  /** Messages up to this number were looked at, and those that move have moved. */
  goneUpTo: number;
  /** The lowest number of a message that stays. */
  lowestLeft: number;
}

/** Some messages of one mailbox on their way to the target. */
class ImportedPart {
  readonly #target: MoveSide;
  readonly #store: string;
  readonly #movedUpTo: number;
  readonly stored: PeekedMessage[] = [];
  readonly refused: { readonly message: PeekedMessage; readonly reason: string }[] = [];
  duplicates = 0;
  /** The first error that has to do with the target, not with one message. */
  failure: unknown;
  /** A failed import may have been stored. */
  isInDoubt = false;

  constructor(target: MoveSide, store: string, movedUpTo: number) {
    this.#target = target;
    this.#store = store;
    this.#movedUpTo = movedUpTo;
  }

  /** All are sent at once; each is refused if the one before it was not stored. */
  async import(messages: readonly PeekedMessage[]): Promise<void> {
    const results = await Promise.allSettled(
      messages.map((message, index) => {
        return this.#import(message, messages[index - 1]?.envelope.number ?? 0);
      }),
    );
    const errors: { message: PeekedMessage; error: unknown }[] = [];
    for (const [index, result] of results.entries()) {
      const message = messages[index];
      if (!message) continue;
      if (result.status === 'fulfilled') this.#noteStored(message, result.value.duplicate);
      else errors.push({ message, error: result.reason });
    }
    for (const { message, error } of errors) {
      // Behind a failure nothing may be stored any more, or the order would change.
      if (this.failure !== undefined) this.#doubt(error);
      else if (isOutOfTurn(error)) await this.#importAlone(message);
      else this.#failed(message, error);
    }
  }

  async #importAlone(message: PeekedMessage): Promise<void> {
    try {
      this.#noteStored(message, (await this.#import(message, 0)).duplicate);
    } catch (error) {
      this.#failed(message, error);
    }
  }

  #import(message: PeekedMessage, previous: number) {
    const { envelope, mailbox, attempt, lastHold, part: body } = message;
    const foreign: ForeignMessage = {
      ...{ store: this.#store, envelope, mailbox, attempt, lastHold },
      body: body ?? Buffer.alloc(0),
    };
    return this.#target.import(foreign, { previous, movedUpTo: this.#movedUpTo });
  }

  #noteStored(message: PeekedMessage, duplicate: boolean): void {
    this.stored.push(message);
    if (duplicate) this.duplicates++;
  }

  #failed(message: PeekedMessage, error: unknown): void {
    if (error instanceof IpcError && error.kind.fault === 'usage') {
      this.refused.push({ message, reason: error.message });
      return;
    }
    this.failure = error;
    this.#doubt(error);
  }

  #doubt(error: unknown): void {
    if (!(error instanceof IpcError) || !isRefusal(error)) this.isInDoubt = true;
  }
}

function isMarker(name: Name | ''): boolean {
  return name.startsWith(markerStart);
}

function unended(whose: string): IpcError {
  const what = `a move of the mail of ${whose} has not ended`;
  const hint = 'run that move again until it has ended, or end its pause with `ipc resume --all`';
  return new IpcError('bad_parameter', what, { hint });
}

function isName(name: Name | ''): name is Name {
  return name !== '';
}

function isOutOfTurn(error: unknown): boolean {
  return error instanceof IpcError && error.code === 'too_many_unanswered';
}

const refusals: ReadonlySet<string> = new Set([
  'mailbox_full',
  'store_full',
  'too_many_mailboxes',
  'too_many_unanswered',
  // An older broker is not even asked.
  'version_mismatch',
]);

/** The broker answered, and stored nothing. Any other error may come from a lost connection. */
function isRefusal({ code, kind }: IpcError): boolean {
  return kind.fault === 'usage' || refusals.has(code);
}

function isWhole(
  { bodyBytes, checksum }: PeekedMessage['envelope'],
  body: Buffer | undefined,
): body is Buffer {
  return body !== undefined && body.length === bodyBytes && bodyChecksum(body) === checksum;
}
