// One table of errors. Faces print its hints, the wire carries its codes.
// A peer's, a caller's or a disk's fault is an IpcError; our own is an assertion.

/** What is true of every error with the same code. */
export interface ErrorKind {
  /** Whose fault: the call's (exit 2) or the world's (exit 1). */
  readonly fault: 'call' | 'world';
  /** The connection on which it happened is closed. */
  readonly fatal?: true;
  /** The same call may succeed later. */
  readonly retry?: true;
  /** The message of the failed post or send may have been taken all the same. */
  readonly maybeStored?: true;
  /** What the caller should do. */
  readonly hint: string;
}

const table = {
  unknown_operation: { fault: 'call', hint: 'use one of the operations that the message lists' },
  unknown_parameter: { fault: 'call', hint: 'leave it out, or use one of those listed' },
  missing_parameter: { fault: 'call', hint: 'give the parameter that the message names' },
  bad_parameter: { fault: 'call', hint: 'give the parameter in the form that the message names' },
  bad_name: { fault: 'call', hint: 'a name is 1 to 200 bytes of UTF-8 without control characters' },
  bad_id: { fault: 'call', hint: 'an id is 1 to 200 bytes of UTF-8 without control characters' },
  bad_body: { fault: 'call', hint: 'send UTF-8 text; encode other bytes, for example in base64' },
  body_too_large: { fault: 'call', hint: 'split the message, or send the path of a file' },
  bad_timeout: { fault: 'call', hint: 'give whole seconds from 1 to 300' },
  bad_port: { fault: 'call', hint: 'give a port from 1 to 65535' },
  bad_host: { fault: 'call', hint: 'write it as HOST:PORT, for example 127.0.0.1:19900' },

  home_unusable: { fault: 'world', hint: 'mend the folder, or name another one in IPC_HOME' },
  too_many_files: {
    fault: 'world',
    retry: true,
    hint: 'close what holds files open, or raise the limit (`ulimit -n`)',
  },
  key_unusable: { fault: 'world', hint: 'mend the key file, or name another one in IPC_KEY_FILE' },
  key_rotating: {
    fault: 'world',
    hint: 'once every machine has the new key, run `ipc key retire`, then try again',
  },
  key_mismatch: {
    fault: 'world',
    hint: 'use the key of the program that holds the port (IPC_HOME, IPC_KEY_FILE), or another port',
  },
  host_unknown: { fault: 'world', retry: true, hint: 'check the host name' },
  unreachable: {
    fault: 'world',
    retry: true,
    hint: 'check that the other side is listening there',
  },
  cut_off: {
    fault: 'world',
    retry: true,
    maybeStored: true,
    hint: 'the message may have been received; ask the receiver before sending it again',
  },
  busy: { fault: 'world', retry: true, hint: 'the receiver is taking another message; try again' },
  wrong_service: {
    fault: 'world',
    hint: 'post goes to the port of a broker, send and ping to the port of a receive',
  },
  port_taken: {
    fault: 'world',
    hint: 'use another port, or end that program if it is no agent session',
  },
  address_unusable: {
    fault: 'world',
    hint: 'bind an address of this machine, and a port from 1024 to 65535',
  },
  version_mismatch: {
    fault: 'world',
    fatal: true,
    hint: 'run the same version of agent-ipc on both sides',
  },
  owner_silent: {
    fault: 'world',
    retry: true,
    maybeStored: true,
    hint: 'continue or end that process; stored mail is safe, and parked waits stay parked',
  },
  no_broker: {
    fault: 'world',
    retry: true,
    hint: 'start the broker here (broker_start), or in another session',
  },
  not_owner: { fault: 'world', hint: 'only the session that owns the broker can do that' },

  store_newer: { fault: 'world', hint: 'use the newer version of agent-ipc that wrote this store' },
  store_full: {
    fault: 'world',
    retry: true,
    hint: 'read and settle mail, or wait, then post again',
  },
  owner_replaced: {
    fault: 'world',
    retry: true,
    maybeStored: true,
    hint: 'a newer broker has the same store; check for containers that share the folder',
  },
  storage_failed: {
    fault: 'world',
    retry: true,
    maybeStored: true,
    hint: 'look at the disk; the next broker reads what is really on it',
  },

  not_held: { fault: 'world', hint: 'another session holds the message now; do not settle it' },
  id_conflict: { fault: 'call', hint: 'use a new id for a new message' },
  too_many_unanswered: {
    fault: 'world',
    retry: true,
    hint: 'wait for answers before posting more',
  },
  mailbox_full: {
    fault: 'world',
    retry: true,
    hint: 'have that mailbox read and settled, then post again',
  },
  too_many_mailboxes: {
    fault: 'world',
    retry: true,
    hint: 'post to a mailbox that has mail, or have others read and settled',
  },
  too_many_connections: {
    fault: 'world',
    fatal: true,
    retry: true,
    hint: 'end sessions that are not needed any more',
  },
  too_many_posts: {
    fault: 'world',
    retry: true,
    hint: 'if agents only answer each other here, stop and tell your user; else wait, or set IPC_SENDS_PER_HOUR',
  },
  too_many_waits: { fault: 'world', retry: true, hint: 'end other waits first' },
  too_many_holds: {
    fault: 'world',
    retry: true,
    hint: 'settle or release what this session holds, or name fewer messages in one call',
  },

  unknown_error: {
    fault: 'world',
    maybeStored: true,
    hint: 'the message has the code and the text of the other side; run its version of agent-ipc here to have them explained',
  },
  bad_frame: { fault: 'world', fatal: true, hint: 'the peer does not speak this protocol' },
  frame_too_large: { fault: 'world', fatal: true, hint: 'the peer does not speak this protocol' },
  body_damaged: {
    fault: 'world',
    fatal: true,
    hint: 'a body changed on its way; it is offered again',
  },
  message_damaged: {
    fault: 'world',
    hint: 'ask its sender for it again, then settle it; `damaged` says so beforehand',
  },
  replaced: { fault: 'world', fatal: true, hint: 'the session has a newer connection' },

  host_unusable: {
    fault: 'world',
    hint: 'mend it, or take what `--print` shows and do it by hand',
  },
  output_failed: { fault: 'world', hint: 'mend where the output goes' },
  cancelled: { fault: 'world', hint: 'call again if the result is still wanted' },
  closed: { fault: 'world', hint: 'use another session, or start a new one' },
} as const satisfies Record<string, ErrorKind>;

/** All codes: a `switch` over one is checked by the compiler. */
export type ErrorCode = keyof typeof table;
/** Each code and its kind: docs/guide/errors.md, as a value. */
export const errorTable: Readonly<Record<ErrorCode, ErrorKind>> = table;

export function isErrorCode(text: unknown): text is ErrorCode {
  return typeof text === 'string' && Object.hasOwn(table, text);
}

/** Where a case is not like the others of its code. */
export interface IpcErrorOptions extends ErrorOptions {
  readonly maybeStored?: boolean;
  readonly hint?: string;
}

/** A fault of a caller, a peer, or the machine: it has a code of the table and says what happened. */
export class IpcError extends Error {
  /** Tells it from other errors where `instanceof` cannot. */
  override readonly name = 'IpcError';

  /** Stays what it is from version to version; the message may be worded anew. */
  readonly code: ErrorCode;

  /** The message of the failed post or send may have been taken all the same. */
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

  /** What is true of its code: above all `retry`, the same call may succeed later. */
  get kind(): ErrorKind {
    return errorTable[this.code];
  }
}

/** Nothing more can be opened by the process or the machine; whatever was to be opened is not to blame. */
export function outOfFiles(error: unknown): IpcError | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code !== 'EMFILE' && code !== 'ENFILE') return undefined;
  return new IpcError('too_many_files', `too many open files (${code})`, { cause: error });
}

/** For the end of a switch: the compiler proves that it is never reached. */
export function unreachable(value: never): never {
  throw new Error(`not a case: ${JSON.stringify(value)}`);
}

/** The caller took the call back. */
export function cancelled(): IpcError {
  return new IpcError('cancelled', 'the call was cancelled');
}

/** `ENOENT` and the like, of an error that the system reported; the text of any other error. */
export function systemErrorCode(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error ? String(error.code) : error.message;
}
