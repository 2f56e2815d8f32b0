export interface Indexed {
  /** Index in the heap, maintained by IndexedHeap. */
  index: number;
}

/**
 * A binary heap, the item of the lowest rank first. Each item knows its index, so deleting one is cheap. The rank
 * of an item in the heap must not change.
 */
export class IndexedHeap<Item extends Indexed> {
  readonly #heap: Item[] = [];
  readonly #rankOf: (item: Item) => number;

  constructor(rankOf: (item: Item) => number) {
    this.#rankOf = rankOf;
  }

  get size(): number {
    return this.#heap.length;
  }

  get first(): Item | undefined {
    return this.#heap[0];
  }

  has(item: Item): boolean {
    return this.#heap[item.index] === item;
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
      if (this.#rankOf(parent) <= this.#rankOf(item)) return;
      const { index } = parent;
      this.#put(parent, item.index);
      this.#put(item, index);
    }
  }

  #down(item: Item): void {
    for (;;) {
      const left = this.#heap[item.index * 2 + 1];
      const right = this.#heap[item.index * 2 + 2];
      const child = right && left && this.#rankOf(right) < this.#rankOf(left) ? right : left;
      if (!child || this.#rankOf(child) >= this.#rankOf(item)) return;
      const { index } = child;
      this.#put(child, item.index);
      this.#put(item, index);
    }
  }
}
