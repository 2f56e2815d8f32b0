// How a command runs: its context, the signals that end it, and the exit codes.
import { constants } from 'node:os';
import { AppContext, type AppContextOptions } from '../app/context.ts';
import { IpcError } from '../base/errors.ts';
import { giveUpPrinting, OutputFailed, sayError, speaksJson, warn } from './output.ts';
import { programName } from './program-name.ts';

export const exitSuccess = 0;
export const exitFailed = 1;
export const exitUsage = 2;
/** That of Node for a module that awaits what never comes. */
const exitUnsettled = 13;
export const exitTimedOut = 124;
/** Plus the number of the signal. */
const exitSignalled = 128;
export const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface CommandContext {
  readonly context: AppContext;
  /** Aborted when the user ends the command. If the command has not read this property, the context is closed instead. */
  readonly signal: AbortSignal;
  readonly json: boolean;
  /** `--id` of a post or an ask. */
  readonly id: string | undefined;
  /** `--max` of a fetch. */
  readonly max: string | undefined;
  /** Control characters are not escaped on a terminal. */
  readonly raw: boolean;
  /** `--once` of a broker: it does not stay. */
  readonly once: boolean;
}

/** A stopped owner would answer nobody, and the sessions that depend on it could not take over. */
const ctrlZ =
  'ipc: Ctrl-Z does not stop it, because other sessions may depend on its broker. Ctrl-C ends it; `ipc ... &` starts it in the background.';

/** However the command ends, held mail is released and the broker is handed over. */
export async function execute(
  act: (command: CommandContext) => Promise<number>,
  how: Partial<Pick<CommandContext, 'json' | 'raw' | 'id' | 'max' | 'once'>>,
  { ownership }: Pick<AppContextOptions, 'ownership'> = {},
): Promise<number> {
  let endedBy: (typeof endingSignals)[number] | undefined;
  // A post spares the process the code of AbortController.
  let ended: AbortController | undefined;
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= context.close();
    return closing;
  };
  const end = (signal: (typeof endingSignals)[number]) => {
    endedBy ??= signal;
    giveUpPrinting();
    if (ended) ended.abort(signal);
    else close().catch(() => {}); // awaited below
  };
  for (const signal of endingSignals) process.on(signal, () => end(signal));
  process.on('SIGTSTP', () => void warn(ctrlZ));
  const context = new AppContext({ env: process.env, program: programName, ownership });
  try {
    return await act({
      ...{ context, json: false, raw: false, id: undefined, max: undefined, once: false, ...how },
      get signal() {
        ended ??= new AbortController();
        if (endedBy !== undefined) ended.abort(endedBy);
        return ended.signal;
      },
    });
  } catch (error) {
    if (endedBy === undefined || !(error instanceof IpcError)) throw error;
    return reportSignal(endedBy, error);
  } finally {
    await close();
  }
}

/**
 * Gives a command that waits for what never comes the exit code that it would have as a module. As a function it would
 * have 0, which means "stored".
 */
export function runToEnd(command: Promise<unknown>): void {
  const onIdle = () => {
    process.exitCode = exitUnsettled;
  };
  process.on('beforeExit', onIdle);
  void command.finally(() => process.off('beforeExit', onIdle));
}

export function whenAborted(signal: AbortSignal, then: (value?: unknown) => void): void {
  if (signal.aborted) then();
  else signal.addEventListener('abort', () => then(), { once: true });
}

/** Returns the exit code. */
async function reportSignal(signal: (typeof endingSignals)[number], error: IpcError) {
  const exitCode = exitSignalled + constants.signals[signal];
  if (error instanceof OutputFailed && error.isSilent) return exitCode;
  const { maybeStored } = error;
  const taken = maybeStored ? ' The call may have taken effect all the same.' : '';
  const what = `interrupted (${signal}).${taken}`;
  // The user ended it, so nothing has to be done.
  if (speaksJson) await sayError(new IpcError('cancelled', what, { maybeStored, hint: '' }));
  else await warn(`ipc: ${what}`);
  return exitCode;
}
