// How the stream of a store must be set, so that the server removes nothing that counts.
import type { StreamConfig } from '@nats-io/jetstream';
import { IpcError } from '../base/errors.ts';
import { claimFile } from './log-stream.ts';

/** What is found of a stream, or made. */
export interface FoundStream {
  readonly name: string;
  readonly replicas: number;
  /** Infinity: it has no limit of its own. */
  readonly bytesMax: number;
  readonly isInMemory: boolean;
  /** The largest message that it takes. Infinity: what the server takes. */
  readonly messageBytesMax: number;
  /** It was made now. */
  readonly isNew: boolean;
}

export const replicasWanted = 3;
/** The server sets so much aside, if it has it, so that a store is full before the disk is. */
export const bytesMaxWanted = [32, 8, 2, 1].map((share) => share * 128 * 1024 * 1024);
/** The least that a store does with. */
const bytesMaxMin = 8 * 1024 * 1024;
/** A header of a change, its path and some bytes. */
export const messageBytesMin = 4_096;
/** How long the server remembers ids: an append is tried again for that long without another look. */
const idsNs = 120 * 1e9;

function subjectsOf(prefix: string): string[] {
  return [`${prefix}f.*`, `${prefix}${claimFile}`];
}

export function settingsOf(name: string, prefix: string, replicas: number, bytesMax: number) {
  return {
    name,
    subjects: subjectsOf(prefix),
    retention: 'limits',
    storage: 'file',
    discard: 'new',
    num_replicas: replicas,
    max_bytes: bytesMax,
    duplicate_window: idsNs,
    description: 'The mail of agent-ipc. Its messages are the files of one store: change none.',
  } as const;
}

/** A limit as the server says it: 0 and below for none. */
function limitOf(given: number): number {
  return given > 0 ? given : Number.POSITIVE_INFINITY;
}

/** Throws if the server would remove mail, or does not take all of it. */
export function foundStream(config: StreamConfig, prefix: string): FoundStream {
  const faults = [
    config.retention !== 'limits' && `retention ${config.retention} in place of limits`,
    config.discard !== 'new' && `discard ${config.discard} in place of new`,
    config.max_age > 0 && 'a maximum age',
    limitOf(config.max_bytes) < bytesMaxMin && `less than ${bytesMaxMin} bytes`,
    limitOf(config.max_msg_size) < messageBytesMin &&
      `messages of less than ${messageBytesMin} bytes`,
    config.max_msgs > 0 && 'a maximum number of messages',
    config.max_msgs_per_subject > 0 && 'a maximum number of messages for each subject',
    config.no_ack && 'appends are not acknowledged',
    config.deny_purge && 'purges are denied',
    config.sealed && 'it is sealed',
    !subjectsOf(prefix).every((each) => config.subjects.includes(each)) &&
      `other subjects than ${subjectsOf(prefix).join(' and ')}`,
  ].filter((fault) => typeof fault === 'string');
  if (faults.length > 0) {
    const what = `stream ${config.name} cannot keep mail: ${faults.join('; ')}`;
    const hint = `change that with \`nats stream edit ${config.name}\`, or use another number: IPC_PORT`;
    throw new IpcError('home_unusable', what, { hint });
  }
  return {
    name: config.name,
    replicas: config.num_replicas,
    bytesMax: limitOf(config.max_bytes),
    isInMemory: config.storage === 'memory',
    messageBytesMax: limitOf(config.max_msg_size),
    isNew: false,
  };
}
