// A project that somebody else wrote: its files are shown before they are changed, and only they are changed.
import assert from 'node:assert/strict';
import { mkdir, readFile, realpath, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { shell } from '../../support/processes/shell.ts';

/** A home with a project and a folder beside it; `run` runs the program in the project. */
async function project(context: TestContext) {
  const { home, line } = await shell(context);
  const inside = join(home, 'project');
  const outside = join(home, 'other');
  for (const folder of [inside, outside]) await mkdir(folder, { recursive: true });
  const run = (...words: string[]) =>
    line(`cd "$HOME/project" && exec "$@" ${words.join(' ')}`, { XDG_CONFIG_HOME: '' });
  const put = async (path: string, text: string) => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  };
  return { home: await realpath(home), inside, outside, run, put };
}

test('what `ipc install` and `ipc doctor` print of a file of a project moves, colours and turns nothing', async (context) => {
  const { inside, run, put } = await project(context);
  const evil = '\u009b31m\u009b2J\u202e\u{e0041}\u200d';
  const shown = '\\u{9b}31m\\u{9b}2J\\u{202e}\\u{e0041}\\u{200d}';
  await put(join(inside, '.vscode/mcp.json'), `{"servers": {"ipc": {"command": "node${evil}"}}}\n`);
  const { text } = await run('install', 'vscode', '--scope', 'project', '--print');
  assert.ok(text.includes(`  - {"servers": {"ipc": {"command": "node${shown}"}}}\n`), text);
  assert.doesNotMatch(text, /(?!\n)[\p{Cc}\p{Cf}]/u);
  await put(join(inside, '.vscode/mcp.json'), `["${evil}"`);
  const { errors } = await run('install', 'vscode', '--scope', 'project', '--print');
  assert.match(errors, /^ipc: host_unusable: /);
  assert.doesNotMatch(errors, /(?!\n)[\p{Cc}\p{Cf}]/u);
  await put(
    join(inside, '.cursor/mcp.json'),
    `{"mcpServers": {"ipc": {"command": "./${evil}"}}}\n`,
  );
  await put(join(dirname(inside), '.cursor/mcp.json'), '{}');
  const checked = await run('doctor');
  assert.ok(checked.text.includes('Cursor: '), checked.text);
  assert.doesNotMatch(checked.text, /(?!\n)[\p{Cc}\p{Cf}]/u);
});

test('a name of a folder in a path of an error or report moves, colours and turns nothing', async (context) => {
  const { home, line } = await shell(context);
  const folder = join(home, 'a\u009b31m\u202eb');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'opencode.json'), '[');
  for (const words of ['install opencode --scope project --yes', 'store check']) {
    const { text, errors } = await line(`cd "$HOME"/a* && exec "$@" ${words}`, {
      IPC_HOME: folder,
      XDG_CONFIG_HOME: '',
    });
    assert.match(text + errors, /a\\u\{9b\}31m\\u\{202e\}b/);
    assert.doesNotMatch(text + errors, /(?!\n)[\p{Cc}\p{Cf}]/u);
  }
});

test('a file of a project that leads out of it is refused with the real path, and stays as it is', async (context) => {
  const { home, inside, outside, run } = await project(context);
  const before = '{"mine": 1}\n';
  const secret = join(outside, 'secret.json');
  await writeFile(secret, before);
  await mkdir(join(inside, '.vscode'));
  await symlink(secret, join(inside, '.vscode/mcp.json'));
  await symlink(outside, join(inside, '.cursor'));
  // Not there yet: the host would make it.
  await symlink(join(outside, 'new.json'), join(inside, 'opencode.json'));
  await symlink(join(outside, 'mcp.json'), join(inside, '.mcp.json'));
  for (const [host, file, target] of [
    ['vscode', '.vscode/mcp.json', 'secret.json'],
    ['cursor', '.cursor/mcp.json', 'mcp.json'],
    ['opencode', 'opencode.json', 'new.json'],
    ['claude', '.mcp.json', 'mcp.json'],
  ] as const) {
    for (const direction of ['install', 'uninstall']) {
      const { code, errors } = await run(direction, host, '--scope', 'project', '--yes');
      assert.deepEqual(
        [code, errors],
        [
          1,
          `ipc: host_unusable: ${home}/project/${file} leads out of the project, to ${home}/other/${target}, and was not touched. To do: put a file of the project in place of the link, or change that file by hand.\n`,
        ],
      );
    }
  }
  assert.equal(await readFile(secret, 'utf8'), before);
  await assert.rejects(readFile(join(outside, 'new.json')), { code: 'ENOENT' });
  await assert.rejects(readFile(join(outside, 'mcp.json')), { code: 'ENOENT' });
});

test('a link within the project is followed, and so is one of the user', async (context) => {
  const { home, inside, outside, run } = await project(context);
  await writeFile(join(inside, 'shared.json'), '{}\n');
  await symlink('shared.json', join(inside, 'opencode.json'));
  assert.equal((await run('install', 'opencode', '--scope', 'project', '--yes')).code, 0);
  assert.match(await readFile(join(inside, 'shared.json'), 'utf8'), /"ipc"/);
  await mkdir(join(home, '.cursor'));
  await symlink(join(outside, 'cursor.json'), join(home, '.cursor/mcp.json'));
  assert.equal((await run('install', 'cursor', '--yes')).code, 0);
  assert.match(await readFile(join(outside, 'cursor.json'), 'utf8'), /"ipc"/);
});
