// The headers of a pause and of its response.
import type { ByteWriter } from '../base/binary.ts';
import { IpcError } from '../base/errors.ts';
import { pausedMailboxesMax } from '../base/limits.ts';
import { readFlag, readName, readStoredNameOrNone } from '../model/envelope.ts';
import type { PauseRequest, PausingResponse } from '../model/pause-requests.ts';
import type { Frame } from './frame.ts';
import { nameBytesMin, readHeader, readListUpTo } from './header-fields.ts';

/** The length of an empty name, which stands for all mailboxes. */
const pausedBytesMin = 1;

export function writePauseHeader(writer: ByteWriter, { isPaused, mailboxes }: PauseRequest): void {
  writer.u8(Number(isPaused));
  writer.texts(mailboxes);
}

export function decodePause(frame: Frame): PauseRequest {
  const pause = readHeader(frame, (reader) => ({
    kind: 'pause' as const,
    request: frame.request,
    isPaused: readFlag(reader),
    mailboxes: reader.list(nameBytesMin, readName),
  }));
  const { length } = pause.mailboxes;
  if (length <= pausedMailboxesMax) return pause;
  throw new IpcError('bad_parameter', `${length} mailboxes at once; limit ${pausedMailboxesMax}`);
}

export function writePausingHeader(writer: ByteWriter, { mailboxes }: PausingResponse): void {
  writer.texts(mailboxes);
}

export function decodePausing(frame: Frame): PausingResponse {
  const mailboxes = readHeader(frame, (reader) =>
    readListUpTo(reader, pausedMailboxesMax + 1, pausedBytesMin, readStoredNameOrNone),
  );
  return { kind: 'pausing', request: frame.request, mailboxes };
}
