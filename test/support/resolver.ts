// The system's resolver in a test's hands: it knows the names that the test gives it, and can fail.
import dns from 'node:dns/promises';
import { syncBuiltinESMExports } from 'node:module';
import { isIP } from 'node:net';
import type { TestContext } from 'node:test';

export interface Resolver {
  /** The names that were looked up, in order. Addresses are not among them. */
  readonly lookUps: string[];
  fails: boolean;
}

export function replaceResolver(
  context: TestContext,
  addressesOf: Readonly<Record<string, readonly string[]>>,
): Resolver {
  const resolver: Resolver = { lookUps: [], fails: false };
  const { lookup } = dns;
  const replace = (by: unknown) => {
    Object.assign(dns, { lookup: by });
    syncBuiltinESMExports();
  };
  replace(async (host: string) => {
    if (isIP(host) === 0) resolver.lookUps.push(host);
    const addresses = isIP(host) === 0 ? addressesOf[host] : [host];
    if (resolver.fails || !addresses) throw new Error(`getaddrinfo ENOTFOUND ${host}`);
    return addresses.map((address) => ({ address, family: isIP(address) }));
  });
  context.after(() => replace(lookup));
  return resolver;
}
