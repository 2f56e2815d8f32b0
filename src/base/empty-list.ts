/** The list of no items, for results that are mostly empty: a list of its own for each takes memory. */
export const emptyList: readonly never[] = [];

/**
 * The list with one more item at its end. It is `emptyList`, or the caller's own, which is changed. For lists that mostly
 * get one item: V8 makes room for 17 when one is pushed to an empty list.
 */
export function appended<Item>(items: readonly Item[], item: Item): readonly Item[] {
  if (items.length === 0) return [item];
  (items as Item[]).push(item);
  return items;
}
