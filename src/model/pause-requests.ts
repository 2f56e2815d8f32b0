// A pause of deliveries, and its response.
import type { Name } from './message.ts';
import type { RequestNumber } from './requests.ts';

/** Mailboxes that are paused; '' stands for all. */
export type PausedNames = readonly (Name | '')[];

/** Pauses or resumes deliveries. */
export interface PauseRequest {
  readonly kind: 'pause';
  readonly request: RequestNumber;
  readonly isPaused: boolean;
  /** At most `pausedMailboxesMax`; empty for all, also those that are paused by themselves. */
  readonly mailboxes: readonly Name[];
}

/** The response to a pause. */
export interface PausingResponse {
  readonly kind: 'pausing';
  readonly request: RequestNumber;
  /** All that are paused then. */
  readonly mailboxes: PausedNames;
}
