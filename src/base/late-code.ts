// Code that is loaded when it is needed, because most processes do not need it. An update may have replaced the files
// of the program since the process began.
import { IpcError, outOfFiles, systemErrorCode } from './errors.ts';

/** The codes of CommonJS, of modules, and of a file that goes while Node reads it. */
const goneCodes = ['MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND', 'ENOENT'];

/** The module of a dynamic import. @throws `version_mismatch`: a file of the program is gone. */
export async function lateCode<Module>(loading: Promise<Module>): Promise<Module> {
  try {
    return await loading;
  } catch (error) {
    throw lateFault(error);
  }
}

/** Any other error is a fault of the code that was loaded. */
function lateFault(error: unknown): unknown {
  if (!goneCodes.includes(systemErrorCode(error))) return outOfFiles(error) ?? error;
  // Node lists the files that asked for it on the lines below.
  const [said] = (error as Error).message.split('\n');
  const what = `a file of agent-ipc is gone, perhaps because of an update while this process ran: ${said}`;
  const hint =
    'end this process and start it again, or run the command again; if that does not help, install agent-ipc again';
  return new IpcError('version_mismatch', what, { cause: error, hint });
}
