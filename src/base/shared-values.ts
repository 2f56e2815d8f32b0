import { sharedTextsMax } from './limits.ts';

/**
 * Values by their text, so that what many messages have in common is in memory once. When it is full it is
 * emptied and fills again: texts that never repeat take no more memory than it has room for.
 */
export class SharedValues<Value> {
  readonly #values = new Map<string, Value>();

  get(text: string): Value | undefined {
    return this.#values.get(text);
  }

  set(text: string, value: Value): Value {
    if (this.#values.size >= sharedTextsMax) this.#values.clear();
    this.#values.set(text, value);
    return value;
  }
}

const texts = new SharedValues<string>();

/** The same text, as the string that others with this text have. */
export function shared<Text extends string>(text: Text): Text {
  return (texts.get(text) as Text | undefined) ?? (texts.set(text, text) as Text);
}
