// What a NATS server cannot promise, as far as it shows itself: sentences for people, each with its remedy.
import type { ServerInfo } from '@nats-io/transport-node';
import type { FoundStream } from './stream-settings.ts';

/** The first versions without a known loss of what was acknowledged, of each line that has one. */
const soundVersions = [
  [2, 12, 7],
  [2, 14, 0],
] as const;
const firstWithSyncAlways = [2, 10, 0] as const;

/** What of a stream says how well it keeps mail. */
export type StreamPromises = Pick<FoundStream, 'name' | 'replicas' | 'bytesMax' | 'isInMemory'>;

export function serverWarnings(
  info: ServerInfo | undefined,
  { replicas, name, bytesMax, isInMemory }: StreamPromises,
): string[] {
  const version = info?.version ?? '0.0.0';
  const warnings: string[] = [];
  if (!isFrom(version, firstWithSyncAlways)) {
    warnings.push(
      `nats-server ${version} syncs its files every 2 minutes only: what it stored last is lost with its power; use 2.12.7, or 2.14 or newer, with \`sync_interval: always\``,
    );
  } else if (!isSound(version)) {
    warnings.push(
      `nats-server ${version} has lost stored messages in known cases; use 2.12.7, or 2.14 or newer, with \`sync_interval: always\``,
    );
  }
  if (replicas === 1) {
    warnings.push(
      `stream ${name} has one copy: the mail is gone with the disk of its server; use a cluster of 3 and \`nats stream edit ${name} --replicas 3\``,
    );
  }
  if (isInMemory) {
    warnings.push(
      `stream ${name} is in memory: the mail is gone when its servers restart; make it anew with storage "file"`,
    );
  }
  if (bytesMax === Number.POSITIVE_INFINITY) {
    warnings.push(
      `stream ${name} has no limit: when the disk of its server is full, posts hang in place of being refused; \`nats stream edit ${name} --max-bytes 4GB\``,
    );
  }
  return warnings;
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
