// `ipc key`: shows and replaces the key. A key is never an argument: other users see those.
import type { Command } from 'commander';
import { homeFolder } from '../../app/context.ts';
import * as present from '../../app/summaries.ts';
import { importKey, type KeyChange, newKey, retireKey } from '../../net/key-rotation.ts';
import { keyFileBytesMax, keyLine, keyPath, loadKeys } from '../../net/keys.ts';
import { print, say, writeJson } from '../output.ts';
import { readInput } from '../stdin.ts';

interface KeyCommand {
  readonly what: string;
  act(home: string, json: boolean): Promise<void>;
}

const commands: Readonly<Record<string, KeyCommand>> = {
  show: { what: 'Print the key, for `ipc key import` on another machine.', act: showKey },
  new: {
    what: 'Make a new key; the one before stays good until it is retired.',
    act: async (home, json) => sayKey(present.presentKeyPut, await newKey(home, process.env), json),
  },
  import: {
    what: 'Take the key that stdin has; the one before stays good until it is retired.',
    act: async (home, json) => {
      if (process.stdin.isTTY) await say('Paste the key, then press Enter and Ctrl-D.');
      const text = (await readInput(keyFileBytesMax)).toString('latin1');
      return sayKey(present.presentKeyPut, await importKey(home, process.env, text), json);
    },
  },
  retire: {
    what: 'End the old key: from now on only the newest is good.',
    act: async (home, json) =>
      sayKey(present.presentKeyRetired, await retireKey(home, process.env), json),
  },
};

export function addKeyCommands(key: Command): void {
  for (const [name, { what, act }] of Object.entries(commands)) {
    key
      .command(name)
      .description(what)
      .option('--json', 'one JSON object, on stdout')
      .action(({ json }) => act(homeFolder(process.env), json === true));
  }
}

async function showKey(home: string, json: boolean): Promise<void> {
  const { env } = process;
  const [key, old] = await loadKeys(home, env);
  const path = env.IPC_KEY ? undefined : keyPath(home, env);
  if (json) await writeJson({ key: key.toString('hex'), path, old: old !== undefined });
  else await print(keyLine(key), 'nothing was changed');
  if (!json) await say(present.presentKey(path, old !== undefined));
}

async function sayKey(
  inWords: (change: KeyChange) => string,
  change: KeyChange,
  json: boolean,
): Promise<void> {
  if (json) await writeJson(change);
  else await say(inWords(change));
}
