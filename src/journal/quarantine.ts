// Quarantine, the folder `damaged/` of a store: a note for each segment in which corruption was found, and
// the segment itself once the log does not need it any more. The notes are reported until the user deletes
// them.
import { join } from 'node:path';
import { systemErrorCode } from '../base/errors.ts';
import { corruptionListedMax } from '../base/limits.ts';
import { describeCorruption, type SegmentCorruption } from './corruption.ts';
import type { Disk } from './disk.ts';
import { keptName, quarantineFilePath, quarantinePath, segmentPath } from './paths.ts';
import type { SegmentId } from './record-framing.ts';
import { writeSynced } from './write-parts.ts';

const noteName = /^[0-9]{8,9}-[0-9]{6,9}\.json$/;
const noteBytesMax = 65_536;

export class Quarantine {
  readonly #disk: Disk;
  readonly #folder: string;
  /** By the name of the note. */
  readonly #known = new Map<string, SegmentCorruption>();
  /** Names of notes that could not be written; their corruption is reported all the same. */
  readonly #unwritten = new Set<string>();
  readonly #withBallast: <T>(action: () => T) => T;

  /** Reads the notes that are there. */
  constructor(disk: Disk, folder: string, withBallast = <T>(action: () => T) => action()) {
    this.#disk = disk;
    this.#folder = folder;
    this.#withBallast = withBallast;
    for (const name of this.#names().names) {
      const corruption = this.#read(name);
      if (corruption) this.#known.set(name, corruption);
    }
  }

  /** The folder. */
  get #path(): string {
    return quarantinePath(this.#folder);
  }

  note(corruption: SegmentCorruption): void {
    const name = keptName(corruption, 'json');
    this.#known.set(name, corruption);
    try {
      this.#withBallast(() => {
        this.#disk.makeFolder(this.#path);
        this.#disk.writeNote(join(this.#path, name), textOf(corruption));
      });
      this.#unwritten.delete(name);
    } catch {
      this.#unwritten.add(name);
    }
  }

  /** The same, durable when it returns: the segments may be merged and go then, and nothing else says what they lost. */
  async noteAll(all: readonly SegmentCorruption[]): Promise<void> {
    try {
      for (const each of all) await this.#noteSynced(each);
      for (const path of all.length > 0 ? [this.#path, this.#folder] : []) {
        await this.#disk.syncFolder(path);
      }
    } catch {
      // Each is reported all the same.
      for (const each of all) this.note(each);
    }
  }

  /** Puts a synced file in the place of the note. */
  async #noteSynced(corruption: SegmentCorruption): Promise<void> {
    const name = keptName(corruption, 'json');
    const path = join(this.#path, name);
    const aside = `${path}.new`;
    this.#withBallast(() => this.#disk.makeFolder(this.#path));
    await writeSynced(this.#disk, aside, Buffer.from(textOf(corruption)), this.#withBallast);
    this.#disk.rename(aside, path);
    this.#known.set(name, corruption);
  }

  /** Notes a corrupt body that was valid when the log was read. */
  noteMessage(id: SegmentId, number: number): void {
    const known = this.#known.get(keptName(id, 'json')) ?? nothing(id);
    const { messages, more } = known;
    if (messages.includes(number)) return;
    if (messages.length < corruptionListedMax)
      this.note({ ...known, messages: [...messages, number] });
    else this.note({ ...known, more: more + 1 });
  }

  /** Moves the segment here, instead of removing it. False if no corruption was found in it. */
  takeSegment(id: SegmentId): boolean {
    if (!this.#known.has(keptName(id, 'json'))) return false;
    this.#withBallast(() => {
      this.#disk.makeFolder(this.#path);
      this.#disk.rename(segmentPath(this.#folder, id), quarantineFilePath(this.#folder, id));
    });
    return true;
  }

  /** Sentences for people. */
  reports(): string[] {
    const { names, fault } = this.#names();
    const isThere = (name: string) => fault !== undefined || names.includes(name);
    const there = [...this.#known.keys()].filter(
      (name) => isThere(name) || this.#unwritten.has(name),
    );
    const all = there.sort().flatMap((name) => {
      const corruption = this.#known.get(name);
      return corruption ? describeCorruption(corruption) : [];
    });
    const more = all.length - corruptionListedMax;
    return [
      ...all.slice(0, corruptionListedMax),
      ...(more > 0 ? [`and ${more} more reports of corruption, not listed`] : []),
      ...(fault === undefined ? [] : [`the reports in ${this.#path} cannot be read (${fault})`]),
      ...(fault === undefined && all.length > 0 ? [this.#whatToDo] : []),
    ];
  }

  get #whatToDo(): string {
    return `the reports are in ${this.#path}, with the damaged files that are not needed any more; delete a report to stop this warning`;
  }

  /** Names of the notes. If the folder cannot be read, that is reported, but mail is served all the same. */
  #names(): { readonly names: readonly string[]; readonly fault?: string } {
    try {
      return { names: this.#disk.list(this.#path).filter((name) => noteName.test(name)) };
    } catch (error) {
      return { names: [], fault: systemErrorCode(error) };
    }
  }

  /** undefined if the note itself is corrupt. */
  #read(name: string): SegmentCorruption | undefined {
    try {
      return parseNote(this.#disk.readPart(join(this.#path, name), 0, noteBytesMax));
    } catch {
      return undefined;
    }
  }
}

function textOf(corruption: SegmentCorruption): string {
  return `${JSON.stringify(corruption)}\n`;
}

function nothing({ epoch, segment }: SegmentId): SegmentCorruption {
  return { epoch, segment, lost: [], messages: [], more: 0 };
}

/** Throws if it is not JSON. */
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
