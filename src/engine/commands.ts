// The input and the output of a step of the engine.
import type { IpcError } from '../base/errors.ts';
import type { ImportRequest } from '../model/import-requests.ts';
import type { JournalRecord } from '../model/records.ts';
import type { BrokerRequest, PostRequest, Response, Welcome } from '../model/requests.ts';
import type { EventOfRecord } from './record-events.ts';

export type ConnectionId = number;
/** A request of a connection, the end of the connection, or deliveries that its peer has taken. */
export type Command =
  | PostCommand
  | ImportCommand
  | Exclude<BrokerRequest, PostRequest | ImportRequest>
  | { readonly kind: 'disconnect' }
  /** The kernel has taken this many bytes of bodies that were delivered to the connection. */
  | { readonly kind: 'flushed'; readonly bytes: number };

export type CommandOf<Kind extends Command['kind']> = Extract<Command, { readonly kind: Kind }>;

/** `refusal`: why the disk has no room for the post, which is refused with it unless it repeats one that is stored. */
export interface PostCommand extends PostRequest {
  readonly refusal?: IpcError | undefined;
}

/** `refusal`: as of a PostCommand. */
export interface ImportCommand extends ImportRequest {
  readonly refusal?: IpcError | undefined;
}

export interface Instant {
  /** Milliseconds on a clock that never jumps, for deadlines. */
  readonly now: number;
  /** Milliseconds since 1970, only for people to read. */
  readonly time: number;
}

/** The records of the same outcome are written, or synced, BEFORE the reply is sent. */
export interface Reply {
  readonly to: ConnectionId;
  readonly after: 'write' | 'sync';
  /** After an error with a fatal code the connection is closed. */
  readonly response: Response;
}

export interface Outcome {
  readonly records: readonly JournalRecord[];
  /** The events of each record, in the order of the records; empty while nobody wants events. */
  readonly events: readonly (readonly EventOfRecord[])[];
  readonly replies: readonly Reply[];
}

/** The part of a welcome that identifies the broker. The engine only passes it on. */
export type Identity = Omit<Welcome, 'kind' | 'request' | 'revoked' | 'messages'>;
