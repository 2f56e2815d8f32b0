// Puts the parts of the page's server together for one broker.
import { IpcError } from '../base/errors.ts';
import { pageStatusMs } from '../base/page-limits.ts';
import { version } from '../base/version.ts';
import type { MailService } from '../model/mail-service.ts';
import type { Name } from '../model/message.ts';
import { LiveHub } from './live-hub.ts';
import type { MailFeed } from './mail-feed.ts';
import { readPageFiles } from './page-files.ts';
import { PageRoutes } from './page-routes.ts';
import { PageServer } from './page-server.ts';
import type { WireState, WireStatus } from './wire.ts';

export interface PageOptions {
  readonly mail: MailService;
  readonly feed: MailFeed;
  /** The person's name. */
  readonly me: Name;
  /** Where the page listens. */
  readonly port: number;
  /** HOST:PORT of the broker. */
  readonly place: string;
  /** For how long settled mail is kept; '' when that is not known. */
  readonly history: string;
  /** Has the bundled files of the page. */
  readonly folder: string;
  /** Gets faults of this program. */
  readonly onFault: (error: unknown) => void;
}

export interface PageService {
  /** A URL that opens the page once. */
  newUrl(): string;
  close(): Promise<void>;
}

export async function servePage(options: PageOptions): Promise<PageService> {
  const { mail, feed, me, port, folder, onFault } = options;
  const hub = new LiveHub(feed, () => statusOf(mail));
  const routes = new PageRoutes({ mail, feed, hub, me, state: () => stateOf(options) });
  const files = await readPageFiles(folder);
  const handle = routes.handle.bind(routes);
  const server = await PageServer.listen({ port, files, handle, onFault });
  const ended = new AbortController();
  const pumped = hub.pump.run(ended.signal).catch(onFault);
  return {
    newUrl: () => server.newUrl(),
    close: async () => {
      ended.abort();
      await server.close();
      await pumped;
    },
  };
}

async function statusOf(mail: Pick<MailService, 'status'>): Promise<WireStatus> {
  const signal = AbortSignal.timeout(pageStatusMs);
  try {
    const status = await mail.status({ signal });
    return { status, paused: status.paused };
  } catch (error) {
    if (!signal.aborted) throw error;
    const what = `the broker has not answered for ${pageStatusMs / 1_000} s`;
    throw new IpcError('no_broker', what, { cause: error });
  }
}

async function stateOf({ mail, me, place, history }: PageOptions): Promise<WireState> {
  const facts = { me, version, place, history };
  try {
    return { ...facts, ...(await statusOf(mail)) };
  } catch (error) {
    if (!(error instanceof IpcError)) throw error;
    return { ...facts, status: null, paused: [], error: `${error.code}: ${error.message}` };
  }
}
