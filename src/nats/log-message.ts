// One change of the files of a store, as a message of its stream: a JSON header, then bytes of a file. Each names its
// file in full, so that what the server has lost of a file is a gap in it, and nothing else.
import { IpcError } from '../base/errors.ts';
import { segmentBytesMax } from '../base/limits.ts';

/** What a message does to the file, or the folder, of its subject. */
export type FileChange =
  /** `rename`: the message has its new path. */
  | { readonly kind: 'folder' | 'file' | 'rename' | 'remove' }
  /** Bytes at an offset. */
  | { readonly kind: 'write'; readonly at: number };

const kindsAlone = ['folder', 'file', 'rename', 'remove'] as const;

export interface LogMessage {
  /** The claim of the owner that wrote it. */
  readonly claim: string;
  /** Counts the messages of the claim, from 1. */
  readonly count: number;
  /** Relative to the folder of the store, with "/" between its parts. */
  readonly path: string;
  readonly change: FileChange;
  readonly bytes: Buffer;
}

const lengthBytes = 2;
const partOfPath = /^[a-z0-9][a-z0-9.-]{0,63}$/;
const partsMax = 4;
/** No file of a store comes near it, and one that a faulty message makes longer must not fill the disk. */
const fileBytesMax = 8 * segmentBytesMax;

export function encodeLogMessage({ claim, count, path, change, bytes }: LogMessage): Buffer {
  const header = Buffer.from(JSON.stringify({ claim, count, path, ...change }));
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt16BE(header.length);
  return Buffer.concat([length, header, bytes]);
}

/** Any user of the server may have written it, so a path never leads out of the store. Throws `bad_frame`. */
export function decodeLogMessage(data: Buffer): LogMessage {
  const bodyAt = data.length < lengthBytes ? 0 : lengthBytes + data.readUInt16BE(0);
  const header = parsed(data.toString('utf8', lengthBytes, bodyAt));
  const { claim, count, path } = header;
  const change = changeOf(header);
  if (typeof claim !== 'string' || !Number.isSafeInteger(count) || !isPath(path) || !change) {
    throw new IpcError('bad_frame', 'a message of the stream is not one of agent-ipc');
  }
  return { claim, count: Number(count), path, change, bytes: data.subarray(bodyAt) };
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function changeOf({ kind: given, at }: Record<string, unknown>): FileChange | undefined {
  const kind = kindsAlone.find((each) => each === given);
  if (kind !== undefined) return { kind };
  const isOffset =
    typeof at === 'number' && Number.isSafeInteger(at) && at >= 0 && at <= fileBytesMax;
  return given === 'write' && isOffset ? { kind: given, at } : undefined;
}

function isPath(path: unknown): path is string {
  if (typeof path !== 'string') return false;
  const parts = path.split('/');
  return parts.length <= partsMax && parts.every((part) => partOfPath.test(part));
}
