// The folder `damaged/` of a store: a note for each damaged segment, and the segment itself once the log
// does not need it any more. What is reported is what lies there, until the user deletes it.
import { join } from 'node:path';
import { damageListedMax } from '../core/limits.ts';
import { describeDamage, type SegmentDamage } from './damage.ts';
import type { Disk } from './disk.ts';
import { segmentPath } from './folder.ts';
import type { SegmentId } from './framing.ts';

const noteName = /^[0-9]{8,9}-[0-9]{6,9}\.json$/;
const noteBytesMax = 65_536;

export class KeptDamage {
  readonly #disk: Disk;
  readonly #folder: string;
  /** By the name of its note. */
  readonly #known = new Map<string, SegmentDamage>();
  /** Whose notes could not be written: they are reported all the same. */
  readonly #unwritten = new Set<string>();

  /** Reads what is there. */
  constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.#folder = folder;
    for (const name of this.#names()) {
      const damage = parseNote(disk.readPart(join(this.#path, name), 0, noteBytesMax));
      if (damage) this.#known.set(name, damage);
    }
  }

  /** Where it all lies. */
  get #path(): string {
    return join(this.#folder, 'damaged');
  }

  note(damage: SegmentDamage): void {
    const name = `${nameOf(damage)}.json`;
    this.#known.set(name, damage);
    try {
      this.#disk.makeFolder(this.#path);
      this.#disk.writeNote(join(this.#path, name), `${JSON.stringify(damage)}\n`);
    } catch {
      this.#unwritten.add(name);
    }
  }

  /** A body that was sound when the log was read. */
  noteMessage(id: SegmentId, number: number): void {
    const damage = this.#known.get(`${nameOf(id)}.json`) ?? nothing(id);
    if (damage.messages.includes(number)) return;
    this.note({ ...damage, messages: [...damage.messages, number].slice(0, damageListedMax) });
  }

  /** Instead of removing the segment. False when it is not damaged. */
  keep(id: SegmentId): boolean {
    const name = nameOf(id);
    if (!this.#known.has(`${name}.json`)) return false;
    this.#disk.rename(segmentPath(this.#folder, id), join(this.#path, `${name}.log`));
    return true;
  }

  /** In sentences. */
  reports(): string[] {
    const there = new Set(this.#names());
    const names = [...this.#known.keys()].filter(
      (name) => there.has(name) || this.#unwritten.has(name),
    );
    const all = names.sort().flatMap((name) => {
      const damage = this.#known.get(name);
      return damage ? describeDamage(damage) : [];
    });
    if (all.length === 0) return [];
    const more = all.length - damageListedMax;
    return [
      ...all.slice(0, damageListedMax),
      ...(more > 0 ? [`and ${more} more reports of damage, not listed`] : []),
      `the reports are in ${this.#path}, with the damaged files that are not needed any more; delete what you do not want to hear of`,
    ];
  }

  #names(): string[] {
    return this.#disk.list(this.#path).filter((name) => noteName.test(name));
  }
}

function nameOf({ epoch, segment }: SegmentId): string {
  return `${String(epoch).padStart(8, '0')}-${String(segment).padStart(6, '0')}`;
}

function nothing({ epoch, segment }: SegmentId): SegmentDamage {
  return { epoch, segment, lost: [], messages: [], more: 0 };
}

/** undefined for a note that was itself damaged. */
function parseNote(bytes: Buffer): SegmentDamage | undefined {
  try {
    const { epoch, segment, lost, messages, more } = JSON.parse(bytes.toString('utf8'));
    if (![epoch, segment, more].every(Number.isSafeInteger)) return undefined;
    if (!Array.isArray(messages) || !messages.every(Number.isSafeInteger)) return undefined;
    if (!Array.isArray(lost) || !lost.every(isRange)) return undefined;
    return { epoch, segment, lost, messages, more };
  } catch {
    return undefined;
  }
}

function isRange(range: Record<string, unknown> | null): boolean {
  if (!range || !Array.isArray(range.missing)) return false;
  return [range.offset, range.bytes, range.missingMore, ...range.missing].every(
    Number.isSafeInteger,
  );
}
