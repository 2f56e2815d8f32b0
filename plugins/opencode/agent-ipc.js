// A plugin of OpenCode through which its MCP server `ipc` wakes an agent. It listens on a Unix socket in the state
// folder of agent-ipc, named by the process of OpenCode, and gives each notice to a session as a prompt. It starts no
// process and opens no port. In opencode.json: "plugin": ["file:///path/to/agent-ipc/dist/opencode/agent-ipc.js"]
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * @typedef {{ data?: { parentID?: string }, error?: unknown }} Answer
 * @typedef {{
 *   session: { get(of: object): Promise<Answer>, promptAsync(of: object): Promise<Answer> },
 *   app: { log(of: object): Promise<unknown> },
 * }} Client of OpenCode
 * @typedef {{ type: string, properties: { sessionID?: string } }} Event
 * @typedef {{ client: Client, sessionID: string | undefined }} Sleeper
 */

/**
 * The session that is woken: the last one that called `watch`, and before the first such call the one whose turn ended
 * last. OpenCode calls the plugin once for each project, with another client.
 * @type {Sleeper | undefined}
 */
let sleeper;
let hasWatched = false;
let isListening = false;

const lineCharactersMax = 2_000;
/** The longest path of a socket that every system takes. */
const pathBytesMax = 103;

/** @param {{ client: Client }} project */
export const AgentIpc = async ({ client }) => {
  if (!isListening) listen(client);
  isListening = true;
  return {
    /** @param {{ tool: string, sessionID: string }} call @param {{ args?: { operation?: unknown } }} given */
    'tool.execute.before': async ({ tool, sessionID }, { args }) => {
      if (!/(^|_)ipc$/.test(tool) || args?.operation !== 'watch') return;
      hasWatched = true;
      sleeper = { client, sessionID };
    },
    /** @param {{ event: Event }} of */
    event: async ({ event }) => {
      if (event.type !== 'session.idle' || hasWatched) return;
      const { sessionID } = event.properties;
      const { data } = await client.session.get({ path: { id: sessionID } });
      // A subagent's session ends its turn while the one that started it goes on.
      if (data && !data.parentID) sleeper = { client, sessionID };
    },
  };
};

/** @param {Client} client */
function listen(client) {
  const folder = join(process.env.IPC_HOME || join(homedir(), '.agent-ipc'), 'wake');
  const path = join(folder, `opencode-${process.env.OPENCODE_PID ?? process.pid}.sock`);
  /** @param {unknown} error */
  const fail = (error) => {
    const message = `mail wakes no agent here: ${error}`;
    client.app.log({ body: { service: 'agent-ipc', level: 'warn', message } }).catch(() => {});
  };
  try {
    if (Buffer.byteLength(path) > pathBytesMax) throw new Error(`${path} is too long for a socket`);
    // It makes the state folder, too, if that is not there yet.
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chmodSync(folder, 0o700);
    // A process that was killed, and had the same number, has left its own.
    rmSync(path, { force: true });
    createServer(receive)
      .on('error', fail)
      .listen(path, () => chmodSync(path, 0o600))
      .unref();
    process.once('exit', () => rmSync(path, { force: true }));
  } catch (error) {
    fail(error);
  }
}

/**
 * One notice in each connection: a line of JSON, answered with `ok` or with what is wrong.
 * @param {import('node:net').Socket} socket
 */
function receive(socket) {
  let seen = '';
  socket.on('error', () => {});
  socket.setEncoding('utf8').on('data', async (part) => {
    seen += part;
    if (seen.length > lineCharactersMax) return socket.destroy();
    if (seen.endsWith('\n')) socket.end(`${await wake(seen)}\n`);
  });
}

/** @param {string} line */
async function wake(line) {
  try {
    const { text } = JSON.parse(line);
    // One line that says where it is from: whatever program of this user writes it, it is no prompt of a person.
    if (!/^\[ipc\] .+$/.test(text)) return 'that is no notice of agent-ipc';
    if (!sleeper) return 'no session has ended a turn yet';
    const { client, sessionID } = sleeper;
    const body = { parts: [{ type: 'text', text }] };
    const { error } = await client.session.promptAsync({ path: { id: sessionID }, body });
    return error ? `OpenCode refused the notice: ${JSON.stringify(error)}` : 'ok';
  } catch (error) {
    return `${error}`;
  }
}
