// What is read from the command line itself, not from what was made of it. Node puts U+FFFD in the place
// of argument bytes that are not UTF-8. Nothing that is stored is mended, so the bytes are looked at where
// the machine shows them.
import { isUtf8 } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { type ErrorCode, IpcError } from '../base/errors.ts';

const codes: Readonly<Record<string, ErrorCode>> = {
  message: 'bad_body',
  id: 'bad_id',
  to: 'bad_name',
  from: 'bad_name',
  mailbox: 'bad_name',
};

/** A line that is wrong is answered in JSON as well. */
export const speaksJson = optionsIn(process.argv.slice(2)).includes('--json');

function optionsIn(words: readonly string[]): readonly string[] {
  const end = words.indexOf('--');
  return end === -1 ? words : words.slice(0, end);
}

/** Refuses a parameter that came from an argument which is not UTF-8. */
export async function checkArguments(given: Readonly<Record<string, unknown>>): Promise<void> {
  const all = Object.entries(given).flatMap(([name, value]) =>
    [value].flat().map((each) => [name, each] as const),
  );
  const suspects = all.filter(([, value]) => String(value).includes('\ufffd'));
  if (suspects.length === 0) return;
  const mended = await mendedArguments();
  for (const [name, value] of suspects) {
    const isMended = mended.some((text) => text === value || text.endsWith(`=${value}`));
    if (isMended) throw new IpcError(codes[name] ?? 'bad_parameter', `${name} is not UTF-8`);
  }
}

/** Arguments as Node shows them that are not what was given. None where the machine does not tell. */
async function mendedArguments(): Promise<string[]> {
  const bytes = await readFile('/proc/self/cmdline').catch(() => Buffer.alloc(0));
  // Node's own options come first, so both are counted from the end.
  const raw = split(bytes).reverse();
  const shown = process.argv.slice(2).reverse();
  return shown.filter((_, index) => !isUtf8(raw[index] ?? Buffer.alloc(0)));
}

/** Each argument ends with a zero. */
function split(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let start = 0; ; ) {
    const end = bytes.indexOf(0, start);
    if (end === -1) return parts;
    parts.push(bytes.subarray(start, end));
    start = end + 1;
  }
}
