// Waits for mail in the place of an agent whose turn is over, as a process that its host has started:
// 1. It ends at once when there is nothing to wait for: no host, no mailbox, or a session that wakes its agent itself.
// 2. Of one host one hook waits. Where a hook holds the turn open, a new one means that the turn before was cut off,
//    so the old one is ended; otherwise the old one goes on.
// 3. It watches, and never owns the broker: a host may kill it at any time.
// 4. Every two seconds it looks whether its host still runs, and what the session watches now.
// 5. With mail it ends, and what it prints wakes the agent.
import { setTimeout as sleep } from 'node:timers/promises';
import { AppContext, type BrokerAddress } from '../../app/context.ts';
import { type Environment, homeFolder, wakeIn } from '../../app/environment.ts';
import { noticeText } from '../../app/notice-text.ts';
import { isRunning, type ProcessIdentity } from '../../app/process-identity.ts';
import { sessionForHook } from '../../app/session-file.ts';
import { IpcError } from '../../base/errors.ts';
import type { Notice } from '../../model/mail-ahead.ts';
import type { MailboxList } from '../../model/message.ts';
import type { NatsFiles } from '../../nats/nats-address.ts';
import { ownerAddress } from '../../net/listen.ts';
import { programName } from '../program-name.ts';
import { HookFile } from './hook-file.ts';
import type { HookHost, HookOutput } from './hook-host.ts';

/** How long after the host this process ends at the latest. */
const lookMs = 2_000;
/** Between two attempts to reach a broker. */
const retryMs = 5_000;
/** Of a watch in a status. */
const pathName = 'hook';

interface Watched {
  readonly mailboxes: MailboxList;
  readonly broker: BrokerAddress;
  readonly natsFiles?: NatsFiles | undefined;
}

/** Returns what the hook has to print; undefined if it ends without a notice. */
export async function watchForHook(
  { find, notice, secondsMax }: HookHost,
  env: Environment,
  ended: AbortSignal,
): Promise<HookOutput | undefined> {
  const host = find(env);
  if (!host) return undefined;
  const home = homeFolder(env);
  if (!watchedBy(home, host, env)) return undefined;
  const file = HookFile.take(home, host, secondsMax !== undefined);
  const found = file && (await new HookWatch(home, host, env, file).run(ended));
  return found && file && notice(noticeText(found, file.notes(found)));
}

class HookWatch {
  readonly #home: string;
  readonly #host: ProcessIdentity;
  readonly #env: Environment;
  readonly #file: HookFile;
  /** Made again when the session comes to other files of a NATS server. */
  #context: AppContext | undefined;
  #watched: Watched | undefined;
  /** Ends the call that is open. */
  #interrupt = new AbortController();
  /** The error of the look that ended the watch. */
  #fault: unknown;

  constructor(home: string, host: ProcessIdentity, env: Environment, file: HookFile) {
    this.#home = home;
    this.#host = host;
    this.#env = env;
    this.#file = file;
  }

  async run(ended: AbortSignal): Promise<Notice | undefined> {
    const end = () => {
      this.#watched = undefined;
      this.#interrupt.abort();
    };
    ended.addEventListener('abort', end, { once: true });
    this.#look();
    const timer = setInterval(() => {
      try {
        this.#look();
      } catch (error) {
        this.#fault = error;
        end();
      }
    }, lookMs);
    try {
      while (this.#watched && !ended.aborted) {
        this.#interrupt = new AbortController();
        const notice = await this.#watch(this.#watched);
        if (notice) return notice;
      }
      if (this.#fault !== undefined) throw this.#fault;
      return undefined;
    } finally {
      clearInterval(timer);
    }
  }

  /** undefined if there is to be no notice yet. */
  async #watch({ mailboxes, broker, natsFiles }: Watched): Promise<Notice | undefined> {
    const { signal } = this.#interrupt;
    try {
      const restMs = this.#file.restMs();
      if (restMs > 0) await sleep(restMs, undefined, { signal });
      this.#context ??= this.#newContext(natsFiles);
      const { mail } = await this.#context.broker(broker);
      const told = this.#file.told();
      const timeoutMs = Number.POSITIVE_INFINITY;
      return await mail.watch(mailboxes, { timeoutMs, told, path: pathName, signal });
    } catch (error) {
      if (signal.aborted) return undefined;
      if (!(error instanceof IpcError && error.kind.retry)) throw error;
      await sleep(retryMs, undefined, { signal }).catch(() => {});
      return undefined;
    }
  }

  /** What the session has goes before what this process has. */
  #newContext({ credentials, authorities }: NatsFiles = {}): AppContext {
    const env = {
      ...this.#env,
      ...(credentials !== undefined && { IPC_NATS_CREDS: credentials }),
      ...(authorities !== undefined && { IPC_NATS_CA: authorities }),
    };
    return new AppContext({ env, program: programName, ownership: 'never' });
  }

  #look(): void {
    const isWanted = isRunning(this.#host) && this.#file.isOwn;
    const now = isWanted ? watchedBy(this.#home, this.#host, this.#env) : undefined;
    if (JSON.stringify(now) === JSON.stringify(this.#watched)) return;
    if (JSON.stringify(now?.natsFiles) !== JSON.stringify(this.#watched?.natsFiles)) {
      void this.#context?.close();
      this.#context = undefined;
    }
    this.#watched = now;
    this.#interrupt.abort();
  }
}

function watchedBy(home: string, host: ProcessIdentity, env: Environment): Watched | undefined {
  const session = sessionForHook(home, host);
  if (session === 'served') return undefined;
  if (session) {
    const { mailboxes, port, brokerHost, natsFiles } = session;
    const broker = { host: { host: brokerHost ?? ownerAddress, port } };
    return { mailboxes, broker, natsFiles };
  }
  const mailboxes = wakeIn(env);
  return mailboxes && { mailboxes, broker: {} };
}
