// How the rounds of a comparison become the rows of a table and the bars of a picture.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compare, tableOf } from '../../../bench/systems/goals.ts';
import { pictureOf } from '../../../bench/systems/picture.ts';

test('a ratio is taken within each round, and a row has the median of the ratios', () => {
  const values = new Map([
    ['ipc', [10, 90, 30]],
    ['tcp_echo', [10, 30, 15]],
  ]);
  const rows = compare(new Map([['handover_256B_1in_flight', values]]));
  const [overRedis, overEcho, overOneWait] = rows.map(({ result }) => result);
  assert.deepEqual(overEcho, { median: 2, lowest: 1, highest: 3 });
  assert.deepEqual([overRedis, overOneWait, rows.length], [undefined, undefined, 3]);
});

test('idle memory is compared as a difference in megabytes', () => {
  const values = new Map([
    ['ipc_mcp', [76, 75]],
    ['noop_server', [62.5, 64]],
  ]);
  const [row] = compare(new Map([['mcp_idle_memory', values]]));
  assert.deepEqual(row?.result, { median: 13.5, lowest: 11, highest: 13.5 });
});

test('the table has a row for each goal, says what was missing, and has the same comparison of the limit', () => {
  const values = new Map([
    ['ipc', [300]],
    ['bare_sync_pool', [400]],
    ['bare_queue', [360]],
  ]);
  const large = compare(new Map([['post_1MB_4in_flight', values]]));
  const missing = compare(new Map([['take_settle_256B_256in_flight', new Map()]]));
  assert.equal(
    tableOf([...large, ...missing]),
    `| figure | median | rounds | goal | limit |
|---|---|---|---|---|
| 1 MB posts, stored, 4 in flight, bytes/s / bare 1 MB writes at the end of a file, each synced | missing |  | >= 0.7 |  |
| the same / bare 1 MB writes over the same bytes again and again, each synced | 0.75 | 0.75 to 0.75 | >= 0.7 | 0.9 |
| take + settle a second, 256 in flight / Redis BLPOP, \`always\` | missing |  | >= 0.8 |  |
`,
  );
});

test('the picture has a bar for each contender, as long as its median', () => {
  const values = new Map([
    ['ipc', [2_000, 1_000, 3_000]],
    ['redis_memory', [1_000, 1_000, 1_000]],
  ]);
  const picture = pictureOf([{ title: 'Posts', unit: 'PerSecond', values }]);
  const bars = Array.from(picture.matchAll(/width="([\d.]+)" height="14"/g), ([, width]) => width);
  assert.deepEqual(bars, ['460.0', '230.0']);
  assert.match(picture, />2,000<\/text>/);
});
