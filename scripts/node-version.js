// The rule that says which Node is new enough. A Node that is too old must be able to read this file, so it
// has no syntax, and imports nothing, that Node 12.20 lacks. The build copies the function into dist/.

/** One sentence when this Node is too old. */
export function nodeFault() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 15)) return undefined;
  return `agent-ipc needs Node 20.15 or newer; this is ${process.version}, at ${process.execPath}`;
}
