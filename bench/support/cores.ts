// A virtual core that has nothing to do halts, and to wake it costs more than most of what the
// program does with a message. So what is measured once with cores that sleep between messages, as
// on a desk, is measured again with cores that are kept awake: there the program is what is left.
import { availableParallelism } from 'node:os';
import { Helper } from './helper.ts';

export async function withAwakeCores<T>(action: () => Promise<T>): Promise<T> {
  const spinners = Array.from(
    { length: availableParallelism() },
    (_, core) => new Helper('spin-process.js', String(core)),
  );
  for (const spinner of spinners) await spinner.next();
  const result = await action();
  for (const spinner of spinners) await spinner.end();
  return result;
}
