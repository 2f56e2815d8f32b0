// IPC_HOME/wake/PID.json of a host: which hook waits for its mail, and what the hooks before it have told. A hook ends
// with its notice, and the next one must not begin with the same notice again.
import { HostFile, identityIn, isSame } from '../../app/host-file.ts';
import { identify, isRunning, type ProcessIdentity } from '../../app/process-identity.ts';
import { isAbout, ofLastHour, pauseMsAfter, restMsAfter } from '../../app/ring-pauses.ts';
import type { Notice } from '../../model/mail-ahead.ts';
import type { Told } from '../../model/requests.ts';

/** Times are in milliseconds since 1970. */
interface Memory {
  /** Notices of the session. */
  readonly count: number;
  /** The message of the last one, and when that was. */
  readonly told: Omit<Told, 'pauseMs'> | undefined;
  /** Notices of that message. */
  readonly unread: number;
  /** The notices of the last hour, the oldest first. */
  readonly rung: readonly number[];
}

export class HookFile {
  readonly #file: HostFile;
  readonly #own: ProcessIdentity;
  #memory: Memory;

  private constructor(file: HostFile, own: ProcessIdentity, memory: Memory) {
    this.#file = file;
    this.#own = own;
    this.#memory = memory;
  }

  /** undefined if an earlier hook of the host waits, unless that is to be `replaced`: then it is ended. */
  static take(home: string, host: ProcessIdentity, replaced: boolean): HookFile | undefined {
    const file = new HostFile(home, 'wake', host);
    const content = file.read();
    const before = identityIn(content?.hook);
    const own = identify(process.pid);
    if (!own) return undefined;
    if (before && !isSame(before, own) && isRunning(before)) {
      if (!replaced) return undefined;
      end(before);
    }
    file.sweep();
    const taken = new HookFile(file, own, memoryIn(content));
    taken.#write();
    return taken;
  }

  /** Two hooks may have taken it at the same moment: it belongs to the last one. */
  get isOwn(): boolean {
    const hook = identityIn(this.#file.read()?.hook);
    return hook !== undefined && isSame(hook, this.#own);
  }

  /** For the next watch. */
  told(now = Date.now()): Told | undefined {
    const { told, unread } = this.#memory;
    if (!told) return undefined;
    // The clock may have been set back, and a broker refuses a pause that is too long.
    const passedMs = Math.max(0, now - told.time);
    return { ...told, pauseMs: Math.max(0, pauseMsAfter(unread) - passedMs) };
  }

  /** How long there must be no notice at all, in milliseconds. */
  restMs(now = Date.now()): number {
    return restMsAfter(this.#memory.rung, now);
  }

  /** Notes the notice before it is given. Returns its number, from 1. */
  notes(notice: Notice, now = Date.now()): number {
    const { count, told, unread, rung } = this.#memory;
    const { number, attempt } = notice;
    this.#memory = {
      count: count + 1,
      told: { number, attempt, time: now },
      unread: isAbout(told, notice) ? unread + 1 : 1,
      rung: [...ofLastHour(rung, now), now],
    };
    this.#write();
    return count + 1;
  }

  #write(): void {
    this.#file.write({ hook: this.#own, ...this.#memory });
  }
}

/** It may have ended meanwhile. */
function end({ pid }: ProcessIdentity): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch {}
}

/** What is not as this version writes it counts as nothing. */
function memoryIn(content: Readonly<Record<string, unknown>> | undefined): Memory {
  const { count, told, unread, rung } = content ?? {};
  const { number, attempt, time } = (told ?? {}) as Readonly<Record<string, unknown>>;
  const isTold = isCount(number) && isCount(attempt) && isCount(time) && isCount(unread);
  return {
    count: isCount(count) ? count : 0,
    told: isTold ? { number, attempt, time } : undefined,
    unread: isTold ? unread : 0,
    rung: Array.isArray(rung) ? rung.filter(isCount) : [],
  };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
