// The past of a store on this machine, as all faces read it: from its files, with or without a broker.
import { dirname } from 'node:path';
import { cancelled, IpcError } from '../base/errors.ts';
import { withOwner } from '../files/file-owner.ts';
import { requireTrustedStore } from '../files/trusted-path.ts';
import { folderFault } from '../journal/epoch.ts';
import { readEvents, type StoreReadOptions } from '../journal/store-reader.ts';
import type { EventBatch } from '../model/mail-events.ts';

export type PastOptions = StoreReadOptions;

/** As readEvents(), from a folder that no other user can change. Every error of the disk names the folder. */
export async function* readPast(folder: string, options: PastOptions): AsyncGenerator<EventBatch> {
  const { signal } = options;
  try {
    requireTrustedStore(folder);
    for await (const batch of readEvents(folder, options)) {
      if (signal?.aborted) throw cancelled();
      yield batch;
    }
  } catch (error) {
    throw signal?.aborted ? error : storeFault(folder, error);
  }
}

/** The error for a person: with the folder in its message, and the owner of what cannot be read. */
export function storeFault(folder: string, error: unknown): unknown {
  const fault = withOwner(folderFault(error), folder, dirname(folder));
  if (!(fault instanceof IpcError)) return fault;
  return new IpcError(fault.code, `${folder}: ${fault.message}`, {
    cause: fault,
    maybeStored: false,
    hint: fault.hint,
  });
}
