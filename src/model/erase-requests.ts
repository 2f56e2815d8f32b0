// The erasing of settled mail, and its response.
import type { Name } from './message.ts';
import type { RequestNumber } from './requests.ts';

/** Forgets what was settled. */
export interface EraseRequest {
  readonly kind: 'erase';
  readonly request: RequestNumber;
  /** Only messages that were posted to it; '' for all. */
  readonly mailbox: Name | '';
}

/** What an erase removed. */
export interface Erased {
  /** Settled messages that nothing is left of. */
  readonly messages: number;
  /** By how much history is shorter, in bytes. */
  readonly bytes: number;
}

/** The response to an erase. */
export interface ErasedResponse extends Erased {
  readonly kind: 'erased';
  readonly request: RequestNumber;
}
