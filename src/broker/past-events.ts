// The past of a store, for sessions whose cursor is older than the events in memory. A reader of the files stays open
// between the batches of a connection, because each reader begins at the oldest file.

import type { ConnectionId } from '../engine/commands.ts';
import type { EventGap } from '../model/mail-events.ts';
import type { EventsOfRecord } from './event-ring.ts';

/** The files of the store. */
export interface PastSource {
  /**
   * The records behind `after` that have events, in their order, and what is missing between them. It ends when it has
   * read all that was written when it began, or more.
   */
  read(after: number, withBodies: boolean): AsyncGenerator<EventsOfRecord | PastGap, void>;
}

export interface PastGap {
  readonly gap: EventGap;
}

/** Reads for one connection. */
export class PastReading {
  readonly connection: ConnectionId;
  readonly withBodies: boolean;
  /** Whatever was written up to this record has been read when the files end. */
  readonly writtenBefore: number;
  /** All events up to this record were taken. */
  position: number;
  isInUse = false;
  readonly #items: AsyncGenerator<EventsOfRecord | PastGap, void>;
  #next: Promise<IteratorResult<EventsOfRecord | PastGap, void>> | undefined;

  constructor(
    source: PastSource,
    from: Pick<PastReading, 'connection' | 'withBodies' | 'position' | 'writtenBefore'>,
  ) {
    this.connection = from.connection;
    this.withBodies = from.withBodies;
    this.position = from.position;
    this.writtenBefore = from.writtenBefore;
    this.#items = source.read(from.position, from.withBodies);
  }

  /** The next item, which stays the next one until it is taken. undefined at the end of the files. */
  async peek(): Promise<EventsOfRecord | PastGap | undefined> {
    this.#next ??= this.#items.next();
    return (await this.#next).value ?? undefined;
  }

  taken(position: number): void {
    this.#next = undefined;
    this.position = position;
  }

  close(): void {
    // A generator ends only after the step that is under way.
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

  /** A reader at this position; undefined while all readers are in use. The caller ends its use with free(). */
  open(
    connection: ConnectionId,
    position: number,
    withBodies: boolean,
    writtenBefore: number,
  ): PastReading | undefined {
    const found = [...this.#readings].find(
      (each) => !each.isInUse && fits(each, { connection, position, withBodies }),
    );
    if (!found && !this.#makeRoom()) return undefined;
    const from = { connection, position, withBodies, writtenBefore };
    const reading = found ?? new PastReading(this.#source, from);
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

function fits(
  reading: PastReading,
  wanted: Pick<PastReading, 'connection' | 'position' | 'withBodies'>,
): boolean {
  const { connection, position, withBodies } = reading;
  return (
    connection === wanted.connection &&
    position === wanted.position &&
    withBodies === wanted.withBodies
  );
}
