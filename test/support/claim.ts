// The election of a store's owner, as a session runs it: first the lock, then the store.
import { type ClaimResult, claimStore } from '../../src/session/election.ts';
import { lockPort } from '../../src/session/port-lock.ts';

/** `folder`: the store's folder, which exists. `taken`: another process holds the port. */
export async function claim(
  port: number,
  folder: string,
): Promise<ClaimResult | { readonly kind: 'taken' }> {
  const lock = await lockPort(port);
  return lock ? claimStore(lock, folder) : { kind: 'taken' };
}
