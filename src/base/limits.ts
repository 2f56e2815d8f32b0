// Every limit of agent-ipc: one number, its unit in its name, and its reason. Where two numbers
// lean on each other, an assertion beside them says how.
import assert from 'node:assert/strict';

/** Largest message body, in bytes of UTF-8: the published promise of 1 MB. */
export const bodyBytesMax = 1_048_576;
/** Longest name of a mailbox or a sender, in bytes of UTF-8. */
export const nameBytesMax = 200;
/** Longest id given by hand, in bytes of UTF-8. */
export const idBytesMax = 200;
/** Messages that one post may settle, and that one settle, release or hello may name. */
export const holdsMax = 4_096;
/** Mailboxes that one post may name: a team, not a mailing list. */
export const mailboxesPerPostMax = 100;

/** Largest header of a frame or record; every field of it is capped, so an honest peer stays below. */
export const headerBytesMax = 1_048_576;
/** Largest frame without its length field: one header, one body, and the fixed fields. */
export const frameBytesMax = headerBytesMax + bodyBytesMax + 64;
assert(holdsMax * (8 + 1 + idBytesMax) < headerBytesMax, 'a list of holds fits into a header');

/** Ports an unprivileged program may want; 0 is not a port. */
export const portMax = 65_535;
export const portBrokerDefault = 19_901;
export const portDirectDefault = 19_900;

/** How long `wait` and `receive` block, in milliseconds. */
export const waitMsDefault = 60_000;
export const waitMsMin = 1_000;
export const waitMsMax = 300_000;
/** How long `send` and `ping` go on trying. */
export const sendMsDefault = 10_000;
/** Pause before `send` or `ping` tries again: nobody listened, or the receiver was busy. */
export const sendRetryMs = 100;
assert(waitMsMin <= sendMsDefault && waitMsDefault <= waitMsMax, 'the defaults are legal values');

/** A connection that said nothing for this long sends a heartbeat. */
export const heartbeatMs = 15_000;
/** A peer that was silent for this long is dead. */
export const silenceMsDead = 45_000;
assert(silenceMsDead >= 2 * heartbeatMs, 'a peer gets two chances to be heard');
/** A broker that answers nothing for this long after a question is called silent. */
export const silenceMsAnswer = 2_000;
/** Time a stranger has for the whole handshake. */
export const handshakeMs = 2_000;
/** Bytes a stranger may send before the proof. */
export const handshakeBytesMax = 4_096;
/** Connections that the kernel keeps for us until we take them; it may keep fewer. */
export const backlogMax = 511;
/** Connections of one listening program that have not proved the key yet. */
export const unprovenMax = 1_024;
assert(unprovenMax > 2 * backlogMax, 'who was taken with a full backlog is heard first');
/** A process that runs on looks at the key files so often, when somebody comes. */
export const keyReadMs = 1_000;
/** A broker that is still reading its journal says so this often, well within `silenceMsAnswer`. */
export const startingMs = 500;
assert(startingMs * 2 < silenceMsAnswer, 'a starting broker is not taken for a silent one');

/** How long a new owner keeps a held message for the holder that the last owner knew. */
export const holderGraceMs = 2_000;
/** After so many attempts a message waits in `deadLetterMailbox`. */
export const attemptsMax = 20;

/** Dead letters that one retry looks at; the next one goes on. Their ids and names fit a header. */
export const deadLettersPerRetry = 1_000;
assert(deadLettersPerRetry * 2 * (idBytesMax + nameBytesMax + 24) < headerBytesMax, 'escapes, too');

/** Sessions whose post ids are remembered; the one longest unheard goes first, never a connected one. */
export const sessionsMax = 10_000;
/** Ids given by hand that are remembered; the oldest goes first. */
export const namedIdsMax = 10_000;
/**
 * Ids of messages that sessions hold, or have settled, and that this owner never stored; the oldest goes
 * first. An owner that fails loses at most the posts of one sync, so a few at a time.
 */
export const unstoredIdsMax = 10_000;
/** Posts of one session that may lie above its mark, answered or not. */
export const postsAboveMarkMax = 4_096;
assert(mailboxesPerPostMax * 8 < postsAboveMarkMax, 'each message of a post has a count');

/** Messages in the store, over all mailboxes: an index entry is about 300 bytes of memory. */
export const messagesMax = 1_000_000;
/** Bytes of unsettled bodies in the store. */
export const storeBytesMax = 4 * 1024 ** 3;
/** Messages in one mailbox, and bytes of their bodies: one that nobody reads leaves room for others. */
export const mailboxMessagesMax = 250_000;
export const mailboxBytesMax = 1024 ** 3;
assert(mailboxMessagesMax * 2 <= messagesMax, 'one full mailbox does not fill the store');
assert(mailboxBytesMax * 2 <= storeBytesMax, 'one full mailbox does not fill the store');
/** Mailboxes that have messages. */
export const mailboxesMax = 100_000;
/** Mailboxes that one status lists; it says how many there are. */
export const statusMailboxesMax = 1_000;
assert(
  statusMailboxesMax * 2 * (2 * nameBytesMax + 110) < headerBytesMax,
  'a status with mailboxes and dead letters, their names escaped, and 25 KB of warnings fits a header',
);
/** Waits parked in one broker. */
export const waitsMax = 100_000;
/** Waits parked on one connection. */
export const waitsPerConnectionMax = 10_000;
assert(waitsPerConnectionMax * 2 <= waitsMax, 'one connection does not take all places');
/** What one fetch hands over, for a caller that names no smaller amount. */
export const fetchBytesMax = 8 * 1024 ** 2;
export const fetchMessagesMax = 1_000;
assert(fetchMessagesMax <= holdsMax, 'what one fetch hands over can be settled at once');
assert(fetchBytesMax >= bodyBytesMax, 'a fetch has room for the largest body');

/** Connections to one broker that proved the key. */
export const connectionsMax = 4_096;
assert(connectionsMax <= sessionsMax, 'the ids of a connected session are not forgotten');
/** Posts, and settles, of one connection that wait for the disk. */
export const postsInFlightMax = 4_096;
assert(postsInFlightMax >= postsAboveMarkMax, 'a session that counts its posts never gets here');
/** Of one connection, in one turn of the broker's loop; then it is left unread until others were. */
export const turnRequestsMax = 256;
export const turnBytesMax = 1024 ** 2;
/** Bytes that wait for a peer to read. One that leaves more is offered nothing, and not read from. */
export const unreadBytesMax = 4 * 1024 ** 2;
assert(unreadBytesMax >= 2 * bodyBytesMax, 'one large body is read while the next is on its way');
/**
 * Of all connections of one listening program together: bytes that their peers have not read, or not
 * sent whole. Beyond it, who has stood still for longest is closed.
 */
export const bufferedBytesMax = 256 * 1024 ** 2;
assert(
  bufferedBytesMax >= 8 * (unreadBytesMax + fetchBytesMax),
  'some who read slowly, or fetch at the same moment, are let be',
);
assert(
  mailboxesPerPostMax * bodyBytesMax * 2 <= bufferedBytesMax,
  'one post may go to all at once',
);
/** Bodies that come and go in one turn of the broker's loop, before it writes what it has. */
export const turnBodyBytesMax = 16 * 1024 ** 2;
assert(turnBodyBytesMax >= fetchBytesMax + turnBytesMax, 'one peer seldom gets there alone');
/** Who proved the key says hello before two of these are over: he has one of `connectionsMax` places. */
export const helloMs = heartbeatMs;

/** A segment is closed, and the next begun, when it has grown to this size. */
export const segmentBytesMax = 16 * 1024 ** 2;
/** Zeros written out ahead with each segment. */
export const segmentReserveBytes = 64 * 1024;
/** Of them, so many stay free of posts: for offers, settles, marks. */
export const settleReserveBytes = 16 * 1024;
/** A file of zeros that is given back to a full disk, for what may not wait; how many there are. */
export const spareBytes = 128 * 1024;
export const sparesMin = 8;
export const sparesMax = 64;
/** What a message needs to be offered and settled, marks included: more spares for more messages. */
export const settleBytes = 128;
assert(settleReserveBytes * 2 <= segmentReserveBytes, 'a small post needs no growth');
assert(spareBytes >= segmentReserveBytes + settleReserveBytes, 'a spare makes room for a segment');
/** Zeros written out ahead at a time, once a segment has outgrown its first reserve. */
export const segmentGrowthBytes = 256 * 1024;
/** The log is compacted when it is larger than this and than twice its live bytes. */
export const logBytesCompact = 64 * 1024 ** 2;
/** Or when it has more segments than this, as every one-shot post begins one. */
export const segmentsCompact = 16;
/** A sync that has run for so long is a disk that hangs. */
export const stallMsMin = 1_000;
/** Of one damaged segment: ranges, messages, missing numbers listed; of one store: sentences. */
export const damageListedMax = 32;
/** Bodies kept in memory; older ones are read from the journal when they are offered. */
export const bodyCacheBytesMax = 64 * 1024 ** 2;

/**
 * Messages an hour from one sender to one mailbox through `ipc mcp`: more than agents that work need, and
 * all that a pair of agents can cost which thank each other for ever. The library has no such limit.
 */
export const sendsPerHourMcp = 120;
export const sendsPerHourMax = 1_000_000;
/** Pairs of sender and mailbox that one session remembers; the one longest unheard goes first. */
export const ratePairsMax = 10_000;

/** A result that was written so long before an orderly end has been seen. */
export const settleMsSeen = 2_000;
/** Time for the last answers at an orderly end; a host kills after 2 s. */
export const endMsMax = 2_000;
/** Characters (UTF-16 units, as hosts count) of one MCP result: no host cuts or hides so much. */
export const resultCharactersMax = 30_000;
/** Characters of one part of a body that does not fit; the rest is for head, foot and names. */
export const partCharactersMax = 25_000;
assert(partCharactersMax + 5_000 <= resultCharactersMax, 'a part fits with its head and foot');
/** One line of a host: the largest body fits, with each of its characters escaped, and the rest of a call. */
export const lineBytesMax = 10 * 1024 ** 2;
assert(
  lineBytesMax > 6 * bodyBytesMax + headerBytesMax,
  'a call with the largest body fits a line',
);
/** Files with whole bodies that are kept; the newest stay. */
export const bodyFilesMax = 256;
