// A replacement for the system's name resolver: it knows the names that a test gives it, and can fail.
import dns from 'node:dns/promises';
import { syncBuiltinESMExports } from 'node:module';
import { isIP } from 'node:net';
import type { TestContext } from 'node:test';

export interface Resolver {
  /** The names that were looked up, in order, without addresses. */
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
