// The SDK's own client, in each of its ways to agree on a version.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { program, read } from '../../support/mcp-host.ts';
import { freePort, makeHome } from '../../support/places.ts';

const modes = [
  ['legacy', 'legacy', '2025-11-25'],
  ['auto', 'auto', '2026-07-28'],
  ['pinned', { pin: '2026-07-28' }, '2026-07-28'],
] as const;

for (const [name, mode, version] of modes) {
  test(`the SDK's client in ${name} mode speaks ${version}, and works and cancels`, async (context) => {
    const client = await connect(context, { mode });
    assert.equal(client.getNegotiatedProtocolVersion(), version);
    const { tools } = await client.listTools();
    assert.deepEqual(
      tools.map((tool) => tool.name),
      ['ipc'],
    );

    const cancelled = new AbortController();
    const dropped = client.callTool(
      { name: 'ipc', arguments: { operation: 'wait', mailbox: 'A' } },
      { signal: cancelled.signal },
    );
    await call(client, { operation: 'broker_start' });
    cancelled.abort();
    await assert.rejects(dropped);
    await call(client, { operation: 'post', to: 'A', from: 'B', message: 'hello' });
    const { bodies, head } = await call(client, { operation: 'wait', mailbox: 'A', timeout: 5 });
    assert.deepEqual(bodies, ['hello']);
    assert.doesNotMatch(head, /attempt/);

    const wrong = await call(client, { operation: 'wait', mailbox: 'A', timeout: 'abc' });
    assert.equal(wrong.isError, true);
    assert.match(wrong.text, /^bad_timeout: timeout is "abc"/);
  });
}

async function connect(
  context: TestContext,
  versionNegotiation: { mode: (typeof modes)[number][1] },
): Promise<Client> {
  const clients: Client[] = [];
  context.after(() => Promise.all(clients.map((one) => one.close())));
  const home = join(await makeHome(context), 'home');
  const env = { PATH: process.env.PATH ?? '', IPC_HOME: home, IPC_PORT: `${await freePort()}` };
  const client = new Client({ name: 'sdk', version: '1' }, { versionNegotiation });
  clients.push(client);
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args: [program, 'mcp'], env }),
  );
  return client;
}

async function call(client: Client, given: Record<string, unknown>) {
  const { content, isError } = await client.callTool({ name: 'ipc', arguments: given });
  const [item] = content;
  assert(item?.type === 'text');
  return read(item.text, isError);
}
