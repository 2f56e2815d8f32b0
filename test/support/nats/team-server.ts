// A NATS server that lets one user in, and what must not be seen of it anywhere.
import assert from 'node:assert/strict';
import { type NatsNode, type NatsOptions, type Owner, startNats } from './nats-server.ts';

export const password = 'kept-to-ourselves';

export interface TeamServer {
  readonly node: NatsNode;
  /** Without a login. */
  readonly url: string;
  /** With user and password. */
  readonly login: string;
}

export async function teamServer(owner: Owner, options: NatsOptions = {}): Promise<TeamServer> {
  const authorization = { user: 'team', password };
  const node = await startNats(owner, { authorization, ...options });
  return { node, url: node.url, login: withLogin(node.url) };
}

export function withLogin(url: string, login = `team:${password}`): string {
  return url.replace('://', `://${login}@`);
}

export function assertKept(...texts: readonly string[]): void {
  for (const text of texts) assert.ok(!text.includes(password), text);
}
