// The ways in which an agent whose turn is over is woken: each is a file of this folder, and a row of wake-paths.ts.
// A ring carries a fixed text of the caller, with no sender and no body: it enters the agent's conversation.
import type { Environment } from '../../app/environment.ts';
import { IpcError } from '../../base/errors.ts';
import type { MailboxList } from '../../model/message.ts';

/** The facts that a session's MCP server has about the program that runs the agent. */
export interface WakeFacts {
  /** The name that the host reports. */
  readonly host: string | undefined;
  /** The environment of the MCP server. */
  readonly env: Environment;
  /** The thread that Codex named in the last call; '' if none. */
  readonly thread: string;
}

export interface WakePath {
  /** Shown in the status and by doctor. */
  readonly name: string;
  /** undefined if this path cannot exist for such a session. */
  find(facts: WakeFacts): Promise<Waker | undefined> | Waker | undefined;
}

export type Waker = RingWaker | HookWaker | CommandWaker;

/** The MCP server wakes the agent. */
export interface RingWaker {
  readonly kind: 'rings';
  /** The shortest pause before a second ring, for a path that does not merge rings. */
  readonly retryMsMin?: number;
  /**
   * Hands the text over, on one line. Rejects with an IpcError that says why if the host refused it, or did not take
   * it in time. That it resolves is no proof that the agent saw it: some hosts drop a text without a word.
   */
  ring(text: string): Promise<void>;
}

/** A hook of the host wakes the agent: a process that watches in the place of the MCP server. */
export interface HookWaker {
  readonly kind: 'hook';
}

/** The agent starts a command in the background, and its host wakes it when the command ends. */
export interface CommandWaker {
  readonly kind: 'command';
  /** The instruction for the agent. `program`: the words that start this program, as a shell takes them. */
  words(mailboxes: MailboxList, program: string): string;
}

/** The error of a ring that failed. */
export function notWoken(what: string, cause?: unknown): IpcError {
  const hint = 'nothing is lost: the mail stays in its mailbox until `wait` reads it';
  return new IpcError('unreachable', what, { hint, cause });
}
