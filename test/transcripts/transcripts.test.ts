// Runs every transcript in this folder; support/transcript.ts describes their format. With
// UPDATE_TRANSCRIPTS=1 they are rewritten with the current outcomes: review the difference.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { transcribe } from '../support/transcript.ts';

const folder = fileURLToPath(new URL('../../../test/transcripts/', import.meta.url));
const files = readdirSync(folder, { encoding: 'utf8', recursive: true })
  .filter((file) => file.endsWith('.txt'))
  .sort();

test('transcripts exist, and each has a different title', () => {
  const titles = files.map((file) => titleOf(readFileSync(join(folder, file), 'utf8')));
  assert.ok(titles.length > 0);
  assert.deepEqual([...new Set(titles)], titles);
});

for (const file of files) {
  const path = join(folder, file);
  const text = readFileSync(path, 'utf8');
  test(`${file}: ${titleOf(text)}`, () => {
    const now = transcribe(text);
    if (process.env.UPDATE_TRANSCRIPTS === '1') writeFileSync(path, now);
    else assert.equal(now, text);
  });
}

function titleOf(text: string): string {
  const title = /^# (.+)\n/.exec(text)?.[1];
  assert.ok(title, 'the first line is "# " and a sentence');
  return title;
}
