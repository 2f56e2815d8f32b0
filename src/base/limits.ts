// Every limit of agent-ipc, with its unit in its name, and its reason; those of events are in event-limits.ts, those of
// the page in page-limits.ts. Where one depends on another, an assertion beside it states the relation.
import assert from 'node:assert/strict';

/** Largest message body, in bytes of UTF-8: the published promise of 1 MB. */
export const bodyBytesMax = 1_048_576;
/** Longest name of a mailbox or a sender, in bytes of UTF-8. */
export const nameBytesMax = 200;
/** Latest time that a message may have, in milliseconds since 1970: the last one of a Date. */
export const timeMsMax = 8_640_000_000_000_000;
/** Longest id that a caller may choose, in bytes of UTF-8. */
export const idBytesMax = 200;
/** Messages that one post, settle, release or hello may name. */
export const holdsMax = 4_096;
/** Mailboxes that one post may name: enough for a team. */
export const mailboxesPerPostMax = 100;
/** Mailboxes that one wait or fetch may name: one's own, and the shared ones that one serves. */
export const mailboxesPerReadMax = 16;
/** Addresses on which an owner may be asked to listen. */
export const listenAddressesMax = 16;
/** Addresses of a welcome, status or listening. */
export const addressesMax = 64;
assert(listenAddressesMax + 1 <= addressesMax, 'what an owner is asked for and 127.0.0.1 fit');
/** Characters of the message of an error that came over the wire, also as it is quoted. The rest is cut. */
export const errorCharactersMax = 1_000;
/** Characters of one warning of a status that are shown, and of all of them in one result. */
export const warningCharactersMax = 1_000;
export const warningsCharactersMax = 8_000;

/** Largest header of a frame or record. Every field has a limit of its own, so an honest peer stays below. */
export const headerBytesMax = 1_048_576;
/** Largest frame without its length field: a header, a body and the fixed fields. */
export const frameBytesMax = headerBytesMax + bodyBytesMax + 64;
assert(holdsMax * (8 + 1 + idBytesMax) < headerBytesMax, 'a list of holds fits into a header');

/** Largest port. The smallest is 1; 0 is not a port. */
export const portMax = 65_535;
export const portBrokerDefault = 19_901;
export const portDirectDefault = 19_900;
/** The port of the page of `ipc ui`. */
export const portUiDefault = 19_902;

/** How long `wait` and `receive` may block. */
export const waitMsDefault = 60_000;
export const waitMsMin = 1_000;
export const waitMsMax = 300_000;
/** How long `send` and `ping` keep trying. */
export const sendMsDefault = 10_000;
/** Pause before `send` or `ping` tries again, when no receiver listened or it was busy. */
export const sendRetryMs = 100;
assert(waitMsMin <= sendMsDefault && waitMsDefault <= waitMsMax, 'the defaults are legal values');

/** A side that has sent nothing for this long sends a heartbeat. */
export const heartbeatMs = 15_000;
/** A peer that has been silent for this long counts as dead. */
export const silenceMsDead = 45_000;
assert(silenceMsDead >= 2 * heartbeatMs, 'a peer gets two chances to send a heartbeat');
/** A broker that sends nothing for this long after a request counts as silent (`owner_silent`). */
export const silenceMsResponse = 2_000;
/** Time for the whole handshake. */
export const handshakeMs = 2_000;
/** Bytes that a peer may send before it has proved the key. */
export const handshakeBytesMax = 4_096;
/** Listen backlog: connections that the kernel queues until they are accepted. It may queue fewer. */
export const backlogMax = 511;
/** Pending handshakes of one listening program. Each half of them has its own order of eviction. */
export const pendingHandshakesMax = 1_024;
assert(
  pendingHandshakesMax > 2 * backlogMax,
  'a connection from a full backlog is not evicted before it is read',
);
/** A running process reads the key files again at most this often, when a peer connects. */
export const keyReadMs = 1_000;
/** Heartbeat of a broker that is replaying its journal. */
export const replayHeartbeatMs = 500;
assert(
  replayHeartbeatMs * 2 < silenceMsResponse,
  'a broker that replays its journal does not count as silent',
);

/** How long a new owner reserves a held message for the holder that the previous owner knew. */
export const holderGraceMs = 2_000;
/** While that time runs, a standstill of the owner's process is noticed within one to two of these. */
export const graceTurnMs = 500;
assert(graceTurnMs * 4 <= holderGraceMs, 'a holder has time left after a short standstill');
/** After its last attempt a message moves to `deadLetterMailbox`. */
export const attemptsMax = 20;

/** Dead letters that one retry handles; the client sends another for the rest. */
export const deadLettersPerRetry = 1_000;
assert(
  deadLettersPerRetry * 2 * (idBytesMax + nameBytesMax + 24) < headerBytesMax,
  'their ids and names, escaped, fit into a header',
);

/** Messages that one drop looks at; the client sends another for the rest. */
export const messagesPerDrop = 1_000;
assert(
  messagesPerDrop * (2 * (idBytesMax + nameBytesMax) + 60) < headerBytesMax,
  'their ids and senders, escaped, and their numbers fit into a header',
);

/** Messages among which one retry or drop looks for those that it names; the client sends another for the rest. */
export const messagesPerLook = 10_000;
assert(
  messagesPerLook >= deadLettersPerRetry && messagesPerLook >= messagesPerDrop,
  'a request that names all messages is not cut short',
);

/** Sessions whose post ids are remembered. The one last seen longest ago is forgotten first; no connected one. */
export const sessionsMax = 10_000;
/** Ids chosen by callers that are remembered. The oldest is forgotten first. */
export const namedIdsMax = 10_000;
/**
 * Ids that are remembered of messages which sessions hold, or have settled, but which are not in the store.
 * The oldest is forgotten first. A failing owner loses at most the posts of one sync, so there are few.
 */
export const unstoredIdsMax = 10_000;
/** How far the count of a post may be above the session's acknowledged-up-to count. */
export const unacknowledgedPostsMax = 4_096;
assert(mailboxesPerPostMax * 8 < unacknowledgedPostsMax, 'each message of a post has a count');

/** Messages in the store. */
export const messagesMax = 1_000_000;
/** Bytes of unsettled bodies in the store. */
export const storeBytesMax = 4 * 1024 ** 3;
/** Messages in one mailbox, and bytes of their bodies: a mailbox that is not read leaves room for others. */
export const mailboxMessagesMax = 250_000;
export const mailboxBytesMax = 1024 ** 3;
assert(mailboxMessagesMax * 2 <= messagesMax, 'one full mailbox does not fill the store');
assert(mailboxBytesMax * 2 <= storeBytesMax, 'one full mailbox does not fill the store');
/**
 * Memory that the index of the mail takes for a message, beside the texts of its envelope: its id, its mailbox, its
 * sender, the message that it answers, program and machine. With the texts of usual mail, which messages share, it is
 * 350 to 400 bytes (`npm run bench -- memory`). A message whose neighbours by number have all ended has a page to
 * itself in each of the two indexes, which takes 260 bytes more: a full store of such messages takes 150 MB beyond
 * indexBytesMax.
 */
export const indexBytesPerMessage = 512;
/** Memory that the past hold of a message takes beside the name in it: an object and two times. */
export const pastHoldBytes = 96;
/**
 * Memory of the index in all, on the heap of V8. On a machine with 2 GB Node gives itself a heap of 930 MiB or more;
 * the rest is for the replay, and for all else that an owner does.
 */
export const indexBytesMax = 640 * 1024 ** 2;
assert(
  messagesMax * (indexBytesPerMessage + 150) <= indexBytesMax,
  'with 150 characters of names and ids for each, all messages fit',
);
/** The part of it that one mailbox may take. */
export const mailboxIndexBytesMax = 160 * 1024 ** 2;
assert(mailboxIndexBytesMax * 2 <= indexBytesMax, 'one full mailbox does not fill the index');
assert(
  mailboxMessagesMax * (indexBytesPerMessage + 150) <= mailboxIndexBytesMax,
  'with 150 characters of names and ids for each, all messages of a mailbox fit',
);
/** Names, labels and origins that messages share in memory. With texts of the greatest length they take 12 MB. */
export const sharedTextsMax = 4_096;
/** Mailboxes that have messages. */
export const mailboxesMax = 100_000;
/** Mailboxes that may be paused by their names, beside a pause of all. */
export const pausedMailboxesMax = 256;
assert((pausedMailboxesMax + 1) * (1 + nameBytesMax) < headerBytesMax, 'their names fit a header');
/** Mailboxes that one status lists, together with the names of those that are paused. It counts all of them. */
export const statusMailboxesMax = 1_000;
assert(
  statusMailboxesMax * (2 * (2 * nameBytesMax) + 140 + 45) + 25_000 < headerBytesMax,
  'a status with mailboxes and dead letters, their names escaped, and 25 KB of warnings fits a header',
);
assert(2 * pausedMailboxesMax < statusMailboxesMax, 'a status has room for other mailboxes');
/** Sessions that one status lists. It counts all of them. They are in the body, since its header has no room left. */
export const statusSessionsMax = 200;
/** What it lists of each session: mailboxes on which it waits or which it watches, and messages that it holds. */
export const statusWaitsMax = 16;
export const statusHoldsMax = 8;
/** Longest name of a way to wake a session, in bytes of UTF-8. */
export const wakePathBytesMax = 24;
assert(
  statusSessionsMax * ((1 + statusWaitsMax + 4) * (1 + nameBytesMax) + statusHoldsMax * 16 + 150) <
    bodyBytesMax,
  'their names and origins, the mailboxes and the messages fit into a body',
);
/** Mailboxes that a session has read lately, of which a broker tells it that mail waits there. */
export const readMailboxesMax = 16;
assert(mailboxesPerReadMax <= readMailboxesMax, 'all mailboxes of one read are remembered');
/** Mailboxes with unread mail that one response names, of those that the session has read lately. */
export const mailElsewhereMax = 3;
assert(mailElsewhereMax <= readMailboxesMax, 'only mailboxes that are remembered can be named');
/** The newest messages of a mailbox, among which a post looks for an earlier one with the same text. */
export const sameTextLook = 16;
/** Sessions that wait on a mailbox, among which a broker looks for one of another folder. */
export const otherFolderLook = 16;
/**
 * Calls parked in one broker: waits, and fetches and peeks that cannot be served yet. The mailboxes that these waits
 * name are at most as many: each takes 1.4 KB of memory.
 */
export const waitsMax = 100_000;
/** Calls parked on one connection, and mailboxes that its waits name. */
export const waitsPerConnectionMax = 10_000;
assert(
  waitsPerConnectionMax * 2 <= waitsMax,
  'one connection cannot use up the limit of the broker',
);
/**
 * Mailboxes that the watches of one broker name together. Each takes 0.4 KB of memory if many watch the same one, 0.8 KB
 * alone, and 1.2 KB if its name is as long as it may be: 120 MB at most.
 */
export const watchesMax = 100_000;
/** Mailboxes that the watches of one connection name together. */
export const watchesPerConnectionMax = 1_000;
/** Mail is left to the waits of its mailbox for this long before a session that watches is told of it. */
export const watchQuietMs = 1_000;
/** The session that was told of mail has this long to read it. Then the next one is told that watches the mailbox. */
export const watchTurnMs = 20_000;
/** A hook that holds the turn of an agent open does so for this long. Then the session waits for its user alone. */
export const hookHeldMsMax = 3_600_000;
/** The longest pause that a session may ask for after a notice: an hour, and room for clocks that differ. */
export const watchPauseMsMax = 2 * 3_600_000;
/** The longest time of a watch that has an end: a week. A watch without end is allowed, too. */
export const watchMsMax = 7 * 24 * 3_600_000;
assert(watchMsMax < 2 ** 31, 'the timers of Node go no further');
/** What one fetch delivers at most. A caller may ask for less. */
export const fetchBytesMax = 8 * 1024 ** 2;
export const fetchMessagesMax = 1_000;
assert(fetchMessagesMax <= holdsMax, 'all messages of one fetch can be settled at once');
assert(fetchBytesMax >= bodyBytesMax, 'a fetch has room for the largest body');
/** Messages that a peek shows unless its caller gives another number. */
export const peekMessagesDefault = 20;
/**
 * Messages that one peek shows; its caller sends another for the rest. Showing them keeps the broker from all other
 * requests, about 1 ms for 250 (`npm run bench -- floods`).
 */
export const messagesPerPeek = 250;
/** Messages that one find looks up; the client sends another for the rest. */
export const findIdsMax = 100;
assert(
  findIdsMax * (8 * (1 + nameBytesMax) + 60) < headerBytesMax,
  'their mailboxes and holders fit into a header',
);
/** Bytes of a body that are enough for its first line, as a peek shows it. */
export const peekLineBytes = 480;
/** Characters of a first line that are shown. */
export const peekLineCharacters = 120;
assert(peekLineCharacters * 4 <= peekLineBytes, 'UTF-8 has at most four bytes a character');

/** Connections to one broker, after the handshake. */
export const connectionsMax = 4_096;
assert(connectionsMax <= sessionsMax, 'the ids of connected sessions are never forgotten');
/** Posts and settles of one connection that wait for the disk. */
export const postsInFlightMax = 4_096;
assert(postsInFlightMax >= unacknowledgedPostsMax, 'a session that keeps to its count stays below');
/** A connection's share of one turn of the event loop. Beyond it, its requests wait until all others were read. */
export const turnRequestsMax = 256;
export const turnBytesMax = 1024 ** 2;
/**
 * Time for the requests of one turn, which is divided among the connections that have requests in it. Each of them
 * has at least one. Short, because a post waits for two or three turns until it is stored.
 */
export const turnTimeMsMax = 1;
/**
 * A connection's share of one sync, beside posts of other connections. When the bodies of its posts reach it, its
 * requests wait until that sync has ended. A sync of 256 KiB takes little longer than that of a small post.
 */
export const syncShareBytes = 256 * 1024;
/** For this long after a post of one connection, the shares of all others are limited. */
export const otherPostsMs = 1_000;
/** Unread bytes at which deliveries to a peer pause, and its requests stay unread. */
export const unreadBytesMax = 4 * 1024 ** 2;
assert(
  unreadBytesMax >= 2 * bodyBytesMax,
  'one large body can be read while the next is in transit',
);
/**
 * Buffer budget of all connections of one listening program: bytes that peers have not read, and bytes of
 * incomplete frames. When it is exceeded, the connection that has been stalled for longest is closed.
 */
export const bufferBudgetBytes = 256 * 1024 ** 2;
assert(
  bufferBudgetBytes >= 8 * (unreadBytesMax + fetchBytesMax),
  'a few slow readers, or fetches at the same moment, fit into the budget',
);
assert(
  mailboxesPerPostMax * bodyBytesMax * 2 <= bufferBudgetBytes,
  'one large post to many waiting sessions fits into the budget',
);
/** Bytes of bodies in one turn at which the broker writes at once, without waiting for the end of the turn. */
export const turnBodyBytesMax = 16 * 1024 ** 2;
assert(turnBodyBytesMax >= fetchBytesMax + turnBytesMax, 'one peer alone seldom reaches it');
/** A connection without a hello is closed after one to two of these, since it counts against `connectionsMax`. */
export const helloMs = heartbeatMs;

/** When a segment has reached this size, the next one begins. */
export const segmentBytesMax = 16 * 1024 ** 2;
/** Largest segment prologue: it is written at once, and again with each segment. */
export const prologueBytesMax = segmentBytesMax / 4;
/** The part of it for both segment headers, with a thousand earlier segments, and the heads of single records. */
export const prologueHeadersBytesMax = 64 * 1024;

/**
 * What deduplication remembers is bounded in bytes of the segment prologue. A session takes this much there; in
 * memory about 300 bytes.
 */
export const rememberedSessionBytes = 49;
/** A stored post above the acknowledged-up-to count, with its fingerprint; in memory about 90 bytes. */
export const rememberedPostBytes = 28;
/** An id, beside its text; with a fingerprint if a message was stored under it. */
export const rememberedIdBytes = 9;
export const fingerprintBytes = 12;
/** Bytes of sessions and their stored posts. Sessions that are not connected are forgotten first. */
export const sessionPostsBytesMax = 2_944 * 1024;
/** Posts that a connected session may leave unacknowledged even while others use up the rest of these bytes. */
export const guaranteedPosts = 8;
/** Bytes of the ids that callers chose. */
export const namedIdsBytesMax = 624 * 1024;
/** Bytes of the ids of messages that are not in the store. */
export const unstoredIdsBytesMax = 400 * 1024;
/** The record of a paused mailbox in a segment prologue, beside the name. */
export const pausedBytes = 22;
export const pausesBytesMax = (pausedMailboxesMax + 1) * (pausedBytes + nameBytesMax);
assert(
  prologueHeadersBytesMax +
    sessionPostsBytesMax +
    namedIdsBytesMax +
    unstoredIdsBytesMax +
    pausesBytesMax <=
    prologueBytesMax,
  'all that is remembered fits into a prologue',
);
const guaranteedBytes = rememberedSessionBytes + guaranteedPosts * rememberedPostBytes;
/**
 * When connected sessions take this much, one that has its guaranteed posts is refused. What all sessions have
 * beyond their guaranteed posts takes no more, either.
 */
export const sharedPostsBytesMax = sessionPostsBytesMax - connectionsMax * guaranteedBytes;
assert(
  16 * (rememberedSessionBytes + unacknowledgedPostsMax * rememberedPostBytes) <=
    sharedPostsBytesMax,
  'sixteen sessions may have as many posts in flight as one may',
);
assert(
  sessionsMax * (rememberedSessionBytes + rememberedPostBytes) <= sharedPostsBytesMax,
  'sessions with one post each are forgotten by their number, not by their bytes',
);
/** Bytes of sessions and their stored posts while a journal is replayed: it names sessions that were forgotten since. */
export const replayedPostsBytesMax = 4 * sessionPostsBytesMax;
assert(
  namedIdsMax * (rememberedIdBytes + fingerprintBytes + 40) <= namedIdsBytesMax,
  'as many ids of the length of a UUID are remembered as may be',
);
assert(
  unstoredIdsMax * (rememberedIdBytes + 28) <= unstoredIdsBytesMax,
  'as many generated ids, with counts up to 99,999,999,999, are remembered as may be',
);

/** Preallocation of a new segment: zeros written ahead. */
export const segmentReserveBytes = 64 * 1024;
/** The part of them that posts leave free, for deliveries, settles and sync points. */
export const settleReserveBytes = 16 * 1024;
/** Size of a ballast file, which is given back when the disk is full; fewest and most of them. */
export const ballastFileBytes = 128 * 1024;
export const ballastFilesMin = 8;
export const ballastFilesMax = 80;
/**
 * Bytes that the delivery and the settling of a message take in the log, with stamps, sync points and a name of 26 bytes
 * for its holder. They determine how many ballast files there are.
 */
export const settleBytes = 232;
assert(settleReserveBytes * 2 <= segmentReserveBytes, 'a small post needs no growth');
assert(
  ballastFileBytes >= segmentReserveBytes + settleReserveBytes,
  'a ballast file makes room for a segment',
);
/** Further preallocation, each time that a segment has used up the last one. */
export const segmentGrowthBytes = 256 * 1024;
/** The log is compacted when it is larger than this, and larger than twice its live bytes. */
export const logBytesCompact = 64 * 1024 ** 2;
/** It is also compacted when it has more segments than this, since every one-shot post begins one. */
export const segmentsCompact = 16;
/**
 * A new owner merges small segments when it finds more than this. Each segment takes an opening a third of a millisecond,
 * which a one-shot post has to wait for; with a smaller number, posts that nobody reads would be copied more often.
 */
export const segmentsMerge = 12;
/** An append begins with a stamp when the wall clock has moved this far since the last one, in milliseconds. */
export const stampMsMin = 10;
/** How much history is kept if IPC_HISTORY does not say it, and for how long: 30 days. */
export const historyBytesDefault = 256 * 1024 ** 2;
export const historyAgeMsDefault = 30 * 24 * 60 * 60_000;
/** How often an owner looks for history that is too old, besides each time that a segment becomes history. */
export const historyTidyMs = 60 * 60_000;
assert(historyTidyMs % heartbeatMs === 0, 'the ticker of the fencing check counts it');
/** A sync that takes this long is reported as a stalled disk. */
export const syncStallMsMin = 1_000;
/** Ranges, messages and missing numbers that are listed for a corrupt segment; sentences for a store. */
export const corruptionListedMax = 32;
/** Bytes of bodies kept in memory. Older bodies, and copied ones, are read from the journal when they are delivered. */
export const bodyCacheBytesMax = 64 * 1024 ** 2;
/** Memory of large bodies that is kept to be used again, for as long as it is needed. */
export const spareMemoryBytesMax = bodyCacheBytesMax;
/** Memory of bodies that were written together, beside the bytes of their records. */
export const bodyCacheEntryBytes = 400;

/**
 * Messages an hour from one sender to one mailbox through `ipc mcp`. An orchestrator posts hundreds of jobs, so
 * agents that answer each other for ever are first told so by the depth of their answers. The library has no
 * such limit.
 */
export const sendsPerHourMcp = 1_000;
/** Answers an hour from one `ipc work` to one sender: more than a command that costs something is asked for. */
export const sendsPerHourWork = 3_600;
export const sendsPerHourMax = 1_000_000;
/** An answer of this depth says that it is one of a long chain, so that two agents notice that they go on for ever. */
export const chainDepthShown = 20;
/** From this depth on it says so more strongly. */
export const chainDepthUrgent = 100;
/** `ipc work` does not answer a message of this depth: no conversation with a worker is meant to be so long. */
export const chainDepthMax = 1_000;
/** Pairs of sender and mailbox that one session counts. The pair last used longest ago is forgotten first. */
export const ratePairsMax = 10_000;

/** Tickets that one call of the tool may name. */
export const ticketsPerCallMax = 64;
/**
 * A wait, ask or receive over MCP that may become a task of its host is first answered in the call for this long. A
 * script, or a mailbox with mail, answers within that time and costs no second turn; a model hardly answers within any
 * time that a user would want to wait.
 */
export const taskInlineMs = 3_000;
/** The id of a task: hosts store it, and show it to the model. */
export const taskIdCharactersMax = 200;
/** Open tasks of one `ipc mcp`. A call beyond them is answered in the call. */
export const tasksOpenMax = 64;
/** Tasks whose results were carried or that were cancelled, of which the answer is kept for a host that asks again. */
export const tasksOverMax = 64;
/** A task that its host has not asked for in this time holds no mail: it goes on when it is asked for. */
export const taskUnaskedMs = 30_000;
/** How often a host is to ask for a task: more often at first, since most answers come soon. */
export const taskPollMs = 500;
export const taskPollMsLater = 1_000;
export const taskPollLaterAfterMs = 600_000;
assert(taskInlineMs < waitMsDefault, 'a call without a timeout can become a task');
assert(taskUnaskedMs >= 10 * taskPollMsLater, 'a busy host still asks for its tasks');
/** Time for the last responses at an orderly end. A host kills the process after 2 s. */
export const endMsMax = 2_000;
/** Characters (UTF-16 units, as hosts count) of one MCP result. No host truncates a result of this size. */
export const resultCharactersMax = 30_000;
/** Characters of one part of a body that does not fit. The rest of a result is for head, foot and names. */
export const partCharactersMax = 25_000;
assert(partCharactersMax + 5_000 <= resultCharactersMax, 'a part fits with its head and foot');
/** Longest line from an MCP host. */
export const lineBytesMax = 10 * 1024 ** 2;
assert(
  lineBytesMax > 6 * bodyBytesMax + headerBytesMax,
  'a call with the largest body, each of its characters escaped, fits into a line',
);
/** Files with whole bodies that are kept. The newest stay. */
export const bodyFilesMax = 256;
