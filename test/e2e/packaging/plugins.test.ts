// A plugin as hosts take it: they copy the folder, put its new place into the manifest, and start what
// stands there. First with what the manifests say alone, then by the hosts' own programs. Forms read at
// code.claude.com/docs/en/plugins-reference and /plugin-marketplaces, developers.openai.com/codex/plugins/build,
// geminicli.com/docs/extensions/reference, github.com/modelcontextprotocol/mcpb (MANIFEST.md) and, for
// server.json, github.com/modelcontextprotocol/registry (docs/reference/server-json), in November 2026.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hostPlace, speak } from '../../support/mcp-host.ts';
import { makeHome } from '../../support/places.ts';
import { tool, toolsMissing } from '../../support/processes/tools.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const plugin = join(root, 'dist');
const skippable = { skip: toolsMissing };

/** Like Node 20.15, which does not detect that a file is a module. */
const guessesNothing = { NODE_OPTIONS: '--no-experimental-detect-module' };

const manifests = [
  ['Claude Code', '.claude-plugin/plugin.json', 'CLAUDE_PLUGIN_ROOT'],
  ['Codex', '.codex-plugin/plugin.json', undefined],
  ['Gemini CLI', 'gemini-extension.json', 'extensionPath'],
  ['Claude Desktop', 'manifest.json', '__dirname'],
] as const;

for (const [host, manifest, variable] of manifests) {
  test(`what ${manifest} names starts the server in a copy of the folder, as ${host} makes it`, async (context) => {
    const place = await hostPlace(context);
    const folder = join(place.home, '..', 'a copy');
    cpSync(plugin, folder, { recursive: true });
    const text = readFileSync(join(folder, manifest), 'utf8');
    const { mcpServers, server } = JSON.parse(text.replaceAll(`\${${variable}}`, folder));
    const { command, args, cwd } = mcpServers?.ipc ?? server.mcp_config;
    await speak(place, { command, args, cwd: join(folder, cwd ?? 'skills') }, guessesNothing);
  });
}

test('the hooks of the Claude Code plugin start `ipc wake` in a copy of the folder, which ends at once in another host', async (context) => {
  const folder = join(await makeHome(context), 'a copy');
  cpSync(plugin, folder, { recursive: true });
  const { hooks: file } = readJson('dist/.claude-plugin/plugin.json');
  // Codex would read this one, too, and ask its user about it.
  assert.equal(existsSync(join(folder, 'hooks/hooks.json')), false);
  const text = readFileSync(join(folder, file), 'utf8');
  const { hooks } = JSON.parse(text.replaceAll(`\${CLAUDE_PLUGIN_ROOT}`, folder));
  assert.deepEqual(Object.keys(hooks), ['Stop', 'StopFailure', 'SessionStart']);
  for (const [group] of Object.values<HookGroup[]>(hooks)) {
    const [hook] = group?.hooks ?? [];
    assert(hook);
    assert.equal(hook.asyncRewake, true);
    const env = { PATH: process.env.PATH, HOME: folder, IPC_WAKE: 'ann' };
    const { status, stdout, stderr } = spawnSync(hook.command, hook.args, {
      env,
      encoding: 'utf8',
    });
    assert.deepEqual([status, stdout, stderr], [0, '', '']);
  }
});

interface HookGroup {
  readonly hooks: readonly {
    readonly command: string;
    readonly args: readonly string[];
    readonly asyncRewake: boolean;
  }[];
}

test('server.json has all required fields, and names the package', () => {
  const server = readJson('dist/server.json');
  const { name, version, mcpName } = readJson('package.json');
  assert.deepEqual(Object.keys(server), ['$schema', 'name', 'description', 'version', 'packages']);
  assert.match(server.name, /^[a-zA-Z0-9.-]+\/[a-zA-Z0-9._-]+$/);
  assert.equal(server.name, mcpName, 'the registry compares the two');
  assert.ok(server.description.length <= 100);
  assert.deepEqual(server.packages, [
    {
      registryType: 'npm',
      identifier: name,
      version,
      transport: { type: 'stdio' },
      packageArguments: [{ type: 'positional', value: 'mcp' }],
    },
  ]);
});

test('Claude Code accepts the plugin, installs it and connects', skippable, async (context) => {
  const { above, env } = await toolPlace(context);
  const claude = tool('claude', above, {
    ...env,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    DISABLE_AUTOUPDATER: '1',
  });
  await claude.run(['plugin', 'validate', '--strict', plugin]);
  await claude.run(['plugin', 'validate', '--profile', 'directory', plugin]);
  await claude.run(documented('claude plugin marketplace add', plugin));
  await claude.run(documented('claude plugin install', 'agent-ipc@agent-ipc'));
  const details = await claude.run(['plugin', 'details', 'agent-ipc']);
  assert.match(details.stdout, /Skills \(1\) +work-together\n/);
  const servers = await claude.run(['mcp', 'list']);
  assert.match(servers.stdout, /^plugin:agent-ipc:ipc: .* ✔ Connected$/m);
});

test('Codex installs the plugin, and the command in it works', skippable, async (context) => {
  const { place, above, env } = await toolPlace(context);
  const codex = tool('codex', above, env);
  await codex.run(documented('codex plugin marketplace add', plugin));
  await codex.run(documented('codex plugin add', 'agent-ipc@agent-ipc'));
  const { stdout } = await codex.run(['mcp', 'list', '--json']);
  const [server, ...others] = JSON.parse(stdout);
  assert.deepEqual(others, []);
  assert.equal(server.enabled, true);
  assert.equal(server.tool_timeout_sec, 330);
  const { command, args, cwd } = server.transport;
  assert.doesNotMatch(cwd, /\/dist\b/, 'it is a copy');
  await speak(place, { command, args, cwd });
});

test('Gemini CLI accepts the extension, installs it and connects', skippable, async (context) => {
  const { env } = await toolPlace(context);
  // It starts servers only where the user trusts the folder; the question at the install does that.
  const gemini = tool('gemini', plugin, env);
  await gemini.run(['extensions', 'validate', plugin]);
  await gemini.run([...documented('gemini extensions install', plugin), '--consent'], 'y\n');
  const { stderr } = await gemini.run(['mcp', 'list']);
  assert.match(stderr, /ipc \(from agent-ipc\): .* - Connected/);
});

test('a bundle for Claude Desktop has only the program, and works', skippable, async (context) => {
  const { place, above, env } = await toolPlace(context);
  const mcpb = tool('mcpb', above, env);
  const [bundle, folder] = [join(above, 'agent-ipc.mcpb'), join(above, 'unpacked')];
  await mcpb.run(['validate', join(plugin, 'manifest.json')]);
  await mcpb.run(['pack', plugin, bundle]);
  await mcpb.run(['unpack', bundle, folder]);
  const files = readdirSync(folder).filter((name) => !/^chunk-\w+\.cjs$/.test(name));
  assert.deepEqual(files.sort(), [
    'LICENSES',
    'README.md',
    'ipc.js',
    'manifest.json',
    'mcp.cjs',
    'nats.mjs',
    'package.json',
    'program.cjs',
  ]);
  const { server } = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
  assert.equal(server.entry_point, 'ipc.js');
  await speak(place, { command: 'node', args: [join(folder, server.entry_point), 'mcp'] });
});

/** A folder that the host's program takes for the user's, with the mail below it. */
async function toolPlace(context: TestContext) {
  const place = await hostPlace(context);
  const above = join(place.home, '..');
  return { place, above, env: { HOME: above, IPC_HOME: place.home, IPC_PORT: `${place.port}` } };
}

/** The words after the program's name, as plugins/README.md tells a user. */
function documented(line: string, last: string): string[] {
  const told = `\`${line} ${last.replace(root, '/path/to/agent-ipc/')}\``;
  assert.ok(readFileSync(join(root, 'plugins/README.md'), 'utf8').includes(told), told);
  return [...line.split(' ').slice(1), last];
}

function readJson(path: string) {
  return JSON.parse(readFileSync(join(root, path), 'utf8'));
}
