// The past of a store, for sessions whose cursor is older than the events in memory. A reader of the files stays open
// between the batches of a connection, because each reader begins at the oldest file. All readers together take a small
// share of the broker's time.
import type { Runtime } from '../base/runtime.ts';
import type { ConnectionId } from '../engine/commands.ts';
import { type Disk, realDisk } from '../journal/disk.ts';
import { ownStartIn } from '../journal/history-file.ts';
import { listPast } from '../journal/past-files.ts';
import { readEvents } from '../journal/store-reader.ts';
import type { EventBatch, EventGap, MailEvent } from '../model/mail-events.ts';
import type { EventsOfRecord } from './event-ring.ts';

/** What is missing in front of the next events. */
export interface PastGap {
  readonly gap: EventGap;
}

/** How the files of a store are read. */
export interface PastSource {
  /**
   * The events of the records behind `after`, in their order; undefined: all that are kept. It ends when it has read all
   * that was written when it began, and may hang once `isClosed`: a generator cannot be ended between two events.
   */
  read(
    after: number | undefined,
    partBytesMax: number,
    isClosed: () => boolean,
  ): AsyncGenerator<EventBatch>;
  /** The lowest number of the first record of an epoch behind this one; undefined if no file says so. */
  startBehind(epoch: number): Promise<number | undefined>;
}

/** Work after which a reader rests, and multiple of its time for which it does. */
const turnMsMax = 1;
const restShare = 9;
/** A process that stood still meanwhile, or a busy machine, must not make it long. */
const restMsMax = 40;

/** Reads the files of a broker's store beside it. */
export class StorePast implements PastSource {
  readonly #folder: string;
  readonly #disk: Disk | undefined;
  readonly #runtime: Pick<Runtime, 'now' | 'defer' | 'setTimer'>;
  /** When the reader that reads next may do so. */
  #freeAt = 0;
  /** Of earlier epochs, which do not change. */
  readonly #starts = new Map<number, Promise<number | undefined>>();

  constructor(
    folder: string,
    disk: Disk | undefined,
    runtime: Pick<Runtime, 'now' | 'defer' | 'setTimer'>,
  ) {
    this.#folder = folder;
    this.#disk = disk;
    this.#runtime = runtime;
  }

  read(
    after: number | undefined,
    partBytesMax: number,
    isClosed: () => boolean,
  ): AsyncGenerator<EventBatch> {
    const { now, defer } = this.#rested(isClosed);
    return readEvents(this.#folder, {
      ...{ after, partBytesMax, turnMsMax, runtime: { now, defer } },
      ...(this.#disk && { disk: this.#disk }),
    });
  }

  startBehind(epoch: number): Promise<number | undefined> {
    const known = this.#starts.get(epoch);
    if (known) return known;
    const start = startBehindEpoch(this.#disk ?? realDisk, this.#folder, epoch);
    this.#starts.set(epoch, start);
    start.catch(() => this.#starts.delete(epoch));
    return start;
  }

  /** A runtime that gives way for longer than a turn of the event loop. */
  #rested(isClosed: () => boolean): Pick<Runtime, 'now' | 'defer'> {
    const runtime = this.#runtime;
    let began = runtime.now();
    const defer = (callback: () => void) => {
      const now = runtime.now();
      const restMs = Math.min(restMsMax, (now - began) * restShare);
      this.#freeAt = Math.max(this.#freeAt, now) + restMs;
      const resume = () => {
        if (isClosed()) return;
        began = runtime.now();
        callback();
      };
      if (this.#freeAt - now < 1) runtime.defer(resume);
      else runtime.setTimer(resume, this.#freeAt - now).unref();
    };
    return { now: () => runtime.now(), defer };
  }
}

/**
 * The lowest number of the first record of an epoch behind this one; undefined if no file says so. It is the lowest of
 * all: an epoch whose end was lost is followed by one that begins below it. A segment that was packed with others does
 * not say so any more.
 */
export async function startBehindEpoch(
  disk: Disk,
  folder: string,
  epoch: number,
): Promise<number | undefined> {
  const { files } = await listPast(disk, folder);
  let lowest: number | undefined;
  for (const file of files.filter((each) => each.epoch > epoch)) {
    for (const path of file.paths) {
      const start = ownStartIn(disk, path, file);
      if (start) lowest = Math.min(lowest ?? start, start);
    }
  }
  return lowest;
}

interface PlaceOfReading {
  readonly connection: ConnectionId;
  readonly partBytesMax: number;
  /** All events up to this record were taken. */
  readonly position: number;
}

/** Reads for one connection. */
export class PastReading {
  readonly connection: ConnectionId;
  readonly partBytesMax: number;
  /** Whatever was written up to this record has been read when the files end. */
  readonly writtenBefore: number;
  position: number;
  isInUse = false;
  #isClosed = false;
  readonly #items: AsyncGenerator<EventsOfRecord | PastGap, void>;
  #next: Promise<IteratorResult<EventsOfRecord | PastGap, void>> | undefined;

  constructor(source: PastSource, place: PlaceOfReading, isStart: boolean, writtenBefore: number) {
    this.connection = place.connection;
    this.partBytesMax = place.partBytesMax;
    this.position = place.position;
    this.writtenBefore = writtenBefore;
    const after = isStart ? undefined : place.position;
    this.#items = recordsOf(source.read(after, place.partBytesMax, () => this.#isClosed));
  }

  /** The next item, which stays the next one until it is taken; undefined at the end of the files. */
  async peek(): Promise<EventsOfRecord | PastGap | undefined> {
    this.#next ??= this.#items.next();
    return (await this.#next).value ?? undefined;
  }

  taken(position: number): void {
    this.#next = undefined;
    this.position = position;
  }

  close(): void {
    this.#isClosed = true;
    void this.#items.return().catch(() => {});
  }
}

/** The readers that are open. */
export class PastReadings {
  readonly #source: PastSource;
  readonly #readingsMax: number;
  /** The one used longest ago first. */
  readonly #readings = new Set<PastReading>();

  constructor(source: PastSource, readingsMax: number) {
    this.#source = source;
    this.#readingsMax = readingsMax;
  }

  startBehind(epoch: number): Promise<number | undefined> {
    return this.#source.startBehind(epoch);
  }

  /**
   * A reader at this place; undefined while all readers are in use. The caller ends its use with free(). `isStart`: it
   * reads from the oldest event that is kept. `written`: the record that was written last.
   */
  open(place: PlaceOfReading, isStart: boolean, written: number): PastReading | undefined {
    const fitting = [...this.#readings].find((each) => !isStart && fits(each, place));
    if (!fitting && !this.#makeRoom()) return undefined;
    const reading = fitting ?? new PastReading(this.#source, place, isStart, written);
    this.#readings.delete(reading);
    this.#readings.add(reading);
    reading.isInUse = true;
    return reading;
  }

  free(reading: PastReading): void {
    reading.isInUse = false;
  }

  close(reading: PastReading): void {
    this.#readings.delete(reading);
    reading.close();
  }

  /** Of a connection that is gone, or of all. */
  closeAll(connection?: ConnectionId): void {
    for (const reading of this.#readings) {
      if (connection === undefined || reading.connection === connection) this.close(reading);
    }
  }

  #makeRoom(): boolean {
    if (this.#readings.size < this.#readingsMax) return true;
    const idle = [...this.#readings].find(({ isInUse }) => !isInUse);
    if (idle) this.close(idle);
    return idle !== undefined;
  }
}

function fits(reading: PastReading, { connection, partBytesMax, position }: PlaceOfReading) {
  return (
    !reading.isInUse &&
    reading.connection === connection &&
    reading.partBytesMax === partBytesMax &&
    reading.position === position
  );
}

/** The events of each batch, record by record. */
async function* recordsOf(
  batches: AsyncGenerator<EventBatch>,
): AsyncGenerator<EventsOfRecord | PastGap, void> {
  for await (const { gap, events } of batches) {
    if (gap) yield { gap };
    let run: MailEvent[] = [];
    for (const event of events) {
      const [first] = run;
      if (first && first.sequence !== event.sequence) {
        yield { sequence: first.sequence, events: run };
        run = [];
      }
      run.push(event);
    }
    const [first] = run;
    if (first) yield { sequence: first.sequence, events: run };
  }
}
