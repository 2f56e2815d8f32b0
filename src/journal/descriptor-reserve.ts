// A reserve of file descriptors, so that the store can still open a file when the process has reached its
// limit: connections may have taken all others. Every sync needs one, since the check that the epoch is
// still the newest opens a folder, and a new segment needs more. The reserve of disk space is in ballast.ts.
import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import { outOfFiles } from '../base/errors.ts';

/** Two for a new segment and the sync of its folder, and two more. */
const reserveMax = 4;
const reserve: number[] = [];

/**
 * `action` opens a file, and changes nothing if it cannot. It must not yield, or others would get the
 * descriptors.
 */
export function withReserve<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!outOfFiles(error)) throw error;
    for (const file of reserve.splice(0)) closeSync(file);
    return action();
  } finally {
    holdReserve();
  }
}

/** Refills the reserve. Called whenever a file of the store was closed. */
export function holdReserve(): void {
  try {
    while (reserve.length < reserveMax) reserve.push(openSync(devNull, 'r'));
  } catch (error) {
    if (!outOfFiles(error)) throw error;
  }
}
