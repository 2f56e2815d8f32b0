// Reads an event stream, one event after the other.
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import type { TestContext } from 'node:test';
import type { WireLive } from '../../src/ui/wire.ts';

export type LiveItem = {
  [Kind in keyof WireLive]: { kind: Kind; data: WireLive[Kind]; id: string };
}[keyof WireLive];

export class LiveReader {
  readonly #lines: AsyncIterator<string>;
  readonly #ended: AbortController;

  static async open(
    context: TestContext,
    url: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<LiveReader> {
    const ended = new AbortController();
    context.after(() => ended.abort());
    const response = await fetch(url, { headers, signal: ended.signal });
    const type = response.headers.get('content-type');
    if (response.status !== 200 || !type?.startsWith('text/event-stream')) {
      throw new Error(`${response.status} ${type} ${await response.text()}`);
    }
    return new LiveReader(response.body as ReadableStream, ended);
  }

  private constructor(body: ReadableStream, ended: AbortController) {
    const input = Readable.fromWeb(body).on('error', () => {});
    this.#lines = createInterface({ input })[Symbol.asyncIterator]();
    this.#ended = ended;
  }

  async next(): Promise<LiveItem> {
    const fields: Record<string, string> = {};
    for (;;) {
      const { done, value } = await this.#lines.next();
      if (done) throw new Error('the stream has ended');
      const at = value.indexOf(': ');
      if (value !== '' && at > 0) fields[value.slice(0, at)] = value.slice(at + 2);
      if (value !== '' || fields.event === undefined) continue;
      const { event: kind, data = '', id = '' } = fields;
      return { kind, data: JSON.parse(data), id } as LiveItem;
    }
  }

  /** Skips events of other kinds. */
  async until<Kind extends keyof WireLive>(kind: Kind): Promise<WireLive[Kind]> {
    for (;;) {
      const item = await this.next();
      if (item.kind === kind) return item.data as WireLive[Kind];
    }
  }

  close(): void {
    this.#ended.abort();
  }
}
