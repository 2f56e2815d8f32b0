// The interface of all systems that are compared. Each is started fresh for a run, on loopback, on free ports and
// with folders of its own.

export interface QueueSystem {
  /** With what it guarantees, if that differs: it is part of the name of each result. */
  readonly name: string;
  /** Stores a message; resolves when the system says that it is stored. */
  post(body: Buffer): Promise<unknown>;
  /** Parks a wait on another connection, then posts: the microseconds from the call of the post to the arrival. */
  handOver?(body: Buffer): Promise<number>;
  /** Takes the oldest message for good. */
  take?(): Promise<unknown>;
  /** Removes all messages, where many would be in the way. */
  clear?(): Promise<unknown>;
  close(): Promise<void>;
}

/** Why a system is not there. It is left out, which is no failure of the benchmark. */
export class Missing extends Error {}
