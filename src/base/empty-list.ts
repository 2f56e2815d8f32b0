/** The list of no items, for results that are mostly empty: a list of its own for each takes memory. */
export const emptyList: readonly never[] = [];
