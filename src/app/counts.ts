// Counts as text.

/** `1 message`, `2 messages`, `2 copies` with `copies` as the word for many. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
