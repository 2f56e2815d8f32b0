// The short way into `ipc wake --for HOST`, which a host starts at the end of each turn: it leaves out most of the
// program, which takes time and memory. ipc.js takes it for this line alone.
import { IpcError } from '../base/errors.ts';
import { bearClosedOutput } from './closed-output.ts';
import { runHook } from './hooks/hook-run.ts';
import { sayError } from './output.ts';
import { exitFailed, runToEnd } from './run.ts';

const [, , , , host = ''] = process.argv;
bearClosedOutput();
runToEnd(
  runHook(host)
    .catch(reportError)
    .then((code) => process.exit(code)),
);

async function reportError(error: unknown): Promise<number> {
  if (!(error instanceof IpcError)) throw error;
  await sayError(error);
  return exitFailed;
}
