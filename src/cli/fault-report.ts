// Faults that may pass by themselves, such as a broker that does not answer. While one lasts, it is reported
// at once and then ever more rarely, once for all that meet it at the same time.
import { performance } from 'node:perf_hooks';

const repeatMsMin = 60_000;
const repeatMsMax = 3_600_000;

export class FaultReport {
  readonly #warn: (line: string) => void;
  readonly #nowMs: () => number;
  #fault = '';
  #nextMs = 0;
  #repeatMs = repeatMsMin;

  constructor(warn: (line: string) => void, nowMs = () => performance.now()) {
    this.#warn = warn;
    this.#nowMs = nowMs;
  }

  report(fault: string): void {
    const now = this.#nowMs();
    if (fault === this.#fault && now < this.#nextMs) return;
    this.#repeatMs =
      fault === this.#fault ? Math.min(this.#repeatMs * 2, repeatMsMax) : repeatMsMin;
    this.#fault = fault;
    this.#nextMs = now + this.#repeatMs;
    this.#warn(`ipc: ${fault}. Trying again.`);
  }

  passed(): void {
    this.#fault = '';
  }
}
