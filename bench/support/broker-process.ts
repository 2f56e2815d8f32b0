// The owner of the broker; arguments: HOME PORT, and the URL of a NATS server if it keeps the mail. Reports its role, and serves until its channel closes. It answers 'cpu'
// with the time, in microseconds, that its process has used of any core.
import { openSession } from './mail.ts';

const [home = '', port = '', url = ''] = process.argv.slice(2);
const session = openSession(home, Number(port), url);
const { role } = await session.start();
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.(user + system);
});
process.once('disconnect', () => void session.close());
process.send?.(role);
