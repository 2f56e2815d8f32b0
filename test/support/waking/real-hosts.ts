// How each real program is started for a test of waking: in a home of its own, with the mock model, with our MCP
// server, and without any question to a person.
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { toolsFolder } from '../processes/tools.ts';
import { tmuxMissing } from './tmux.ts';

export interface HostSetup {
  /** The user's home. */
  readonly home: string;
  /** The working folder. */
  readonly work: string;
  /** Of the mock model. */
  readonly url: string;
  /** The command of the MCP server. */
  readonly server: readonly [command: string, ...args: string[]];
  /** What the MCP server has in its environment beside what the host passes on. */
  readonly serverEnv?: Readonly<Record<string, string>>;
}

export interface RealHost {
  readonly title: string;
  /** The program, below the folder of the tools. */
  readonly files: readonly string[];
  /** Its hook holds the turn open while it waits for mail. */
  readonly holdsTurn?: boolean;
  prepare(setup: HostSetup): Promise<{
    readonly words: readonly string[];
    readonly env: Readonly<Record<string, string>>;
  }>;
}

const key = 'sk-ant-api03-dummy-dummy-dummy-dummy';

export const claudeCode: RealHost = {
  title: 'Claude Code',
  files: ['.bin/claude'],
  async prepare({ home, work, url, server: [command, ...args], serverEnv: env }) {
    const trusted = { hasTrustDialogAccepted: true, hasCompletedProjectOnboarding: true };
    await writeJson(join(home, '.claude.json'), {
      hasCompletedOnboarding: true,
      theme: 'dark',
      customApiKeyResponses: { approved: [key.slice(-20)], rejected: [] },
      projects: { [work]: trusted },
    });
    const config = join(home, 'mcp.json');
    await writeJson(config, { mcpServers: { ipc: { command, args, env } } });
    const model = ['--model', 'claude-sonnet-4-6'];
    const servers = ['--strict-mcp-config', '--mcp-config', config];
    const allowed = ['--allowedTools', 'mcp__ipc__ipc'];
    return {
      words: [tool('.bin/claude'), ...model, ...servers, ...allowed],
      env: {
        ANTHROPIC_BASE_URL: url,
        ANTHROPIC_API_KEY: key,
        DISABLE_AUTOUPDATER: '1',
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
        ENABLE_TOOL_SEARCH: 'false',
      },
    };
  },
};

/** The user has messages from outside held back, or refused. */
export function holdInbox(home: string, policy: 'hold' | 'refuse' = 'hold'): Promise<void> {
  return writeJson(join(home, '.claude/settings.json'), { crossSessionInbound: policy });
}

export const codex: RealHost = {
  title: 'Codex',
  files: ['.bin/codex'],
  async prepare({ home, work, url, server: [command, ...args], serverEnv: env }) {
    const folder = join(home, '.codex');
    const config = `model = "mock"
model_provider = "mock"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false
[model_providers.mock]
name = "mock"
base_url = "${url}/v1"
wire_api = "responses"
request_max_retries = 0
[projects.${JSON.stringify(work)}]
trust_level = "trusted"
[mcp_servers.ipc]
command = ${JSON.stringify(command)}
args = ${JSON.stringify(args)}
env = { ${Object.entries(env ?? {}).map((pair) => pair.map((word) => JSON.stringify(word)).join(' = '))} }
`;
    await write(join(folder, 'config.toml'), config);
    const words = [tool('.bin/codex'), '--no-alt-screen'];
    return { words, env: { CODEX_HOME: folder } };
  },
};

export const qwenCode: RealHost = {
  title: 'Qwen Code',
  files: ['.bin/qwen', 'node-22/bin/node'],
  async prepare({ home, url, server: [command, ...args], serverEnv: env }) {
    await writeJson(join(home, '.qwen/settings.json'), {
      security: { auth: { selectedType: 'openai' } },
      model: { name: 'mock' },
      general: { disableAutoUpdate: true, enableAutoUpdate: false },
      telemetry: { enabled: false },
      tools: { toolSearch: { enabled: false } },
      mcpServers: { ipc: { command, args, env, trust: true } },
    });
    return {
      words: [tool('node-22/bin/node'), tool('.bin/qwen')],
      env: { OPENAI_API_KEY: 'x', OPENAI_BASE_URL: `${url}/v1`, OPENAI_MODEL: 'mock' },
    };
  },
};

const plugin = fileURLToPath(new URL('../../../../dist/opencode/agent-ipc.js', import.meta.url));

export const openCode: RealHost = {
  title: 'OpenCode',
  files: ['.bin/opencode'],
  async prepare({ home, url, server, serverEnv }) {
    const limit = { context: 100_000, output: 1_000 };
    const mock = {
      npm: '@ai-sdk/openai-compatible',
      name: 'mock',
      options: { baseURL: `${url}/v1`, apiKey: 'x' },
      models: { mock: { name: 'mock', tool_call: true, limit } },
    };
    const folder = join(home, '.config/opencode');
    // Or else it fetches this package, of types alone, before it loads a plugin: half a minute.
    const installed = { dependencies: { '@opencode-ai/plugin': '*' } };
    await mkdir(join(folder, 'node_modules'), { recursive: true });
    await writeJson(join(folder, 'package.json'), installed);
    await writeJson(join(folder, 'package-lock.json'), { packages: { '': installed } });
    await writeJson(join(folder, 'opencode.json'), {
      autoupdate: false,
      share: 'disabled',
      model: 'mock/mock',
      small_model: 'mock/mock',
      enabled_providers: ['mock'],
      provider: { mock },
      mcp: { ipc: { type: 'local', command: server, environment: serverEnv, enabled: true } },
      plugin: [`file://${plugin}`],
    });
    return {
      words: [tool('.bin/opencode')],
      env: { OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_AUTOUPDATE: '1' },
    };
  },
};

export const copilotCli: RealHost = {
  title: 'Copilot CLI',
  files: ['.bin/copilot'],
  async prepare({ home, work, url, server: [command, ...args], serverEnv: env }) {
    const folder = join(home, '.copilot');
    await writeJson(join(folder, 'config.json'), { trusted_folders: [work], banner: 'never' });
    const ipc = { type: 'local', command, args, env, tools: ['*'] };
    await writeJson(join(folder, 'mcp-config.json'), { mcpServers: { ipc } });
    return {
      words: [tool('.bin/copilot'), '--no-auto-update', '--allow-all'],
      env: {
        COPILOT_OFFLINE: 'true',
        COPILOT_PROVIDER_BASE_URL: `${url}/v1`,
        COPILOT_PROVIDER_API_KEY: 'x',
        COPILOT_MODEL: 'mock',
        COPILOT_AUTO_UPDATE: 'false',
      },
    };
  },
};

export const geminiCli: RealHost = {
  title: 'Gemini CLI',
  holdsTurn: true,
  files: ['.bin/gemini', 'node-22/bin/node'],
  async prepare({ home, url, server: [command, ...args], serverEnv: env }) {
    await writeJson(join(home, '.gemini/settings.json'), {
      security: { auth: { selectedType: 'gemini-api-key' }, folderTrust: { enabled: false } },
      general: { disableAutoUpdate: true, enableAutoUpdate: false, disableUpdateNag: true },
      privacy: { usageStatisticsEnabled: false },
      telemetry: { enabled: false },
      ui: { hideTips: true },
      mcpServers: { ipc: { command, args, env, trust: true } },
    });
    return {
      words: [tool('node-22/bin/node'), tool('.bin/gemini')],
      env: {
        GEMINI_API_KEY: 'x',
        GOOGLE_GEMINI_BASE_URL: url,
        GEMINI_CLI_TRUST_WORKSPACE: 'true',
      },
    };
  },
};

/** The reason for skipping a test with this program. */
export function hostMissing({ title, files }: RealHost): string | false {
  if (tmuxMissing) return tmuxMissing;
  const isHere = files.every((file) => existsSync(tool(file)));
  return isHere ? false : `\`npm install --prefix .ci/tools\` fetches ${title}`;
}

function tool(file: string): string {
  return join(toolsFolder, file);
}

function writeJson(path: string, value: object): Promise<void> {
  return write(path, JSON.stringify(value));
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}
