// Simulated time. Everything happens as an event in one queue ordered by time, and all promises that an
// event resolves are processed before the next event. So a seed that determines the times repeats a
// history.
export interface SimEvent {
  /** The time of the event, in milliseconds. */
  readonly at: number;
  /** Orders events of the same time by the order of scheduling. */
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

export class Scheduler {
  readonly #heap: SimEvent[] = [];
  #now = 0;
  #scheduled = 0;
  /** The number of events that ran. */
  steps = 0;

  get now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): SimEvent {
    return this.at(this.#now + ms, run);
  }

  /** Events of the same time run in the order of the calls, which sums of a delay would not guarantee. */
  at(time: number, run: () => void): SimEvent {
    const event = { at: time, order: ++this.#scheduled, run, cancelled: false };
    this.#push(event);
    return event;
  }

  /**
   * Runs until `isOver`, until no event is left, or until the time `until`. Rejects with the error of
   * an event.
   */
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
        // Promises and next ticks of this event run before the next event.
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
    let index = heap.push(event) - 1;
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      if (isBefore(heap[parent] as SimEvent, event)) break;
      heap[index] = heap[parent] as SimEvent;
      index = parent;
    }
    heap[index] = event;
  }

  /** Replaces the first event of the heap by this one. */
  #sink(event: SimEvent): void {
    const heap = this.#heap;
    let index = 0;
    for (;;) {
      const left = index * 2 + 1;
      if (left >= heap.length) break;
      const right = left + 1;
      const isRight =
        right < heap.length && isBefore(heap[right] as SimEvent, heap[left] as SimEvent);
      const child = isRight ? right : left;
      if (isBefore(event, heap[child] as SimEvent)) break;
      heap[index] = heap[child] as SimEvent;
      index = child;
    }
    heap[index] = event;
  }
}

function isBefore(one: SimEvent, other: SimEvent): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
