// `ipc completion`, by the real shells, at a terminal where they need one.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeHome } from '../../support/places.ts';
import { ended, nextLine, shell } from '../../support/processes/shell.ts';

const { PATH = '' } = process.env;
const isHere = (name: string) => PATH.split(delimiter).some((path) => existsSync(join(path, name)));
const needs = (...names: string[]) => {
  const missing = names.filter((name) => !isHere(name));
  return { skip: missing.length > 0 ? `no ${missing.join(', no ')} here` : false };
};

/** The keys, with a tab for each completion, and the resulting line. */
const lines: readonly (readonly [typed: string, line: string])[] = [
  ['ipc sto\tch\t--j\t', 'store check --json'],
  ['ipc install --scope pr\t', 'install --scope project'],
  ['ipc install cla\t', 'install claude'],
  ['ipc help exit\t', 'help exit-codes'],
  ['ipc completion fi\t', 'completion fish'],
  ['ipc post --fr\tben ann', 'post --from ben ann'],
  ['ipc post ann pla\t', 'post ann plan.md'],
  ['ipc send --from pla\t', 'send --from plan.md'],
  ['ipc wait jo\t', 'wait jobs'],
  ['ipc wait pla\t', 'wait pla'],
  ['ipc wait an\tjo\t--tim\t60', 'wait ann jobs --timeout 60'],
  ['ipc post --to jo\tann hi', 'post --to jobs ann hi'],
  ['ipc ask jo\t--mailb\tan\t', 'ask jobs --mailbox ann'],
];

test(
  'bash completes commands, options, their values, and files',
  needs('bash', 'script'),
  async (context) => {
    const folder = await folderWith(context, 'bash', '.bashrc', (script) => script);
    assert.deepEqual(
      await typed(folder, `bash --noprofile --rcfile .bashrc -i`),
      lines.map(([, line]) => line),
    );
  },
);

test(
  'zsh completes commands, options, their values, and files',
  needs('zsh', 'script'),
  async (context) => {
    const folder = await folderWith(
      context,
      'zsh',
      '.zshrc',
      (script) => `autoload -Uz compinit\ncompinit -u -d dump\n${script}`,
    );
    assert.deepEqual(
      await typed(folder, 'zsh -i'),
      lines.map(([, line]) => line),
    );
  },
);

test(
  'fish completes commands, options, their values, and files',
  needs('fish'),
  async (context) => {
    const folder = await folderWith(context, 'fish', 'ipc.fish', (script) => script);
    const completed = async (line: string) => {
      const { text } = await ended(
        spawn('fish', ['-N', '-c', 'source ipc.fish; complete -C $argv', line], {
          cwd: folder,
          env: { PATH, HOME: folder },
        }),
      );
      return text.split('\n').filter((word) => word !== '');
    };
    assert.deepEqual(await completed('ipc store '), [
      'check\tRead all of a store, and report what is in it and whether it is damaged.',
      'compact\tRemove settled mail from the log now. Brokers do this by themselves when it is due.',
      'dump\tPrint every valid record of a store as a line of JSON.',
      'move\tMove all unsettled mail from one broker to another.',
      'retry\tMove dead letters back to their mailboxes, with new attempts.',
    ]);
    assert.deepEqual(await completed('ipc post --fr'), ['--from\tyour name, for answers']);
    const words = async (line: string) =>
      (await completed(line)).map((each) => each.split('\t')[0]);
    assert.deepEqual(await words('ipc install --scope '), ['project', 'user']);
    assert.deepEqual(await words('ipc install cla'), ['claude']);
    assert.deepEqual(await words('ipc help exit'), ['exit-codes']);
    assert.deepEqual(await words('ipc post ann pla'), ['plan.md']);
    assert.deepEqual(await words('ipc send --from pla'), ['plan.md']);
    assert.deepEqual(await words('ipc wait '), ['ann', 'jobs']);
    assert.deepEqual(await words('ipc wait pla'), []);
    assert.deepEqual(await words('ipc wait ann jo'), ['jobs']);
    assert.deepEqual(await words('ipc ask ann --mailbox jo'), ['jobs']);
  },
);

test('the mailboxes that are offered have mail or readers, and names that a shell takes as one word', async (context) => {
  const { run, begin } = await shell(context);
  const owner = begin(['broker']);
  await nextLine(owner);
  for (const name of ['shop/ann', 'two words', "it's", 'caf\u00e9'])
    await run(['post', name, 'hi']);
  const offered = await run(['completion', 'mailboxes']);
  assert.deepEqual([offered.code, offered.text, offered.errors], [0, 'shop/ann', '']);
  owner.kill('SIGSTOP');
  const silent = await run(['completion', 'mailboxes']);
  assert.deepEqual([silent.code, silent.text, silent.errors], [0, '', '']);
  owner.kill('SIGCONT');
});

test('completing a mailbox starts no broker and creates nothing', async (context) => {
  const { run, home } = await shell(context);
  const { code, text, errors } = await run(['completion', 'mailboxes']);
  assert.deepEqual([code, text, errors], [0, '', '']);
  assert.equal(existsSync(home), false);
  await run(['post', 'ann', 'hi']);
  assert.equal((await run(['completion', 'mailboxes'])).text, '');
  assert.match((await run(['store', 'check'])).text, /epoch 1\./);
});

test('the error for an unknown shell lists the known ones', async (context) => {
  const { run } = await shell(context);
  for (const name of ['tcsh', 'constructor']) {
    const { code, text, errors } = await run(['completion', name]);
    assert.deepEqual([code, text], [2, '']);
    const what = `ipc: bad_parameter: shell is "${name}"; it must be one of bash, zsh, fish. `;
    assert.ok(errors.startsWith(what), errors);
  }
});

/** A folder with a file to complete and the shell's settings. */
async function folderWith(
  context: TestContext,
  name: string,
  file: string,
  settings: (script: string) => string,
): Promise<string> {
  const { run } = await shell(context);
  const { code, text } = await run(['completion', name]);
  assert.equal(code, 0);
  const folder = join(await makeHome(context), 'folder');
  await mkdir(folder);
  await writeFile(join(folder, 'plan.md'), '');
  const ipc =
    name === 'fish'
      ? `function ipc; printf 'ann\\njobs\\n'; end\n`
      : `PS1='ready> '
ipc() {
  if [ "$*" = 'completion mailboxes' ]; then printf 'ann\\njobs\\n'; else printf 'ran: %s\\n' "$*"; fi
}
`;
  await writeFile(join(folder, file), `${ipc}${settings(text)}`);
  return folder;
}

/** Types one line after the other, and returns what each called. */
async function typed(folder: string, command: string): Promise<string[]> {
  const env = { PATH, HOME: folder, ZDOTDIR: folder, TERM: 'xterm', SHELL: '/bin/sh' };
  const child = spawn('script', ['-qec', command, '/dev/null'], { cwd: folder, env });
  const called: string[] = [];
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk;
    // A shell does not complete keys that arrive before it reads.
    const isReady = /(?:ran: ([^\r]*)\r\n.*)?ready> /s.exec(said);
    if (!isReady) return;
    said = '';
    if (isReady[1] !== undefined) called.push(isReady[1].trimEnd());
    const line = lines[called.length]?.[0];
    if (line === undefined) child.stdin.end('exit\n');
    else child.stdin.write(`${line}\n`);
  });
  await ended(child);
  return called;
}
