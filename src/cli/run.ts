// How a command runs: what it has at hand, what ends it, and the exit codes.
import { constants } from 'node:os';
import { AppContext } from '../app/context.ts';
import { IpcError } from '../base/errors.ts';
import { speaksJson } from './argv.ts';
import { say, sayError } from './output.ts';

export const exitSuccess = 0;
export const exitFailed = 1;
export const exitUsage = 2;
export const exitTimedOut = 124;
/** And the number of the signal. */
const exitSignalled = 128;
export const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** What a command has at hand while it runs. */
export interface CommandContext {
  readonly context: AppContext;
  /** The user wants it to end. */
  readonly signal: AbortSignal;
  readonly json: boolean;
  readonly id: string | undefined;
  /** Bodies go to a terminal as they are. */
  readonly raw: boolean;
}

/** Whatever happens, mail that is held goes back, and the broker is handed over. */
export async function execute(
  act: (command: CommandContext) => Promise<number>,
  how: Partial<Pick<CommandContext, 'json' | 'raw' | 'id'>>,
): Promise<number> {
  const ended = new AbortController();
  for (const signal of endingSignals) process.on(signal, () => ended.abort(signal));
  // Ctrl-Z must not stop an owner: others depend on it.
  process.on('SIGTSTP', () => {});
  const context = new AppContext({ env: process.env, program: 'ipc' });
  try {
    return await act({
      context: context,
      signal: ended.signal,
      json: false,
      raw: false,
      id: undefined,
      ...how,
    });
  } catch (error) {
    if (!ended.signal.aborted || !(error instanceof IpcError)) throw error;
    return reportSignal(ended.signal.reason, error);
  } finally {
    await context.close();
  }
}

export function whenAborted(signal: AbortSignal, then: (value?: unknown) => void): void {
  if (signal.aborted) then();
  else signal.addEventListener('abort', () => then(), { once: true });
}

/** Returns the exit code. */
async function reportSignal(signal: (typeof endingSignals)[number], error: IpcError) {
  const taken = error.maybeStored ? ' The message may have been taken all the same.' : '';
  if (speaksJson) await sayError(error);
  else await say(`ipc: interrupted (${signal}).${taken}`);
  return exitSignalled + constants.signals[signal];
}
