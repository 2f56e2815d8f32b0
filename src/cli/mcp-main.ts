// The short way into `ipc mcp`, which hosts start for each session: it leaves out the command line. ipc.js takes it for
// this line alone.
import { serveMcp } from '../mcp/server.ts';

for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
serveMcp(process.env);
