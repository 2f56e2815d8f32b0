// The owner of the broker; arguments: HOME PORT, and the URL of a NATS server if it keeps the mail. Reports its role,
// and serves until its channel closes. It answers 'cpu' with the time, in microseconds, that its process has used of
// any core, and 'memory' with its bytes after a garbage collection.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { openSession } from './mail.ts';

const [home = '', port = '', url = ''] = process.argv.slice(2);
const session = openSession(home, Number(port), url);
const { role } = await session.start();
process.on('message', (question) => process.send?.(question === 'memory' ? memory() : cpuUs()));
process.once('disconnect', () => void session.close());
process.send?.(role);

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function memory() {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let run = 0; run < 3; run++) collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heapBytes: heapUsed + external, residentBytes: rss };
}
