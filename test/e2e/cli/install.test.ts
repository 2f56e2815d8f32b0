// `ipc install` and `ipc uninstall`, in a home directory of their own. A host that has a command for it
// is a script here, which writes down its words.
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { findTarget, perform, plan } from '../../../src/hosts/installer.ts';
import { program } from '../../support/mcp-host.ts';
import { makeHome } from '../../support/places.ts';
import { type Machine, machine } from '../../support/processes/machine.ts';

const server = { command: 'node', args: [program, 'mcp'] };

test('for a host without a command of its own the entry is added to its file, and removed again', async (context) => {
  const { run, file, desktop } = await machine(context);
  const cases = [
    ['cursor', '.cursor/mcp.json', { mcpServers: { ipc: desktop } }],
    ['vscode', '.config/Code/User/mcp.json', { servers: { ipc: { type: 'stdio', ...desktop } } }],
    [
      'opencode',
      '.config/opencode/opencode.json',
      { mcp: { ipc: { type: 'local', command: ['node', program, 'mcp'], enabled: true } } },
    ],
    ['zed', '.config/zed/settings.json', { context_servers: { ipc: { ...desktop, env: {} } } }],
  ] as const;
  for (const [host, path, expected] of cases) {
    assert.equal((await run(['install', host, '--yes'])).code, 0);
    assert.deepEqual(JSON.parse(await file(path)), expected);
    assert.match((await run(['install', host, '--yes'])).text, /: nothing to do\.\n$/);
    assert.equal((await run(['uninstall', host, '--yes'])).code, 0);
    // Nothing but the entry was in it.
    await assert.rejects(file(path), { code: 'ENOENT' });
  }
});

test('everything else in the file stays byte for byte, comments too', async (context) => {
  const { run, file, put } = await machine(context);
  const path = '.config/zed/settings.json';
  const before =
    '// mine\n{\n\t"theme": "One", // dark\n\t"context_servers": {\n\t\t"other": {"command": "x"},\n\t},\n}\n';
  await put(path, before);
  const { text } = await run(['install', 'zed', '--yes']);
  assert.match(text, /^Zed:\n {2}change .*settings\.json:\n[\s\S]*\+ .*"ipc": \{/);
  const after = await file(path);
  assert.ok(after.startsWith('// mine\n{\n\t"theme": "One", // dark\n\t"context_servers": {'));
  assert.ok(after.includes('"other": {"command": "x"},'));
  assert.ok(after.includes(`"${program}"`));
  await run(['uninstall', 'zed', '--yes']);
  assert.equal(await file(path), before);
});

test('a file that cannot be parsed is not touched, and the error says what to add by hand', async (context) => {
  const { run, file, put, desktop } = await machine(context);
  const entry = JSON.stringify({ mcpServers: { ipc: desktop } });
  const latin1 = Buffer.from('{"name": "caf\xe9"}', 'latin1');
  for (const [content, fault] of [
    ['{"mcpServers": ', 'is not a JSON object, and'],
    ['[]', 'is not a JSON object, and'],
    ['"text"', 'is not a JSON object, and'],
    ['{"mcpServers": []}', 'has no object at mcpServers, and'],
    [latin1, 'is not UTF-8, and'],
  ] as const) {
    await put('.cursor/mcp.json', content);
    for (const option of ['--yes', '--print']) {
      const { code, errors } = await run(['install', 'cursor', option]);
      assert.equal(code, 1);
      assert.equal(
        errors.replace(/\/\S*mcp\.json/, 'FILE'),
        `ipc: host_unusable: FILE ${fault} was not touched. To do: fix it, or add by hand: ${entry}.\n`,
      );
      assert.deepEqual(
        Buffer.from(await file('.cursor/mcp.json', 'latin1'), 'latin1'),
        Buffer.from(content),
      );
    }
  }
  const { code, errors } = await run(['uninstall', 'cursor', '--yes']);
  assert.equal(code, 1);
  assert.match(errors, /To do: fix it, or remove mcpServers\.ipc by hand\.\n$/);
});

test('a pipe or a folder in place of the file is refused, not waited for', async (context) => {
  const { run, put, line } = await machine(context);
  await put('.cursor/other', '');
  await line('mkfifo "$HOME/.cursor/mcp.json"; mkdir -p "$HOME/.config/zed/settings.json"');
  for (const host of ['cursor', 'zed']) {
    const { code, errors } = await run(['install', host, '--yes']);
    assert.equal(code, 1);
    assert.match(
      errors,
      /^ipc: host_unusable: \/\S* is not a regular file, and was not touched\. /,
    );
  }
  const { code, text } = await run(['doctor']);
  assert.equal(code, 1);
  assert.match(text, /\nBAD {2}Cursor: host_unusable: .* is not a regular file/);
});

test('a blank file counts as none', async (context) => {
  const { run, file, put, desktop } = await machine(context);
  for (const content of ['', ' \n\t\n']) {
    await put('.cursor/mcp.json', content);
    assert.match((await run(['uninstall', 'cursor', '--yes'])).text, /: nothing to do\.\n$/);
    assert.equal((await run(['install', 'cursor', '--yes'])).code, 0);
    assert.deepEqual(JSON.parse(await file('.cursor/mcp.json')), { mcpServers: { ipc: desktop } });
  }
});

test('a byte order mark stays, and lines end as they do elsewhere in the file', async (context) => {
  const { run, file, put, desktop } = await machine(context);
  const before = '\ufeff{\r\n  "other": 1\r\n}\r\n';
  await put('.cursor/mcp.json', before);
  const { code, errors } = await run(['install', 'cursor', '--yes']);
  assert.equal(code, 0);
  assert.doesNotMatch(errors, /\r/);
  const after = await file('.cursor/mcp.json');
  assert.match(after, /^\ufeff\{\r\n {2}"other": 1,\r\n {2}"mcpServers": \{\r\n {4}"ipc": \{\r\n/);
  assert.doesNotMatch(after, /[^\r]\n/);
  assert.deepEqual(JSON.parse(after.slice(1)), { other: 1, mcpServers: { ipc: desktop } });
  assert.equal((await run(['uninstall', 'cursor', '--yes'])).code, 0);
  assert.equal(await file('.cursor/mcp.json'), before);
});

test('a host with a command of its own is set up by that command, once', async (context) => {
  const { run, file, put, stub } = await machine(context);
  const json = JSON.stringify({ mcpServers: { ipc: server } });
  const toml = `[mcp_servers.ipc]\nargs = ["${program}", "mcp"]\n`;
  for (const [host, path, entry, added, removed] of [
    ['claude', '.claude.json', json, 'add ipc -s user -- node PROGRAM mcp', 'remove ipc -s user'],
    ['codex', '.codex/config.toml', toml, 'add ipc -- node PROGRAM mcp', 'remove ipc'],
    [
      'gemini',
      '.gemini/settings.json',
      json,
      'add -s user ipc node PROGRAM mcp',
      'remove -s user ipc',
    ],
  ] as const) {
    const failing = () => stub(host, 'exit 3');
    await stub(host);
    assert.equal((await run(['install', host, '--yes'])).code, 0);
    assert.equal(await file(`${host}.words`), `mcp ${added.replace('PROGRAM', program)}\n`);
    await put(path, entry);
    await failing();
    await hasNothingToDo(run, 'install', host);
    await stub(host);
    assert.equal((await run(['uninstall', host, '--yes'])).code, 0);
    assert.equal(await file(`${host}.words`), `mcp ${removed}\n`);
    await put(path, '');
    await failing();
    await hasNothingToDo(run, 'uninstall', host);
  }
  const failed = await run(['install', 'claude', '--yes']);
  assert.deepEqual([failed.code, /claude exited with 3/.test(failed.errors)], [1, true]);
});

test('an entry that starts ipc from another folder is kept', async (context) => {
  const { run, put, stub } = await machine(context);
  await stub('codex', 'exit 3');
  await put('.codex/config.toml', '[mcp_servers.ipc]\nargs = ["/other/ipc.js", "mcp"]\n');
  const { code, errors } = await run(['install', 'codex', '--yes']);
  assert.equal(code, 1);
  assert.equal(
    errors,
    'ipc: host_unusable: Codex has ipc from another folder. To do: `ipc uninstall codex --scope user`, then install again.\n',
  );
});

async function hasNothingToDo(run: Machine['run'], direction: string, host: string) {
  for (const option of ['--yes', '--print']) {
    const { code, text, errors } = await run([direction, host, option]);
    assert.deepEqual([code, errors], [0, '']);
    assert.match(text, /^[A-Z].*: nothing to do\.\n$/);
  }
}

test('a host that fails does not keep the others from being set up', async (context) => {
  const { run, file, put, stub, desktop } = await machine(context);
  await stub('claude', 'exit 3');
  await put('.cursor/mcp.json', '[]');
  await put('.config/zed/settings.json', '{}');
  const { code, errors } = await run(['install', '--yes']);
  assert.equal(code, 1);
  assert.match(errors, /^ipc: host_unusable: claude exited with 3\. /);
  assert.match(
    errors,
    /\nipc: host_unusable: .*mcp\.json is not a JSON object, and was not touched\. /,
  );
  assert.match(errors, /\nipc: host_unusable: not done for Claude Code, Cursor\. .*\n$/);
  const { context_servers: zed } = JSON.parse(await file('.config/zed/settings.json'));
  assert.deepEqual(zed.ipc, { ...desktop, env: {} });
  await stub('codex');
  const project = await run(['install', '--print', '--scope', 'project']);
  assert.equal(project.code, 1);
  assert.match(project.errors, /\nipc: host_unusable: not done for Codex, Cursor\. /);
  assert.match(project.text, /\nZed:\n {2}make /);
});

test('--print shows what would be done, and does nothing', async (context) => {
  const { run, file, stub } = await machine(context);
  await stub('claude');
  const printed = await run(['install', 'claude', '--print', '--scope', 'project']);
  const word = /^[\w./-]+$/.test(program) ? program : `'${program}'`;
  const line = `mcp add ipc -s project -- node ${word} mcp`;
  assert.equal(printed.text, `Claude Code:\n  run: claude ${line}\n`);
  await assert.rejects(file('claude.words'), { code: 'ENOENT' });
  await run(['install', 'cursor', '--print']);
  await assert.rejects(file('.cursor/mcp.json'), { code: 'ENOENT' });
});

test('the error names a program that is not there', async (context) => {
  const { run } = await machine(context);
  const { code, errors } = await run(['install', 'claude', '--yes']);
  assert.equal(code, 1);
  const said = errors.trimEnd().split('\n').at(-1);
  assert.equal(
    said,
    'ipc: host_unusable: there is no program "claude" on the PATH. To do: install it, or see `--print` for the command.',
  );
});

test('without a terminal and --yes nothing is done', async (context) => {
  const { run, file } = await machine(context);
  const { code, errors } = await run(['install', 'cursor']);
  assert.equal(code, 2);
  assert.match(
    errors,
    /ipc: missing_parameter: stdin is not a terminal, so nothing can be asked. To do: give --yes /,
  );
  await assert.rejects(file('.cursor/mcp.json'), { code: 'ENOENT' });
});

test('a file that changed after it was shown is not touched', async (context) => {
  const home = await makeHome(context);
  const places = {
    home,
    project: home,
    claude: home,
    codex: home,
    config: home,
    platform: process.platform,
  };
  const path = join(home, '.cursor', 'mcp.json');
  await mkdir(dirname(path));
  await writeFile(path, '{}');
  const step = await plan('install', findTarget('cursor'), 'user', server, places);
  assert(step);
  await writeFile(path, '{"mine": 1}');
  await assert.rejects(perform(step), {
    code: 'host_unusable',
    message: `${path} changed meanwhile, and was not touched`,
  });
  assert.equal(await readFile(path, 'utf8'), '{"mine": 1}');
});

test('without a name all hosts that are found are set up', async (context) => {
  const { run, file, put, stub, desktop } = await machine(context);
  for (const option of ['--yes', '--print']) {
    assert.match(
      (await run(['install', option])).errors,
      /no host was found on this machine\. To do: name one of claude, codex, gemini, cursor, /,
    );
  }
  await stub('gemini');
  await put('.cursor/other', '');
  assert.equal((await run(['install', '--yes'])).code, 0);
  assert.match(await file('gemini.words'), /^mcp add /);
  assert.deepEqual(JSON.parse(await file('.cursor/mcp.json')), { mcpServers: { ipc: desktop } });
});

test('the error for an unknown host or scope lists the known ones', async (context) => {
  const { run } = await machine(context);
  const host = await run(['install', 'emacs']);
  assert.equal(host.code, 2);
  assert.match(host.errors, /one of claude, codex, gemini, cursor, vscode, opencode, zed/);
  const scope = await run(['install', 'codex', '--scope', 'project']);
  assert.equal(scope.code, 2);
  assert.match(scope.errors, /for Codex it must be user\./);
});

test('a host of the desktop starts Node by its path, which does not name the version, and install says so', async (context) => {
  const { run, nodes, desktop } = await machine(context);
  await nodes('.nvm/versions/node/v20.15.0/bin/node', '.nvm/current/bin/node');
  const { text } = await run(['install', 'cursor', '--print']);
  assert.ok(text.includes(`"command": "${desktop.command}"`), text);
  assert.ok(
    text.endsWith(
      `\n  it starts ${desktop.command}, because Cursor may have another PATH than this shell\n`,
    ),
    text,
  );
});

test('where a version manager gives each shell its `node`, every host starts a path that outlives the shell', async (context) => {
  const { run, nodes, home } = await machine(context);
  const versioned = '.nvm/versions/node/v20.15.0/bin';
  await nodes(`${versioned}/node`, '.nvm/current/bin/node');
  const path = `$HOME/${versioned}`;
  for (const host of ['claude', 'cursor']) {
    const { text } = await run(['install', host, '--print'], path);
    assert.ok(text.includes(`${home}/.nvm/current/bin/node`), text);
    assert.ok(!text.includes('v20.15.0'), text);
  }
  const claude = await run(['install', 'claude', '--print'], path);
  assert.ok(
    claude.text.endsWith(
      `\n  it starts ${home}/.nvm/current/bin/node, because \`node\` on the PATH may become another one\n`,
    ),
    claude.text,
  );
});
