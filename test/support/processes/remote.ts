// A session in its own process, which a test can kill, suspend and continue.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type ErrorCode, IpcError } from '../../../src/base/errors.ts';
import type { Notice } from '../../../src/model/mail-ahead.ts';
import type {
  BrokerStatus,
  PostResult,
  RetryResult,
  StartResult,
  StopResult,
} from '../../../src/model/mail-service.ts';
import type { MailboxList, Name } from '../../../src/model/message.ts';
import type { Told } from '../../../src/model/requests.ts';
import { freePort, makeHome } from '../places.ts';

export interface RemoteDelivery {
  readonly number: number;
  readonly id: string;
  readonly from: string;
  readonly attempt: number;
  readonly mailbox: string;
  readonly body: string;
}

/** A mailbox, or several. */
type Mailboxes = string | readonly string[];

export type RemoteRequest =
  | {
      readonly kind: 'post';
      readonly to: string;
      readonly body: string;
      readonly from?: string;
      readonly id?: string;
      readonly alsoTo?: readonly string[];
      readonly settles?: readonly number[];
    }
  | { readonly kind: 'wait'; readonly from: Mailboxes; readonly timeoutMs: number }
  | { readonly kind: 'watch'; readonly mailboxes: MailboxList; readonly told: Told | undefined }
  | { readonly kind: 'fetch'; readonly from: Mailboxes; readonly messagesMax?: number }
  | { readonly kind: 'settle'; readonly numbers: readonly number[] }
  | { readonly kind: 'release'; readonly numbers: readonly number[]; readonly unread: boolean }
  | { readonly kind: 'cancel'; readonly number: number }
  | { readonly kind: 'start'; readonly bind: string | undefined }
  /** Shifts the wall clock of the process, as if it had been set. */
  | { readonly kind: 'shift'; readonly ms: number }
  /** Blocks the event loop of the process. */
  | { readonly kind: 'block'; readonly ms: number }
  | { readonly kind: 'retry' | 'status' | 'stop' | 'close' };

export interface RemoteCall {
  readonly number: number;
  readonly request: RemoteRequest;
}

export interface RemoteAnswer {
  readonly number: number;
  readonly result?: unknown;
  readonly error?: { readonly code: ErrorCode; readonly message: string };
}

interface Open {
  resolve(result: never): void;
  reject(error: Error): void;
}

/** A call with its number, for `cancel`. */
export type Running<Result> = Promise<Result> & { readonly number: number };

const program = fileURLToPath(new URL('./remote-process.js', import.meta.url));

export class Remote {
  readonly #child: ChildProcess;
  readonly #open = new Map<number, Open>();
  #count = 0;

  /**
   * `prefix`: a command that runs the process, for example in another network namespace.
   * `host`: the machine of the broker. `broker`: what IPC_BROKER names, for a session that finds it by that.
   */
  constructor(home: string, port: number, prefix: readonly string[] = [], host = '', broker = '') {
    const node = [process.execPath, program, home, String(port), host, broker];
    const [command = '', ...args] = [...prefix, ...node];
    this.#child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', (answer: RemoteAnswer) => this.#answered(answer));
    this.#child.on('exit', () => this.#gone());
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  post(
    to: string,
    body: string,
    more: { from?: string; id?: string; alsoTo?: string[]; settles?: number[] } = {},
  ): Running<PostResult> {
    return this.#call({ kind: 'post', to, body, ...more });
  }

  wait(from: Mailboxes, timeoutMs = 60_000): Running<RemoteDelivery | undefined> {
    return this.#call({ kind: 'wait', from, timeoutMs });
  }

  /** For a minute. */
  watch(mailbox: string, told?: Told): Running<Notice | undefined> {
    return this.#call({ kind: 'watch', mailboxes: [mailbox as Name], told });
  }

  fetch(
    from: Mailboxes,
    messagesMax?: number,
  ): Running<{ deliveries: RemoteDelivery[]; remaining: number }> {
    return this.#call({
      kind: 'fetch',
      from,
      ...(messagesMax === undefined ? {} : { messagesMax }),
    });
  }

  /** Resolves to the number of these messages that another session holds. */
  settle(...numbers: number[]): Running<number> {
    return this.#call({ kind: 'settle', numbers });
  }

  release(numbers: number[], unread = false): Running<void> {
    return this.#call({ kind: 'release', numbers, unread });
  }

  cancel(call: Running<unknown>): Running<void> {
    return this.#call({ kind: 'cancel', number: call.number });
  }

  /** Resolves when the process runs, without a call to the broker, so that a test can time its first one. */
  started(): Running<void> {
    return this.#call({ kind: 'cancel', number: 0 });
  }

  status(): Running<BrokerStatus> {
    return this.#call({ kind: 'status' });
  }

  retry(): Running<RetryResult> {
    return this.#call({ kind: 'retry' });
  }

  shiftClock(ms: number): Running<void> {
    return this.#call({ kind: 'shift', ms });
  }

  /** Resolves when the event loop runs again. */
  block(ms: number): Running<void> {
    return this.#call({ kind: 'block', ms });
  }

  start(bind?: string): Running<StartResult> {
    return this.#call({ kind: 'start', bind });
  }

  stop(): Running<StopResult> {
    return this.#call({ kind: 'stop' });
  }

  close(): Running<void> {
    return this.#call({ kind: 'close' });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** kill -9; resolves when the process is gone. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }

  #call<Result>(request: RemoteRequest): Running<Result> {
    const number = ++this.#count;
    const result = new Promise<Result>((resolve, reject) => {
      this.#open.set(number, { resolve, reject });
      this.#child.send({ number, request });
    });
    // A test that kills the process need not await every call that the kill interrupts.
    result.catch(() => {});
    return Object.assign(result, { number });
  }

  #answered({ number, result, error }: RemoteAnswer): void {
    const open = this.#open.get(number);
    this.#open.delete(number);
    if (error) open?.reject(new IpcError(error.code, error.message));
    else open?.resolve(result as never);
  }

  #gone(): void {
    for (const open of this.#open.values()) open.reject(new Error('the process is gone'));
    this.#open.clear();
  }
}

/** A state folder and a port, with sessions that end with the test. */
export interface Place {
  readonly home: string;
  readonly port: number;
  /** Starts a session in its own process. */
  session(prefix?: readonly string[]): Remote;
}

export async function place(context: TestContext): Promise<Place> {
  const remotes: Remote[] = [];
  // Hooks run in the order of their registration, so the folder is removed last.
  context.after(() => Promise.all(remotes.map((remote) => remote.kill())));
  const home = await makeHome(context);
  const port = await freePort();
  const session = (prefix?: readonly string[]) => {
    const remote = new Remote(home, port, prefix);
    remotes.push(remote);
    return remote;
  };
  return { home, port, session };
}
