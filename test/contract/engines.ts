// The engines that the contract holds for. Each test of this folder runs once with each of them. IPC_TEST_ENGINES names
// those to run, with commas between them; all of them by default. One that cannot run here is a skipped test of each file.
import { after, test } from 'node:test';
import { type NatsNode, natsMissing, startNats } from '../support/nats/nats-server.ts';

const names = ['embedded', 'nats'] as const;

export type EngineName = (typeof names)[number];

export interface Engine {
  readonly name: EngineName;
  /** Why it cannot run here. */
  readonly missing: string | false;
  /** What chooses the engine in the environment of a session. */
  environment(): Promise<Readonly<Record<string, string>>>;
}

const embedded: Engine = {
  name: 'embedded',
  missing: false,
  environment: async () => ({}),
};

/** One server for all tests of a file: each has a port of its own, and so a stream of its own. */
let server: Promise<NatsNode> | undefined;
// A hook that is registered while a test runs would end with that test.
const ending: (() => Promise<void>)[] = [];
after(async () => {
  for (const end of ending) await end();
});

const nats: Engine = {
  name: 'nats',
  missing: natsMissing,
  environment: async () => {
    server ??= startNats({ after: (end) => ending.push(end) });
    return { IPC_BROKER: (await server).url };
  },
};

export const engines: readonly Engine[] = chosen(process.env.IPC_TEST_ENGINES);

function chosen(list: string | undefined): readonly Engine[] {
  const wanted = list ? list.split(',') : names;
  const unknown = wanted.find((name) => !names.some((known) => known === name));
  if (unknown !== undefined) throw new Error(`IPC_TEST_ENGINES has ${unknown}; it takes ${names}`);
  return [embedded, nats].filter(({ name, missing }) => {
    if (!wanted.includes(name)) return false;
    if (missing) test(`${name}: the tests of this file`, { skip: missing });
    return !missing;
  });
}
