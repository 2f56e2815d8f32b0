// Latency of single posts, from the call to `stored`, with the broker in another process. For comparison,
// a plain write and sync of the same number of bytes, over preallocated zeros as in the journal, and at the
// end of a file. The three alternate in random order, because a sync is affected by what precedes it.
import { join } from 'node:path';
import { freePort } from '../test/support/places.ts';
import { BareFile } from './support/bare-file.ts';
import { makeBenchFolder } from './support/bench-folder.ts';
import { BenchProcess } from './support/bench-process.ts';
import { bodyOf, mailbox, openSession } from './support/mail.ts';
import { print, rounded, Series } from './support/measure.ts';

const runs = 2_000;
const warmups = 1_500;

const home = makeBenchFolder();
const port = await freePort();
const broker = new BenchProcess('broker-process.js', home, String(port));
await broker.next();
const poster = openSession(home, port);

for (const bytes of [256, 1_024]) await measure(bytes);

await poster.close();
await broker.end();

async function measure(bytes: number): Promise<void> {
  const body = bodyOf(bytes);
  const zeros = new BareFile(join(home, `zeros-${bytes}`), bytes * (warmups + runs));
  const empty = new BareFile(join(home, `empty-${bytes}`), 0);
  const [posts, overwrites, appends] = [new Series(), new Series(), new Series()];
  const all = [posts, overwrites, appends];
  const steps = [
    () => posts.time(() => poster.post(mailbox, body)),
    () => overwrites.time(() => zeros.store(body)),
    () => appends.time(() => empty.store(body)),
  ];
  for (let run = 0; run < warmups + runs; run++) {
    if (run === warmups) for (const series of all) series.clear();
    for (const step of shuffled(steps)) await step();
  }
  zeros.close();
  empty.close();

  const post = posts.summary();
  const overwrite = overwrites.summary();
  const append = appends.summary();
  print(`bare_overwrite_sync_${bytes}B_1in_flight`, overwrite);
  print(`bare_append_sync_${bytes}B_1in_flight`, append);
  print(`post_${bytes}B_1in_flight`, {
    ...post,
    ratio: {
      bare_overwrite_sync: rounded(post.medianUs / overwrite.medianUs),
      bare_append_sync: rounded(post.medianUs / append.medianUs),
    },
  });
}

function shuffled<Item>(items: readonly Item[]): Item[] {
  const order = items.map((item) => ({ item, place: Math.random() }));
  return order.sort((one, other) => one.place - other.place).map(({ item }) => item);
}
