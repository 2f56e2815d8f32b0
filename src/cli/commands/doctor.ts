// `ipc doctor`: checks everything that a session needs, and says what to do where something is wrong. It changes
// nothing: no key, no store, no broker. It writes one small file and removes it again, and takes a free port for
// a moment, since nothing else shows that a session could do so.
import type { Command } from 'commander';
import { AppContext } from '../../app/context.ts';
import { environmentFaults, homeFolder } from '../../app/environment.ts';
import { parsePort } from '../../app/parameters.ts';
import { sanitizeLine } from '../../app/sanitize.ts';
import { quotedWarning } from '../../app/summaries.ts';
import { IpcError } from '../../base/errors.ts';
import type { BrokerStatus } from '../../model/mail-service.ts';
import { currentKeys } from '../../net/keys.ts';
import { brokerPortWords, withExamples, withJson } from '../command-parts.ts';
import { localFindings } from '../doctor/broker-checks.ts';
import { diskFindings, fileLimitFindings } from '../doctor/disk-checks.ts';
import { bad, type Finding, faulty, finding, fine } from '../doctor/finding.ts';
import { hostFindings } from '../doctor/host-checks.ts';
import { checkHome, checkKey, checkNode } from '../doctor/machine-checks.ts';
import { natsFindings } from '../doctor/nats-checks.ts';
import { watchFindings } from '../doctor/watch-checks.ts';
import { writeJson, writeReport } from '../output.ts';
import { programName } from '../program-name.ts';
import { exitFailed, exitSuccess } from '../run.ts';
import { painted } from '../terminal.ts';

export function addCommands(program: Command): void {
  const command = program
    .command('doctor')
    .description('Check all that a session needs, and say what to do.')
    .option('--port <port>', brokerPortWords)
    .action(async ({ port, json }) => process.exit(await doctor(port, json === true)));
  withJson(command, {
    about: 'the subject of the check',
    ok: 'false: something is wrong',
    what: 'what was found',
    hint: 'what to do, or null',
  });
  withExamples(command, 'ipc doctor');
}

async function doctor(port: string | undefined, json: boolean): Promise<number> {
  const findings = await examine(process.env, port === undefined ? undefined : parsePort(port));
  for (const { about, ok, what, hint } of findings) {
    const remedy = hint === undefined ? '' : ` To do: ${hint}.`;
    const [style, word] = ok ? (['green', 'ok '] as const) : (['red', 'BAD'] as const);
    const mark = painted(style, word, 'stdout');
    if (json) await writeJson({ about, ok, what, hint });
    else await writeReport(`  ${sanitizeLine(`${about}: ${what}.${remedy}`)}`, mark);
  }
  return findings.every(({ ok }) => ok) ? exitSuccess : exitFailed;
}

async function examine(env: NodeJS.ProcessEnv, givenPort?: number): Promise<Finding[]> {
  const findings = [
    await finding('Node', checkNode),
    ...environmentFaults(env).map((fault) => faulty('variables', fault)),
    await finding('folder', () => checkHome(homeFolder(env))),
    await finding('key', () => checkKey(homeFolder(env), env)),
    ...(await fileLimitFindings()),
    ...(await checkBroker(env, givenPort)),
  ];
  return [...onceEach(findings), ...(await hostFindings(env))];
}

/** A wrong variable would be reported again by each check that reads it. */
function onceEach(findings: readonly Finding[]): Finding[] {
  return findings.filter(
    ({ ok, what }, index) => ok || findings.findIndex((each) => each.what === what) === index,
  );
}

/** If the context cannot be built, that is the only finding. */
async function checkBroker(env: NodeJS.ProcessEnv, givenPort?: number): Promise<Finding[]> {
  try {
    const context = new AppContext({ env, program: programName });
    return await checkFrom(context, env, givenPort).finally(() => context.close());
  } catch (error) {
    return [faulty('broker', error)];
  }
}

/** Checks a broker on this machine with its store; of a remote one, whether it responds, and who watches there. */
async function checkFrom(
  context: AppContext,
  env: NodeJS.ProcessEnv,
  port?: number,
): Promise<Finding[]> {
  const given = port === undefined ? {} : { port };
  const nats = context.natsOf(given);
  if (nats) {
    return [...(await diskFindings([context.home])), ...(await natsFindings(context, env, nats))];
  }
  const at = await context.brokerAddress(given);
  const { host } = at;
  if (host !== undefined) {
    return [
      ...(await diskFindings([context.home])),
      ...(await otherFindings(context, env, host, at.port)),
    ];
  }
  return [
    ...(await diskFindings([context.storeFolder(at.port), context.home])),
    ...(await localFindings(context, env, at.port)),
  ];
}

async function otherFindings(
  context: AppContext,
  env: NodeJS.ProcessEnv,
  host: string,
  port: number,
): Promise<Finding[]> {
  try {
    const { pid, warnings, sessionList } = await askBroker(context, env, host, port);
    const what = `${host}:${port}: pid ${pid} there owns the broker`;
    const [warning] = warnings;
    const result =
      warning === undefined
        ? fine(what)
        : bad(`${what}; it warns: ${quotedWarning(warning)}`, undefined);
    return [{ about: 'broker', ...result }, ...watchFindings(sessionList, Date.now())];
  } catch (error) {
    return [faulty('broker', error)];
  }
}

/** Asks as a guest, which creates nothing. */
async function askBroker(
  context: AppContext,
  env: NodeJS.ProcessEnv,
  host: string,
  port: number,
): Promise<BrokerStatus> {
  if (currentKeys(context.home, env)) return (await context.clientOf(host, port)).status();
  const what = `there is no key here yet, so it is not the key of the broker at ${host}:${port}`;
  throw new IpcError('key_mismatch', what, { hint: 'import its key: `ipc help key import`' });
}
