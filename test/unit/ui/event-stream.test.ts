// What the event stream of a page writes to one that reads slowly. Its connection and the broker are the test's.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { streamBufferBytesMax } from '../../../src/base/page-limits.ts';
import { EventStream } from '../../../src/ui/event-stream.ts';
import { LivePump } from '../../../src/ui/live-pump.ts';
import { RecentMail } from '../../../src/ui/recent-mail.ts';
import type { WireStatus } from '../../../src/ui/wire.ts';
import { ToldFeed } from '../../support/told-page.ts';

/** A connection whose other side reads when the test says so. */
class SlowPage extends EventEmitter {
  readonly written: string[] = [];
  writableLength = 0;

  write(text: string): boolean {
    const kind = /event: (\S+)/.exec(text)?.[1] ?? 'beat';
    this.written.push(`${kind} ${/"port":(\d+)/.exec(text)?.[1] ?? ''}`.trim());
    return true;
  }

  /** What is written by `write` has no room, until read(). */
  fill(write: () => void): void {
    this.writableLength = streamBufferBytesMax + 1;
    write();
    this.written.length = 0;
  }

  read(): void {
    this.writableLength = 0;
    this.emit('drain');
  }

  destroy(): this {
    this.emit('close');
    return this;
  }
}

function status(port: number): WireStatus {
  return { status: { port }, paused: [] } as unknown as WireStatus;
}

function streamTo(page: SlowPage): EventStream {
  const listener = { onChange() {}, onTrouble() {}, onFine() {} };
  const pump = new LivePump(new ToldFeed(), new RecentMail(), listener);
  const output = page as unknown as ServerResponse;
  return new EventStream(output, pump, { epoch: 0, sequence: 0 });
}

test('a page that has no room for a status gets the newest one when it has read', () => {
  const page = new SlowPage();
  const stream = streamTo(page);
  stream.status = status(1);
  page.fill(() => {
    stream.status = status(2);
  });
  for (const port of [3, 4]) stream.status = status(port);
  assert.deepEqual(page.written, []);
  page.read();
  assert.deepEqual(page.written, ['status 4']);
  page.destroy();
});

test('a page that reads slowly is told last that the broker is gone, behind the status of before', () => {
  const page = new SlowPage();
  const stream = streamTo(page);
  stream.flush();
  page.fill(() => {
    stream.status = status(1);
  });
  stream.status = status(2);
  stream.trouble = 'no_broker: gone';
  page.read();
  assert.deepEqual(page.written, ['status 2', 'trouble']);
  page.destroy();
});
