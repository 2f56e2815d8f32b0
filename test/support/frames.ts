// Frames of any bytes, as no codec would write them, and frames whose headers can be looked at and changed.
import { ByteWriter } from '../../src/base/binary.ts';
import * as codec from '../../src/protocol/codec.ts';
import { type Frame, FrameBatch, headerOf } from '../../src/protocol/frame.ts';
import { writeJson } from '../../src/protocol/json-header.ts';

/** A frame with its header in a buffer of its own. */
export interface PlainFrame extends Pick<Frame, 'type' | 'request' | 'body'> {
  readonly header: Buffer;
}

export function plainFrame(frame: Frame): PlainFrame {
  const { type, request, body } = frame;
  return { type, request, header: headerOf(frame), body };
}

export function encodeFrame({ type, request, header, body }: PlainFrame): Buffer[] {
  const batch = new FrameBatch();
  batch.beginFrame().raw(header);
  batch.endFrame(type, request, body);
  return batch.take();
}

export function decodeRequest(frame: PlainFrame): ReturnType<typeof codec.decodeRequest> {
  return codec.decodeRequest(asDecoded(frame));
}

export function decodeResponse(frame: PlainFrame): ReturnType<typeof codec.decodeResponse> {
  return codec.decodeResponse(asDecoded(frame));
}

/** As the decoder would return it. */
export function asDecoded({ type, request, header: bytes, body }: PlainFrame): Frame {
  return { type, request, bytes, headerAt: 0, headerEnd: bytes.length, body };
}

export function jsonHeader(fields: object): Buffer {
  const writer = new ByteWriter();
  writeJson(writer, fields);
  return writer.bytes();
}
