// The seam to the stream of a store: messages in one order, which the server appends by compare and swap.
import type { IpcError } from '../base/errors.ts';

/** Messages of a stream as it is now. */
export interface StreamState {
  /** The sequence of the message that was appended last; 0 before the first. */
  readonly lastSequence: number;
  /** What its messages take on the server. */
  readonly bytes: number;
  /** Infinity: no limit. */
  readonly bytesMax: number;
  /** When the stream was made, as the server says it. */
  readonly created: string;
}

export interface StreamMessage {
  readonly sequence: number;
  /** The last part of its subject. */
  readonly file: string;
  readonly data: Buffer;
}

export type AppendResult =
  | { readonly kind: 'stored'; readonly sequence: number }
  /** Another message is the last one. */
  | { readonly kind: 'refused' }
  | UnknownResult;

/** It may be stored or not: no response, or one that says nothing about that. */
export interface UnknownResult {
  readonly kind: 'unknown';
  readonly reason: string;
  /** The server has no room. */
  readonly isFull?: boolean;
  /** This user may not append: no repetition will be stored. */
  readonly forbidden?: IpcError;
}

export interface LogStream {
  /** The largest message that the server takes, in bytes, without its headers. */
  readonly messageBytesMax: number;
  /** Throws `home_unusable` if it cannot keep mail any more. */
  state(): Promise<StreamState>;
  /**
   * Appends if the last message has the sequence `after`. A message with an `id` that the stream has had within the last
   * minutes is not appended again: it is `stored`, with the sequence that it has. Messages are appended in the order of
   * the calls. Never throws.
   */
  append(message: AppendedMessage): Promise<AppendResult>;
  /** The message that was appended last for this file; undefined if there is none. */
  last(file: string): Promise<StreamMessage | undefined>;
  /** The message of this sequence; undefined if it is not there. */
  at(sequence: number): Promise<StreamMessage | undefined>;
  /**
   * All messages up to this one, in order, and none behind it. Those of files that are purged meanwhile may be missing.
   * Throws if it ends earlier, or has left out others.
   */
  read(upTo: number): AsyncIterable<StreamMessage>;
  /** The files that have messages. */
  files(): Promise<ReadonlySet<string>>;
  /** Removes the messages of a file; of all but the last `keep`. */
  purge(file: string, keep?: number): Promise<void>;
}

export interface AppendedMessage {
  readonly file: string;
  readonly data: Buffer;
  readonly id: string;
  readonly after: number;
}

/** The file that claims are appended to. */
export const claimFile = 'claim';
