// Fields in the meta of a record, read where they lie: decoding a record takes longer than all else that a reader does.

/** Where the list is that says what a post settles. `meta`: where its envelope begins. */
export function settlesAt(bytes: Buffer, meta: number): number {
  const textEnd = (at: number) => at + 1 + (bytes[at] ?? 0);
  const answersEnd = textEnd(textEnd(textEnd(textEnd(meta + 16))));
  const machineEnd = textEnd(textEnd(answersEnd) + 4);
  return machineEnd + 4 + 4 + 8;
}

export function numberAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}
