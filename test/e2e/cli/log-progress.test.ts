import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { realDisk } from '../../../src/journal/disk.ts';
import { postedRecord, settledRecord } from '../../support/disk/journal-model.ts';
import { openStore } from '../../support/disk/journal-store.ts';
import { atTerminal, noTerminal, showsAndEnds } from '../../support/processes/pseudo-terminal.ts';
import { ended, shell } from '../../support/processes/shell.ts';

/** So many that reading them all takes longer than the half second after which progress is shown. */
const messages = 60_000;
const limits = { segmentBytesMax: 512 * 1024 };

test('a log that takes long shows a person at a terminal how far it is, and writes nothing of that to a pipe', {
  skip: noTerminal,
}, async (context) => {
  const place = await shell(context);
  mkdirSync(place.home, { recursive: true, mode: 0o700 });
  const folder = join(place.home, `broker-${place.port}`);
  const { journal } = await openStore({ disk: realDisk, folder, limits });
  for (let number = 1; number <= messages; number++) {
    journal.append([postedRecord(number, `body ${number}`), settledRecord(number)]);
  }
  await journal.close();

  await showsAndEnds(
    atTerminal(place, 'ipc log > /dev/null'),
    /Reading the store: \d+ of \d+ files/,
  );
  assert.equal((await place.run(['log'])).errors, '');
  // A line that wraps would leave its first row behind each time.
  const narrow = await ended(atTerminal(place, 'stty cols 20; NO_COLOR=1 ipc log > /dev/null'));
  assert.ok(narrow.text.includes('Reading the store: \u001b'), narrow.text);
});
