// `ipc install --wake`: the hooks and the plugin with which mail wakes agents, in a home directory of their own.
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { shellWord } from '../../../src/base/shell.ts';
import { installedHook } from '../../../src/hosts/wake/hooks.ts';
import { program } from '../../support/mcp-host.ts';
import { machine } from '../../support/processes/machine.ts';

const claudeHook = {
  type: 'command',
  command: 'node',
  args: [program, 'wake', '--for', 'claude'],
  asyncRewake: true,
  timeout: 604_800,
};
const claudeHooks = {
  Stop: [{ hooks: [claudeHook] }],
  StopFailure: [{ hooks: [claudeHook] }],
  SessionStart: [{ matcher: 'startup|resume', hooks: [claudeHook] }],
};
const geminiHooks = {
  AfterAgent: [
    {
      hooks: [
        {
          name: 'ipc',
          type: 'command',
          command: `node ${shellWord(program)} wake --for gemini`,
          timeout: 3_660_000,
        },
      ],
    },
  ],
};

test('the hooks of each host are added to its file beside its server, once, and removed again', async (context) => {
  const { run, file, stub, desktop } = await machine(context);
  await stub('claude');
  await stub('gemini');
  const cursorHook = `${desktop.command} ${shellWord(program)} wake --for cursor`;
  const cases = [
    ['claude', '.claude/settings.json', { hooks: claudeHooks }],
    ['gemini', '.gemini/settings.json', { hooks: geminiHooks }],
    [
      'cursor',
      '.cursor/hooks.json',
      {
        version: 1,
        hooks: { stop: [{ command: cursorHook, timeout: 3_660, loop_limit: null }] },
      },
    ],
  ] as const;
  for (const [host, path, expected] of cases) {
    assert.equal((await run(['install', host, '--wake', '--yes'])).code, 0);
    assert.deepEqual(JSON.parse(await file(path)), expected);
    const again = await run(['install', host, '--wake', '--print']);
    assert.doesNotMatch(again.text, /wake --for/);
    assert.equal((await run(['uninstall', host, '--wake', '--yes'])).code, 0);
    // Nothing else was in it.
    await assert.rejects(file(path), { code: 'ENOENT' });
    assert.match((await run(['uninstall', host, '--wake', '--yes'])).text, /: nothing to do\.\n$/);
  }
  assert.match(await file('claude.words'), /^mcp add ipc /);
  assert.deepEqual(JSON.parse(await file('.cursor/mcp.json')), { mcpServers: { ipc: desktop } });
});

test('the plugin of opencode is added to its file beside the server, and both are removed', async (context) => {
  const { run, file, put } = await machine(context);
  const path = '.config/opencode/opencode.json';
  const mine = '{\n  "plugin": ["other"], // mine\n  "theme": "one"\n}\n';
  await put(path, mine);
  assert.equal((await run(['install', 'opencode', '--wake', '--yes'])).code, 0);
  const text = await file(path);
  const plugin = pathToFileURL(join(dirname(program), 'opencode/agent-ipc.js')).href;
  assert.ok(text.includes(JSON.stringify(plugin)), text);
  assert.match(text, /"mcp": \{\n {4}"ipc": \{/);
  assert.match(
    (await run(['install', 'opencode', '--wake', '--yes'])).text,
    /: nothing to do\.\n$/,
  );
  assert.equal((await run(['uninstall', 'opencode', '--yes'])).code, 0);
  assert.equal(await file(path), mine);
});

test('hooks of others and comments stay byte for byte', async (context) => {
  const { run, file, put, stub } = await machine(context);
  await stub('claude');
  await put('.claude.json', '');
  const path = '.claude/settings.json';
  const before = `{
  // mine
  "hooks": {
    "Stop": [
      { "hooks": [{ "type": "command", "command": "say done" }] }, // loud
    ],
    "PreToolUse": []
  },
  "model": "opus"
}
`;
  await put(path, before);
  assert.equal((await run(['install', 'claude', '--wake', '--yes'])).code, 0);
  const after = await file(path);
  assert.ok(after.startsWith(before.slice(0, before.indexOf(' // loud'))), after);
  const { hooks } = parsed(after);
  assert.deepEqual(hooks.Stop, [
    { hooks: [{ type: 'command', command: 'say done' }] },
    ...claudeHooks.Stop,
  ]);
  assert.deepEqual(Object.keys(hooks), ['Stop', 'PreToolUse', 'StopFailure', 'SessionStart']);
  assert.equal((await run(['uninstall', 'claude', '--wake', '--yes'])).code, 0);
  assert.equal(await file(path), before);
});

test('a hook of ours from another folder is replaced, not joined by a second one', async (context) => {
  const { run, file, put, stub } = await machine(context);
  await stub('claude');
  const old = { ...claudeHook, args: ['/other/ipc.js', 'wake', '--for', 'claude'], timeout: 5 };
  const mine = { hooks: [{ type: 'command', command: 'ipc wake-up --for claude' }] };
  await put('.claude/settings.json', JSON.stringify({ hooks: { Stop: [{ hooks: [old] }, mine] } }));
  assert.equal((await run(['install', 'claude', '--wake', '--yes'])).code, 0);
  const { hooks } = parsed(await file('.claude/settings.json'));
  assert.deepEqual(hooks.Stop, [...claudeHooks.Stop, mine]);
});

test('of a group that has the hook of another program, too, only our hook is replaced and removed', async (context) => {
  const { run, file, put, stub } = await machine(context);
  await stub('claude');
  const path = '.claude/settings.json';
  const old = { ...claudeHook, args: ['/other/ipc.js', 'wake', '--for', 'claude'], timeout: 5 };
  const mine = { type: 'command', command: 'say done' };
  await put(path, JSON.stringify({ hooks: { Stop: [{ hooks: [mine, old] }] } }));
  assert.equal((await run(['install', 'claude', '--wake', '--yes'])).code, 0);
  assert.deepEqual(parsed(await file(path)).hooks.Stop, [{ hooks: [mine, claudeHook] }]);
  const { text } = await run(['uninstall', 'claude', '--wake', '--yes']);
  assert.match(text, /\nClaude Code drops what --wake added when it is restarted\.\n$/);
  assert.deepEqual(parsed(await file(path)).hooks, { Stop: [{ hooks: [mine] }] });
});

test('where the program of the host is not found, no hook is left behind', async (context) => {
  const { run, file, put } = await machine(context);
  await put('.claude/settings.json', '{}');
  const { code, errors } = await run(['install', 'claude', '--wake', '--yes']);
  assert.equal(code, 1);
  assert.match(errors, /there is no program "claude" on the PATH/);
  assert.equal(await file('.claude/settings.json'), '{}');
});

test('uninstalling a host removes its hook, too', async (context) => {
  const { run, file, put, stub } = await machine(context);
  await stub('claude');
  await run(['install', 'claude', '--wake', '--yes']);
  await put('.claude.json', JSON.stringify({ mcpServers: { ipc: { args: [program] } } }));
  assert.equal((await run(['uninstall', 'claude', '--yes'])).code, 0);
  assert.equal(await file('claude.words'), 'mcp remove ipc -s user\n');
  await assert.rejects(file('.claude/settings.json'), { code: 'ENOENT' });
});

test('what a hook costs is said before it is added', async (context) => {
  const { run, stub } = await machine(context);
  await stub('gemini');
  const { text } = await run(['install', 'gemini', '--wake', '--print']);
  assert.match(
    text,
    /\n {2}its cost: its turn stays open while it waits for mail, 60 minutes at most: what you type is taken only after Esc\n/,
  );
  const { text: claude } = await run(['install', 'claude', '--wake', '--print']);
  assert.match(claude, /\n {2}its cost: each end of a turn starts a process; /);
});

test('a file that cannot be parsed, or has something else in the place of the list, is not touched', async (context) => {
  const { run, file, put, stub } = await machine(context);
  await stub('claude');
  for (const [content, fault] of [
    ['{"hooks": ', 'is not a JSON object, and was not touched'],
    ['{"hooks": []}', 'has no object at hooks, and was not touched'],
    ['{"hooks": {"Stop": {}}}', 'has no list at hooks.Stop, and was not touched'],
  ] as const) {
    await put('.claude/settings.json', content);
    const { code, errors } = await run(['install', 'claude', '--wake', '--yes']);
    assert.equal(code, 1);
    assert.ok(errors.includes(fault), errors);
    assert.equal(await file('.claude/settings.json'), content);
    await assert.rejects(file('claude.words'), { code: 'ENOENT' });
  }
});

test('a host that no hook can wake, and a project, are refused with the reason', async (context) => {
  const { run } = await machine(context);
  for (const [args, reason] of [
    [['codex'], 'Codex needs no hook: the MCP server wakes its agents'],
    [['zed'], 'no hook of Zed can wake its agents'],
    [['gemini', '--scope', 'project'], 'a hook is set up for the user, not for a project'],
  ] as const) {
    const { code, errors } = await run(['install', ...args, '--wake', '--yes']);
    assert.equal(code, 2);
    assert.ok(errors.includes(`bad_parameter: wake: ${reason}. `), errors);
  }
});

test('without a name the hosts that have no hook are set up as well, and their servers stay when the hooks go', async (context) => {
  const { run, file, put, stub } = await machine(context);
  await stub('gemini');
  await put('.config/zed/settings.json', '{}');
  assert.equal((await run(['install', '--wake', '--yes'])).code, 0);
  assert.deepEqual(parsed(await file('.gemini/settings.json')).hooks, geminiHooks);
  const zed = await file('.config/zed/settings.json');
  assert.match(zed, /"context_servers"/);
  assert.equal((await run(['uninstall', '--wake', '--yes'])).code, 0);
  assert.equal(await file('.config/zed/settings.json'), zed);
});

test('whether the hook of a host is installed is known by the name that the host reports', async (context) => {
  const { run, put, stub, home } = await machine(context);
  await stub('claude');
  await stub('gemini');
  const inHome = await withHome(home);
  const hook = (host: string) => inHome(() => installedHook(host, {}));
  assert.equal(await hook('claude-code'), undefined);
  await run(['install', 'claude', '--wake', '--yes']);
  await run(['install', 'gemini', '--wake', '--yes']);
  await run(['install', 'cursor', '--wake', '--yes']);
  assert.equal(await hook('claude-code'), 'claude');
  assert.equal(await hook('gemini-cli-mcp-client'), 'gemini');
  assert.equal(await hook('cursor-vscode'), 'cursor');
  assert.equal(await hook('codex-mcp-client'), undefined);
  await put('.claude/settings.json', JSON.stringify({ hooks: claudeHooks, disableAllHooks: true }));
  assert.equal(await hook('claude-code'), undefined);
  // The plugin has the hook.
  const enabledPlugins = { 'agent-ipc@agent-ipc': true };
  await put('.claude/settings.json', JSON.stringify({ enabledPlugins }));
  assert.equal(await hook('claude-code'), 'claude');
  const { text } = await run(['install', 'claude', '--wake', '--print']);
  assert.doesNotMatch(text, /wake --for|"wake"/);
  await put('.claude/settings.json', Buffer.from('{"name": "caf\xe9"}', 'latin1'));
  assert.equal(await hook('claude-code'), undefined);
});

/** Runs a function with HOME set. */
async function withHome(home: string) {
  return async <Result>(run: () => Promise<Result>): Promise<Result> => {
    const { HOME } = process.env;
    process.env.HOME = home;
    try {
      return await run();
    } finally {
      process.env.HOME = HOME;
    }
  };
}

/** JSON with line comments and trailing commas. */
function parsed(text: string): { hooks: Record<string, unknown> } {
  return JSON.parse(text.replace(/ \/\/.*/g, '').replace(/,(\s*[\]}])/g, '$1'));
}
