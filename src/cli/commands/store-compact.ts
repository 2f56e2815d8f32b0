// `ipc store compact`: has the owner remove settled mail from the log now. Without an owner this process
// opens the store, which removes a part of it already.
import { statSync } from 'node:fs';
import type { AppContext } from '../../app/context.ts';
import { parsePort } from '../../app/parameters.ts';
import { at } from '../../app/summaries.ts';
import { realDisk } from '../../journal/disk.ts';
import { listEpochs, listSegments, segmentPath } from '../../journal/paths.ts';
import { writeJson, writeReport } from '../output.ts';
import { exitSuccess } from '../run.ts';

/** As written on the command line. */
export interface CompactLine {
  readonly port: string | undefined;
  readonly json: boolean;
}

export async function compact(
  line: CompactLine,
  context: AppContext,
  signal: AbortSignal,
): Promise<number> {
  const given = context.localPort(line.port === undefined ? undefined : parsePort(line.port));
  const { mail, host, port } = await context.broker({ port: given });
  if (host !== undefined) {
    await mail.compact({ signal });
    if (line.json)
      await writeJson({ folder: null, freed: null, bytesBefore: null, bytesAfter: null });
    else await writeReport(`The log on ${at({ host, port })} is compacted.`);
    return exitSuccess;
  }
  const folder = context.storeFolder(port);
  const bytesBefore = logBytes(folder);
  await mail.compact({ signal });
  const bytesAfter = logBytes(folder);
  const freed = Math.max(0, bytesBefore - bytesAfter);
  if (line.json) await writeJson({ folder, freed, bytesBefore, bytesAfter });
  else
    await writeReport(
      `Freed ${freed} bytes: the log had ${bytesBefore}, and has ${bytesAfter} now.`,
    );
  return exitSuccess;
}

/** Length of all segment files. */
function logBytes(folder: string): number {
  const segments = listEpochs(realDisk, folder).flatMap((epoch) =>
    listSegments(realDisk, folder, epoch),
  );
  const lengths = segments.map((segment) => {
    return statSync(segmentPath(folder, segment), { throwIfNoEntry: false })?.size ?? 0;
  });
  return lengths.reduce((sum, bytes) => sum + bytes, 0);
}
