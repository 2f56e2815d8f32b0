// The owner of the broker; arguments: HOME PORT. Reports 'ready', and serves until its channel closes.
import { openSession } from './mail.ts';

const [home = '', port = ''] = process.argv.slice(2);
const session = openSession(home, Number(port));
const { role } = await session.start();
process.once('disconnect', () => void session.close());
process.send?.(role);
