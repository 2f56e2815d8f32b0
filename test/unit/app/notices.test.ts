// Notices one after the other, from a broker that answers with what the test says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type NoticesOptions, notices } from '../../../src/app/notices.ts';
import { type ErrorCode, IpcError } from '../../../src/base/errors.ts';
import { watchPauseMsMax } from '../../../src/base/limits.ts';
import type { Notice } from '../../../src/model/mail-ahead.ts';
import type { WatchArguments } from '../../../src/model/mail-service.ts';
import type { Name } from '../../../src/model/message.ts';

const ann = 'ann' as Name;
const endless = { timeoutMs: Number.POSITIVE_INFINITY, path: 'test' };

function notice(number: number, attempt = 1): Notice {
  return { mailbox: ann, unread: 1, number, attempt, ageMs: 0 };
}

/** `answers`: in their order; each takes `msEach` of the clock. undefined: the time is over. */
function broker(answers: readonly (Notice | ErrorCode | undefined)[], msEach = 0) {
  const asked: WatchArguments[] = [];
  let nowMs = 0;
  const mail = {
    watch: async (_mailboxes: readonly Name[], call: WatchArguments) => {
      asked.push(call);
      nowMs += msEach;
      const answer = answers[asked.length - 1];
      if (typeof answer === 'string') throw new IpcError(answer, 'the test says so');
      return answer;
    },
  };
  const numbers = async (options: NoticesOptions) => {
    const found: number[] = [];
    for await (const each of notices(mail, [ann], options, () => nowMs)) found.push(each.number);
    return found;
  };
  return { asked, numbers };
}

test('each notice names the one before it, so that the broker is silent about the same message', async () => {
  const { asked, numbers } = broker([notice(7), notice(8, 3), undefined]);
  assert.deepEqual(await numbers(endless), [7, 8]);
  assert.deepEqual(
    asked.map(({ told, path }) => [told?.number, told?.attempt, told?.pauseMs, path]),
    [
      [undefined, undefined, undefined, 'test'],
      [7, 1, watchPauseMsMax, 'test'],
      [8, 3, watchPauseMsMax, 'test'],
    ],
  );
});

test('a message that is unread after the longest pause is not reported again', async () => {
  const { asked, numbers } = broker([notice(7), notice(7), notice(7, 2), undefined], 8_000_000);
  assert.deepEqual(await numbers(endless), [7, 7]);
  const [, first, second] = asked.map(({ told }) => told);
  assert.deepEqual(second, first);
});

test('a message that was released unread is reported again, although its attempt is the same', async () => {
  const { numbers } = broker([notice(7), notice(7), undefined], 1_000);
  assert.deepEqual(await numbers(endless), [7, 7]);
});

test('the time of all notices together is the timeout', async () => {
  const { asked, numbers } = broker([notice(7), notice(8), undefined], 400);
  await numbers({ ...endless, timeoutMs: 1_000 });
  assert.deepEqual(
    asked.map(({ timeoutMs }) => timeoutMs),
    [1_000, 600, 200],
  );
});

test('an error that may pass is reported, and the broker is asked again', async () => {
  const { numbers } = broker(['no_broker', notice(7), undefined], 500);
  const faults: string[] = [];
  const onFault = ({ code }: IpcError) => faults.push(code);
  const found = await numbers({ ...endless, timeoutMs: 2_000, onFault });
  assert.deepEqual([found, faults], [[7], ['no_broker']]);
});

test('an error that may pass is thrown when no time is left to ask again', async () => {
  const { numbers } = broker(['no_broker', 'unreachable'], 500);
  const faults: string[] = [];
  const onFault = ({ code }: IpcError) => faults.push(code);
  await assert.rejects(numbers({ ...endless, timeoutMs: 1_600, onFault }), { code: 'unreachable' });
  assert.deepEqual(faults, ['no_broker']);
});

test('any other error is thrown, and one that may pass if nobody takes it', async () => {
  const onFault = () => assert.fail('it does not pass');
  await assert.rejects(broker(['key_mismatch']).numbers({ ...endless, onFault }), {
    code: 'key_mismatch',
  });
  await assert.rejects(broker(['no_broker']).numbers(endless), { code: 'no_broker' });
});

test('a signal ends the pause after an error', async () => {
  const ended = new AbortController();
  const onFault = () => ended.abort();
  const { numbers } = broker(['no_broker']);
  await assert.rejects(numbers({ ...endless, onFault, signal: ended.signal }), {
    code: 'cancelled',
  });
});
