// An owner that kills itself, as with kill -9, at a given disk call, and posts as soon as it owns the
// broker. Driven by takeover.test.ts.

import { type Disk, type DiskFile, realDisk } from '../../../src/journal/disk.ts';
import type { MessageId, Name } from '../../../src/model/message.ts';
import { openBroker } from '../brokers.ts';

const [folder = '', deadlyCall = '', id = ''] = process.argv.slice(2);
let calls = 0;

/** Dies before the call, which then has no effect. */
function count(): void {
  calls += 1;
  if (calls === Number(deadlyCall)) process.kill(process.pid, 'SIGKILL');
}

function counting<Real extends object>(real: Real): Real {
  return new Proxy(real, {
    get: (target, name) => {
      const value = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        count();
        return value.apply(target, args);
      };
    },
  });
}

const disk: Disk = {
  ...counting(realDisk),
  create: (path): DiskFile => {
    count();
    return counting(realDisk.create(path));
  },
};

const { client, close } = await openBroker(folder, { disk });
await client().post('box' as Name, Buffer.from(id), { id: id as MessageId });
await new Promise((resolve) => process.send?.('stored', resolve));
await close();
process.disconnect();
