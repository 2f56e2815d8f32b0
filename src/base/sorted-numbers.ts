/** The place of the first number that is not smaller, in a list in ascending order; its length if all are smaller. */
export function placeIn(numbers: readonly number[], number: number): number {
  let high = numbers.length;
  // Nearly always it is one of the ends.
  if (high === 0 || (numbers[high - 1] as number) < number) return high;
  if ((numbers[0] as number) >= number) return 0;
  let low = 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] as number) < number) low = middle + 1;
    else high = middle;
  }
  return low;
}
