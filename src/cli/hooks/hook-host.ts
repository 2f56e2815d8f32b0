// The hosts that start `ipc wake` as a hook, and what each takes for a notice. A hook of Claude Code runs beside the
// session, which it wakes with exit code 2. The others hold the turn open until they end.
import type { Environment } from '../../app/environment.ts';
import { findHost, identify, type ProcessIdentity } from '../../app/process-identity.ts';
import { hookHeldMsMax } from '../../base/limits.ts';
import type { HookName } from '../../hosts/wake/hooks.ts';
import { endsWithTurn } from '../../hosts/wake/one-shot.ts';

export interface HookHost {
  /** The hook holds the turn open, so it has a time limit, in seconds. */
  readonly secondsMax: number | undefined;
  /** undefined if this process is no hook of such a host, or could not wake it. */
  find(env: Environment): ProcessIdentity | undefined;
  notice(text: string): HookOutput;
}

/** A line on one of the streams; nothing goes to the other one. */
export interface HookOutput {
  readonly stream: 'stdout' | 'stderr';
  readonly line: string;
  readonly exitCode: number;
}

const exitRewakes = 2;

export const hookHosts: Readonly<Record<HookName, HookHost>> = {
  claude: {
    secondsMax: undefined,
    find: ({ CLAUDE_PID, CLAUDE_CODE_SESSION_ATTENDED, IPC_WAKE }) => {
      // Other hosts run the hooks of Claude Code, too. And `claude -p TEXT` ends only when its hooks have ended.
      if (!CLAUDE_PID) return undefined;
      const isAttended = CLAUDE_CODE_SESSION_ATTENDED !== '0';
      if (!isAttended && (!IPC_WAKE || endsWithTurn('claude-code'))) return undefined;
      return /^\d{1,9}$/.test(CLAUDE_PID) ? identify(Number(CLAUDE_PID)) : undefined;
    },
    notice: (text) => ({ stream: 'stderr', line: text, exitCode: exitRewakes }),
  },
  gemini: {
    secondsMax: hookHeldMsMax / 1_000,
    find: () => findHost(),
    notice: (text) => inJson({ decision: 'deny', reason: text }),
  },
  cursor: {
    secondsMax: hookHeldMsMax / 1_000,
    find: () => findHost(),
    notice: (text) => inJson({ followup_message: text }),
  },
};

function inJson(output: object): HookOutput {
  return { stream: 'stdout', line: JSON.stringify(output), exitCode: 0 };
}
