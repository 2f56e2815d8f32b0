// All in which the engines differ, for those that use them: a row for each difference, with what each engine does. The
// tests compare with a row, and do the same for every engine.
import type { EngineName } from './engines.ts';

type Row<Value> = Readonly<Record<EngineName, Value>>;

/** What the owner of the broker gets for `stop()`: the error's code, or that its mail is handed over. */
export const stopOfTheOwner: Row<string> = {
  embedded: 'handed over',
  nats: 'not_owner',
};

/** What another session than the owner gets for `stop()`. */
export const stopOfAnother: Row<string> = { embedded: 'not_owner', nats: 'not_owner' };

/** Whether the owner listens on an address of its machine, which `start` and `status` report. */
export const addressesOfTheOwner: Row<readonly string[]> = {
  embedded: ['127.0.0.1'],
  nats: [],
};

/** How many bytes of settled mail are kept unless IPC_HISTORY says otherwise, as `ipc doctor` reports it. */
export const historyDefault: Row<string> = { embedded: '30d,256MB', nats: '30d,16MB' };
