// `ipc doctor` and what the hosts on the machine will start.
import assert from 'node:assert/strict';
import { chmod, cp, mkdir, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { shellWord } from '../../../src/base/shell.ts';
import { program } from '../../support/mcp-host.ts';
import { reported, reportedAbout } from '../../support/processes/doctor.ts';
import { shell } from '../../support/processes/shell.ts';

/** A home with files of hosts; its PATH has Node, and no host. */
async function machine(context: TestContext) {
  const { home, line, port } = await shell(context);
  const bin = join(home, 'bin');
  await mkdir(bin, { recursive: true, mode: 0o700 });
  await symlink(process.execPath, join(bin, 'node'));
  const put = async (path: string, content: string | object) => {
    const file = join(home, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
    return file;
  };
  const script = async (name: string, text: string) => {
    const file = await put(`bin/${name}`, `#!/bin/sh\n${text}\n`);
    await chmod(file, 0o755);
    return file;
  };
  /** In a project of its own, so that the files in the home are those of the user. */
  const doctor = async (path = `${bin}:/usr/bin:/bin`) => {
    await mkdir(join(home, 'project'), { recursive: true });
    return line(`cd "${home}/project" && PATH="${path}" && "$@" doctor --json`);
  };
  return { home, bin, port, put, script, doctor };
}

/** Each host's file with an entry that starts `words`. */
const files: readonly (readonly [
  title: string,
  path: string,
  text: (words: readonly string[]) => string,
])[] = [
  [
    'Claude Code',
    '.claude.json',
    ([command, ...args]) => JSON.stringify({ mcpServers: { ipc: { command, args } } }),
  ],
  [
    'Codex',
    '.codex/config.toml',
    ([command, ...args]) =>
      `[mcp_servers.ipc]\ncommand = ${JSON.stringify(command)}\nargs = ${JSON.stringify(args)}\n`,
  ],
  [
    'Gemini CLI',
    '.gemini/settings.json',
    ([command, ...args]) => JSON.stringify({ mcpServers: { ipc: { command, args } } }),
  ],
  [
    'Cursor',
    '.cursor/mcp.json',
    ([command, ...args]) => JSON.stringify({ mcpServers: { ipc: { command, args } } }),
  ],
  [
    'VS Code',
    '.config/Code/User/mcp.json',
    ([command, ...args]) => JSON.stringify({ servers: { ipc: { command, args } } }),
  ],
  [
    'opencode',
    '.config/opencode/opencode.json',
    (command) => JSON.stringify({ mcp: { ipc: { type: 'local', command, enabled: true } } }),
  ],
  [
    'Zed',
    '.config/zed/settings.json',
    ([command, ...args]) => JSON.stringify({ context_servers: { ipc: { command, args } } }),
  ],
];

test("in every host's file an entry whose program is gone is reported, and a good one is not", async (context) => {
  const { home, bin, put, doctor } = await machine(context);
  const gone = join(home, 'gone', 'dist', 'ipc.js');
  for (const [, path, text] of files) await put(path, text(['node', gone, 'mcp']));
  const bad = await doctor();
  assert.equal(bad.code, 1);
  for (const [title, path] of files) {
    const { ok, what, hint } = reportedAbout(title, bad);
    assert.equal(what, `its entry in ${join(home, path)} starts ${gone}, which is not there`);
    assert.match(hint ?? '', /(^|, then )ipc install \w+ --scope user$/);
    assert.equal(ok, false);
  }
  for (const [, path, text] of files) await put(path, text(['node', program, 'mcp']));
  const good = await doctor();
  assert.equal(good.code, 0);
  for (const [title] of files) {
    assert.equal(
      reportedAbout(title, good).what,
      `has ipc; \`node\` is ${join(bin, 'node')} (${process.version}) on this PATH; a host that the desktop starts may have another`,
    );
  }
});

test('the remedy for an entry whose program is gone works', async (context) => {
  const { home, put, doctor } = await machine(context);
  const { line } = await shell(context);
  await put('.cursor/mcp.json', {
    mcpServers: { ipc: { command: 'node', args: ['/gone/ipc.js', 'mcp'] } },
  });
  const { hint } = reportedAbout('Cursor', await doctor());
  assert.equal(hint, 'ipc install cursor --scope user');
  const { code } = await line('"$@" install cursor --scope user --yes', { HOME: home });
  assert.equal(code, 0);
  assert.equal(reportedAbout('Cursor', await doctor()).ok, true);
});

test('an entry of another clone is named, and good', async (context) => {
  const { home, put, doctor } = await machine(context);
  const clone = join(home, 'clone', 'dist');
  await cp(dirname(program), clone, { recursive: true });
  const file = await put('.cursor/mcp.json', {
    mcpServers: { ipc: { command: 'node', args: [join(clone, 'ipc.js'), 'mcp'] } },
  });
  const { ok, what, hint } = reportedAbout('Cursor', await doctor());
  assert.equal(ok, true);
  const started = await realpath(join(clone, 'ipc.js'));
  assert.ok(what.startsWith(`has ipc, but not this one: ${file} starts ${started}; `), what);
  assert.equal(hint, 'if this one is meant: ipc install cursor --scope user');
  await rm(join(clone, 'ipc.js'));
  assert.equal(reportedAbout('Cursor', await doctor()).ok, false);
});

test('the Node of an entry is tried: it must be there, and new enough', async (context) => {
  const { bin, put, script, doctor } = await machine(context);
  const cursor = (command: unknown) =>
    put('.cursor/mcp.json', { mcpServers: { ipc: { command, args: [program, 'mcp'] } } });
  const old = await script('node-18', 'echo v18.20.8');
  const edge = await script('node-20', 'echo v20.14.1');
  const broken = await script('node-broken', 'exit 3');
  const fresh = await script('node-next', 'echo v100.0.0-nightly');
  for (const [command, expected] of [
    [old, `cannot start: ${old} (v18.20.8)`],
    [edge, `cannot start: ${edge} (v20.14.1)`],
    [broken, `cannot start: ${broken} --version prints no version of Node`],
    ['/gone/node', 'cannot start: /gone/node is not there'],
    ['node-18', `cannot start: \`node-18\` is ${old} (v18.20.8) on this PATH; `],
    ['nodejs-gone', 'cannot start: no program "nodejs-gone" is on this PATH'],
    ['bin/node', 'cannot start: "bin/node" is a relative path'],
  ] as const) {
    const file = await cursor(command);
    const doctored = await doctor();
    const { ok, what, hint } = reportedAbout('Cursor', doctored);
    assert.deepEqual([doctored.code, ok], [1, false]);
    assert.ok(what.startsWith(`its entry in ${file} ${expected}`), what);
    assert.match(hint ?? '', /as "command" in |^give "command" in /);
  }
  await cursor(fresh);
  assert.equal(reportedAbout('Cursor', await doctor()).what, `has ipc; ${fresh} (v100.0.0)`);
  await cursor(process.execPath);
  assert.equal(
    reportedAbout('Cursor', await doctor()).what,
    `has ipc; ${process.execPath} (${process.version})`,
  );
  await cursor('node');
  await rm(join(bin, 'node'));
  const { ok, what } = reportedAbout('Cursor', await doctor(bin));
  assert.equal(ok, false);
  assert.match(what, /no program "node" is on this PATH$/);
});

test('an entry that starts no server is reported', async (context) => {
  const { put, doctor } = await machine(context);
  for (const [entry, expected] of [
    [{ url: 'http://127.0.0.1:1/' }, 'in FILE starts no program'],
    [{ command: ['node'] }, 'in FILE starts node without a program'],
    [{ command: 7 }, 'in FILE starts no program'],
    ['node', 'in FILE starts no program'],
    [{ command: 'node', args: [program] }, 'in FILE does not end in "mcp", so it starts no server'],
    [
      { command: 'node', args: ['dist/ipc.js', 'mcp'] },
      'in FILE starts dist/ipc.js, a relative path',
    ],
    [
      { command: 'node', args: [dirname(program), 'mcp'] },
      `in FILE starts ${shellWord(dirname(program))}, which is not there`,
    ],
  ] as const) {
    const file = await put('.cursor/mcp.json', { mcpServers: { ipc: entry } });
    const { ok, what } = reportedAbout('Cursor', await doctor());
    assert.equal(ok, false, what);
    assert.ok(what.replace(file, 'FILE').includes(expected), what);
  }
});

test('a file that `ipc install` would not touch is reported, and not that install sets it up', async (context) => {
  const { put, doctor } = await machine(context);
  for (const [content, fault] of [
    ['{bad', 'is not a JSON object, and was not touched'],
    ['{"mcpServers": []}', 'has no object at mcpServers, and was not touched'],
  ] as const) {
    const file = await put('.cursor/mcp.json', content);
    const { ok, what, hint } = reportedAbout('Cursor', await doctor());
    assert.deepEqual([ok, what], [false, `host_unusable: ${file} ${fault}`]);
    assert.match(hint ?? '', /^fix it, or add by hand: \{"mcpServers":\{"ipc":/);
  }
});

test("an entry of Claude Code's local scope, and of a project's file, is checked, too", async (context) => {
  const { home, put, doctor } = await machine(context);
  const entry = { command: 'node', args: ['/gone/ipc.js', 'mcp'] };
  const mcpServers = { ipc: entry };
  const project = await realpath(await put('project/x', '').then(dirname));
  const file = await put('.claude.json', { projects: { [project]: { mcpServers } } });
  const local = reportedAbout('Claude Code', await doctor());
  assert.deepEqual(
    [local.ok, local.what, local.hint],
    [
      false,
      `its entry in ${file} starts /gone/ipc.js, which is not there`,
      'claude mcp remove ipc -s local, then ipc install claude',
    ],
  );
  await put('.claude.json', {});
  await mkdir(join(home, '.cursor'));
  for (const [title, path, name] of [
    ['Claude Code', '.mcp.json', 'claude'],
    ['Cursor', '.cursor/mcp.json', 'cursor'],
  ] as const) {
    await put(`project/${path}`, { mcpServers });
    const { ok, what, hint } = reportedAbout(title, await doctor());
    assert.deepEqual(
      [ok, what],
      [false, `its entry in ${join(project, path)} starts /gone/ipc.js, which is not there`],
    );
    assert.ok(hint?.endsWith(`ipc install ${name} --scope project`));
  }
});

test('an entry that sets variables of the broker is named as one, without their values', async (context) => {
  const { put, doctor } = await machine(context);
  const env = { IPC_KEY: 'secret', IPC_PORT: '19950', OTHER: 'x' };
  await put('.cursor/mcp.json', {
    mcpServers: { ipc: { command: process.execPath, args: [program, 'mcp'], env } },
  });
  assert.equal(
    reportedAbout('Cursor', await doctor()).what,
    `has ipc; ${process.execPath} (${process.version}); it sets IPC_KEY, IPC_PORT, so it may use another broker than the one here`,
  );
});

test('an entry that is switched off, or has variables, is not called good or bad', async (context) => {
  const { put, doctor } = await machine(context);
  const file = await put('.config/opencode/opencode.json', {
    mcp: { ipc: { type: 'local', command: ['node', '/gone/ipc.js', 'mcp'], enabled: false } },
  });
  const off = reportedAbout('opencode', await doctor());
  assert.deepEqual([off.ok, off.what], [true, `has ipc, but it is switched off in ${file}`]);
  const variables = ['node', '$' + '{userHome}/agent-ipc/dist/ipc.js', 'mcp'];
  const path = await put('.cursor/mcp.json', {
    mcpServers: { ipc: { command: variables[0], args: variables.slice(1) } },
  });
  assert.equal(
    reportedAbout('Cursor', await doctor()).what,
    `has ipc; its entry in ${path} has variables, so what it starts was not checked`,
  );
});

test("a program that a project's file names from the project itself is not run", async (context) => {
  const { home, put, script, doctor } = await machine(context);
  const trap = await script('../project/node', `touch "${home}/was-run"; echo v24.0.0`);
  await mkdir(join(home, '.cursor'));
  await put('project/.cursor/mcp.json', {
    mcpServers: { ipc: { command: trap, args: [program, 'mcp'] } },
  });
  const { ok, what } = reportedAbout('Cursor', await doctor());
  assert.deepEqual(
    [ok, what],
    [true, `has ipc; ${await realpath(trap)} is in the project, and was not run`],
  );
  await assert.rejects(realpath(join(home, 'was-run')), { code: 'ENOENT' });
});

test('an entry and the plugin together are reported, with the command that removes the entry', async (context) => {
  const { home, put, doctor } = await machine(context);
  const plugins = { enabledPlugins: { 'agent-ipc@agent-ipc': true } };
  await put('.claude/settings.json', plugins);
  const entry = { command: 'node', args: [program, 'mcp'] };
  const file = await put('.claude.json', { mcpServers: { ipc: entry } });
  const doctored = await doctor();
  assert.equal(doctored.code, 1);
  const bad = reported(doctored).filter(({ ok }) => !ok);
  assert.deepEqual(bad, [
    {
      about: 'Claude Code',
      ok: false,
      what: `has ipc twice, by its plugin and in ${file}: an agent sees the tool twice`,
      hint: 'ipc uninstall claude --scope user',
    },
  ]);
  await put('.claude.json', {});
  assert.equal((await doctor()).code, 0);
  await put(
    '.codex/config.toml',
    '[plugins."agent-ipc@agent-ipc"]\nenabled = true\n[mcp_servers.ipc]\ncommand = "node"\n',
  );
  const codex = reported(await doctor()).filter(({ about, ok }) => about === 'Codex' && !ok);
  assert.match(
    codex.at(-1)?.what ?? '',
    new RegExp(`has ipc twice, by its plugin and in ${home}/\\.codex`),
  );
});

test('a host that left its folder behind, but whose program is not on the PATH, is shown as that', async (context) => {
  const { home, put, script, doctor } = await machine(context);
  await put('.codex/config.toml', 'model = "x"\n');
  const doctored = await doctor();
  assert.equal(doctored.code, 0);
  assert.deepEqual(reportedAbout('Codex', doctored), {
    about: 'Codex',
    ok: true,
    what: `only ${join(home, '.codex')} is here, and no program "codex" on this PATH`,
    hint: 'if it is installed, put it on the PATH, then ipc install codex',
  });
  await script('codex', 'exit 0');
  assert.deepEqual(reportedAbout('Codex', await doctor()), {
    about: 'Codex',
    ok: true,
    what: 'does not have ipc yet',
    hint: 'ipc install codex',
  });
});

test('doctor says whether mail wakes the agents of each host that has ipc, and what to set', async (context) => {
  const { put, script, doctor } = await machine(context);
  for (const [, path, text] of files) await put(path, text(['node', program, 'mcp']));
  const settings = await put('.claude/settings.json', { crossSessionInbound: 'hold' });
  await script('codex', '[ "$1" = queue ]');
  const waking = reported(await doctor()).filter(({ about }) => about === 'waking');
  const hook = (name: string) => new RegExp(`^ipc install ${name} --wake \\(`);
  assert.deepEqual(
    waking.map(({ what }) => what),
    [
      'Claude Code: mail wakes its agents by tasks alone: crossSessionInbound is "hold"',
      'Codex: mail wakes its agents, by `codex queue`',
      'Gemini CLI: mail does not wake its agents, they have to wait',
      'Cursor: mail does not wake its agents, they have to wait',
      'opencode: mail does not wake its agents, they have to wait',
    ],
  );
  const [claude, , gemini] = waking.map(({ hint = '' }) => hint);
  assert.match(claude ?? '', new RegExp(`set crossSessionInbound to "accept" in ${settings}$`));
  assert.match(gemini ?? '', hook('gemini'));
  await put('.claude/settings.json', {});
  await script('codex', 'exit 2');
  const [first, second] = reported(await doctor()).filter(({ about }) => about === 'waking');
  assert.equal(first?.what, 'Claude Code: mail wakes its agents, by tasks and by its inbox');
  assert.match(
    second?.what ?? '',
    /^Codex: mail does not wake its agents: \S+\/codex has no `queue`$/,
  );
});

test('doctor says where a hook starts a program that is not there, and knows one that is', async (context) => {
  const { put, doctor } = await machine(context);
  for (const [, path, text] of files) await put(path, text(['node', program, 'mcp']));
  const gone = '/nowhere/ipc.js';
  const claudeHook = { type: 'command', command: 'node', args: [gone, 'wake', '--for', 'claude'] };
  const claude = await put('.claude/settings.json', { hooks: { Stop: [{ hooks: [claudeHook] }] } });
  const stop = [{ command: `node ${gone} wake --for cursor` }];
  const cursor = await put('.cursor/hooks.json', { version: 1, hooks: { stop } });
  const geminiHook = { type: 'command', command: `node ${shellWord(program)} wake --for gemini` };
  await put('.gemini/settings.json', {
    mcpServers: { ipc: { command: 'node', args: [program, 'mcp'] } },
    hooks: { AfterAgent: [{ hooks: [geminiHook] }] },
  });
  const waking = reported(await doctor()).filter(({ about }) => about === 'waking');
  const lost = (title: string, name: string, file: string) => ({
    about: 'waking',
    ok: false,
    what: `${title}: mail does not wake its agents: ${file} starts ${gone}, which is not there`,
    hint: `ipc install ${name} --wake, or ipc uninstall ${name} --wake`,
  });
  const of = (title: string) => waking.find(({ what }) => what.startsWith(`${title}: `));
  assert.deepEqual(of('Claude Code'), lost('Claude Code', 'claude', claude));
  assert.deepEqual(of('Cursor'), lost('Cursor', 'cursor', cursor));
  assert.equal(of('Gemini CLI')?.what, 'Gemini CLI: mail wakes its agents');
});

test('doctor reports a plugin whose URL names no file of this machine', async (context) => {
  const { put, doctor } = await machine(context);
  for (const [, path, text] of files) await put(path, text(['node', program, 'mcp']));
  for (const plugin of [
    'file://other/opencode/agent-ipc.js',
    'file:///a%2Fb/opencode/agent-ipc.js',
  ]) {
    const command = ['node', program, 'mcp'];
    const mcp = { ipc: { type: 'local', command, enabled: true } };
    const path = await put('.config/opencode/opencode.json', { mcp, plugin: [plugin] });
    const what = `opencode: mail does not wake its agents: ${path} starts ${plugin}, which is not there`;
    assert.ok(reported(await doctor()).some((finding) => finding.what === what));
  }
});
