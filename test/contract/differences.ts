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

/** Where the owner listens, by `start` and `status`: sessions reach it through the server. */
export const addressesOfTheOwner: Row<readonly string[]> = {
  embedded: ['127.0.0.1'],
  nats: [],
};

/** The fields of what `start` reports. */
export const fieldsOfStart: Row<readonly string[]> = {
  embedded: ['role', 'pid', 'epoch', 'addresses', 'messages', 'warnings'],
  nats: ['role', 'pid', 'epoch', 'addresses', 'messages', 'warnings', 'server'],
};

/** Beginnings of the warnings of a broker in order: a server of the tests has one copy, and is old. */
export const warnings: Row<readonly RegExp[]> = {
  embedded: [],
  nats: [/^nats-server 2\.[\d.]+ /, /^stream ipc-\d+ has one copy: /],
};

/**
 * Of 64 settled messages of 1 MB, the numbers that are kept at least and at most unless IPC_HISTORY says otherwise: within
 * 256 MB all of them. A takeover on a NATS server loads them, so they have 32 MB there, and whole segments go.
 */
export const keptOf64: Row<readonly [number, number]> = { embedded: [64, 64], nats: [15, 60] };

/** The first line of `ipc broker --once`. */
export const placeOfTheBroker: Row<RegExp> = {
  embedded:
    /^This session owns the broker on port \d+ \(127\.0\.0\.1; pid \d+, epoch \d+\); 1 message in it\.\n/,
  nats: /^This session owns the broker on nats:\S+ \(nats-server 2\.[\d.]+, stream ipc-\d+, 1 copy; pid \d+, epoch \d+\); 1 message in it\.\n/,
};

/** What `ipc doctor` finds while nobody owns the broker: its subject, and its words. */
export const findingOfTheBroker: Row<readonly [string, RegExp]> = {
  embedded: ['port', /^\d+ is free: the first session that uses mail owns the broker$/],
  nats: ['broker', /^no session owns the broker now: the first one that uses mail does$/],
};

/** What `ipc store check` says: it reads files of this machine. */
export const storeCheck: Row<RegExp> = {
  embedded: /^Store in \S+: sound; /,
  nats: /^ipc: bad_parameter: the mail is on nats:\S+, in the stream ipc-\d+, and not in files of this machine\. /,
};
