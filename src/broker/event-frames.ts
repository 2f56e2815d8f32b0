// The frames of events. Sessions that follow all mailboxes, and want as much of each body, get the same ones: only the
// number of the request differs, so it is written when a batch is joined.

import type { MailEvent, StoredEvent } from '../model/mail-events.ts';
import { encodeResponse } from '../protocol/codec.ts';
import { setRequest } from '../protocol/frame.ts';
import type { EventsOfRecord } from './event-ring.ts';

/** The buffers of one frame, whose request is not set. The first one has its head, and nobody else writes to it. */
export type EventFrame = readonly Buffer[];

/** The frames of the record's events, from the ring if they are there. */
export function sharedFrames(record: EventsOfRecord, partBytesMax: number): readonly EventFrame[] {
  if (record.shared?.partBytesMax !== partBytesMax) {
    record.shared = { partBytesMax, frames: framesOf(record.events, partBytesMax) };
  }
  return record.shared.frames;
}

/** `events`: of one record, in their order. */
export function framesOf(
  events: readonly MailEvent[],
  partBytesMax: number,
): readonly EventFrame[] {
  let lastPart: Buffer | undefined;
  return events.map((event) => {
    if (event.kind !== 'stored') return frameOf(event, false);
    // The messages of one post have the same body.
    const hasSamePart = event.part !== undefined && event.part === lastPart;
    lastPart = event.part;
    return frameOf(cutTo(event, partBytesMax), hasSamePart);
  });
}

function frameOf(event: MailEvent, hasSamePart: boolean): EventFrame {
  return encodeResponse({ kind: 'event', request: 0, event, hasSamePart });
}

function cutTo(event: StoredEvent, partBytesMax: number): StoredEvent {
  if (event.part === undefined || event.part.length <= partBytesMax) return event;
  return { ...event, part: event.part.subarray(0, partBytesMax) };
}

/** Larger buffers are sent as they are; smaller ones are joined, so that a batch is few writes. */
const joinBytesMax = 16 * 1024;

/** The frames with the number of the request that they answer. */
export function joinFrames(frames: readonly EventFrame[], request: number): Buffer[] {
  const buffers: Buffer[] = [];
  let run: Buffer[] = [];
  /** Where frames begin in the run. */
  let begins: number[] = [];
  let bytes = 0;
  const endRun = () => {
    if (run.length === 0) return;
    // Always a copy, because others have the same frames.
    const joined = Buffer.concat(run, bytes);
    for (const begin of begins) setRequest(joined, begin, request);
    buffers.push(joined);
    [run, begins, bytes] = [[], [], 0];
  };
  for (const frame of frames) {
    begins.push(bytes);
    for (const [index, buffer] of frame.entries()) {
      // The number is written into the first one, which is long if it has a part of a larger body.
      if (index > 0 && buffer.length > joinBytesMax) {
        endRun();
        buffers.push(buffer);
      } else {
        run.push(buffer);
        bytes += buffer.length;
      }
    }
  }
  endRun();
  return buffers;
}
