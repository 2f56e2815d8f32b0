// What `ipc doctor --json` reports.
import assert from 'node:assert/strict';
import type { Ended } from './shell.ts';

export interface Reported {
  readonly about: string;
  readonly ok: boolean;
  readonly what: string;
  readonly hint: string | null;
}

export function reported({ text, errors }: Pick<Ended, 'text' | 'errors'>): Reported[] {
  assert.equal(errors, '');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** The only report about a subject. */
export function reportedAbout(about: string, ended: Pick<Ended, 'text' | 'errors'>): Reported {
  const found = reported(ended).filter((each) => each.about === about);
  assert.equal(found.length, 1, ended.text);
  return found[0] as Reported;
}
