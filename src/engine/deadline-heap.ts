export interface Timed {
  /** Milliseconds on the engine's clock. */
  readonly deadline: number;
  /** Index in the heap, maintained by DeadlineHeap. */
  index: number;
}

/** The deadlines of parked waits in a binary heap. Each item knows its index, so deleting one is cheap. */
export class DeadlineHeap<Item extends Timed> {
  readonly #heap: Item[] = [];

  get first(): Item | undefined {
    return this.#heap[0];
  }

  add(item: Item): void {
    item.index = this.#heap.length;
    this.#heap.push(item);
    this.#up(item);
  }

  delete(item: Item): void {
    const last = this.#heap.pop() as Item;
    if (last === item) return;
    this.#put(last, item.index);
    this.#up(last);
    this.#down(last);
  }

  #put(item: Item, index: number): void {
    this.#heap[index] = item;
    item.index = index;
  }

  #up(item: Item): void {
    while (item.index > 0) {
      const parent = this.#heap[(item.index - 1) >>> 1] as Item;
      if (parent.deadline <= item.deadline) return;
      const { index } = parent;
      this.#put(parent, item.index);
      this.#put(item, index);
    }
  }

  #down(item: Item): void {
    for (;;) {
      const left = this.#heap[item.index * 2 + 1];
      const right = this.#heap[item.index * 2 + 2];
      const child = right && left && right.deadline < left.deadline ? right : left;
      if (!child || child.deadline >= item.deadline) return;
      const { index } = child;
      this.#put(child, item.index);
      this.#put(item, index);
    }
  }
}
