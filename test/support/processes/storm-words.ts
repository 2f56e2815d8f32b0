// What the sessions of a storm tell, and the bodies that they post: each says which one it is, and
// can be told from any other and from any damage.
import { createHash } from 'node:crypto';

/** Posts of one session to one mailbox, counted from 1. */
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
      /** undefined: the body is not what anybody posted. */
      readonly key: StormKey | undefined;
    }
  | { readonly kind: 'settled'; readonly number: number; readonly attempt: number }
  | { readonly kind: 'status'; readonly messages: number }
  | { readonly kind: 'refused'; readonly code: string };

/** `hold`: post nothing until `go`, so that what waits to be read stays little. */
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
