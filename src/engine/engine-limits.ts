// The limits of the engine, which tests replace by smaller ones.
import {
  attemptsMax,
  guaranteedPosts,
  holderGraceMs,
  indexBytesMax,
  mailboxBytesMax,
  mailboxesMax,
  mailboxIndexBytesMax,
  mailboxMessagesMax,
  messagesMax,
  messagesPerLook,
  namedIdsBytesMax,
  namedIdsMax,
  pausedMailboxesMax,
  replayedPostsBytesMax,
  sessionPostsBytesMax,
  sessionsMax,
  sharedPostsBytesMax,
  statusMailboxesMax,
  statusSessionsMax,
  storeBytesMax,
  unacknowledgedPostsMax,
  unreadBytesMax,
  unstoredIdsBytesMax,
  unstoredIdsMax,
  waitsMax,
  waitsPerConnectionMax,
  watchesMax,
  watchesPerConnectionMax,
  watchQuietMs,
  watchTurnMs,
} from '../base/limits.ts';
import type { DeduplicationLimits } from './deduplication.ts';

export interface EngineLimits extends DeduplicationLimits {
  readonly attemptsMax: number;
  readonly holderGraceMs: number;
  readonly messagesMax: number;
  readonly storeBytesMax: number;
  readonly indexBytesMax: number;
  readonly unacknowledgedPostsMax: number;
  readonly mailboxMessagesMax: number;
  readonly mailboxBytesMax: number;
  readonly mailboxIndexBytesMax: number;
  readonly mailboxesMax: number;
  readonly waitsMax: number;
  readonly waitsPerConnectionMax: number;
  readonly watchesMax: number;
  readonly watchesPerConnectionMax: number;
  readonly watchQuietMs: number;
  readonly watchTurnMs: number;
  readonly unreadBytesMax: number;
  readonly pausedMailboxesMax: number;
  readonly statusMailboxesMax: number;
  readonly statusSessionsMax: number;
  readonly messagesPerLook: number;
}

export const engineLimits: EngineLimits = {
  attemptsMax,
  holderGraceMs,
  messagesMax,
  storeBytesMax,
  indexBytesMax,
  unacknowledgedPostsMax,
  mailboxMessagesMax,
  mailboxBytesMax,
  mailboxIndexBytesMax,
  mailboxesMax,
  waitsMax,
  waitsPerConnectionMax,
  watchesMax,
  watchesPerConnectionMax,
  watchQuietMs,
  watchTurnMs,
  unreadBytesMax,
  pausedMailboxesMax,
  statusMailboxesMax,
  statusSessionsMax,
  messagesPerLook,
  sessionsMax,
  sessionPostsBytesMax,
  sharedPostsBytesMax,
  guaranteedPosts,
  replayedPostsBytesMax,
  namedIdsMax,
  namedIdsBytesMax,
  unstoredIdsMax,
  unstoredIdsBytesMax,
};
