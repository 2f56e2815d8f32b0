// The requests that store a message, for which the disk needs room.
import type { ImportRequest } from '../model/import-requests.ts';
import type { PostRequest, Request } from '../model/requests.ts';

export type StoredRequest = PostRequest | ImportRequest;

export function isStored(request: Request): request is StoredRequest {
  return request.kind === 'post' || request.kind === 'import';
}

/** How many further messages it stores. */
export function alsoOf(request: StoredRequest): number {
  return request.kind === 'post' ? request.alsoTo.length : 0;
}
