// The NATS server that has the mail: its files on this machine, the server, what this user may do there, the stream,
// and the broker over it. Nothing is made there.
import { statSync } from 'node:fs';
import type { AppContext, NatsPlace } from '../../app/context.ts';
import { counted } from '../../app/counts.ts';
import { type Environment, natsFilesIn } from '../../app/environment.ts';
import { quotedWarning } from '../../app/summaries.ts';
import { IpcError } from '../../base/errors.ts';
import { quotedForShell } from '../../base/shell.ts';
import type { BrokerStatus } from '../../model/mail-service.ts';
import { JetStreamLog } from '../../nats/jetstream-log.ts';
import { streamOf } from '../../nats/nats-address.ts';
import { type Nats, NatsServer, readAuthorities, readCredentials } from '../../nats/nats-server.ts';
import { checkServer } from '../../nats/server-check.ts';
import {
  type StreamPromises,
  serverWeaknesses,
  type Weakness,
} from '../../nats/server-warnings.ts';
import { type FoundStream, replicasWanted } from '../../nats/stream-settings.ts';
import { deadLetters, pauses } from './broker-checks.ts';
import { bad, type Finding, faulty, finding, fine, type Result } from './finding.ts';
import { watchFindings } from './watch-checks.ts';

export async function natsFindings(
  context: AppContext,
  env: Environment,
  place: NatsPlace,
): Promise<Finding[]> {
  const findings = await fileFindings(env);
  const { address, port } = place;
  const server = new NatsServer({ address, ...natsFilesIn(env), name: 'agent-ipc doctor' });
  try {
    const nats = await server.connection();
    const ofServer = await serverFindings(nats, port);
    return [
      ...findings,
      ...ofServer,
      ...(await brokerFindings(context, server.url, port, ofServer)),
    ];
  } catch (error) {
    return [...findings, faulty('NATS server', error)];
  } finally {
    await server.close();
  }
}

async function fileFindings(env: Environment): Promise<Finding[]> {
  const { credentials, authorities } = natsFilesIn(env);
  return [
    ...(credentials === undefined
      ? []
      : [await finding('NATS credentials', () => checkCredentials(credentials))]),
    ...(authorities === undefined
      ? []
      : [await finding('NATS CA', () => checkAuthorities(authorities))]),
  ];
}

/** Whoever can read the file can log in with it. */
function checkCredentials(path: string): Result {
  readCredentials(path);
  const isOpen = (statSync(path).mode & 0o077) !== 0;
  if (!isOpen) return fine(path);
  return bad(`${path} can be read by other users`, `chmod 600 ${quotedForShell(path)}`);
}

function checkAuthorities(path: string): Result {
  readAuthorities(path);
  return fine(path);
}

async function serverFindings(nats: Nats, port: number): Promise<Finding[]> {
  const { info } = nats.connection;
  const version = info?.version ?? 'unknown';
  const server = await finding('NATS server', async () => {
    await checkServer(nats, port);
    return fine(`${nats.url}: nats-server ${version} with JetStream`);
  });
  if (!server.ok) return [server];
  const findings = [server];
  const stream = await findStream(nats, port);
  const name = streamOf(port);
  const about = 'NATS stream';
  if (stream instanceof IpcError) findings.push(faulty(about, stream));
  else if (stream) {
    const copies = counted(stream.replicas, 'copy', 'copies');
    findings.push({ about, ...fine(`${name}, ${copies}`) });
  } else findings.push({ about, ...fine(`${name} is not there; the first session makes it`) });
  const known = stream && !(stream instanceof IpcError) ? stream : foundNothing(name);
  return [...findings, ...serverWeaknesses(info, known).map(weakness)];
}

/** Stands for a stream that is not there yet: it has no weakness. */
function foundNothing(name: string): StreamPromises {
  return { name, replicas: replicasWanted, bytesMax: 0, isInMemory: false };
}

/** undefined if it is not there. */
async function findStream(nats: Nats, port: number): Promise<FoundStream | IpcError | undefined> {
  try {
    return await new JetStreamLog(nats, port).open(false);
  } catch (error) {
    if (!(error instanceof IpcError)) throw error;
    return error.code === 'no_broker' ? undefined : error;
  }
}

function weakness({ what, remedy, isFault }: Weakness): Finding {
  return { about: 'NATS server', ...(isFault ? bad(what, remedy) : fine(what, remedy)) };
}

async function brokerFindings(
  context: AppContext,
  url: string,
  port: number,
  ofServer: readonly Finding[],
): Promise<Finding[]> {
  try {
    const status = await (await context.clientOf(url, port)).status();
    const { pid, messages } = status;
    const mail = counted(messages, 'unsettled message is', 'unsettled messages are');
    const what = `pid ${pid} owns the broker, and ${mail} there`;
    return [
      { about: 'broker', ...fine(what) },
      ...otherWarnings(status, ofServer),
      ...deadLetters(status.deadLetters, port),
      ...pauses(status.paused, port),
      ...watchFindings(status.sessionList, Date.now()),
    ];
  } catch (error) {
    if (!(error instanceof IpcError) || error.code !== 'no_broker')
      return [faulty('broker', error)];
    const what = 'no session owns the broker now: the first one that uses mail does';
    return [{ about: 'broker', ...fine(what) }];
  }
}

/** The broker's warnings, without those of the server: these have findings of their own. */
function otherWarnings({ warnings }: BrokerStatus, ofServer: readonly Finding[]): Finding[] {
  return warnings
    .filter((each) => !ofServer.some(({ what }) => each.startsWith(what)))
    .map((each) => ({ about: 'broker', ...bad(`it warns: ${quotedWarning(each)}`, undefined) }));
}
