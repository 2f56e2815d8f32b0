// Frees memory by hand. Node makes a buffer of 64 KiB for each read of a socket; only on sockets that a program connects
// itself may it read into a buffer of its own. For a body of 1 MB these buffers are as much memory as the body, and V8
// collects garbage by the bytes that were allocated since it did so last.
// A transfer to another thread takes the memory of a buffer away from it. A message that goes to a closed port is
// dropped, and the memory with it.

/** Shorter memory is not freed: it costs less than the transfer. */
const freedBytesMin = 32 * 1024;

let closedPort: ReturnType<typeof makeClosedPort> | undefined;

/** Frees the memory of bytes that nobody else uses, if it is large and has no other bytes. Their length is 0 then. */
export function freeMemory(bytes: Buffer): void {
  const { buffer } = bytes;
  if (bytes.length < freedBytesMin || buffer.byteLength !== bytes.length) return;
  closedPort ??= makeClosedPort();
  closedPort.postMessage(undefined, [buffer as ArrayBuffer]);
}

function makeClosedPort() {
  const { port1 } = new MessageChannel();
  port1.close();
  return port1;
}
