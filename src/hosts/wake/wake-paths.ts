// All ways to wake an agent, the best first. The caller takes the first one that a session has, and the next one if
// that fails.
import { backgroundCommand } from './background-command.ts';
import { codexQueue } from './codex-queue.ts';
import { inbox } from './inbox.ts';
import { openCodePlugin } from './opencode-plugin.ts';
import type { WakePath } from './wake-path.ts';

export const wakePaths: readonly WakePath[] = [
  inbox,
  codexQueue,
  openCodePlugin,
  backgroundCommand,
];
