// The folder `damaged/` of a store: a note for each damaged segment, and the segment itself once the log
// does not need it any more. What is reported is what lies there, until the user deletes it.
import { join } from 'node:path';
import { damageListedMax } from '../base/limits.ts';
import { describeCorruption, type SegmentCorruption } from './corruption.ts';
import type { Disk } from './disk.ts';
import { segmentPath } from './paths.ts';
import type { SegmentId } from './record-framing.ts';

const noteName = /^[0-9]{8,9}-[0-9]{6,9}\.json$/;
const noteBytesMax = 65_536;

export class Quarantine {
  readonly #disk: Disk;
  readonly #folder: string;
  /** By the name of its note. */
  readonly #known = new Map<string, SegmentCorruption>();
  /** Whose notes could not be written: they are reported all the same. */
  readonly #unwritten = new Set<string>();
  readonly #insist: <T>(action: () => T) => T;

  /** Reads what is there. `insist`: makes room on a full disk. */
  constructor(disk: Disk, folder: string, insist = <T>(action: () => T) => action()) {
    this.#disk = disk;
    this.#folder = folder;
    this.#insist = insist;
    for (const name of this.#names().names) {
      const damage = this.#read(name);
      if (damage) this.#known.set(name, damage);
    }
  }

  /** Where it all lies. */
  get #path(): string {
    return join(this.#folder, 'damaged');
  }

  note(damage: SegmentCorruption): void {
    const name = `${nameOf(damage)}.json`;
    this.#known.set(name, damage);
    try {
      this.#insist(() => {
        this.#disk.makeFolder(this.#path);
        this.#disk.writeNote(join(this.#path, name), `${JSON.stringify(damage)}\n`);
      });
      this.#unwritten.delete(name);
    } catch {
      this.#unwritten.add(name);
    }
  }

  /** A body that was sound when the log was read. */
  noteMessage(id: SegmentId, number: number): void {
    const damage = this.#known.get(`${nameOf(id)}.json`) ?? nothing(id);
    const { messages, more } = damage;
    if (messages.includes(number)) return;
    if (messages.length < damageListedMax)
      this.note({ ...damage, messages: [...messages, number] });
    else this.note({ ...damage, more: more + 1 });
  }

  /** Instead of removing the segment. False when it is not damaged. */
  keep(id: SegmentId): boolean {
    const name = nameOf(id);
    if (!this.#known.has(`${name}.json`)) return false;
    this.#insist(() => {
      this.#disk.makeFolder(this.#path);
      this.#disk.rename(segmentPath(this.#folder, id), join(this.#path, `${name}.log`));
    });
    return true;
  }

  /** In sentences. */
  reports(): string[] {
    const { names, fault } = this.#names();
    const isThere = (name: string) => fault !== undefined || names.includes(name);
    const there = [...this.#known.keys()].filter(
      (name) => isThere(name) || this.#unwritten.has(name),
    );
    const all = there.sort().flatMap((name) => {
      const damage = this.#known.get(name);
      return damage ? describeCorruption(damage) : [];
    });
    const more = all.length - damageListedMax;
    return [
      ...all.slice(0, damageListedMax),
      ...(more > 0 ? [`and ${more} more reports of damage, not listed`] : []),
      ...(fault === undefined ? [] : [`the reports in ${this.#path} cannot be read (${fault})`]),
      ...(fault === undefined && all.length > 0 ? [this.#whatToDo] : []),
    ];
  }

  get #whatToDo(): string {
    return `the reports are in ${this.#path}, with the damaged files that are not needed any more; delete what you do not want to hear of`;
  }

  /** Of the notes. A folder that cannot be read is no reason to have no mail. */
  #names(): { readonly names: readonly string[]; readonly fault?: string } {
    try {
      return { names: this.#disk.list(this.#path).filter((name) => noteName.test(name)) };
    } catch (error) {
      return {
        names: [],
        fault: String(error instanceof Error && 'code' in error ? error.code : error),
      };
    }
  }

  /** undefined for a note that was itself damaged. */
  #read(name: string): SegmentCorruption | undefined {
    try {
      return parseNote(this.#disk.readPart(join(this.#path, name), 0, noteBytesMax));
    } catch {
      return undefined;
    }
  }
}

function nameOf({ epoch, segment }: SegmentId): string {
  return `${String(epoch).padStart(8, '0')}-${String(segment).padStart(6, '0')}`;
}

function nothing({ epoch, segment }: SegmentId): SegmentCorruption {
  return { epoch, segment, lost: [], messages: [], more: 0 };
}

/** Throws when it is not JSON. */
function parseNote(bytes: Buffer): SegmentCorruption | undefined {
  const { epoch, segment, lost, messages, more } = JSON.parse(bytes.toString('utf8'));
  if (![epoch, segment, more].every(Number.isSafeInteger)) return undefined;
  if (!Array.isArray(messages) || !messages.every(Number.isSafeInteger)) return undefined;
  if (!Array.isArray(lost) || !lost.every(isRange)) return undefined;
  return { epoch, segment, lost, messages, more };
}

function isRange(range: Record<string, unknown> | null): boolean {
  if (!range || !Array.isArray(range.missing)) return false;
  return [range.offset, range.bytes, range.missingMore, ...range.missing].every(
    Number.isSafeInteger,
  );
}
