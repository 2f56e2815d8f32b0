// How long the benchmark measures, and how many messages its stores have. With `--quick` both are less.
export const isQuick = process.argv.includes('--quick');
const onlyAt = process.argv.indexOf('--only');
const only = onlyAt === -1 ? '' : (process.argv[onlyAt + 1] ?? '');

/** Queued while others are posted, and replayed at a restart. A store has room for 1,000,000, so also for those posts. */
export const queuedMessages = isQuick ? 100_000 : 900_000;
export const queuedMailboxes = 10_000;
/** Queued when the owner is killed. */
export const takeoverMessages = isQuick ? 20_000 : 100_000;

/** Whether the figure is measured in this run. */
export function isWanted(figure: string): boolean {
  return figure.includes(only);
}
