// Clients that we did not write, beside those of the SDK's version 2 (mcp-sdk.test.ts): the client of its
// version 1, which many hosts still have in them, and the Inspector.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { hostPlace, program, read, type ToolResult } from '../../support/mcp-host.ts';
import { tool, toolsFolder, toolsMissing } from '../../support/processes/tools.ts';

const skippable = { skip: toolsMissing };

/** What is used of version 1. */
interface Client {
  connect(transport: unknown): Promise<void>;
  close(): Promise<void>;
  getServerVersion(): { readonly name: string } | undefined;
  listTools(): Promise<{ readonly tools: readonly { readonly name: string }[] }>;
  callTool(
    call: { readonly name: string; readonly arguments: object },
    schema?: undefined,
    options?: { readonly signal: AbortSignal },
  ): Promise<ToolResult>;
}

test(
  "the SDK's client of version 1 lists the tool, posts, fetches and cancels",
  skippable,
  async (context) => {
    const client = await connectVersion1(context);
    assert.equal(client.getServerVersion()?.name, 'ipc');
    const { tools } = await client.listTools();
    assert.deepEqual(
      tools.map(({ name }) => name),
      ['ipc'],
    );
    const call = async (given: object) =>
      textOf(await client.callTool({ name: 'ipc', arguments: given }));

    const cancelled = new AbortController();
    const wait = { name: 'ipc', arguments: { operation: 'wait', mailbox: 'ann' } };
    const dropped = client.callTool(wait, undefined, { signal: cancelled.signal });
    await call({ operation: 'broker_start' });
    cancelled.abort();
    await assert.rejects(dropped);
    await call({ operation: 'post', to: 'ann', from: 'ben', message: 'hello' });
    const { head, bodies } = read(await call({ operation: 'fetch', mailbox: 'ann' }));
    assert.deepEqual(bodies, ['hello']);
    assert.doesNotMatch(head, /attempt/);
  },
);

for (const era of ['legacy', 'auto', 'modern']) {
  test(
    `the Inspector finds no error in the tool's schema, and calls it, in the ${era} era`,
    skippable,
    async (context) => {
      const call = await inspector(context, era);
      const { result } = await call('tools/list', '--strict');
      assert.deepEqual(
        result.tools.map(({ name }: { name: string }) => name),
        ['ipc'],
      );
      const post = { operation: 'post', to: 'ann', from: 'ben', message: 'hello' };
      const fetch = { operation: 'fetch', mailbox: 'ann' };
      await call('tools/call', '--tool-name', 'ipc', '--tool-args-json', JSON.stringify(post));
      const fetched = await call(
        'tools/call',
        '--tool-name',
        'ipc',
        '--tool-args-json',
        JSON.stringify(fetch),
      );
      assert.deepEqual(read(textOf(fetched.result)).bodies, ['hello']);
    },
  );
}

async function connectVersion1(context: TestContext): Promise<Client> {
  let client: Client | undefined;
  context.after(() => client?.close());
  const { home, port } = await hostPlace(context);
  const folder = pathToFileURL(join(toolsFolder, '@modelcontextprotocol/sdk/dist/esm/client/'));
  const version1 = await import(new URL('index.js', folder).href);
  const { StdioClientTransport } = await import(new URL('stdio.js', folder).href);
  const opened: Client = new version1.Client({ name: 'version-1', version: '1' });
  client = opened;
  const env = { PATH: process.env.PATH ?? '', IPC_HOME: home, IPC_PORT: `${port}` };
  const server = { command: process.execPath, args: [program, 'mcp'], env };
  await opened.connect(new StdioClientTransport(server));
  return opened;
}

/** Each call starts a server of its own. */
async function inspector(context: TestContext, era: string) {
  const { home, port } = await hostPlace(context);
  const client = tool('mcp-inspector', join(home, '..'), { HOME: join(home, '..') });
  const server = ['-e', `IPC_HOME=${home}`, '-e', `IPC_PORT=${port}`];
  return async (method: string, ...words: string[]) => {
    const how = ['--cli', '--protocol-era', era, '--format', 'json', ...server, '--method', method];
    const { stdout } = await client.run([...how, ...words, process.execPath, program, 'mcp']);
    return JSON.parse(stdout);
  };
}

function textOf({ content }: ToolResult): string {
  assert.equal(content.length, 1);
  return content[0]?.text ?? '';
}
