import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { liveEvents, StoreTail } from '../../../src/app/live-events.ts';
import { readPast } from '../../../src/app/store-past.ts';
import { IpcError } from '../../../src/base/errors.ts';
import { open } from '../../../src/index.ts';
import { realDisk } from '../../../src/journal/disk.ts';
import { listPast } from '../../../src/journal/past-files.ts';
import type { EventBatch, EventCursor } from '../../../src/model/mail-events.ts';
import type { EventsArguments, MailService } from '../../../src/model/mail-service.ts';
import { freePort, makeHome } from '../../support/places.ts';

const noBroker = async (): Promise<EventBatch> => {
  throw new IpcError('no_broker', 'no session owns the broker of port 1 now');
};

/** A store to which each post is made by an owner of its own, which is gone afterwards. */
class Store {
  readonly folder: string;
  readonly #home: string;
  readonly #port: number;

  constructor(home: string, port: number) {
    this.#home = home;
    this.#port = port;
    this.folder = join(home, `broker-${port}`);
  }

  static async make(context: TestContext): Promise<Store> {
    return new Store(await makeHome(context), await freePort());
  }

  async post(...texts: readonly string[]): Promise<void> {
    const mail = await open({ home: this.#home, port: this.#port, env: {}, name: 'ann' });
    for (const text of texts) await mail.post('ben', text);
    await mail.close();
  }

  async end(): Promise<EventCursor> {
    let end: EventCursor | undefined;
    for await (const { next } of readPast(this.folder, { partBytesMax: 0 })) end = next;
    assert(end);
    return end;
  }
}

function followed(store: Store, events: MailService['events']) {
  const files = new StoreTail(store.folder);
  const after = { epoch: 0, sequence: 0 };
  const end = new AbortController();
  const onFault = (error: IpcError) => assert.fail(error);
  const wanted = { after, files, partBytesMax: 100, signal: end.signal, onFault };
  return { batches: liveEvents({ events }, wanted), end };
}

/** The texts of the next stored messages. */
async function texts(batches: AsyncIterator<EventBatch>, count: number): Promise<string[]> {
  const found: string[] = [];
  while (found.length < count) {
    const { value } = await batches.next();
    for (const event of (value as EventBatch).events) {
      if (event.kind === 'stored') found.push(String(event.part));
    }
  }
  return found;
}

test('while no broker is met, what commands store comes once and in order', async (context) => {
  const store = await Store.make(context);
  await store.post('one');
  const { batches, end } = followed(store, noBroker);
  assert.deepEqual(await texts(batches, 1), ['one']);
  await store.post('two', 'three');
  await store.post('four');
  assert.deepEqual(await texts(batches, 3), ['two', 'three', 'four']);
  end.abort();
  await assert.rejects(batches.next(), { code: 'cancelled' });
});

test('files of which all records were read are not read again when others change', async (context) => {
  const store = await Store.make(context);
  for (const text of ['one', 'two', 'three']) await store.post(text);
  const { batches, end } = followed(store, noBroker);
  assert.deepEqual(await texts(batches, 3), ['one', 'two', 'three']);
  const { mock } = context.mock.method(realDisk, 'read');
  await store.post('four');
  mock.resetCalls();
  assert.deepEqual(await texts(batches, 1), ['four']);
  const all = await listPast(realDisk, store.folder);
  const read = mock.calls.map((call) => call.arguments[0]);
  assert.deepEqual([...new Set(read)], [all.files[3]?.paths[0]]);
  end.abort();
});

test('a store that is made later is followed from its first message on', async (context) => {
  const store = await Store.make(context);
  const { batches, end } = followed(store, noBroker);
  const first = texts(batches, 1);
  await store.post('one');
  assert.deepEqual(await first, ['one']);
  end.abort();
});

test('a broker is asked for what is behind the files, and the files for what is behind its answer', async (context) => {
  const store = await Store.make(context);
  await store.post('one');
  const asked: EventsArguments['after'][] = [];
  const first = await store.end();
  let next = first;
  const { batches, end } = followed(store, async ({ after }: EventsArguments) => {
    asked.push(after);
    if (asked.length !== 2) return noBroker();
    await store.post('two');
    next = await store.end();
    return { events: [], next, gap: undefined, hasMore: false };
  });
  assert.deepEqual(await texts(batches, 1), ['one']);
  await batches.next();
  await store.post('three');
  assert.deepEqual(await texts(batches, 1), ['three']);
  assert.deepEqual(asked, [{ epoch: 0, sequence: 0 }, first, next]);
  end.abort();
});

test('without files a fault is reported, also that there is no broker', async () => {
  const end = new AbortController();
  const faults: string[] = [];
  const onFault = ({ code }: IpcError) => {
    faults.push(code);
    end.abort();
  };
  const wanted = { after: 'now', files: undefined, partBytesMax: 0, signal: end.signal } as const;
  await assert.rejects(liveEvents({ events: noBroker }, { ...wanted, onFault }).next(), {
    code: 'cancelled',
  });
  assert.deepEqual(faults, ['no_broker']);
});
