// Whether mail can wake the agents of a host that has ipc, as far as that shows outside of a session.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { quoted } from '../../base/quoted.ts';
import { valueIn } from '../../hosts/config-edit.ts';
import { readText } from '../../hosts/config-file.ts';
import { findProgram } from '../../hosts/programs.ts';
import { type ConfigFolders, claudeSettings, type HostTarget } from '../../hosts/targets.ts';
import { costOfWaking, planWake } from '../../hosts/wake/hooks.ts';
import { fine, type Result } from './finding.ts';

interface HostPlace {
  readonly target: HostTarget;
  readonly folders: ConfigFolders;
  readonly path: string;
}

const run = promisify(execFile);
const helpMsMax = 10_000;

/** undefined for a host of which no way is known. */
export async function wakeResult(place: HostPlace): Promise<Result | undefined> {
  const { target } = place;
  if (target.name === 'claude') return ofClaude(place.folders);
  if (target.name === 'codex') return ofCodex(place.path);
  return costOfWaking(target) === undefined ? undefined : ofAddition(place);
}

/** Its user decides whether the inbox takes messages of other programs. */
async function ofClaude(folders: ConfigFolders): Promise<Result> {
  const file = claudeSettings(folders);
  const text = file === undefined ? undefined : await readText(file);
  const setting = file && text ? valueIn(file, text, ['crossSessionInbound']) : undefined;
  if (setting === undefined || setting === 'accept') {
    return fine('mail wakes its agents, by tasks and by its inbox');
  }
  const what = `mail wakes its agents by tasks alone: crossSessionInbound is ${quoted(`${setting}`)}`;
  return fine(
    what,
    `to have its inbox take notices, set crossSessionInbound to "accept" in ${file}`,
  );
}

async function ofCodex(path: string): Promise<Result | undefined> {
  const codex = await findProgram('codex', path);
  if (codex === undefined) return undefined;
  try {
    await run(codex, ['queue', '--help'], { timeout: helpMsMax });
    return fine('mail wakes its agents, by `codex queue`');
  } catch {
    const what = `mail does not wake its agents: ${codex} has no \`queue\``;
    return fine(what, 'update Codex to 0.171 or newer');
  }
}

/** A hook or a plugin of ours. */
async function ofAddition({ target, folders }: HostPlace): Promise<Result> {
  const noServer = { command: '', args: [] };
  const removal = await planWake('uninstall', target, noServer, folders);
  if (removal) return fine('mail wakes its agents');
  const hint = `ipc install ${target.name} --wake (${costOfWaking(target)})`;
  return fine('mail does not wake its agents, they have to wait', hint);
}
