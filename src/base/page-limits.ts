// The limits of `ipc ui` and its page, as limits.ts has those of the mail.
import assert from 'node:assert/strict';
import { bodyBytesMax } from './limits.ts';

/** Newest messages that `ipc ui` keeps in memory for its pages. Older ones are searched for in the store. */
export const pageMessagesMax = 10_000;
/** Characters of a body in memory and in lists of the page. A message that is opened is read from the store, whole. */
export const pageTextCharactersMax = 2_000;
/** Newest events of one message in memory: a message that is fetched and released without end has no end of them. */
export const pageLifeMax = 200;
/** Newest events from which a page that connects again is served. One that missed more loads the messages anew. */
export const pageEventsMax = 5_000;
/** Events of one item of a page's event stream, and bytes that may wait for a page that reads slowly. */
export const streamEventsMax = 500;
export const streamBufferBytesMax = 1_048_576;
/** Pages, or windows of them, that are open at a time. */
export const streamsMax = 16;
/** A stream without events has a comment this often, so that the server notices a page that is gone. */
export const streamBeatMs = 15_000;
/** A page that has read nothing for this long is closed. */
export const streamStallMs = 60_000;
/** Connections to the page's server. A browser has six, beside one for each open event stream. */
export const pageConnectionsMax = 128;
assert(pageConnectionsMax >= streamsMax * 7, 'every page has room for its requests');
/** Time for the head of a request, and for all of it. */
export const pageHeadMs = 10_000;
export const pageRequestMs = 30_000;
/** Bytes of the head of a request: a search has a text in its address. */
export const pageHeadBytesMax = 16_384;
/** Bytes of the JSON of a request. */
export const pageBodyBytesMax = 8 * 1024 ** 2;
assert(
  pageBodyBytesMax > 6 * bodyBytesMax + 65_536,
  'a post of the largest body fits, with each of its characters escaped',
);
/** Searches and exports that run at a time; each reads the store from its beginning. */
export const pageSearchesMax = 4;
export const searchResultsDefault = 100;
export const searchResultsMax = 1_000;
/** Messages of one export: what it needs of each in memory is little, but not nothing. */
export const exportMessagesMax = 100_000;
/** Ids of one request to read messages, drop them, or try them again. */
export const pageIdsMax = 10_000;
/** How long a page waits for the broker: for its state, and for a change to be applied. */
export const pageStatusMs = 2_000;
export const pageChangeMs = 30_000;
