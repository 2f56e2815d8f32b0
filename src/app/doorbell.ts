// When an agent is rung for its mail. The broker says when mail is unread; this decides when that is worth a ring:
// 1. A session that is in a call, or has just been, is busy and not rung. Mail that was unread when its last call ended
//    was named in the result: that rings only when the agent has left it for a while.
// 2. The first ring comes with the notice. While the same message stays unread, the next ones come after longer and
//    longer pauses. A message that was read, or another call that reads, begins the row anew.
// 3. A session gets at most `ringsPerHour`, so agents that wake each other for nothing come to rest.
import { IpcError } from '../base/errors.ts';
import { type Runtime, systemRuntime, type Timer } from '../base/runtime.ts';
import type { Notice } from '../model/mail-ahead.ts';
import type { MailService } from '../model/mail-service.ts';
import type { MailboxList } from '../model/message.ts';
import type { Told } from '../model/requests.ts';
import { isAbout, ofLastHour, pauseMsAfter, restMsAfter } from './ring-pauses.ts';

/** Wakes the agent. */
export interface Bell {
  /** The way that the next ring takes, for a status; undefined when there is none any more. */
  readonly path: string | undefined;
  /** Returns how long the next ring has to wait at least, in milliseconds. */
  ring(notice: Notice, ring: Ring): Promise<number>;
}

export interface Ring {
  /** Counts the rings of the session, from 1. */
  readonly count: number;
  /** How many rings for the same message came before this one. */
  readonly unread: number;
}

/** A session counts as busy for this long after a call: its agent is reading the result. */
export const busyMsAfterCall = 2_000;
/** A session that is in a call is looked at again after this time. */
const busyMsInCall = 5_000;
/** Pause after an error before the broker is asked again. */
const retryMs = 10_000;

export class Doorbell {
  readonly #mail: Pick<MailService, 'watch'>;
  readonly #bell: Bell;
  readonly #runtime: Runtime;
  #mailboxes: MailboxList | undefined;
  /** It goes on for a moment after the end of the watch. */
  #isRunning = false;
  /** Ends the watch that is parked now. */
  #interrupt = new AbortController();
  #told: Told | undefined;
  /** Rings for the message that the session was told of last. */
  #unread = 0;
  #count = 0;
  /** When the rings of the last hour were, the oldest first. */
  #rung: readonly number[] = [];
  #openCalls = 0;
  /** When the agent got its last result. */
  #answeredAt = Number.NEGATIVE_INFINITY;

  constructor(mail: Pick<MailService, 'watch'>, bell: Bell, runtime: Runtime = systemRuntime) {
    this.#mail = mail;
    this.#bell = bell;
    this.#runtime = runtime;
  }

  /** Rings for mail in these mailboxes and no others; undefined ends it. */
  watch(mailboxes: MailboxList | undefined): void {
    this.#mailboxes = mailboxes;
    this.#beginAnew();
    if (mailboxes && !this.#isRunning) void this.#run();
  }

  callBegan(): void {
    this.#openCalls++;
  }

  /** `hasRead`: the call was a read, so the agent is awake and knows of its mail. */
  callEnded(hasRead: boolean): void {
    this.#openCalls--;
    this.answered();
    if (hasRead && this.#unread > 0) this.#beginAnew();
  }

  /** The agent has got a result, which names the mail that is unread. */
  answered(): void {
    this.#answeredAt = this.#runtime.now();
  }

  /** Mail that the agent has left unread rings again after the first pause. */
  #beginAnew(): void {
    const isKnown = this.#unread > 0;
    this.#unread = 0;
    this.#told = this.#told && { ...this.#told, pauseMs: isKnown ? pauseMsAfter(1) : 0 };
    this.#interrupt.abort();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#mailboxes) {
      this.#interrupt = new AbortController();
      const { path } = this.#bell;
      if (path === undefined) break;
      try {
        const notice = await this.#mail.watch(this.#mailboxes, {
          timeoutMs: Number.POSITIVE_INFINITY,
          told: this.#told,
          path,
          signal: this.#interrupt.signal,
        });
        if (notice) await this.#noticed(notice);
      } catch (error) {
        if (!(error instanceof IpcError)) throw error;
        if (error.code === 'closed') break;
        if (error.code !== 'cancelled') await this.#pause(retryMs);
      }
    }
    this.#mailboxes = undefined;
    this.#isRunning = false;
  }

  async #noticed(notice: Notice): Promise<void> {
    const isSame = isAbout(this.#told, notice);
    if (!isSame) this.#unread = 0;
    const waitMs = this.#mustWait(notice);
    if (waitMs > 0) return this.#rest(notice, waitMs);
    const now = this.#runtime.now();
    this.#rung = [...ofLastHour(this.#rung, now), now];
    const ring = { count: ++this.#count, unread: this.#unread };
    const pauseMs = pauseMsAfter(++this.#unread);
    this.#rest(notice, pauseMs);
    const pauseMsMin = await this.#bell.ring(notice, ring);
    if (pauseMsMin > pauseMs && isAbout(this.#told, notice)) this.#rest(notice, pauseMsMin);
  }

  #rest({ number, attempt }: Notice, pauseMs: number): void {
    this.#told = { number, attempt, time: this.#runtime.time(), pauseMs };
  }

  /** For how long the session must not be rung, in milliseconds. */
  #mustWait({ ageMs }: Notice): number {
    if (this.#openCalls > 0) return busyMsInCall;
    const now = this.#runtime.now();
    const sinceAnswerMs = now - this.#answeredAt;
    const isNamed = ageMs >= sinceAnswerMs;
    const awakeMs = isNamed ? pauseMsAfter(1) : busyMsAfterCall;
    if (sinceAnswerMs < awakeMs) return awakeMs - sinceAnswerMs;
    return restMsAfter(this.#rung, now);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer: Timer = this.#runtime.setTimer(resolve, ms).unref();
      this.#interrupt.signal.addEventListener('abort', () => {
        this.#runtime.clearTimer(timer);
        resolve();
      });
    });
  }
}
