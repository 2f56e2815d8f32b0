// Files that are held open for nothing, so that the store can still open one of its own when the process
// may open no more: whoever connects may have taken all others.
import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import { outOfFiles } from '../base/errors.ts';

/** A segment that stays open, and a folder to sync beside it, with some to spare. */
const reserveMax = 4;
const reserve: number[] = [];

/** `act` opens files, and changes nothing when it cannot. It does not yield, so nobody else gets them. */
export function withReserve<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (!outOfFiles(error)) throw error;
    for (const file of reserve.splice(0)) closeSync(file);
    return act();
  } finally {
    holdReserve();
  }
}

/** Also whenever a file of the store was closed. */
export function holdReserve(): void {
  try {
    while (reserve.length < reserveMax) reserve.push(openSync(devNull, 'r'));
  } catch (error) {
    if (!outOfFiles(error)) throw error;
  }
}
