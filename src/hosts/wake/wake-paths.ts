// All ways to wake an agent, the best first, and which of them a session has.
import { backgroundCommand } from './background-command.ts';
import { codexQueue } from './codex-queue.ts';
import { hookPath } from './hooks.ts';
import { inbox } from './inbox.ts';
import { endsWithTurn } from './one-shot.ts';
import { openCodePlugin } from './opencode-plugin.ts';
import type { WakeFacts, WakePath, Waker } from './wake-path.ts';

const wakePaths: readonly WakePath[] = [
  inbox,
  codexQueue,
  openCodePlugin,
  hookPath,
  backgroundCommand,
];

/** `name`: of its path. */
export type FoundWaker = Waker & { readonly name: string };

/** The best one first; none where the host ends with the turn. */
export async function findWakers(facts: WakeFacts): Promise<FoundWaker[]> {
  if (endsWithTurn(facts.host ?? '')) return [];
  const found: FoundWaker[] = [];
  for (const path of wakePaths) {
    const waker = await path.find(facts);
    if (waker) found.push({ ...waker, name: path.name });
  }
  return found;
}
