// `ipc key`: shows and replaces the key. A key is never an argument, because other users can see those.
import type { Command } from 'commander';
import { homeFolder } from '../../app/environment.ts';
import { lines } from '../../app/summaries.ts';
import { importKey, type KeyChange, newKey, retireKey } from '../../net/key-rotation.ts';
import { keyFileBytesMax, keyLine, keyPath, loadKeys } from '../../net/keys.ts';
import { type OutputFields, withExamples, withJson } from '../command-parts.ts';
import { print, say, writeJson, writeReport } from '../output.ts';
import { readInput } from '../stdin.ts';

interface KeyCommand {
  readonly what: string;
  readonly example: string;
  readonly json: OutputFields;
  act(home: string, json: boolean): Promise<void>;
}

const changeFields: OutputFields = {
  path: 'the file of the key',
  same: 'true: nothing had to be done',
  old: 'true: the previous key is valid, too',
};

const commands: Readonly<Record<string, KeyCommand>> = {
  show: {
    what: 'Print the key, for `ipc key import` on another machine.',
    example: 'ipc key show | ssh HOST ipc key import',
    json: {
      key: 'the key, in 64 hex digits',
      path: 'its file; null when it is in IPC_KEY',
      old: 'true: the previous key is valid, too',
    },
    act: showKey,
  },
  new: {
    what: 'Create a new key; the previous one stays valid until it is retired.',
    example: 'ipc key new',
    json: changeFields,
    act: async (home, json) => sayKey(presentKeyPut, await newKey(home, process.env), json),
  },
  import: {
    what: 'Use the key on stdin; the previous one stays valid until it is retired.',
    example: 'ssh HOST ipc key show | ipc key import',
    json: changeFields,
    act: async (home, json) => {
      if (process.stdin.isTTY) await say('Paste the key, then press Enter and Ctrl-D.');
      const text = (await readInput(keyFileBytesMax, 'key')).toString('latin1');
      return sayKey(presentImported, await importKey(home, process.env, text), json);
    },
  },
  retire: {
    what: 'Retire the previous key: from now on only the newest is valid.',
    example: 'ipc key retire    # once all machines have the new key',
    json: changeFields,
    act: async (home, json) => sayKey(presentKeyRetired, await retireKey(home, process.env), json),
  },
};

const oldIsValid = 'The previous key stays valid until `ipc key retire`.';

export function addCommands(program: Command): void {
  const key = program.command('key').description('Show or replace the key that opens the mail.');
  for (const [name, { what, example, json, act }] of Object.entries(commands)) {
    const command = key
      .command(name)
      .description(what)
      .action((options) => act(homeFolder(process.env), options.json === true));
    withJson(command, json, 'one JSON object, on stdout');
    withExamples(command, example);
  }
}

async function showKey(home: string, json: boolean): Promise<void> {
  const { env } = process;
  const [key, old] = await loadKeys(home, env);
  const path = env.IPC_KEY ? undefined : keyPath(home, env);
  if (json) await writeJson({ key: key.toString('hex'), path, old: old !== undefined });
  else await print(keyLine(key), 'nothing was changed');
  if (!json) await say(presentKey(path, old !== undefined));
}

async function sayKey(
  inWords: (change: KeyChange) => string,
  change: KeyChange,
  json: boolean,
): Promise<void> {
  if (json) await writeJson(change);
  else await writeReport(inWords(change));
}

/** Printed on stderr beside the key itself. */
function presentKey(path: string | undefined, old: boolean): string {
  const where = path === undefined ? 'of IPC_KEY' : `in ${path}`;
  const also = old ? [oldIsValid] : [];
  return lines(`The key ${where}. Anyone who has it can read and write all mail.`, ...also);
}

function presentKeyPut(change: KeyChange): string {
  const others = 'Other machines: `ipc key show | ssh HOST ipc key import`.';
  return lines(presentImported(change), ...(change.old ? [others] : []));
}

function presentImported({ path, same, old }: KeyChange): string {
  const what = same ? 'The key is unchanged' : 'A new key is used from now on';
  return lines(`${what}: ${path}.`, ...(old ? [oldIsValid] : []));
}

function presentKeyRetired({ path, same }: KeyChange): string {
  if (same) return `There is no previous key beside ${path}.`;
  return `Only the key in ${path} is valid from now on.`;
}
