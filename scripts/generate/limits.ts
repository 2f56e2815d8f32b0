// The limits as documents show them: each number is that of limits.ts, event-limits.ts or page-limits.ts in
// src/base/.
import * as eventLimits from '../../src/base/event-limits.ts';
import * as mailLimits from '../../src/base/limits.ts';
import * as pageLimits from '../../src/base/page-limits.ts';

const limits = { ...mailLimits, ...eventLimits, ...pageLimits };
const values: Readonly<Record<keyof typeof limits, number>> = limits;

interface Limit {
  readonly what: string;
  readonly constant: keyof typeof limits;
  readonly unit: keyof typeof unitSizes;
  /** What happens there, and what a user can do about it. */
  readonly reached: string;
  /** One of the six in the README: a user meets it, and can act on it. */
  readonly isCommon?: true;
}

/** A unit of the table, in that of the constants. */
const unitSizes = {
  '': 1,
  bytes: 1,
  characters: 1,
  s: 1_000,
  days: 86_400_000,
  KiB: 1_024,
  MiB: 1_024 ** 2,
  GiB: 1_024 ** 3,
};

const table: readonly Limit[] = [
  {
    what: 'body of a message',
    constant: 'bodyBytesMax',
    unit: 'bytes',
    reached: '`body_too_large`: split it, or post the path of a file',
    isCommon: true,
  },
  {
    what: 'name of a mailbox or sender',
    constant: 'nameBytesMax',
    unit: 'bytes',
    reached: '`bad_name`',
  },
  {
    what: 'message id that the caller chooses',
    constant: 'idBytesMax',
    unit: 'bytes',
    reached: '`bad_id`',
  },
  {
    what: 'mailboxes of one post',
    constant: 'mailboxesPerPostMax',
    unit: '',
    reached: '`bad_parameter`: post to the others in another call',
    isCommon: true,
  },
  {
    what: 'mailboxes of one wait, watch or fetch',
    constant: 'mailboxesPerReadMax',
    unit: '',
    reached: '`bad_parameter`: read the others in another call',
  },
  {
    what: 'tickets that one call names in `after`',
    constant: 'ticketsPerCallMax',
    unit: '',
    reached: '`bad_parameter`: name the others in another call',
  },
  {
    what: 'addresses that one bind names',
    constant: 'listenAddressesMax',
    unit: '',
    reached: '`bad_parameter`: name fewer, or 0.0.0.0 for all',
  },
  {
    what: 'default timeout of wait, ask and receive',
    constant: 'waitMsDefault',
    unit: 's',
    reached: 'the result says that no message came; wait again',
  },
  {
    what: 'default timeout of send and ping',
    constant: 'sendMsDefault',
    unit: 's',
    reached: '`unreachable` or `busy`: try again later',
  },
  {
    what: 'shortest timeout of a call',
    constant: 'waitMsMin',
    unit: 's',
    reached:
      '`bad_timeout`; for `ipc wait` and `ipc ask` 0 is no end; in the library a wait or an ask of 0 looks once, and a send or a ping needs 1 ms',
  },
  {
    what: 'longest timeout of a call',
    constant: 'waitMsMax',
    unit: 's',
    reached: '`bad_timeout`: give less, and wait again',
    isCommon: true,
  },
  {
    what: 'longest timeout of a watch that has an end',
    constant: 'watchMsMax',
    unit: 's',
    reached: '`bad_timeout`: give less, or none for no end',
  },
  {
    what: 'default port of the broker',
    constant: 'portBrokerDefault',
    unit: '',
    reached: 'set another one with `port` or `IPC_PORT`',
  },
  {
    what: 'default port of a receive',
    constant: 'portDirectDefault',
    unit: '',
    reached: 'set another one with `port`',
  },
  {
    what: 'default port of the page',
    constant: 'portUiDefault',
    unit: '',
    reached: 'set another one with `--port`',
  },
  {
    what: 'attempts to deliver a message',
    constant: 'attemptsMax',
    unit: '',
    reached: 'it waits in `dead-letters`; `ipc store retry` moves it back',
    isCommon: true,
  },
  {
    what: 'messages that one session holds',
    constant: 'holdsMax',
    unit: '',
    reached: '`too_many_holds`: settle or release some, then read on',
  },
  {
    what: 'unsettled messages in a store',
    constant: 'messagesMax',
    unit: '',
    reached: '`store_full`: read and settle mail, then post again',
    isCommon: true,
  },
  {
    what: 'bytes of their bodies',
    constant: 'storeBytesMax',
    unit: 'GiB',
    reached: '`store_full`, likewise',
  },
  {
    what: 'memory of their index: 512 bytes for each, and its names, ids, program and machine',
    constant: 'indexBytesMax',
    unit: 'MiB',
    reached: '`store_full`, likewise',
  },
  {
    what: 'unsettled messages in one mailbox',
    constant: 'mailboxMessagesMax',
    unit: '',
    reached: '`mailbox_full`: have that mailbox read, then post again',
  },
  {
    what: 'bytes of their bodies in one mailbox',
    constant: 'mailboxBytesMax',
    unit: 'GiB',
    reached: '`mailbox_full`, likewise',
  },
  {
    what: 'memory of the index of one mailbox',
    constant: 'mailboxIndexBytesMax',
    unit: 'MiB',
    reached: '`mailbox_full`, likewise',
  },
  {
    what: 'mailboxes that have mail',
    constant: 'mailboxesMax',
    unit: '',
    reached: '`too_many_mailboxes`: post to one that has mail, or have others read',
  },
  {
    what: 'connections to one broker',
    constant: 'connectionsMax',
    unit: '',
    reached: '`too_many_connections`: end sessions that are not needed',
  },
  {
    what: 'posts and settles of one connection that wait for the disk',
    constant: 'postsInFlightMax',
    unit: '',
    reached: '`too_many_unanswered`: wait for responses first',
  },
  {
    what: 'requests of one connection in one turn of the event loop',
    constant: 'turnRequestsMax',
    unit: '',
    reached: 'the rest is read after all other connections had their turn',
  },
  {
    what: 'bytes of one connection in one turn of the event loop',
    constant: 'turnBytesMax',
    unit: 'MiB',
    reached: 'likewise',
  },
  {
    what: 'bytes of the posts of one connection in one sync to disk, beside posts of others',
    constant: 'syncShareBytes',
    unit: 'KiB',
    reached: 'with these, or one larger post, its requests stay unread until that sync has ended',
  },
  {
    what: 'bytes that one peer has not read yet',
    constant: 'unreadBytesMax',
    unit: 'MiB',
    reached: 'deliveries to it pause, and its requests stay unread, until it reads',
  },
  {
    what: 'buffered bytes of all peers: not read yet, or frames received in part',
    constant: 'bufferBudgetBytes',
    unit: 'MiB',
    reached: 'the connection that has been stalled for longest is closed',
  },
  {
    what: 'sessions whose post ids are remembered',
    constant: 'sessionsMax',
    unit: '',
    reached: 'the one last seen longest ago is forgotten, never one that is connected',
  },
  {
    what: 'bytes that sessions and their posts without acknowledged responses take in a segment',
    constant: 'sessionPostsBytesMax',
    unit: 'KiB',
    reached:
      'the session last seen longest ago is forgotten, and a post that it repeats is stored again; if all are connected, `too_many_unanswered`: wait for responses, then post again',
  },
  {
    what: 'posts without acknowledged responses that each connected session may have even then',
    constant: 'guaranteedPosts',
    unit: '',
    reached: '`too_many_unanswered`, likewise',
  },
  {
    what: 'ids chosen by callers that are remembered',
    constant: 'namedIdsMax',
    unit: '',
    reached: 'the oldest is forgotten; a post that repeats it is stored again',
  },
  {
    what: 'bytes of these ids, with 21 for each',
    constant: 'namedIdsBytesMax',
    unit: 'KiB',
    reached: 'likewise',
  },
  {
    what: 'waits, fetches and peeks parked in one broker; mailboxes that the waits name',
    constant: 'waitsMax',
    unit: '',
    reached: '`too_many_waits`: end other waits first',
  },
  {
    what: 'the same on one connection',
    constant: 'waitsPerConnectionMax',
    unit: '',
    reached: '`too_many_waits`, likewise',
  },
  {
    what: 'mailboxes that the watches of one broker name',
    constant: 'watchesMax',
    unit: '',
    reached: '`too_many_waits`: end other watches first',
  },
  {
    what: 'the same on one connection',
    constant: 'watchesPerConnectionMax',
    unit: '',
    reached: '`too_many_waits`, likewise',
  },
  {
    what: 'mailboxes whose events one watch of all that happens names',
    constant: 'eventMailboxesMax',
    unit: '',
    reached: '`bad_parameter`: follow the others in another call, or all',
  },
  {
    what: 'requests for events that are open in one broker',
    constant: 'eventRequestsMax',
    unit: '',
    reached: '`too_many_waits`: end others first',
  },
  {
    what: 'the same on one connection',
    constant: 'eventRequestsPerConnectionMax',
    unit: '',
    reached: '`too_many_waits`, likewise',
  },
  {
    what: 'newest events in the memory of a broker',
    constant: 'eventRingEventsMax',
    unit: '',
    reached: 'older ones are read from disk',
  },
  {
    what: 'mailboxes that are paused by their names',
    constant: 'pausedMailboxesMax',
    unit: '',
    reached: '`too_many_pauses`: resume some, or pause all',
  },
  {
    what: 'mailboxes that a status lists',
    constant: 'statusMailboxesMax',
    unit: '',
    reached: 'it counts all of them',
  },
  {
    what: 'sessions that a status lists',
    constant: 'statusSessionsMax',
    unit: '',
    reached: 'likewise',
  },
  {
    what: 'newest messages that `ipc ui` has in memory for its pages',
    constant: 'pageMessagesMax',
    unit: '',
    reached: 'older ones are searched for in the store',
  },
  {
    what: 'pages of one `ipc ui` that are open',
    constant: 'streamsMax',
    unit: '',
    reached: 'the next one is refused: close other windows with it',
  },
  {
    what: 'searches and exports of one `ipc ui` that run',
    constant: 'pageSearchesMax',
    unit: '',
    reached:
      'the page waits with the next search; an export is refused: try again when one has ended',
  },
  {
    what: 'messages of one export of the page',
    constant: 'exportMessagesMax',
    unit: '',
    reached: '`bad_parameter`: export a shorter time, or fewer mailboxes',
  },
  {
    what: 'time for a wait to take unread mail before a session that watches is told',
    constant: 'watchQuietMs',
    unit: 's',
    reached: 'the session is told that has watched the mailbox for longest',
  },
  {
    what: 'time for that session to read it before the next one is told',
    constant: 'watchTurnMs',
    unit: 's',
    reached: 'the next one is told that watches the mailbox',
  },
  {
    what: 'one fetch of the program or the library: bytes',
    constant: 'fetchBytesMax',
    unit: 'MiB',
    reached: 'the rest stays in the mailbox; fetch again',
  },
  {
    what: 'one fetch of the program or the library: messages',
    constant: 'fetchMessagesMax',
    unit: '',
    reached: 'likewise',
  },
  {
    what: 'messages that a peek shows unless told otherwise',
    constant: 'peekMessagesDefault',
    unit: '',
    reached: 'it says how many more are there; `--max`, or `max`, shows up to 1,000',
  },
  {
    what: 'a first line that a peek shows',
    constant: 'peekLineCharacters',
    unit: 'characters',
    reached: 'it is cut, with an ellipsis; `--full` shows whole bodies',
  },
  {
    what: 'one result over MCP',
    constant: 'resultCharactersMax',
    unit: 'characters',
    reached: 'a longer body comes in parts, and as a file',
    isCommon: true,
  },
  {
    what: 'such files that are kept',
    constant: 'bodyFilesMax',
    unit: '',
    reached: 'the oldest is removed',
  },
  {
    what: 'messages an hour over MCP, from one sender to one mailbox',
    constant: 'sendsPerHourMcp',
    unit: '',
    reached: '`too_many_posts`; `IPC_SENDS_PER_HOUR` sets another limit',
  },
  {
    what: 'answers an hour of one `ipc work` to one sender',
    constant: 'sendsPerHourWork',
    unit: '',
    reached: 'further answers wait; `--sends-per-hour` sets another limit',
  },
  {
    what: 'length of a chain of answers at which `ipc work` ends it',
    constant: 'chainDepthMax',
    unit: '',
    reached: 'the message is not answered',
  },
  {
    what: 'settled mail that is kept as history',
    constant: 'historyBytesDefault',
    unit: 'MiB',
    reached: 'the oldest is removed; `IPC_HISTORY` sets another bound',
  },
  {
    what: 'time for which it is kept',
    constant: 'historyAgeMsDefault',
    unit: 'days',
    reached: 'likewise',
  },
  {
    what: 'silence after which a peer counts as dead',
    constant: 'silenceMsDead',
    unit: 's',
    reached: 'its connection is closed, and what it held is redelivered',
  },
  {
    what: 'time for a holder to reconnect after a failover',
    constant: 'holderGraceMs',
    unit: 's',
    reached:
      'what it held is redelivered; a program of yours that waits for less, in a session that it opens and closes each time, may never get it',
  },
];

/** One row for each limit, under these heads. */
export const limitHeads = ['what', 'limit', 'when it is reached', 'constant'];
export const limitRows = table.map((limit) => [...shown(limit), `\`${limit.constant}\``]);

/** The six of the README. */
export const commonLimitHeads = ['what', 'limit', 'when you reach it'];
export const commonLimitRows = table.filter(({ isCommon }) => isCommon).map(shown);

function shown({ what, constant, unit, reached }: Limit): string[] {
  const count = values[constant] / unitSizes[unit];
  const number = constant.startsWith('port') ? `${count}` : count.toLocaleString('en-US');
  return [what, unit === '' ? number : `${number} ${unit}`, reached];
}
