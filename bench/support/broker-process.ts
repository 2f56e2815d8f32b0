// The owner of the broker; arguments: HOME PORT. Reports its role, and serves until its channel closes. It answers 'cpu'
// with the time, in microseconds, that its process has used of any core.
import { openSession } from './mail.ts';

const [home = '', port = ''] = process.argv.slice(2);
const session = openSession(home, Number(port));
const { role } = await session.start();
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.(user + system);
});
process.once('disconnect', () => void session.close());
process.send?.(role);
