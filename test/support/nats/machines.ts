// Two machines with agents, and a third one with the nats-server. All that the first two reach is that server.
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type HostOptions, McpHost } from '../mcp-host.ts';
import { freePort, makeHome } from '../places.ts';
import { type Host, hostsOfServer } from '../processes/network-namespaces.ts';
import { type NatsNode, type NatsOptions, natsMissing, startNats } from './nats-server.ts';

export interface Machine extends Host {
  /** The state folder of its sessions. */
  readonly home: string;
}

export interface Machines {
  readonly one: Machine;
  readonly other: Machine;
  readonly server: NatsNode;
  /** The number of the broker. */
  readonly port: number;
  /** An MCP host on a machine, whose mail is on the server. It ends with the test. */
  agent(on: Machine, options?: Partial<HostOptions>): Promise<McpHost>;
}

/** undefined, after a skip of the test, where this machine has no namespaces, or no nats-server. */
export async function natsMachines(
  context: TestContext,
  options: NatsOptions = {},
): Promise<Machines | undefined> {
  if (natsMissing) return skipped(context, natsMissing);
  // Hooks run in the order of their registration: agents, server, folders, namespaces.
  const agents: Promise<McpHost>[] = [];
  context.after(async () => {
    for (const made of agents) await (await made).destroy();
  });
  const ends: (() => Promise<void>)[] = [];
  context.after(async () => {
    for (const end of ends) await end();
  });
  const homes = [await makeHome(context), await makeHome(context)].map((at) => join(at, 'home'));
  const hosts = await hostsOfServer(context);
  if (typeof hosts === 'string') return skipped(context, `no hosts here: ${hosts}`);
  const [host, ...others] = hosts;
  const server = await startNats({ after: (end) => void ends.push(end) }, { ...options, host });
  const [one, other] = others.map((each, index) => ({ ...each, home: homes[index] ?? '' }));
  if (!one || !other) throw new Error('two machines');
  const port = await freePort();
  const agent = (on: Machine, { env, ...more }: Partial<HostOptions> = {}) => {
    const { home, prefix } = on;
    const made = McpHost.start({
      ...{ home, prefix, port, ...more },
      env: { IPC_BROKER: server.url, ...env },
    });
    agents.push(made);
    return made;
  };
  return { one, other, server, port, agent };
}

function skipped(context: TestContext, reason: string): undefined {
  context.skip(reason);
  return undefined;
}
