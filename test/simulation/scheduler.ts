// Simulated time. All that happens is an event in one queue, ordered by its time; what an event has
// set off in promises is over before the next one. So a seed that draws the times repeats a history.
export interface SimEvent {
  /** In milliseconds. */
  readonly at: number;
  /** Among events of the same time: the one scheduled first comes first. */
  readonly place: number;
  readonly run: () => void;
  cancelled: boolean;
}

export class Scheduler {
  readonly #heap: SimEvent[] = [];
  #now = 0;
  #places = 0;
  /** Events that ran. */
  steps = 0;

  get now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): SimEvent {
    const event = { at: this.#now + ms, place: ++this.#places, run, cancelled: false };
    this.#push(event);
    return event;
  }

  /** Until `isOver`, or until nothing is left, or until the time is over. Rejects with what an event throws. */
  run(isOver: () => boolean, until: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = (): void => {
        try {
          const event = isOver() ? undefined : this.#pop(until);
          if (!event) return resolve();
          this.#now = event.at;
          this.steps += 1;
          event.run();
        } catch (error) {
          return reject(error);
        }
        // Promises and next ticks of this event come before the next one.
        setImmediate(step);
      };
      step();
    });
  }

  #pop(until: number): SimEvent | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (!first || first.at > until) return undefined;
      const last = this.#heap.pop() as SimEvent;
      if (last !== first) this.#sink(last);
      if (!first.cancelled) return first;
    }
  }

  #push(event: SimEvent): void {
    const heap = this.#heap;
    let place = heap.push(event) - 1;
    while (place > 0) {
      const parent = (place - 1) >>> 1;
      if (isBefore(heap[parent] as SimEvent, event)) break;
      heap[place] = heap[parent] as SimEvent;
      place = parent;
    }
    heap[place] = event;
  }

  /** Puts the event into the place of the first. */
  #sink(event: SimEvent): void {
    const heap = this.#heap;
    let place = 0;
    for (;;) {
      const left = place * 2 + 1;
      if (left >= heap.length) break;
      const right = left + 1;
      const isRight =
        right < heap.length && isBefore(heap[right] as SimEvent, heap[left] as SimEvent);
      const child = isRight ? right : left;
      if (isBefore(event, heap[child] as SimEvent)) break;
      heap[place] = heap[child] as SimEvent;
      place = child;
    }
    heap[place] = event;
  }
}

function isBefore(one: SimEvent, other: SimEvent): boolean {
  return one.at < other.at || (one.at === other.at && one.place < other.place);
}
