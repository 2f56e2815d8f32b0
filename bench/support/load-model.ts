// Arithmetic of the load model: what a load needs under each architecture, and which limit ends it first. Pure, so
// that its tests state figures. It adds unit costs up; it knows nothing of queueing, bursts shorter than a second, or
// hot mailboxes.
import {
  bodyCacheBytesMax,
  bodyCacheEntryBytes,
  connectionsMax,
  mailboxesMax,
  messagesMax,
  segmentBytesMax,
  storeBytesMax,
  waitsMax,
} from '../../src/base/limits.ts';
import { brokerCosts, keeperCosts, natsCosts, type UnitCost } from './unit-costs.ts';

export interface Load {
  readonly sessions: number;
  readonly mailboxes: number;
  readonly messagesPerDay: number;
  readonly bodyBytes: number;
  /** Messages a second at the peak, over those on average. */
  readonly peakFactor: number;
  /** Share of a day's messages that is in the store, unsettled. */
  readonly unreadShare: number;
}

/** On average and at the peak. */
export interface Rate {
  readonly mean: number;
  readonly peak: number;
}

export interface Limit {
  readonly name: string;
  /** Use at the peak over the limit. Above 1 the architecture does not carry the load. */
  readonly share: number;
}

/** Sums of all processes and machines. */
export interface Needs {
  readonly memoryBytes: number;
  readonly openFiles: number;
  readonly connections: number;
  readonly messagesPerSecond: Rate;
  /** What all sockets of our processes and servers receive. */
  readonly bytesPerSecond: Rate;
  readonly syncsPerSecond: Rate;
  readonly diskBytesPerDay: number;
  readonly storedFiles: number;
  /** Time without mail while another process or session takes over. */
  readonly takeoverSeconds: number;
  readonly processes: Readonly<Record<string, number>>;
  /** The one that ends it first comes first. */
  readonly limits: readonly Limit[];
}

export interface End {
  readonly sessions: number;
  /** The name of a limit. */
  readonly by: string;
}

const daySeconds = 86_400;
/** Three machines in three zones keep a copy each. */
export const replicas = 3;
/** Posted, delivered and settled. The embedded broker waits for the disk at the first and the last of them. */
const recordsPerLife = 3;
const syncsPerLife = 2;

/** Chosen, not measured: what we plan with. */
export const plan = {
  /** A process or server is planned to use this share of what it can. */
  shareMax: 0.5,
  /** After `connectMsMax` of src/session/nats-session.ts a session reports that no broker answers. */
  takeoverSecondsMax: 20,
  /** History that a session loads when it takes over a replicated log. */
  historyBytes: 2 * segmentBytesMax,
  serverBytes: 32 * 1024 ** 3,
  /** `max_connections` of nats-server unless it is set. */
  serverConnectionsMax: 65_536,
  /** Raft groups of a server: `max_ha_assets` in the example of the NATS documentation. */
  serverGroupsMax: 2_000,
  /** Consumers at which others saw "context deadline exceeded": nats-server #5609. */
  consumersMax: 50_000,
  gatewayConnectionsMax: 20_000,
  partitionsMax: 256,
  partitionServersMax: 30,
};

export const architectures = { embedded, keeper, consumers, partitions };

/**
 * How many sessions an architecture carries of the same mix: each with as many mailboxes and messages a day. And
 * the limit that they then reach.
 */
export function endOf(load: Load, needs: (load: Load) => Needs): End {
  let [carried, beyond] = [0, load.sessions];
  while (!isBeyond(needs(withSessions(load, beyond)))) [carried, beyond] = [beyond, beyond * 2];
  while (beyond - carried > 1) {
    const middle = Math.floor((carried + beyond) / 2);
    if (isBeyond(needs(withSessions(load, middle)))) beyond = middle;
    else carried = middle;
  }
  const [first] = needs(withSessions(load, beyond)).limits;
  return { sessions: carried, by: first?.name ?? '' };
}

function withSessions(load: Load, sessions: number): Load {
  const factor = sessions / load.sessions;
  return {
    ...load,
    sessions,
    mailboxes: load.mailboxes * factor,
    messagesPerDay: load.messagesPerDay * factor,
  };
}

function isBeyond({ limits }: Needs): boolean {
  return worst(limits) > 1;
}

/** One session owns the broker, on one machine. */
export function embedded(load: Load): Needs {
  const { unread, storedBytes } = amountsOf(load);
  return {
    memoryBytes: engineBytes(load) + load.sessions * brokerCosts.connectionBytes.value,
    openFiles: brokerCosts.idleOpenFiles.value + load.sessions,
    connections: load.sessions,
    messagesPerSecond: ratesOf(load),
    // A body reaches the broker and the reader.
    bytesPerSecond: ratesOf(load, storedBytes * 2),
    syncsPerSecond: syncsOf(load),
    diskBytesPerDay: load.messagesPerDay * storedBytes,
    storedFiles: segmentsOf(unread * storedBytes),
    takeoverSeconds: (unread * brokerCosts.replayUs.value) / 1e6,
    processes: { broker: 1 },
    limits: sorted([
      ...engineLimits(load),
      share('processor', peakOf(load) * lifeUs(brokerCosts, load), 1e6),
    ]),
  };
}

/** One session keeps the mail in a stream of replicas on three servers, and all mail passes through it. */
export function keeper(load: Load): Needs {
  const { storedBytes } = amountsOf(load);
  const takeoverSeconds = takeoverSecondsOf(load);
  return {
    memoryBytes: engineBytes(load) + serverBytes(load),
    openFiles: brokerCosts.idleOpenFiles.value + 1 + load.sessions + 1,
    connections: load.sessions + 1,
    messagesPerSecond: ratesOf(load),
    // A body reaches a server, the keeper, a server, its two followers, a server and the reader.
    bytesPerSecond: ratesOf(load, storedBytes * (4 + replicas)),
    syncsPerSecond: logSyncsOf(load, 1),
    diskBytesPerDay: load.messagesPerDay * storedBytes * replicas,
    storedFiles: replicas * segmentsOf(amountsOf(load).unread * storedBytes),
    takeoverSeconds,
    processes: { keeper: 1, servers: replicas },
    limits: sorted([
      ...engineLimits(load),
      share('processor', peakOf(load) * lifeUs(keeperCosts, load), 1e6),
      share('takeover', takeoverSeconds, plan.takeoverSecondsMax),
      share('syncs of a server', logSyncsOf(load, 1).peak / replicas, syncsPerSecondMax()),
      share('connections of a server', load.sessions / replicas, plan.serverConnectionsMax),
    ]),
  };
}

/** JetStream itself keeps the mail: a work-queue stream, with a durable pull consumer for each mailbox. */
export function consumers(load: Load): Needs {
  const { storedBytes, unread } = amountsOf(load);
  const perServer =
    natsCosts.consumerBytes.value * load.mailboxes +
    natsCosts.subjectBytes.value * mailboxesWithMail(load) +
    (natsCosts.parkedPullBytes.value * waitsOf(load)) / replicas;
  return {
    memoryBytes: serverBytes(load) + replicas * perServer,
    openFiles: load.sessions + replicas * natsCosts.consumerOpenFiles.value * load.mailboxes,
    connections: load.sessions,
    messagesPerSecond: ratesOf(load),
    // A body reaches a server, its two followers and the reader.
    bytesPerSecond: ratesOf(load, storedBytes * (1 + replicas)),
    // Published, delivered and acknowledged: before 2.15 a server syncs each of them.
    syncsPerSecond: scaled(ratesOf(load, recordsPerLife), replicas),
    diskBytesPerDay: load.messagesPerDay * storedBytes * replicas,
    storedFiles:
      replicas *
      (load.mailboxes * natsCosts.consumerStoredFiles.value + segmentsOf(unread * storedBytes)),
    takeoverSeconds: natsCosts.leaderLostSeconds.value,
    processes: { servers: replicas },
    limits: sorted([
      share('Raft groups of a server', load.mailboxes + 1, plan.serverGroupsMax),
      share('consumers of a stream', load.mailboxes, plan.consumersMax),
      share('memory of a server', perServer, plan.serverBytes),
      share(
        'syncs of a server',
        scaled(ratesOf(load, recordsPerLife), replicas).peak / replicas,
        syncsPerSecondMax(),
      ),
      share('connections of a server', load.sessions / replicas, plan.serverConnectionsMax),
    ]),
  };
}

/** A stream and a keeper for each part of the mailboxes, and gateways that have the connections. */
export function partitions(load: Load): Needs {
  const { storedBytes, unread } = amountsOf(load);
  let count = 1;
  while (count < plan.partitionsMax && worst(partLimits(load, count)) > plan.shareMax) count *= 2;
  let servers = replicas;
  while (
    servers < plan.partitionServersMax &&
    worst(serverLimits(load, count, servers)) > plan.shareMax
  ) {
    servers += replicas;
  }
  const gateways = Math.ceil(load.sessions / plan.gatewayConnectionsMax);
  const most = plan.partitionsMax;
  return {
    memoryBytes:
      count * engineBytes(part(load, count)) +
      gateways * brokerCosts.idleBytes.value +
      load.sessions * brokerCosts.connectionBytes.value +
      servers * natsCosts.idleBytes.value,
    openFiles: (count + gateways) * brokerCosts.idleOpenFiles.value + load.sessions,
    connections: load.sessions + gateways * count + count,
    messagesPerSecond: ratesOf(load),
    // A body reaches a gateway, a keeper, a server, its two followers, a gateway and the reader.
    bytesPerSecond: ratesOf(load, storedBytes * (4 + replicas)),
    syncsPerSecond: logSyncsOf(load, count),
    diskBytesPerDay: load.messagesPerDay * storedBytes * replicas,
    storedFiles: replicas * count * segmentsOf((unread * storedBytes) / count),
    takeoverSeconds: takeoverSecondsOf(part(load, count)),
    processes: { partitions: count, gateways, servers },
    limits: sorted([
      ...partLimits(load, most),
      ...serverLimits(load, most, plan.partitionServersMax),
    ]),
  };
}

/** The mean rate of messages, times `each`. */
export function ratesOf({ messagesPerDay, peakFactor }: Load, each = 1): Rate {
  const mean = (messagesPerDay / daySeconds) * each;
  return { mean, peak: mean * peakFactor };
}

/** Bytes that a session reads when it takes over: the log of unread mail and the history. */
export function loadedBytes(load: Load): number {
  const { unread, storedBytes } = amountsOf(load);
  return unread * storedBytes + plan.historyBytes;
}

/** Of an owner whose process has died. One that is suspended is given up after 15 s. */
function takeoverSecondsOf(load: Load): number {
  const { noticeSeconds, takeoverSeconds, loadBytesPerSecond } = keeperCosts;
  const loading = loadedBytes(load) / loadBytesPerSecond.value;
  return noticeSeconds.value + takeoverSeconds.value + loading;
}

function amountsOf({ bodyBytes, messagesPerDay, unreadShare }: Load) {
  const storedBytes = bodyBytes + brokerCosts.recordBytes.value;
  return { unread: messagesPerDay * unreadShare, storedBytes };
}

/** Each session waits for the mailboxes that are its own. */
function waitsOf({ sessions, mailboxes }: Load): number {
  return Math.max(sessions, mailboxes);
}

function mailboxesWithMail(load: Load): number {
  return Math.min(load.mailboxes, amountsOf(load).unread);
}

function peakOf(load: Load): number {
  return ratesOf(load).peak;
}

function lifeUs(
  costs: { readonly lifeUs: UnitCost; readonly lifeUsPerKibibyte: UnitCost },
  { bodyBytes }: Load,
): number {
  return costs.lifeUs.value + (costs.lifeUsPerKibibyte.value * bodyBytes) / 1_024;
}

/** Memory of a broker or keeper, without its connections. */
function engineBytes(load: Load): number {
  const { unread } = amountsOf(load);
  const bodies = Math.min(bodyCacheBytesMax, unread * (load.bodyBytes + bodyCacheEntryBytes));
  return (
    brokerCosts.idleBytes.value +
    unread * brokerCosts.messageBytes.value +
    waitsOf(load) * brokerCosts.waitBytes.value +
    bodies
  );
}

/** Memory of three servers, without consumers. */
function serverBytes({ sessions }: Load): number {
  return replicas * natsCosts.idleBytes.value + sessions * natsCosts.connectionBytes.value;
}

function segmentsOf(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / segmentBytesMax));
}

function engineLimits(load: Load): Limit[] {
  return [share('connections', load.sessions, connectionsMax), ...mailLimits(load)];
}

function mailLimits(load: Load): Limit[] {
  const { unread } = amountsOf(load);
  return [
    share('parked waits', waitsOf(load), waitsMax),
    share('unsettled messages', unread, messagesMax),
    share('bytes of bodies', unread * load.bodyBytes, storeBytesMax),
    share('mailboxes with mail', mailboxesWithMail(load), mailboxesMax),
  ];
}

/** The load of one of so many partitions. */
function part(load: Load, count: number): Load {
  return {
    ...load,
    sessions: load.sessions / count,
    mailboxes: load.mailboxes / count,
    messagesPerDay: load.messagesPerDay / count,
  };
}

function partLimits(load: Load, count: number): Limit[] {
  const each = part(load, count);
  return [
    ...mailLimits(each),
    share('processor', peakOf(each) * lifeUs(keeperCosts, each), 1e6),
    share('takeover', takeoverSecondsOf(each), plan.takeoverSecondsMax),
  ];
}

function serverLimits(load: Load, count: number, servers: number): Limit[] {
  return [
    share('syncs of a server', logSyncsOf(load, count).peak / servers, syncsPerSecondMax()),
    share('Raft groups of a server', (count * replicas) / servers, plan.serverGroupsMax),
  ];
}

function syncsPerSecondMax(): number {
  return 1e6 / brokerCosts.syncUs.value;
}

/** Group commit: each sync covers what came during the one before it. */
function syncsOf(load: Load): Rate {
  const { mean, peak } = ratesOf(load, syncsPerLife);
  return { mean: Math.min(mean, syncsPerSecondMax()), peak: Math.min(peak, syncsPerSecondMax()) };
}

/**
 * Syncs of all servers for so many logs. Each record is an append that every server with a replica syncs. A keeper
 * has one append after the other, and records that come meanwhile are in the next.
 */
function logSyncsOf(load: Load, logs: number): Rate {
  const { mean, peak } = ratesOf(part(load, logs), recordsPerLife);
  const most = 1e6 / (natsCosts.publishUs.value + brokerCosts.syncUs.value);
  const each = { mean: Math.min(mean, most), peak: Math.min(peak, most) };
  return scaled(each, logs * replicas);
}

function scaled({ mean, peak }: Rate, factor: number): Rate {
  return { mean: mean * factor, peak: peak * factor };
}

function share(name: string, used: number, limit: number): Limit {
  return { name, share: used / limit };
}

function worst(limits: readonly Limit[]): number {
  return Math.max(...limits.map((limit) => limit.share));
}

function sorted(limits: readonly Limit[]): Limit[] {
  return limits.toSorted((one, other) => other.share - one.share);
}
