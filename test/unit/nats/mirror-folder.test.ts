// The folder of an owner's mirror, and those that earlier owners left beside it.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { MirrorFolder } from '../../../src/nats/mirror-folder.ts';
import { makeHome } from '../../support/places.ts';

test('a folder that was not touched for a quarter of an hour is removed, with what is in it', async (context) => {
  const home = await makeHome(context);
  for (const [name, minutes] of [
    ['old', 16],
    ['new', 14],
  ] as const) {
    const path = join(home, 'nats', name);
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'mail'), 'a letter');
    const touched = new Date(Date.now() - minutes * 60_000);
    utimesSync(path, touched, touched);
  }
  const folder = new MirrorFolder(home, 'own');
  await folder.removeStale();
  assert.deepEqual(readdirSync(join(home, 'nats')).sort(), ['new', 'own']);
  await folder.remove();
  assert.deepEqual(readdirSync(join(home, 'nats')), ['new']);
});

test('a folder that cannot be listed harms no owner', async (context) => {
  const home = await makeHome(context);
  const folder = new MirrorFolder(home, 'own');
  rmSync(join(home, 'nats'), { recursive: true });
  await folder.removeStale();
  await folder.remove();
});
