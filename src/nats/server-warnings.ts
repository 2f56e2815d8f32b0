// What a NATS server cannot promise, as far as it shows itself, each with its remedy.
import type { ServerInfo } from '@nats-io/transport-node';
import type { FoundStream } from './stream-settings.ts';

/** The first versions without a known loss of what was acknowledged, of each line that has one. */
const soundVersions = [
  [2, 12, 7],
  [2, 14, 0],
] as const;
const firstWithSyncAlways = [2, 10, 0] as const;
/** Before it, a node that starts may repeat a purge of one subject as one of all (nats-server issue 4196). */
const firstWithSoundPurges = [2, 9, 18] as const;

/** What of a stream says how well it keeps mail. */
export type StreamPromises = Pick<FoundStream, 'name' | 'replicas' | 'bytesMax' | 'isInMemory'>;

export interface Weakness {
  readonly what: string;
  readonly remedy: string;
  /** One copy is as safe as the store of one machine, so that is none. */
  readonly isFault: boolean;
}

/** The weaknesses as warnings. */
export function serverWarnings(info: ServerInfo | undefined, stream: StreamPromises): string[] {
  return serverWeaknesses(info, stream).map(({ what, remedy }) => `${what}; ${remedy}`);
}

export function serverWeaknesses(
  info: ServerInfo | undefined,
  { replicas, name, bytesMax, isInMemory }: StreamPromises,
): Weakness[] {
  const weaknesses = info ? versionWeaknesses(info.version, replicas) : [];
  if (replicas === 1) {
    const what = `stream ${name} has one copy: the mail is gone with the disk of its server`;
    const remedy = `use a cluster of 3 and \`nats stream edit ${name} --replicas 3\``;
    weaknesses.push({ what, remedy, isFault: false });
  }
  if (isInMemory) {
    const what = `stream ${name} is in memory: the mail is gone when its servers restart`;
    weaknesses.push({ what, remedy: 'make it anew with storage "file"', isFault: true });
  }
  if (bytesMax === Number.POSITIVE_INFINITY) {
    const what = `stream ${name} has no limit: when the disk of its server is full, posts hang in place of being refused`;
    const remedy = `\`nats stream edit ${name} --max-bytes 4GB\``;
    weaknesses.push({ what, remedy, isFault: true });
  }
  return weaknesses;
}

function versionWeaknesses(version: string, replicas: number): Weakness[] {
  const of = (what: string): Weakness => {
    const remedy = 'use 2.12.7, or 2.14 or newer, with `sync_interval: always`';
    return { what: `nats-server ${version} ${what}`, remedy, isFault: true };
  };
  if (isSound(version)) return [];
  if (isFrom(version, firstWithSyncAlways)) return [of('has lost stored messages in known cases')];
  const syncs = 'syncs its files every 2 minutes only: what it stored last is lost with its power';
  if (replicas === 1 || isFrom(version, firstWithSoundPurges)) return [of(syncs)];
  const purges = 'may lose all mail when the nodes of its cluster restart one after the other';
  return [of(syncs), of(purges)];
}

function isSound(version: string): boolean {
  const [sound, next] = soundVersions;
  return isFrom(version, next) || (isFrom(version, sound) && !isFrom(version, [2, 13, 0]));
}

function isFrom(
  version: string,
  [major, minor, patch]: readonly [number, number, number],
): boolean {
  const [a = 0, b = 0, c = 0] = version.split(/[.-]/).map(Number);
  if (a !== major) return a > major;
  return b === minor ? c >= patch : b > minor;
}
