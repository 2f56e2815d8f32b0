// Whether mail can wake the agents of a host that has ipc, as far as that shows outside of a session.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { sanitizeLine } from '../../app/sanitize.ts';
import { quoted } from '../../base/quoted.ts';
import { findProgram } from '../../hosts/programs.ts';
import { type ConfigFolders, claudeSettings, type HostTarget } from '../../hosts/targets.ts';
import { type Addition, costOfWaking, findAddition } from '../../hosts/wake/hooks.ts';
import { closingOfClaude } from '../../hosts/wake/inbox.ts';
import { bad, fine, type Result } from './finding.ts';

/** A host, and the machine as this process sees it. */
export interface HostPlace {
  readonly target: HostTarget;
  readonly folders: ConfigFolders;
  readonly path: string;
}

const run = promisify(execFile);
const helpMsMax = 10_000;

/** undefined for a host of which no way is known. */
export async function wakeResult(place: HostPlace): Promise<Result | undefined> {
  const { target, folders } = place;
  if (target.name === 'codex') return ofCodex(place.path);
  const added = await findAddition(target, folders);
  const lost = added && lostAddition(target, added);
  if (lost) return lost;
  if (target.name === 'claude') return ofClaude(folders);
  if (added) return fine('mail wakes its agents');
  const cost = costOfWaking(target);
  if (cost === undefined) return undefined;
  const hint = `ipc install ${target.name} --wake (${cost})`;
  return fine('mail does not wake its agents, they have to wait', hint);
}

/** A hook or a plugin of ours whose program is gone. */
function lostAddition({ name }: HostTarget, { path, program }: Addition): Result | undefined {
  if (program === undefined || existsSync(program)) return undefined;
  const what = `mail does not wake its agents: ${path} starts ${sanitizeLine(program)}, which is not there`;
  return bad(what, `ipc install ${name} --wake, or ipc uninstall ${name} --wake`);
}

/** Its user decides whether the inbox takes messages of other programs. */
async function ofClaude(folders: ConfigFolders): Promise<Result> {
  const closing = await closingOfClaude(folders);
  if (closing === undefined) return fine('mail wakes its agents, by tasks and by its inbox');
  const what = `mail wakes its agents by tasks alone: crossSessionInbound is ${quoted(closing)}`;
  return fine(
    what,
    `to have its inbox take notices, set crossSessionInbound to "accept" in ${claudeSettings(folders)}`,
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
