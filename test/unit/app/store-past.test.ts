import assert from 'node:assert/strict';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readPast, storeFault } from '../../../src/app/store-past.ts';
import type { IpcError } from '../../../src/base/errors.ts';
import { libraryPlace } from '../../support/library.ts';
import { makeHome } from '../../support/places.ts';

async function readAll(folder: string, signal?: AbortSignal): Promise<number> {
  let batches = 0;
  for await (const _ of readPast(folder, { partBytesMax: 0, signal })) batches += 1;
  return batches;
}

test('a store that is not there has an empty past', async (context) => {
  assert.equal(await readAll(join(await makeHome(context), 'broker-1')), 1);
});

test('a file of the store that cannot be read is an error that names the folder, so that a reader may try again', async (context) => {
  const folder = join(await makeHome(context), 'broker-1');
  await mkdir(join(folder, 'epochs', '00000001', 'seg-000001.log'), { recursive: true });
  await assert.rejects(readAll(folder), (error: IpcError) => {
    assert.equal(error.code, 'home_unusable');
    assert.ok(error.message.startsWith(`${folder}: EISDIR: `), error.message);
    return true;
  });
});

test('a folder that other users can change is not read', async (context) => {
  const folder = join(await makeHome(context), 'broker-1');
  await mkdir(folder);
  await chmod(folder, 0o777);
  await assert.rejects(readAll(folder), { code: 'home_unusable' });
});

test('a reader that is cancelled gets "cancelled"', async (context) => {
  const folder = join(await makeHome(context), 'broker-1');
  await assert.rejects(readAll(folder, AbortSignal.abort()), { code: 'cancelled' });
});

test('a reading that finds nothing ends after its signal, and not at the end of the store', async (context) => {
  const { home, port, session } = await libraryPlace(context);
  // Each owner begins a file.
  for (let owners = 0; owners < 3; owners++) {
    const mail = await session();
    await mail.post('ann', 'hello');
    await mail.close();
  }
  const folder = join(home, `broker-${port}`);
  const ended = new AbortController();
  let turns = 0;
  const runtime = {
    now: () => performance.now(),
    defer: (callback: () => void) => {
      turns++;
      ended.abort();
      setImmediate(callback);
    },
  };
  const filter = { wants: () => false };
  const options = { partBytesMax: 0, signal: ended.signal, turnMsMax: 0, runtime, filter };
  await assert.rejects(readPast(folder, options).next(), { code: 'cancelled' });
  assert.equal(turns, 1);
});

test('a fault of the program stays as it is', () => {
  const fault = new TypeError('x is not a function');
  assert.equal(storeFault('/store', fault), fault);
});
