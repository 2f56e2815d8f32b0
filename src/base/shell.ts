// Words for a POSIX shell, to show in a command line that a user may paste.

/** One word in quotes, whatever is in it. */
export function quotedForShell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** One word, in quotes if it needs them. */
export function shellWord(text: string): string {
  return /^[\w./@%+,:=-]+$/.test(text) ? text : quotedForShell(text);
}
