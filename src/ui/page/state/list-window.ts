// Which rows of a long list are in the page. All rows have the same height, so the place of each follows from its index.

/** Rows above and below the visible ones, so that a quick scroll does not show emptiness. */
const rowsBeyond = 12;

export interface ListWindow {
  readonly first: number;
  /** Index after the last row. */
  readonly end: number;
}

export function listWindow(
  scrollTop: number,
  viewHeight: number,
  rowHeight: number,
  count: number,
): ListWindow {
  const top = Math.floor(Math.max(0, scrollTop) / rowHeight);
  const bottom = Math.ceil((Math.max(0, scrollTop) + viewHeight) / rowHeight);
  const end = Math.min(count, bottom + rowsBeyond);
  return { first: Math.max(0, Math.min(top - rowsBeyond, end)), end };
}

/** The scroll position that shows a row, as near to the present one as possible. */
export function scrollToShow(
  index: number,
  scrollTop: number,
  viewHeight: number,
  rowHeight: number,
): number {
  const top = index * rowHeight;
  if (top < scrollTop) return top;
  return top + rowHeight > scrollTop + viewHeight ? top + rowHeight - viewHeight : scrollTop;
}

/** Index of the first number that is not below the sought one, in ascending numbers. */
export function indexOfNumber(
  count: number,
  numberAt: (index: number) => number,
  sought: number,
): number {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (numberAt(middle) < sought) low = middle + 1;
    else high = middle;
  }
  return low;
}
