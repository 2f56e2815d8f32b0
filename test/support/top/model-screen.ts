// The model of the screen without a terminal: keys and news go in, lines of text come out.
import { textOf } from '../../../src/cli/top/columns.ts';
import type { SourceUpdate, TextEvent } from '../../../src/cli/top/mail-source.ts';
import { type Effect, type Key, pressed } from '../../../src/cli/top/top-keys.ts';
import { topRows } from '../../../src/cli/top/top-rows.ts';
import { initialState, type TopState, updated } from '../../../src/cli/top/top-state.ts';
import { noon, statusOf } from './mail-facts.ts';

export class ModelScreen {
  state: TopState;
  readonly effects: Effect[] = [];

  constructor(columns = 80, rows = 24) {
    this.state = initialState('port 4242', columns, rows);
  }

  /** A screen with a broker that has said all this, and whose past has been read. */
  static live(events: readonly TextEvent[] = [], given: Parameters<typeof statusOf>[0] = {}) {
    const screen = new ModelScreen();
    screen.news({ kind: 'status', status: statusOf(given) });
    screen.news({ kind: 'past', events, upTo: 0 });
    return screen;
  }

  news(update: SourceUpdate): void {
    this.state = updated(this.state, update);
  }

  press(...keys: readonly Key[]): void {
    for (const key of keys) {
      const { state, effect } = pressed(this.state, key, noon + 60_000);
      this.state = state;
      if (effect) this.effects.push(effect);
    }
  }

  resize(columns: number, rows: number): void {
    this.state = { ...this.state, columns, rows };
  }

  /** All lines, without spaces at their ends. */
  get lines(): string[] {
    return topRows(this.state, noon + 60_000).map((row) => textOf(row).trimEnd());
  }

  get text(): string {
    return this.lines.join('\n');
  }

  /** The line that is selected. */
  get selected(): string | undefined {
    return this.lines.slice(1).find((line) => /^> (?!SESSIONS|MAILBOXES|UTC)/.test(line));
  }
}
