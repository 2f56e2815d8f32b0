// The notices of unread mail, one after the other. After each the broker is asked again, with the message that the
// notice named: the broker is silent until that message is read, or released again.
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { cancelled, IpcError } from '../base/errors.ts';
import { watchPauseMsMax } from '../base/limits.ts';
import type { Notice } from '../model/mail-ahead.ts';
import type { Cancellable, MailService } from '../model/mail-service.ts';
import type { MailboxList } from '../model/message.ts';
import type { Told } from '../model/requests.ts';
import { isAbout } from './ring-pauses.ts';

export interface NoticesOptions extends Cancellable {
  /** Infinity: without end. */
  readonly timeoutMs: number;
  /** How the session is woken, for a status. */
  readonly path: string;
  /** Gets an error that may pass by itself, if there is time to ask the broker again. Without it the error is thrown. */
  readonly onFault?: ((error: IpcError) => void) | undefined;
}

const faultPauseMs = 1_000;

/**
 * Ends when the time is over, and throws `cancelled` after the signal. While the caller works on a notice, the session
 * watches nothing.
 */
export async function* notices(
  mail: Pick<MailService, 'watch'>,
  mailboxes: MailboxList,
  options: NoticesOptions,
  now = () => performance.now(),
): AsyncGenerator<Notice, void> {
  const { timeoutMs, path, signal } = options;
  const endsAt = now() + timeoutMs;
  const leftMs = () => Math.max(0, endsAt - now());
  let told: Told | undefined;
  let restsUntil = 0;
  for (;;) {
    const ask = () => mail.watch(mailboxes, { timeoutMs: leftMs(), told, path, signal });
    const notice = await patiently(ask, leftMs, options);
    if (!notice) return;
    const { number, attempt } = notice;
    // Only the pause is over: nothing has become of the message.
    const isRepeated = isAbout(told, notice) && now() >= restsUntil;
    restsUntil = now() + watchPauseMsMax;
    const time = isRepeated && told ? told.time : Date.now();
    told = { number, attempt, time, pauseMs: watchPauseMsMax };
    if (!isRepeated) yield notice;
  }
}

/** Asks again after each error that may pass. Throws the last one if no time is left then: nobody knows what is there. */
async function patiently<Result>(
  ask: () => Promise<Result>,
  leftMs: () => number,
  { onFault, signal }: Pick<NoticesOptions, 'onFault' | 'signal'>,
): Promise<Result> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const mayPass = error instanceof IpcError && error.kind.retry === true;
      if (!mayPass || !onFault || leftMs() <= faultPauseMs) throw error;
      onFault(error);
    }
    await sleep(faultPauseMs, undefined, { signal }).catch(() => Promise.reject(cancelled()));
  }
}
