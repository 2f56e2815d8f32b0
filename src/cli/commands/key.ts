// `ipc key`: shows and replaces the key. A key is never an argument: other users see those.
import type { Command } from 'commander';
import { homeFolder } from '../../app/environment.ts';
import { lines } from '../../app/summaries.ts';
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
    act: async (home, json) => sayKey(presentKeyPut, await newKey(home, process.env), json),
  },
  import: {
    what: 'Take the key that stdin has; the one before stays good until it is retired.',
    act: async (home, json) => {
      if (process.stdin.isTTY) await say('Paste the key, then press Enter and Ctrl-D.');
      const text = (await readInput(keyFileBytesMax)).toString('latin1');
      return sayKey(presentKeyPut, await importKey(home, process.env, text), json);
    },
  },
  retire: {
    what: 'End the old key: from now on only the newest is good.',
    act: async (home, json) => sayKey(presentKeyRetired, await retireKey(home, process.env), json),
  },
};

const oldIsGood = 'The one before stays good until `ipc key retire`.';

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
  if (!json) await say(presentKey(path, old !== undefined));
}

async function sayKey(
  inWords: (change: KeyChange) => string,
  change: KeyChange,
  json: boolean,
): Promise<void> {
  if (json) await writeJson(change);
  else await say(inWords(change));
}

/** What is said beside the key itself. */
function presentKey(path: string | undefined, old: boolean): string {
  const where = path === undefined ? 'of IPC_KEY' : `in ${path}`;
  const also = old ? [oldIsGood] : [];
  return lines(`The key ${where}. Whoever has it reads and writes all mail.`, ...also);
}

function presentKeyPut({ path, same, old }: KeyChange): string {
  const what = same ? 'This key was there already' : 'Another key is used from now on';
  const others = 'Other machines: `ipc key show | ssh HOST ipc key import`.';
  return lines(`${what}: ${path}.`, ...(old ? [oldIsGood, others] : []));
}

function presentKeyRetired({ path, same }: KeyChange): string {
  if (same) return `There is no old key beside ${path}.`;
  return `Only the key in ${path} is good from now on.`;
}
