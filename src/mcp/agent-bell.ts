// Rings one agent. It has several ways to wake it, the best first. One that failed, or that left the mail unread,
// is passed over as long as another way is left: some hosts drop a text without a word.
import type { Bell, Ring } from '../app/doorbell.ts';
import { noticeText } from '../app/notice-text.ts';
import { IpcError } from '../base/errors.ts';
import type { RingWaker } from '../hosts/wake/wake-path.ts';
import type { Notice } from '../model/mail-ahead.ts';

export interface Way extends Omit<RingWaker, 'kind'> {
  /** Of its path. */
  readonly name: string;
}

/** The task that the call `watch` has become: its result wakes the agent once. */
const taskName = 'task';

export class AgentBell implements Bell {
  #ways: readonly Way[] = [];
  #task: Way | undefined;
  /** Of the newest task, which may have ended. */
  #resolveTask: (text: string | undefined) => void = () => {};
  readonly #passedOver = new Set<string>();
  #last = '';
  /** Called when every way has failed or left the mail unread. */
  onAllFailed = () => {};

  /** undefined when no way is left. */
  get path(): string | undefined {
    return this.#left()[0]?.name;
  }

  use(ways: readonly Way[]): void {
    this.#ways = ways;
  }

  /** The text of the next ring, for a task; undefined if the task is ended before. Rejects when `signal` stops it. */
  nextRing(signal: AbortSignal): Promise<string | undefined> {
    this.endTask();
    return new Promise((resolve, reject) => {
      const task: Way = {
        name: taskName,
        ring: async (text) => {
          this.#task = undefined;
          resolve(text);
        },
      };
      this.#task = task;
      this.#resolveTask = resolve;
      this.#passedOver.delete(taskName);
      signal.addEventListener('abort', () => {
        if (this.#task === task) this.#task = undefined;
        reject(signal.reason);
      });
    });
  }

  /** For another call of watch. */
  endTask(): void {
    this.#task = undefined;
    this.#resolveTask(undefined);
  }

  async ring(notice: Notice, { count, unread }: Ring): Promise<number> {
    if (unread > 0) this.#passedOver.add(this.#last);
    const text = noticeText(notice, count);
    const left = this.#left();
    const hasFailed = ({ name }: Way) => this.#passedOver.has(name);
    if (left.every(hasFailed)) {
      this.#passedOver.clear();
      this.onAllFailed();
    }
    for (const way of left) {
      this.#last = way.name;
      try {
        await way.ring(text);
        return way.retryMsMin ?? 0;
      } catch (error) {
        if (!(error instanceof IpcError)) throw error;
        this.#passedOver.add(way.name);
      }
    }
    if (left.every(hasFailed)) this.onAllFailed();
    return 0;
  }

  /** The ways that are not passed over, or all. */
  #left(): readonly Way[] {
    const all = this.#task ? [this.#task, ...this.#ways] : this.#ways;
    const left = all.filter(({ name }) => !this.#passedOver.has(name));
    return left.length > 0 ? left : all;
  }
}
