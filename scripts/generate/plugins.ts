// The manifests that hosts and catalogues expect of the package, each in its own form. The build puts these
// files beside the program, because hosts copy a plugin's folder: dist/ is the plugin.
import { readFileSync } from 'node:fs';
import { waitMsMax } from '../../src/base/limits.ts';
import { serverName } from '../../src/hosts/targets.ts';
import { claudeHooks } from '../../src/hosts/wake/hooks.ts';

const { name, version, description, author, license, keywords, engines, mcpName } = JSON.parse(
  readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
);

const about = { name, version, description, author: { name: author }, license, keywords };

/** Codex must allow for the longest wait, and for the time of its result. */
const codexSeconds = waitMsMax / 1_000 + 30;

/** Each file by its path in the repository. */
export function pluginFiles(): Readonly<Record<string, string>> {
  const files = {
    '.claude-plugin/plugin.json': {
      ...about,
      mcpServers: { [serverName]: startedIn(variable('CLAUDE_PLUGIN_ROOT')) },
      // Not hooks/hooks.json, which Codex reads as well.
      hooks: './claude-hooks.json',
    },
    'claude-hooks.json': { hooks: claudeHooks(startedIn(variable('CLAUDE_PLUGIN_ROOT'))) },
    // Codex reads it as well.
    '.claude-plugin/marketplace.json': {
      name,
      description,
      owner: { name: author },
      plugins: [{ name, description, source: './' }],
    },
    '.codex-plugin/plugin.json': {
      ...about,
      skills: './skills/',
      // Codex replaces no variables, but takes `cwd` relative to the plugin's folder.
      mcpServers: {
        [serverName]: { ...startedIn('.'), cwd: '.', tool_timeout_sec: codexSeconds },
      },
    },
    'gemini-extension.json': {
      name,
      version,
      description,
      contextFileName: 'GEMINI.md',
      mcpServers: { [serverName]: startedIn(variable('extensionPath')) },
    },
    'manifest.json': {
      manifest_version: '0.3',
      ...about,
      server: { type: 'node', entry_point: 'ipc.js', mcp_config: startedIn(variable('__dirname')) },
      tools_generated: true,
      compatibility: { runtimes: { node: engines.node } },
    },
    'server.json': {
      $schema: 'https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json',
      name: mcpName,
      description,
      version,
      packages: [
        {
          registryType: 'npm',
          identifier: name,
          version,
          transport: { type: 'stdio' },
          packageArguments: [{ type: 'positional', value: 'mcp' }],
        },
      ],
    },
  };
  return Object.fromEntries(
    Object.entries(files).map(([path, content]) => [
      `plugins/${path}`,
      `${JSON.stringify(content, undefined, 2)}\n`,
    ]),
  );
}

/** The host replaces it by the folder of the plugin. */
function variable(name: string): string {
  return `\${${name}}`;
}

function startedIn(folder: string) {
  return { command: 'node', args: [`${folder}/ipc.js`, 'mcp'] };
}
