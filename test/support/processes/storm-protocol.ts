// The reports of the sessions of a storm, and the bodies that they post. A body names its post, so it
// cannot be confused with another body or with a corrupt one.
import { createHash } from 'node:crypto';

/** The count of the post among those of the session to the mailbox, from 1. */
export interface StormKey {
  readonly stream: string;
  readonly count: number;
}

export type StormEvent =
  | { readonly kind: 'ready' | 'quiet' }
  | ({ readonly kind: 'stored'; readonly number: number; readonly duplicate: boolean } & StormKey)
  | {
      readonly kind: 'got';
      readonly mailbox: string;
      readonly number: number;
      readonly attempt: number;
      /** The post that a body names; undefined if no session posted the body. */
      readonly key: StormKey | undefined;
    }
  | { readonly kind: 'settled'; readonly number: number; readonly attempt: number }
  | { readonly kind: 'status'; readonly messages: number }
  | { readonly kind: 'refused'; readonly code: string };

/** `hold`: pause posting until `go`, so that few messages wait to be read. */
export type StormWords = 'quiet' | 'status' | 'hold' | 'go';

export function stormBody({ stream, count }: StormKey, bytes: number): Buffer {
  const head = `${stream} ${count} ${bytes} `;
  const fill = createHash('sha256').update(head).digest('hex');
  return Buffer.alloc(bytes, head + fill);
}

export function stormKey(body: Buffer): StormKey | undefined {
  const [stream = '', count = '', bytes = ''] = body.toString('latin1', 0, 100).split(' ');
  const key = { stream, count: Number(count) };
  if (Number(bytes) !== body.length || !Number.isSafeInteger(key.count)) return undefined;
  return stormBody(key, body.length).equals(body) ? key : undefined;
}
