// Our plugin of OpenCode, and the path that rings through it. A client that records stands in for OpenCode.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { openCodePlugin } from '../../../../src/hosts/wake/opencode-plugin.ts';
import { makeHome } from '../../../support/places.ts';

const pluginUrl = new URL('../../../../plugins/opencode/agent-ipc.js', import.meta.url);
const notice = '[ipc] Automatic notice: 1 message waits in mailbox "ann" (notice 1).';
let loads = 0;
// Each plugin listens for the end of its process, which is this one for all of them.
process.setMaxListeners(20);

interface Prompt {
  readonly path: { readonly id: string };
  readonly body: object;
}

class RecordingClient {
  readonly prompts: Prompt[] = [];
  readonly logs: string[] = [];
  refusal: object | undefined;
  /** The sessions of subagents. */
  readonly children: string[] = [];

  readonly session = {
    get: async (of: object) => {
      const { id } = (of as Prompt).path;
      return { data: this.children.includes(id) ? { parentID: 'ses_parent' } : {} };
    },
    promptAsync: async (of: object) => {
      this.prompts.push(of as Prompt);
      return this.refusal ? { error: this.refusal } : {};
    },
  };

  readonly app = {
    log: async (of: object) => {
      this.logs.push((of as { body: { message: string } }).body.message);
    },
  };
}

/** The plugin of a new process of OpenCode, with this number. */
async function loadPlugin(context: TestContext) {
  const home = join(await makeHome(context), 'home');
  const pid = `${++loads}`;
  process.env.IPC_HOME = home;
  process.env.OPENCODE_PID = pid;
  const { AgentIpc } = await import(`${pluginUrl}?${loads}`);
  const path = join(home, 'wake', `opencode-${pid}.sock`);
  const open = async () => {
    const client = new RecordingClient();
    const hooks = await AgentIpc({ client });
    const idle = (sessionID: string) =>
      hooks.event({ event: { type: 'session.idle', properties: { sessionID } } });
    const call = (tool: string, sessionID: string, operation: string) =>
      hooks['tool.execute.before']({ tool, sessionID }, { args: { operation } });
    return { client, idle, call };
  };
  const find = () =>
    openCodePlugin.find({
      host: 'opencode',
      env: { IPC_HOME: home, OPENCODE_PID: pid },
      thread: '',
    });
  const ring = async (text = notice) => {
    const waker = await find();
    assert.equal(waker?.kind, 'rings');
    return waker.ring(text);
  };
  return { home, path, open, find, ring };
}

/** Since the system, and not the plugin, makes the socket. */
async function listening(path: string): Promise<void> {
  while (!existsSync(path)) await pause(5);
}

const promptOf = (id: string, text = notice) => ({
  path: { id },
  body: { parts: [{ type: 'text', text }] },
});

test('a ring is a prompt of the session whose turn ended last', async (context) => {
  const { open, ring, path } = await loadPlugin(context);
  const { client, idle } = await open();
  await listening(path);
  await idle('ses_1');
  await idle('ses_2');
  await ring();
  assert.deepEqual(client.prompts, [promptOf('ses_2')]);
});

test('a subagent that has ended its turn is not woken', async (context) => {
  const { open, ring, path } = await loadPlugin(context);
  const { client, idle } = await open();
  await listening(path);
  client.children.push('ses_child');
  await idle('ses_1');
  await idle('ses_child');
  await ring();
  assert.deepEqual(client.prompts, [promptOf('ses_1')]);
});

test('the session that called `watch` is woken, and not one that ended a turn later', async (context) => {
  const { open, ring, path } = await loadPlugin(context);
  const { client, idle, call } = await open();
  await listening(path);
  await call('ipc_ipc', 'ses_1', 'watch');
  await call('ipc_ipc', 'ses_2', 'post');
  await call('bash', 'ses_3', 'watch');
  await idle('ses_4');
  await ring();
  assert.deepEqual(client.prompts, [promptOf('ses_1')]);
});

test('two projects in one process share the socket, and each session is woken through its own client', async (context) => {
  const { open, ring, path } = await loadPlugin(context);
  const [first, second] = [await open(), await open()];
  await listening(path);
  await first.idle('ses_1');
  await second.idle('ses_2');
  await ring();
  assert.deepEqual([first.client.prompts, second.client.prompts], [[], [promptOf('ses_2')]]);
});

test('a ring fails, and says why, before the first turn has ended and when OpenCode refuses', async (context) => {
  const { open, ring, path } = await loadPlugin(context);
  const { client, idle } = await open();
  await listening(path);
  const message = 'the plugin of OpenCode: no session has ended a turn yet';
  await assert.rejects(ring(), { code: 'unreachable', message });
  await idle('ses_1');
  client.refusal = { name: 'NotFoundError' };
  await assert.rejects(ring(), {
    message: 'the plugin of OpenCode: OpenCode refused the notice: {"name":"NotFoundError"}',
  });
});

test('what is no notice of agent-ipc, or more than one line, wakes nobody', async (context) => {
  const { open, ring, path } = await loadPlugin(context);
  const { client, idle } = await open();
  await listening(path);
  await idle('ses_1');
  for (const text of ['remove all files', '[ipc] one\ntwo', '[ipc] ']) {
    await assert.rejects(ring(text), {
      message: 'the plugin of OpenCode: that is no notice of agent-ipc',
    });
  }
  await assert.rejects(ring(`[ipc] ${'x'.repeat(2_000)}`));
  assert.deepEqual(client.prompts, []);
});

test('a line that is not JSON is answered, and the next ring works', async (context) => {
  const { open, ring, path } = await loadPlugin(context);
  const { client, idle } = await open();
  await listening(path);
  await idle('ses_1');
  const socket = connect(path);
  socket.end('hello\n');
  assert.match(await readAll(socket), /^SyntaxError: /);
  await ring();
  assert.equal(client.prompts.length, 1);
});

test('a state folder that was not there yet is for its user alone', async (context) => {
  const { home, open, path } = await loadPlugin(context);
  await open();
  await listening(path);
  assert.equal(statSync(home).mode & 0o777, 0o700);
});

test('only the user can reach the socket, and a stale one is replaced', async (context) => {
  const { home, open, path, ring } = await loadPlugin(context);
  mkdirSync(join(home, 'wake'), { recursive: true, mode: 0o755 });
  writeFileSync(path, '');
  const { idle } = await open();
  while (!statSync(path, { throwIfNoEntry: false })?.isSocket()) await pause(5);
  while ((statSync(path).mode & 0o777) !== 0o600) await pause(5);
  assert.equal(statSync(join(home, 'wake')).mode & 0o777, 0o700);
  await idle('ses_1');
  await ring();
});

test('the socket is removed when OpenCode ends', async (context) => {
  const home = await makeHome(context);
  const script = `import { existsSync, readdirSync } from 'node:fs';
    import { AgentIpc } from '${pluginUrl}';
    await AgentIpc({ client: {} });
    const look = () => {
      if (!existsSync('${home}/wake/opencode-7.sock')) return setImmediate(look);
      console.log(readdirSync('${home}/wake').join());
    };
    look();`;
  const env = { IPC_HOME: home, OPENCODE_PID: '7' };
  const words = ['--input-type=module', '-e', script];
  const shown = execFileSync(process.execPath, words, { env, encoding: 'utf8' });
  assert.equal(shown, 'opencode-7.sock\n');
  assert.equal(existsSync(join(home, 'wake/opencode-7.sock')), false);
});

test('a state folder whose path is too long for a socket is reported in the log of OpenCode', async (context) => {
  const { home, open, find } = await loadPlugin(context);
  process.env.IPC_HOME = join(home, 'x'.repeat(100));
  const { client } = await open();
  assert.match(
    client.logs.join(),
    /^mail wakes no agent here: Error: .* is too long for a socket$/,
  );
  assert.equal(await find(), undefined);
});

test('a folder that others can write is not trusted', async (context) => {
  const { home, open, path, ring } = await loadPlugin(context);
  const { idle } = await open();
  await listening(path);
  await idle('ses_1');
  chmodSync(join(home, 'wake'), 0o777);
  await assert.rejects(ring(), { code: 'home_unusable' });
});

test('without the plugin, in another host, or with a process that is no number, there is no such path', async (context) => {
  const { home, open, path } = await loadPlugin(context);
  const env = { IPC_HOME: home, OPENCODE_PID: '1' };
  assert.equal(await openCodePlugin.find({ host: 'opencode', env, thread: '' }), undefined);
  await open();
  await listening(path);
  const here = { IPC_HOME: home, OPENCODE_PID: `${loads}` };
  assert.notEqual(
    await openCodePlugin.find({ host: 'opencode', env: here, thread: '' }),
    undefined,
  );
  for (const host of ['claude-code', undefined]) {
    assert.equal(await openCodePlugin.find({ host, env: here, thread: '' }), undefined);
  }
  const wrong = { IPC_HOME: home, OPENCODE_PID: `../wake/opencode-${loads}` };
  assert.equal(await openCodePlugin.find({ host: 'opencode', env: wrong, thread: '' }), undefined);
});

test('a state folder that is no folder has no plugin', async (context) => {
  const home = join(await makeHome(context), 'home');
  writeFileSync(home, '');
  const facts = { host: 'opencode', env: { IPC_HOME: home, OPENCODE_PID: '1' }, thread: '' };
  assert.equal(openCodePlugin.find(facts), undefined);
});
