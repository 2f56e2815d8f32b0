// Requests of the page to its server. The browser sends the cookie, and the Origin of what changes something.
import type {
  WireDrop,
  WireDropped,
  WireFault,
  WireFound,
  WireMailbox,
  WireMessage,
  WireMessages,
  WirePause,
  WirePaused,
  WirePost,
  WirePosted,
  WireRead,
  WireReadDone,
  WireRetried,
  WireRetry,
  WireState,
} from '../../wire.ts';

export class ServerFault extends Error {
  /** Of HTTP; 0 when the server was not reached. */
  readonly status: number;
  readonly hint: string;

  constructor(status: number, message: string, hint: string) {
    super(message);
    this.name = 'ServerFault';
    this.status = status;
    this.hint = hint;
  }
}

const statusOfTooMany = 429;
/** Pause before a request that was refused is sent again. */
const turnMs = 200;

export const server = {
  state: () => get<WireState>('state'),
  messages: (limit: number) => get<WireMessages>(`messages?limit=${limit}`),
  message: (id: string, signal: AbortSignal) =>
    getInTurn<WireMessage>(`message?id=${encodeURIComponent(id)}`, signal),
  search: (parameters: URLSearchParams, signal?: AbortSignal) =>
    getInTurn<WireFound>(`search?${parameters}`, signal),
  post: (body: WirePost) => change<WirePosted>('post', body),
  read: (body: WireRead) => change<WireReadDone>('read', body),
  pause: (body: WirePause) => change<WirePaused>('pause', body),
  resume: (body: WirePause) => change<WirePaused>('resume', body),
  drop: (body: WireDrop) => change<WireDropped>('drop', body),
  retry: (body: WireRetry) => change<WireRetried>('retry', body),
  stopWorker: (body: WireMailbox) => change<WirePosted>('stop-worker', body),
};

function get<Answer>(path: string, signal: AbortSignal | null = null): Promise<Answer> {
  return call<Answer>(path, { method: 'GET', signal });
}

/** The server reads its store for a few requests at a time, and refuses others: the page asks again until it is its turn. */
async function getInTurn<Answer>(path: string, signal?: AbortSignal): Promise<Answer> {
  for (;;) {
    try {
      return await get<Answer>(path, signal);
    } catch (fault) {
      const isTooMany = fault instanceof ServerFault && fault.status === statusOfTooMany;
      if (!isTooMany || signal?.aborted) throw fault;
    }
    await new Promise((resolve) => setTimeout(resolve, turnMs));
  }
}

function change<Answer>(path: string, body: object): Promise<Answer> {
  const headers = { 'Content-Type': 'application/json' };
  return call<Answer>(path, { method: 'POST', headers, body: JSON.stringify(body) });
}

async function call<Answer>(path: string, request: RequestInit): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(`api/${path}`, { ...request, credentials: 'same-origin' });
  } catch {
    throw new ServerFault(
      0,
      'the server of this page cannot be reached',
      'is `ipc ui` still running?',
    );
  }
  const body: unknown = await response.json().catch(() => undefined);
  if (response.ok && body !== undefined) return body as Answer;
  const { error } = (body ?? {}) as Partial<WireFault>;
  throw new ServerFault(
    response.status,
    error?.message ?? `HTTP ${response.status}`,
    error?.hint ?? '',
  );
}

/** As a sentence for a person. */
export function faultText(fault: unknown): string {
  if (!(fault instanceof ServerFault)) return `${fault}`;
  return fault.hint === '' ? fault.message : `${fault.message}: ${fault.hint}`;
}
