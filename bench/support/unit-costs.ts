// Measured costs of one connection, message, wait and so on, for the load model. Processor times of brokers and keepers
// were measured before all other work of the machine (`chrt -r`). All other times are from a machine with 2 cores that others
// share, so they are upper bounds; memory and bytes are hardly affected by that.

export interface UnitCost {
  readonly value: number;
  /** The command or the report that has the figure. */
  readonly source: string;
}

const cost = (value: number, source: string): UnitCost => ({ value, source });

const nats = 'nats-server 2.9.10';

/** Costs of the embedded broker. Bytes are in RAM unless the name says otherwise. */
export const brokerCosts = {
  idleBytes: cost(63_000_000, 'process without sessions: `npm run bench -- idle`'),
  idleOpenFiles: cost(29, 'the same'),
  connectionBytes: cost(21_100, 'idle session, resident: `npm run bench -- idle`'),
  waitBytes: cost(1_230, 'parked wait, resident: `npm run bench -- idle`'),
  messageBytes: cost(361, 'queued, without its body: `npm run bench -- memory`, usual names'),
  lifeUs: cost(30, 'processor of one post, delivery and settle: `npm run bench -- lives`'),
  lifeUsPerKibibyte: cost(23, 'the same, by 256 and 2,048 bytes'),
  recordBytes: cost(183, 'in the journal beside the body: `npm run bench -- lives`'),
  replayUs: cost(8, 'a message of a replayed journal: `npm run bench -- memory`'),
  syncUs: cost(126, 'append and sync of 2,048 bytes: `npm run bench -- nats-posts`'),
};

/** Costs of a NATS server, for each server that has a replica. */
export const natsCosts = {
  idleBytes: cost(11_500_000, `measured on ${nats}, R1: \`npm run bench -- nats-memory\``),
  connectionBytes: cost(22_856, 'the same'),
  parkedPullBytes: cost(6_115, 'the same'),
  subjectBytes: cost(195, 'the same: a subject with one message'),
  consumerBytes: cost(117_492, `measured on ${nats}, R3: \`npm run bench -- nats-memory\``),
  consumerOpenFiles: cost(2, 'the same'),
  consumerStoredFiles: cost(9.33, 'the same'),
  publishUs: cost(
    367,
    `2,048 bytes, stored, not synced: ${nats}, R3: \`npm run bench -- nats-posts\``,
  ),
  leaderLostSeconds: cost(
    7.5,
    `no publish was stored after \`kill -9\` of the leader: ${nats}, R3`,
  ),
};

/** Costs of the session that keeps the mail over a replicated log, where they differ from those of the broker. */
export const keeperCosts = {
  lifeUs: cost(37, `as for the broker, ${nats}, R3: \`npm run bench -- lives\``),
  lifeUsPerKibibyte: cost(48, 'the same, by 256 and 2,048 bytes'),
  noticeSeconds: cost(2, 'until a parked wait notices: heartbeatMs of src/session/nats-owner.ts'),
  takeoverSeconds: cost(0.044, `an empty store, ${nats}, R3: \`npm run bench -- nats-takeover\``),
  loadBytesPerSecond: cost(37_000_000, 'the same, with 43 MB: loaded and replayed'),
};
