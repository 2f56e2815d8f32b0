// Frames of any bytes, as no codec would write them.
import { ByteWriter } from '../../src/base/binary.ts';
import { type Frame, FrameBatch } from '../../src/protocol/frame.ts';
import { writeJson } from '../../src/protocol/json-header.ts';

export function encodeFrame({ type, request, header, body }: Frame): Buffer[] {
  const batch = new FrameBatch();
  batch.beginFrame().raw(header);
  batch.endFrame(type, request, body);
  return batch.take();
}

export function jsonHeader(fields: object): Buffer {
  const writer = new ByteWriter();
  writeJson(writer, fields);
  return writer.bytes();
}
