// Corrupts a real store past the processes that use it.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The paths of all segments of a store, oldest first. */
export function segmentsOf(folder: string): string[] {
  const names = readdirSync(join(folder, 'epochs'), { encoding: 'utf8', recursive: true });
  return names
    .filter((name) => name.endsWith('.log'))
    .sort()
    .map((name) => join(folder, 'epochs', name));
}

/** Changes one letter of a text in one of its segments. */
export function damageText(folder: string, text: string): void {
  for (const path of segmentsOf(folder)) {
    const bytes = readFileSync(path);
    const at = bytes.indexOf(text);
    if (at === -1) continue;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    return writeFileSync(path, bytes);
  }
  assert.fail(`no segment has ${text}`);
}
