// One table of errors: the wire carries its codes, and the faces print its hints.
// A fault of a caller, a peer or the disk is an IpcError; a fault of this program is an assertion.

/** Properties that all errors with the same code share. */
export interface ErrorKind {
  /** A usage error (exit code 2): the same call never succeeds. Or the operation failed (exit code 1). */
  readonly fault: 'usage' | 'operation';
  /** The connection on which it happened is closed. The session reconnects by itself. */
  readonly fatal?: true;
  /** The same call may succeed later. */
  readonly retry?: true;
  /** The message of the failed post or send may have been stored or received all the same. */
  readonly maybeStored?: true;
  /** What the caller should do. */
  readonly hint: string;
}

const table = {
  unknown_operation: { fault: 'usage', hint: 'use one of the operations that the message lists' },
  unknown_parameter: {
    fault: 'usage',
    hint: 'remove the parameter, or use one of those that the message lists',
  },
  missing_parameter: { fault: 'usage', hint: 'add the parameter that the message names' },
  bad_parameter: {
    fault: 'usage',
    hint: 'give the parameter in the form that the message describes',
  },
  bad_name: {
    fault: 'usage',
    hint: 'use a name of 1 to 200 bytes of UTF-8 without invisible characters, and without spaces at its ends',
  },
  bad_id: {
    fault: 'usage',
    hint: 'use an id of 1 to 200 bytes of UTF-8 without control characters',
  },
  bad_body: { fault: 'usage', hint: 'send UTF-8 text; encode other data, for example in base64' },
  body_too_large: {
    fault: 'usage',
    hint: 'split the message, or write it to a file and send the path',
  },
  bad_timeout: { fault: 'usage', hint: 'to wait longer, call again when the time is over' },
  bad_port: { fault: 'usage', hint: 'leave it out for the default port' },
  bad_host: {
    fault: 'usage',
    hint: 'give both, for example 127.0.0.1:19900 (a receive) or 127.0.0.1:19901 (a broker)',
  },

  home_unusable: {
    fault: 'operation',
    hint: 'fix the folder that the message names, or set IPC_HOME to another one',
  },
  too_many_files: {
    fault: 'operation',
    retry: true,
    hint: 'close programs that have many files open, or raise the limit (`ulimit -n`)',
  },
  key_unusable: {
    fault: 'operation',
    hint: 'fix the key file, or set IPC_KEY_FILE to another one',
  },
  key_rotating: {
    fault: 'operation',
    hint: 'when every machine has the new key, run `ipc key retire`, then try again',
  },
  key_mismatch: {
    fault: 'operation',
    hint: 'use the same key as the program that holds the port (IPC_HOME, IPC_KEY_FILE), or another port',
  },
  not_authorized: {
    fault: 'operation',
    hint: 'check the user of IPC_BROKER, or the file of IPC_NATS_CREDS, with whoever runs the NATS server',
  },
  host_unknown: {
    fault: 'operation',
    retry: true,
    hint: 'check the host name and the name server',
  },
  unreachable: {
    fault: 'operation',
    retry: true,
    hint: 'check that the other program is listening at that address',
  },
  cut_off: {
    fault: 'operation',
    retry: true,
    maybeStored: true,
    hint: 'the message may have been received; ask the receiver before you send it again',
  },
  busy: {
    fault: 'operation',
    retry: true,
    hint: 'the receiver is taking another message; try again',
  },
  wrong_service: {
    fault: 'operation',
    hint: 'use post with the port of a broker, send and ping with the port of a receive',
  },
  port_taken: {
    fault: 'operation',
    hint: 'use another port, or end the program that holds this one if it is not an agent session',
  },
  address_unusable: {
    fault: 'operation',
    hint: 'use an address of this machine',
  },
  network_forbidden: {
    fault: 'operation',
    hint: 'run it outside the sandbox, or allow it the network there; an agent calls the tool `ipc`, whose server its host starts outside',
  },
  version_mismatch: {
    fault: 'operation',
    fatal: true,
    hint: 'run the same version of agent-ipc on both sides: end the sessions of the older one',
  },
  owner_silent: {
    fault: 'operation',
    retry: true,
    maybeStored: true,
    hint: 'resume or end the process that the message names; stored mail is safe, and parked waits stay parked',
  },
  no_broker: {
    fault: 'operation',
    retry: true,
    hint: 'start the broker here (broker_start), or in another session',
  },
  not_owner: { fault: 'operation', hint: 'do this in the session that owns the broker' },

  store_newer: {
    fault: 'operation',
    hint: 'use the newer version of agent-ipc that wrote this store',
  },
  store_full: {
    fault: 'operation',
    retry: true,
    hint: 'read and settle mail, or wait until others do, or do what the message says; then post again',
  },
  owner_replaced: {
    fault: 'operation',
    retry: true,
    maybeStored: true,
    hint: 'another broker has taken over the same store; check for containers that share the folder, then try again',
  },
  storage_failed: {
    fault: 'operation',
    retry: true,
    maybeStored: true,
    hint: 'check the disk, or the limit that the message names; the next broker reads what is really on the disk',
  },

  not_held: { fault: 'operation', hint: 'another session holds the message now; do not settle it' },
  id_conflict: { fault: 'usage', hint: 'use a new id for a new message' },
  too_many_unanswered: {
    fault: 'operation',
    retry: true,
    hint: 'wait for responses before you post more',
  },
  mailbox_full: {
    fault: 'operation',
    retry: true,
    hint: 'have mail of that mailbox read and settled, then post again',
  },
  too_many_mailboxes: {
    fault: 'operation',
    retry: true,
    hint: 'post to a mailbox that has mail, or have other mailboxes read and settled',
  },
  too_many_pauses: {
    fault: 'operation',
    hint: 'resume mailboxes that need no pause any more, or pause all of them (`ipc pause --all`)',
  },
  too_many_connections: {
    fault: 'operation',
    fatal: true,
    retry: true,
    hint: 'end sessions that are no longer needed',
  },
  too_many_posts: {
    fault: 'operation',
    retry: true,
    hint: 'if agents only answer each other here, stop and tell your user; otherwise wait, or set another limit (IPC_SENDS_PER_HOUR; in the library sendsPerHour)',
  },
  too_many_waits: { fault: 'operation', retry: true, hint: 'end other waits first' },
  too_many_holds: {
    fault: 'operation',
    retry: true,
    hint: 'settle or release messages that this session holds, or name fewer messages in one call',
  },

  unknown_error: {
    fault: 'operation',
    maybeStored: true,
    hint: 'the message has the code and the text of the other side; its version of agent-ipc explains them',
  },
  bad_frame: {
    fault: 'operation',
    fatal: true,
    hint: 'use the same version of agent-ipc on both sides; if it is the same, the other program does not speak this protocol',
  },
  frame_too_large: {
    fault: 'operation',
    fatal: true,
    hint: 'check what listens at that address; it does not speak this protocol',
  },
  body_damaged: {
    fault: 'operation',
    fatal: true,
    hint: 'nothing to do: a body changed in transit, the connection is closed, and the message is sent again',
  },
  message_damaged: {
    fault: 'operation',
    hint: 'ask its sender to post it again, then settle it; `damaged` reports such messages in advance',
  },
  replaced: {
    fault: 'operation',
    fatal: true,
    hint: 'nothing to do: the session has a newer connection',
  },

  host_unusable: {
    fault: 'operation',
    hint: 'fix what the message names, or make the change that `--print` shows by hand',
  },
  output_failed: {
    fault: 'operation',
    hint: 'check where the output goes, for example the disk or the program that reads the pipe',
  },
  cancelled: { fault: 'operation', hint: 'call again if you still want the result' },
  closed: { fault: 'operation', hint: 'use another session, or open a new one' },
} as const satisfies Record<string, ErrorKind>;

/** All error codes. The compiler checks that a `switch` over a code is complete. */
export type ErrorCode = keyof typeof table;
/** Each code and its kind: docs/guide/errors.md as a value. */
export const errorTable: Readonly<Record<ErrorCode, ErrorKind>> = table;

export function isErrorCode(text: unknown): text is ErrorCode {
  return typeof text === 'string' && Object.hasOwn(table, text);
}

/** Overrides for one error that differs from others of its code. */
export interface IpcErrorOptions extends ErrorOptions {
  readonly maybeStored?: boolean;
  readonly hint?: string;
}

/** A fault of a caller, a peer or the machine. It has a code of the table; its message says what happened. */
export class IpcError extends Error {
  /** Identifies it where `instanceof` cannot, for example across two copies of the package. */
  override readonly name = 'IpcError';

  /** Stable from version to version. The message may be reworded. */
  readonly code: ErrorCode;

  /** The message of the failed post or send may have been stored or received all the same. */
  readonly maybeStored: boolean;

  /** What the caller should do. */
  readonly hint: string;

  /** @internal */
  constructor(code: ErrorCode, what: string, options: IpcErrorOptions = {}) {
    super(what, options);
    this.code = code;
    this.maybeStored = options.maybeStored ?? this.kind.maybeStored ?? false;
    this.hint = options.hint ?? this.kind.hint;
  }

  /** Properties of its code; the most useful is `retry`: the same call may succeed later. */
  get kind(): ErrorKind {
    return errorTable[this.code];
  }
}

/** For EMFILE and ENFILE: the process or the machine has too many open files, so the path is not at fault. */
export function outOfFiles(error: unknown): IpcError | undefined {
  const code = systemErrorCode(error);
  if (code !== 'EMFILE' && code !== 'ENFILE') return undefined;
  return new IpcError('too_many_files', `too many open files (${code})`, { cause: error });
}

const fullDiskHint =
  'free space, or inodes (`df -i`), on the disk of the folder, or raise the quota; the mail in it is safe';
/** Faults of a disk, or of limits on it, for which no folder is to blame. */
const storageFaults: ReadonlyMap<string, readonly [code: ErrorCode, hint: string]> = new Map([
  ['ENOSPC', ['store_full', fullDiskHint]],
  ['EDQUOT', ['store_full', fullDiskHint]],
  ['EIO', ['storage_failed', 'check the disk; the next broker reads what is really on it']],
  ['EROFS', ['storage_failed', 'make the file system writable again; the mail on it is safe']],
  [
    'EFBIG',
    [
      'storage_failed',
      'raise the limit on the size of files (`ulimit -f`), or let a session without it own the broker',
    ],
  ],
]);

/** For a disk that is full, broken or read-only, and a limit on the size of files. `what`: the message. */
export function storageFault(error: unknown, what?: string): IpcError | undefined {
  const found = storageFaults.get(systemErrorCode(error));
  if (!found) return undefined;
  const [code, hint] = found;
  return new IpcError(code, what ?? (error as Error).message, { cause: error, hint });
}

/** For an error that the system reported of a state folder, or of a part of it; any other error stays as it is. */
export function homeFault(error: unknown, folder: string): unknown {
  if (!isSystemError(error)) return error;
  const what = `${folder}: ${error.message}`;
  return (
    outOfFiles(error) ??
    storageFault(error, what) ??
    new IpcError('home_unusable', what, { cause: error })
  );
}

/** For the default case of a switch: the compiler proves that it is never reached. */
export function unreachable(value: never): never {
  throw new Error(`not a case: ${JSON.stringify(value)}`);
}

/**
 * A fault of this program: the message with that number ought to be live. For places that each post passes: an assert()
 * makes its text even if nothing is wrong.
 */
export function notLive(number: number): Error {
  return new Error(`message ${number} is not live`);
}

/** The caller cancelled the call. */
export function cancelled(): IpcError {
  return new IpcError('cancelled', 'the call was cancelled');
}

/** The system reported it. Any other error that is no IpcError is a fault of this program. */
export function isSystemError(error: unknown): error is Error {
  return error instanceof Error && 'errno' in error;
}

/** EDQUOT of Linux and of macOS. Node has no name for it: it reports UNKNOWN, or the number. */
const quotaErrnos: readonly unknown[] = [-122, -69];

/** `ENOENT` and the like, of an error that the system reported; the text of any other error. */
export function systemErrorCode(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('errno' in error && quotaErrnos.includes(error.errno)) return 'EDQUOT';
  return 'code' in error ? String(error.code) : error.message;
}
