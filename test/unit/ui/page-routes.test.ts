// What the page can look at and change, with a broker that the test stands in for.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { IpcError } from '../../../src/base/errors.ts';
import type { MailService } from '../../../src/model/mail-service.ts';
import type { WireFound, WireMessage } from '../../../src/ui/wire.ts';
import {
  deliveredEvent,
  lifeEvent,
  type PagePlace,
  pagePlace,
  storedEvent,
} from '../../support/told-page.ts';

interface ApiPlace extends PagePlace {
  get(address: string): Promise<Response>;
  post(address: string, fields: unknown): Promise<[status: number, answer: unknown]>;
}

async function api(context: TestContext, mail: Partial<MailService> = {}): Promise<ApiPlace> {
  const place = await pagePlace(context, mail);
  const { cookie, path } = await place.enter();
  const { origin } = place;
  const get = (address: string) => fetch(`${origin}${path}api/${address}`, { headers: { cookie } });
  const post = async (address: string, fields: unknown): Promise<[number, unknown]> => {
    const answer = await fetch(`${origin}${path}api/${address}`, {
      method: 'POST',
      headers: { cookie, origin, 'content-type': 'application/json' },
      body: typeof fields === 'string' ? fields : JSON.stringify(fields),
    });
    return [answer.status, await answer.json()];
  };
  return { ...place, get, post };
}

async function found(place: ApiPlace, query: string): Promise<WireFound> {
  return (await (await place.get(`search?${query}`)).json()) as WireFound;
}

function numbers({ events }: WireFound): number[] {
  return events.flatMap((event) => (event.kind === 'stored' ? [event.envelope.number] : []));
}

test('the state says who the person is, what the broker has and what is paused', async (context) => {
  const { get } = await api(context);
  const state = (await (await get('state')).json()) as Record<string, unknown>;
  assert.match(String(state.version), /^\d+\.\d+\.\d+$/);
  assert.deepEqual(
    { ...state, version: '' },
    {
      ...{ me: 'boss', version: '', place: '127.0.0.1:1', history: '30d' },
      ...{ status: { port: 1, paused: [] }, paused: [] },
    },
  );
});

test('without a broker the state says why', async (context) => {
  const status = () => Promise.reject(new IpcError('no_broker', 'nobody has port 1'));
  const { get } = await api(context, { status });
  const state = (await (await get('state')).json()) as Record<string, unknown>;
  assert.deepEqual([state.status, state.error], [null, 'no_broker: nobody has port 1']);
});

test('a post is from the person, and is answered with what the broker stored', async (context) => {
  const { post, calls } = await api(context);
  const body = 'hello <script>alert(1)</script>';
  const answer = await post('post', { to: 'ann', text: body, answers: 'id-1', id: 'my-id' });
  assert.deepEqual(answer, [200, { id: 'new-1', number: 7, duplicate: false }]);
  assert.deepEqual(calls, [['post', 'ann', Buffer.from(body)]]);
});

test('stop-worker posts "shutdown" to the mailbox', async (context) => {
  const { post, calls } = await api(context);
  assert.equal((await post('stop-worker', { mailbox: 'jobs' }))[0], 200);
  assert.deepEqual(calls, [['post', 'jobs', Buffer.from('shutdown')]]);
});

test('pause and resume take mailboxes, or all only if the request says so', async (context) => {
  const { post, calls } = await api(context);
  assert.deepEqual(await post('pause', { mailboxes: ['jobs', 'ann', 'jobs'] }), [
    200,
    { paused: ['jobs'] },
  ]);
  assert.deepEqual(await post('resume', { all: true }), [200, { paused: [] }]);
  const wrong = [
    {},
    { mailboxes: [] },
    { all: false },
    { all: 'true' },
    { mailboxes: [''] },
    { all: true, mailboxes: [] },
  ];
  for (const fields of wrong) {
    assert.equal((await post('pause', fields))[0], 400, JSON.stringify(fields));
  }
  assert.deepEqual(calls, [
    ['pause', ['jobs', 'ann']],
    ['resume', []],
  ]);
});

test('drop and retry name what the broker has done', async (context) => {
  const { post } = await api(context);
  assert.deepEqual(await post('drop', { mailbox: 'ann', ids: ['id-1'] }), [
    200,
    { dropped: ['id-1'], held: 1 },
  ]);
  assert.deepEqual(await post('retry', { ids: ['id-1'] }), [200, { moved: ['id-1'], stayed: [] }]);
  assert.deepEqual(await post('retry', { to: 'ann' }), [200, { moved: ['id-1'], stayed: [] }]);
});

test('a change is answered only when the broker has answered', async (context) => {
  let apply = (_paused: readonly never[]) => {};
  let isAsked = () => {};
  const asked = new Promise<void>((resolve) => {
    isAsked = resolve;
  });
  const pause = () => {
    isAsked();
    return new Promise<readonly never[]>((resolve) => {
      apply = resolve;
    });
  };
  const { get, post } = await api(context, { pause });
  let isAnswered = false;
  const answer = post('pause', { all: true }).finally(() => {
    isAnswered = true;
  });
  await asked;
  await get('state');
  assert.equal(isAnswered, false);
  apply([]);
  assert.deepEqual(await answer, [200, { paused: [] }]);
});

test('what is wrong with a change is said, and nothing is changed', async (context) => {
  const { post, calls } = await api(context);
  const wrong: [address: string, fields: unknown, code: string][] = [
    ['post', '', 'bad_request'],
    ['post', '{', 'bad_request'],
    ['post', '[]', 'bad_request'],
    ['post', 'null', 'bad_request'],
    ['post', {}, 'bad_parameter'],
    ['post', { to: 'ann' }, 'bad_parameter'],
    ['post', { to: ['ann'], text: 'x' }, 'bad_parameter'],
    ['post', { to: 'a\nb', text: 'x' }, 'bad_name'],
    ['post', { to: 'ann', text: 'x', id: '' }, 'bad_id'],
    ['post', { to: 'ann', text: '\ud800' }, 'bad_body'],
    ['post', { to: 'ann', text: 'x'.repeat(1_048_577) }, 'body_too_large'],
    ['read', {}, 'missing_parameter'],
    ['read', { ids: 'id-1' }, 'bad_parameter'],
    ['read', { ids: [7] }, 'bad_parameter'],
    ['drop', {}, 'bad_parameter'],
    ['drop', { mailbox: 'ann', ids: [] }, 'bad_parameter'],
    ['retry', { ids: {} }, 'bad_parameter'],
    ['stop-worker', {}, 'bad_parameter'],
  ];
  for (const [address, fields, code] of wrong) {
    const [status, answer] = await post(address, fields);
    const { error } = answer as { error: { code: string; message: string; hint: string } };
    assert.deepEqual(
      [status, error.code],
      [400, code],
      `${address} ${JSON.stringify(fields)?.slice(0, 60)}`,
    );
    assert.notEqual(error.message, '');
  }
  assert.deepEqual(calls, []);
});

test('an error of the broker keeps its code and its hint, and says whether it may pass', async (context) => {
  const post = () => Promise.reject(new IpcError('mailbox_full', 'ann is full'));
  const retry = () => Promise.reject(new IpcError('not_owner', 'no'));
  const place = await api(context, { post, retry });
  assert.deepEqual(await place.post('post', { to: 'ann', text: 'x' }), [
    503,
    {
      error: {
        code: 'mailbox_full',
        message: 'ann is full',
        hint: 'have mail of that mailbox read and settled, then post again',
      },
    },
  ]);
  assert.equal((await place.post('retry', {}))[0], 409);
});

test('a script in a body comes as a text in JSON, which no browser takes for anything else', async (context) => {
  const { feed, get } = await api(context);
  const body = '</script><script>alert("1")</script>\u2028';
  feed.tell(storedEvent(1, body));
  for (const address of ['messages', 'message?id=id-1', 'search?text=alert']) {
    const answer = await get(address);
    assert.equal(answer.headers.get('content-type'), 'application/json');
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
    const text = await answer.text();
    assert.ok(text.includes(JSON.stringify(body)), address);
  }
});

test('a search finds by text, sender, mailbox, pair and time, the newest first to be kept', async (context) => {
  const place = await api(context);
  place.feed.tell(
    storedEvent(1, 'Deploy the shop', { from: 'boss' as never, to: 'ann' as never }),
    storedEvent(2, 'done: deploy', { from: 'ann' as never, to: 'boss' as never }),
    deliveredEvent(1),
    storedEvent(3, 'lunch', { from: 'ann' as never, to: 'ben' as never }),
    lifeEvent('settled', 1),
  );
  assert.deepEqual(numbers(await found(place, 'text=DEPLOY')), [1, 2]);
  assert.deepEqual(numbers(await found(place, 'text=id-3')), [3]);
  assert.deepEqual(numbers(await found(place, 'from=ann')), [2, 3]);
  assert.deepEqual(numbers(await found(place, 'to=ann')), [1]);
  assert.deepEqual(numbers(await found(place, 'with=boss')), [1, 2]);
  assert.deepEqual(numbers(await found(place, 'mailbox=ben')), [3]);
  assert.deepEqual(numbers(await found(place, 'since=2&before=3')), [2]);
  assert.deepEqual(numbers(await found(place, 'below=3')), [1, 2]);
  assert.deepEqual(numbers(await found(place, 'text=nothing')), []);
  const few = await found(place, 'limit=2');
  assert.deepEqual([numbers(few), few.isMore], [[2, 3], true]);
  const one = await found(place, 'to=ann');
  assert.deepEqual(
    one.events.map(({ kind }) => kind),
    ['stored', 'delivered', 'settled'],
  );
  assert.equal(one.isMore, false);
  assert.equal((await place.get('search?since=yesterday')).status, 400);
});

test('a search in dead-letters finds what is one, or was', async (context) => {
  const place = await api(context);
  place.feed.tell(
    storedEvent(1, 'one'),
    storedEvent(2, 'two'),
    lifeEvent('deadLettered', 1),
    lifeEvent('retried', 1),
    lifeEvent('deadLettered', 1),
    storedEvent(3, 'three', { to: 'dead-letters' as never }),
  );
  const answer = await found(place, 'mailbox=dead-letters');
  assert.deepEqual(numbers(answer), [1, 3]);
  assert.deepEqual(
    answer.events.map(({ kind }) => kind),
    ['stored', 'deadLettered', 'retried', 'deadLettered', 'stored'],
  );
});

test('a hit behind what a list shows of a body has an excerpt', async (context) => {
  const place = await api(context);
  place.feed.tell(
    storedEvent(1, `${'x'.repeat(2_500)} needle ${'y'.repeat(500)}`),
    storedEvent(2, 'a needle'),
  );
  const { events, excerpts } = await found(place, 'text=NEEDLE');
  assert.deepEqual(excerpts, { 'id-1': `${'x'.repeat(99)} needle ${'y'.repeat(99)}` });
  const [first, second] = events;
  assert.deepEqual(first?.kind === 'stored' && [first.isCut, first.text?.length], [true, 2_000]);
  assert.deepEqual(second?.kind === 'stored' && [second.isCut, second.text], [false, 'a needle']);
});

test('a message that is opened has its whole text, its life and its thread', async (context) => {
  const { feed, get } = await api(context);
  const long = 'é'.repeat(3_000);
  feed.tell(
    storedEvent(1, 'question'),
    storedEvent(2, long, { answers: 'id-1' as never }),
    deliveredEvent(2),
    storedEvent(3, 'thanks', { answers: 'id-2' as never }),
    storedEvent(4, 'else'),
  );
  const message = (await (await get('message?id=id-2')).json()) as WireMessage;
  assert.deepEqual([message.event.text, message.event.isCut], [long, false]);
  assert.deepEqual(
    message.life.map(({ kind }) => kind),
    ['delivered'],
  );
  assert.deepEqual(
    numbers({ ...message, events: message.thread, excerpts: {}, isMore: false }),
    [1, 2, 3],
  );
  assert.equal((await get('message?id=none')).status, 404);
  assert.equal((await get('message')).status, 400);
});

test('an export is a file to keep, whose name has none of the characters of a name', async (context) => {
  const place = await api(context);
  const name = 'a"\r\nSet-Cookie: x=1; ../é.exe';
  place.feed.tell(storedEvent(1, 'one'), deliveredEvent(1), lifeEvent('settled', 1));
  const answer = await place.get(`export?format=jsonl&mailbox=${encodeURIComponent(name)}`);
  assert.equal(answer.status, 200);
  assert.match(
    answer.headers.get('content-disposition') ?? '',
    /^attachment; filename="ipc-a-Set-Cookie-x-1-exe-\d{4}-\d\d-\d\d\.jsonl"$/,
  );
  assert.deepEqual([answer.headers.get('set-cookie'), await answer.text()], [null, '']);
  const all = await (await place.get('export')).text();
  const { life, ...line } = JSON.parse(all);
  assert.deepEqual(line, {
    ...{ id: 'id-1', number: 1, to: 'ann', from: 'ben', program: 'test', pid: 1, machine: 'here' },
    ...{ folder: null, time: 1, answers: '', depth: 0, bytes: 3 },
    ...{ state: 'done', mailbox: 'ann', attempts: 1, body: 'one' },
  });
  assert.deepEqual(
    life.map(({ kind }: { kind: string }) => kind),
    ['delivered', 'settled'],
  );
  assert.equal((await place.get('export?format=html')).status, 400);
});

test('in Markdown a body cannot leave its fence, and a name is no markup', async (context) => {
  const place = await api(context);
  const body = '```\n# head\n````';
  place.feed.tell(storedEvent(1, body, { from: '<b>*x*' as never }), deliveredEvent(1));
  const answer = await place.get('export?format=md');
  assert.equal(answer.headers.get('content-type'), 'text/markdown; charset=utf-8');
  assert.equal(
    await answer.text(),
    [
      '## #1: \\<b\\>\\*x\\* to ann',
      '',
      '1970-01-01 00:00:00 UTC, held, id id\\-1',
      '',
      '`````text',
      body,
      '`````',
      '',
      '- 1970-01-01 00:00:01 UTC delivered (ann)',
      '\n',
    ]
      .join('\n')
      .replace(/\n+$/, '\n\n'),
  );
});
