// The screen itself: Ink draws the rows and reads the keys. This file is the entry of a bundle of its own, which only
// `ipc top` loads.
import { Box, render, Text, type TextProps, useInput, useWindowSize } from 'ink';
import { createElement, memo, type ReactNode, useEffect, useState } from 'react';
import type { Name } from '../../model/message.ts';
import type { Row, Style } from './columns.ts';
import type { MailSource, SourceUpdate } from './mail-source.ts';
import { type Effect, type Key, pressed } from './top-keys.ts';
import { topRows } from './top-rows.ts';
import { initialState, type TopState, updated } from './top-state.ts';

export interface ScreenOptions {
  readonly source: MailSource;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly isColoured: boolean;
  /** Ends the screen. */
  readonly signal: AbortSignal;
}

/** The screen is drawn at most that often, however much mail there is. */
const framesPerSecond = 10;
/** Ages grow and the clock goes on, also without news. */
const tickMs = 1_000;

const looks: Readonly<Record<Style, TextProps>> = {
  title: { bold: true, color: 'black', backgroundColor: 'cyan' },
  selected: { inverse: true },
  strong: { bold: true },
  dim: { dimColor: true },
  good: { color: 'green' },
  busy: { color: 'yellow' },
  bad: { color: 'red' },
};

/** Resolves when the user quits, or the signal aborts; then the terminal is as it was before. */
export async function showScreen(options: ScreenOptions): Promise<void> {
  const { source, stdin, stdout, isColoured, signal } = options;
  const ended = new AbortController();
  const store = new ScreenStore(source, stdout, () => ended.abort());
  const instance = render(createElement(Screen, { store, isColoured }), {
    ...{ stdin, stdout, exitOnCtrlC: false, patchConsole: false, maxFps: framesPerSecond },
    ...{ alternateScreen: true, interactive: true },
  });
  const either = AbortSignal.any([signal, ended.signal]);
  const following = source.follow((update) => store.update(update), either);
  try {
    await Promise.race([following, instance.waitUntilExit()]);
  } finally {
    ended.abort();
    instance.unmount();
    await instance.waitUntilExit();
  }
}

/** Holds the state, and tells the screen when it has changed. */
class ScreenStore {
  readonly #source: MailSource;
  readonly #quit: () => void;
  #state: TopState;
  #rows: readonly Row[] = [];
  #listener: (() => void) | undefined;
  /** Shows news that have come. */
  #timer: NodeJS.Timeout | undefined;
  #tick: NodeJS.Timeout | undefined;

  constructor(source: MailSource, { columns, rows }: NodeJS.WriteStream, quit: () => void) {
    this.#source = source;
    this.#quit = quit;
    this.#state = initialState(source.place, columns, rows);
    this.#rows = topRows(this.#state, Date.now());
  }

  get rows(): readonly Row[] {
    return this.#rows;
  }

  listen(listener: () => void): () => void {
    this.#listener = listener;
    this.#tick = setTimeout(() => this.#show(), tickMs);
    return () => {
      this.#listener = undefined;
      clearTimeout(this.#timer);
      clearTimeout(this.#tick);
    };
  }

  /** News may come in any number, and is shown a little later. */
  update(update: SourceUpdate): void {
    this.#state = updated(this.#state, update);
    this.#timer ??= setTimeout(() => this.#show(), 1_000 / framesPerSecond);
  }

  press(key: Key): void {
    const { state, effect } = pressed(this.#state, key, Date.now());
    this.#state = state;
    if (effect) this.#apply(effect);
    this.#show();
  }

  resize(columns: number, rows: number): void {
    if (columns === this.#state.columns && rows === this.#state.rows) return;
    this.#state = { ...this.#state, columns, rows };
    this.#show();
  }

  /** Drawing costs much more than the comparison, so a screen on which nothing changes is not drawn again. */
  #show(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    clearTimeout(this.#tick);
    if (!this.#listener) return;
    this.#tick = setTimeout(() => this.#show(), tickMs);
    const rows = topRows(this.#state, Date.now());
    if (
      rows.length === this.#rows.length &&
      rows.every((row, at) => isSameRow(row, this.#rows[at]))
    )
      return;
    this.#rows = rows;
    this.#listener();
  }

  #apply(effect: Effect): void {
    switch (effect.kind) {
      case 'quit':
        return this.#quit();
      case 'open':
        return void this.#read(effect.sequence, effect.id);
      case 'pause':
        return void this.#pause(effect.mailbox, effect.isPaused);
    }
  }

  async #read(sequence: number, id: string): Promise<void> {
    const body = await this.#source.wholeText(sequence, id).then(
      (text) => ({ text }),
      (error: Error) => ({ text: undefined, fault: error.message }),
    );
    const { message } = this.#state;
    // Another one may have been opened meanwhile.
    if (message?.id !== id) return;
    this.#state = { ...this.#state, message: { ...message, body } };
    this.#show();
  }

  async #pause(mailbox: Name, isPaused: boolean): Promise<void> {
    const done = isPaused ? 'is paused' : 'delivers again';
    const note = await this.#source.setPaused(mailbox, isPaused).then(
      () => `Mailbox "${mailbox}" ${done}.`,
      (error: Error) => `Nothing was changed: ${error.message}`,
    );
    this.#state = { ...this.#state, note };
    this.#show();
  }
}

interface ScreenProps {
  readonly store: ScreenStore;
  readonly isColoured: boolean;
}

function Screen({ store, isColoured }: ScreenProps): ReactNode {
  const [, redraw] = useState(0);
  const { columns, rows } = useWindowSize();
  useEffect(() => store.listen(() => redraw((count) => count + 1)), [store]);
  useEffect(() => store.resize(columns, rows), [store, columns, rows]);
  useInput((input, key) => {
    const name = keyNames.find((each) => key[each]);
    if (key.ctrl) return input === 'c' ? store.press('ctrl-c') : undefined;
    if (name) return store.press(key.shift && name === 'tab' ? 'shift-tab' : keysByName[name]);
    if (key.meta) return;
    // Keys that are typed fast, or pasted, come together.
    for (const character of input) store.press(typedKeys[character] ?? character);
  });
  return createElement(
    Box,
    { flexDirection: 'column', width: columns, height: rows },
    store.rows.map((row, index) => createElement(SameLine, { key: index, row, isColoured })),
  );
}

interface LineProps {
  readonly row: Row;
  readonly isColoured: boolean;
}

/** Most lines are the same as a second ago. */
const SameLine = memo(Line, (before, now) => isSameRow(before.row, now.row));

function isSameRow(one: Row, other: Row = []): boolean {
  return (
    one.length === other.length &&
    one.every(({ text, style }, index) => {
      const span = other[index];
      return text === span?.text && style === span.style;
    })
  );
}

function Line({ row, isColoured }: LineProps): ReactNode {
  const spans = row.map(({ text, style }, index) => {
    const look = style && isColoured ? looks[style] : {};
    return createElement(Text, { key: index, ...look }, text);
  });
  return createElement(Text, { wrap: 'truncate' }, spans);
}

const keysByName = {
  ...{ upArrow: 'up', downArrow: 'down', pageUp: 'page-up', pageDown: 'page-down' },
  ...{ home: 'home', end: 'end', tab: 'tab', return: 'enter', escape: 'escape' },
  ...{ backspace: 'backspace', delete: 'backspace' },
} as const;
const keyNames = Object.keys(keysByName) as (keyof typeof keysByName)[];
const typedKeys: Readonly<Record<string, Key>> = {
  ...{ '\r': 'enter', '\n': 'enter', '\t': 'tab', '\u007f': 'backspace', '\b': 'backspace' },
};
