// The short way into `ipc mcp`, which hosts start for each session: it leaves out the command line. ipc.js takes it for
// this line alone.
import { serveMcp } from '../mcp/server.ts';
import { bearClosedOutput } from './closed-output.ts';

bearClosedOutput();
serveMcp(process.env);
