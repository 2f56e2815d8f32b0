// The package: everything that it exports.

export { type ErrorCode, type ErrorKind, errorTable, IpcError } from './base/errors.ts';
export { AgentMail, open } from './library/agent-mail.ts';
export type { WatchEvent } from './library/library-events.ts';
export {
  type DirectMessage,
  type Found,
  type Glimpse,
  type LastHold,
  Message,
} from './library/library-message.ts';
export type {
  AskOptions,
  CallOptions,
  DropOptions,
  FetchOptions,
  FindOptions,
  OpenOptions,
  PeekOptions,
  PingOptions,
  PostOptions,
  ReceiveOptions,
  ReleaseOptions,
  RetryOptions,
  SendOptions,
  StartOptions,
  WaitOptions,
  WatchEventsOptions,
  WatchOptions,
} from './library/library-options.ts';
export type { Dropped, Fetched, Peeked, Stored } from './library/library-results.ts';
export type {
  DeadLetterCount,
  FoundState,
  LastNotice,
  MailboxStatus,
  SessionHold,
} from './model/look-results.ts';
export type { HeldAhead, MailElsewhere, Notice, SameText } from './model/mail-ahead.ts';
export type { EventCursor } from './model/mail-events.ts';
export type {
  BrokerStatus,
  RetryResult,
  SessionStatus,
  StartResult,
  StopResult,
} from './model/mail-service.ts';
export type { HoldEnd, Origin } from './model/message.ts';
export type {
  DeadLetter,
  DroppedMessage,
  Holder,
} from './model/requests.ts';
