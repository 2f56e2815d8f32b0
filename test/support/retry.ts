// Repeats a call that fails with an error which may be retried.
import { IpcError } from '../../src/base/errors.ts';

/**
 * Repeats `call` until it succeeds or fails for good. `onRefused` is called before each further
 * attempt.
 */
export async function retryWhileRefused<Result>(
  call: () => Promise<Result>,
  onRefused: (error: IpcError) => Promise<void> | void = () => {},
): Promise<Result> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof IpcError) || error.kind.retry !== true) throw error;
      await onRefused(error);
    }
  }
}
