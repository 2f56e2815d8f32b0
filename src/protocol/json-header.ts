// The headers that are JSON: of hello, welcome, status, retried, dropped and error. A field that is missing or
// has another type is `bad_frame`; fields that this version does not know are ignored.
import { isUtf8 } from 'node:buffer';
import type { ByteWriter } from '../base/binary.ts';
import { IpcError } from '../base/errors.ts';
import { type Frame, headerOf } from './frame.ts';
import { checkAddresses } from './header-fields.ts';

export function writeJson(writer: ByteWriter, fields: object): void {
  writer.raw(Buffer.from(JSON.stringify(fields), 'utf8'));
}

export function readJson(frame: Frame): JsonFields {
  const header = headerOf(frame);
  if (!isUtf8(header)) throw new IpcError('bad_frame', 'a header is not UTF-8');
  return new JsonFields(parse(header.toString('utf8')));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new IpcError('bad_frame', 'a header is not JSON');
  }
}

export class JsonFields {
  readonly #fields: ReadonlyMap<string, unknown>;

  constructor(value: unknown) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new IpcError('bad_frame', 'a header is not a JSON object');
    }
    this.#fields = new Map(Object.entries(value));
  }

  text(name: string): string {
    const value = this.#fields.get(name);
    if (typeof value !== 'string' || !value.isWellFormed()) throw wrong(name, 'text');
    return value;
  }

  /** undefined when the header has no such field. */
  optionalText(name: string): string | undefined {
    return this.#fields.has(name) ? this.text(name) : undefined;
  }

  /** A whole number from 0 to `max`. */
  whole(name: string, max = Number.MAX_SAFE_INTEGER): number {
    const value = Number(this.#fields.get(name));
    if (
      this.#fields.get(name) !== value ||
      !Number.isSafeInteger(value) ||
      value < 0 ||
      value > max
    )
      throw wrong(name, `a whole number from 0 to ${max}`);
    return value;
  }

  flag(name: string): boolean {
    const value = this.#fields.get(name);
    if (typeof value !== 'boolean') throw wrong(name, 'true or false');
    return value;
  }

  /** undefined when the header has no such field: an older program wrote it. */
  optionalFlag(name: string): boolean | undefined {
    return this.#fields.has(name) ? this.flag(name) : undefined;
  }

  texts(name: string): string[] {
    return this.#list(name).map((value) => {
      if (typeof value !== 'string' || !value.isWellFormed()) throw wrong(name, 'a list of texts');
      return value;
    });
  }

  /** undefined when the header has no such field: an older program wrote it. */
  optionalTexts(name: string): string[] | undefined {
    return this.#fields.has(name) ? this.texts(name) : undefined;
  }

  /** IP addresses without a port. */
  addresses(name: string): string[] {
    return checkAddresses(this.texts(name));
  }

  /** undefined when the header has no such field: an older program wrote it. */
  optionalAddresses(name: string): string[] | undefined {
    return this.#fields.has(name) ? this.addresses(name) : undefined;
  }

  objects(name: string, max = Number.POSITIVE_INFINITY): JsonFields[] {
    const list = this.#list(name);
    if (list.length > max) throw wrong(name, `a list of at most ${max}`);
    return list.map((value) => new JsonFields(value));
  }

  #list(name: string): unknown[] {
    const value = this.#fields.get(name);
    if (!Array.isArray(value)) throw wrong(name, 'a list');
    return value;
  }
}

function wrong(name: string, form: string): IpcError {
  return new IpcError('bad_frame', `the field ${name} of a header is not ${form}`);
}
