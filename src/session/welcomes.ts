// The calls that wait for the next welcome of a session.
import { cancelled } from '../base/errors.ts';
import type { Cancellable } from '../model/mail-service.ts';
import type { Welcome } from '../model/requests.ts';

export class Welcomes {
  readonly #waiting = new Set<(welcome: Welcome) => void>();

  get areAwaited(): boolean {
    return this.#waiting.size > 0;
  }

  add(welcome: Welcome): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const each of waiting) each(welcome);
  }

  /** The next one, from any broker. */
  next({ signal }: Cancellable): Promise<Welcome> {
    return new Promise((resolve, reject) => {
      const end = () => {
        this.#waiting.delete(welcomed);
        reject(cancelled());
      };
      const welcomed = (welcome: Welcome) => {
        signal?.removeEventListener('abort', end);
        resolve(welcome);
      };
      if (signal?.aborted) return reject(cancelled());
      signal?.addEventListener('abort', end, { once: true });
      this.#waiting.add(welcomed);
    });
  }
}
