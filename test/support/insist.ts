// A caller who is told that the same call may succeed later, and makes it again.
import { IpcError } from '../../src/base/errors.ts';

/** `onRefused` is called before each further try. */
export async function insist<Result>(
  act: () => Promise<Result>,
  onRefused: (error: IpcError) => Promise<void> | void = () => {},
): Promise<Result> {
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof IpcError) || error.kind.retry !== true) throw error;
      await onRefused(error);
    }
  }
}
