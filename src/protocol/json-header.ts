// The headers that are JSON: of hello, welcome, status, retried and error. A field that is missing or has
// another type is `bad_frame`; fields that this version does not know are ignored.
import { isUtf8 } from 'node:buffer';
import { IpcError } from '../base/errors.ts';

export function writeJson(fields: object): Buffer {
  return Buffer.from(JSON.stringify(fields), 'utf8');
}

export function readJson(header: Buffer): JsonFields {
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

  /** For fields that older versions do not send. */
  has(name: string): boolean {
    return this.#fields.has(name);
  }

  text(name: string): string {
    const value = this.#fields.get(name);
    if (typeof value !== 'string' || !value.isWellFormed()) throw wrong(name, 'text');
    return value;
  }

  /** A whole number from 0 to 2^53 - 1. */
  whole(name: string): number {
    const value = this.#fields.get(name);
    if (!Number.isSafeInteger(value) || Number(value) < 0) throw wrong(name, 'a whole number');
    return Number(value);
  }

  flag(name: string): boolean {
    const value = this.#fields.get(name);
    if (typeof value !== 'boolean') throw wrong(name, 'true or false');
    return value;
  }

  texts(name: string): string[] {
    return this.#list(name).map((value) => {
      if (typeof value !== 'string' || !value.isWellFormed()) throw wrong(name, 'a list of texts');
      return value;
    });
  }

  objects(name: string): JsonFields[] {
    return this.#list(name).map((value) => new JsonFields(value));
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
