// A broker that has the key and is an attacker: of the model that reads its results, and of the terminal.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MessageId, Name } from '../../../src/model/message.ts';
import { bodyChecksum } from '../../../src/model/message.ts';
import { encodeResponse } from '../../../src/protocol/codec.ts';
import { encodeFrame } from '../../../src/protocol/frame.ts';
import {
  type HostileBroker,
  hostileBroker,
  injection,
  jsonFrame,
} from '../../support/hostile-broker.ts';
import { origin } from '../../support/model/engine.ts';

const resultCharactersMax = 30_000;
/** What no line may have: other controls than its end, and characters that hide or turn text. */
const unseen = /(?!\n)[\p{Cc}\p{Cf}]/u;

/** Both faces end the call at once with this code, in one line, without a character of the attack. */
async function assertRefused(broker: HostileBroker, code: string): Promise<void> {
  const { agent, run } = broker;
  const { text, isError } = await agent.call({ operation: 'broker_status' });
  assert.equal(isError, true, text);
  const ended = await run(['status']);
  assert.deepEqual([ended.code, ended.text], [1, '']);
  for (const shown of [text, ended.errors.trimEnd()]) {
    assert.ok(shown.includes(`${code}: `), shown);
    assert.doesNotMatch(shown, /system-reminder|\n/);
    assert.doesNotMatch(shown, unseen);
  }
}

test('an offer with a time that is no date ends the call', async (context) => {
  const body = Buffer.from('hi');
  const broker = await hostileBroker(context, {
    answer: ({ kind, request }) => {
      if (kind !== 'wait') return undefined;
      const envelope = {
        ...{ id: 'a'.repeat(16) as MessageId, number: 1, to: 'box' as Name, from: 'evil' as Name },
        ...{ answers: '' as const, origin, time: 2 ** 53 - 1, bodyBytes: 2 },
        checksum: bodyChecksum(body),
      };
      const mailbox = 'box' as Name;
      return encodeResponse(
        { kind: 'offer', request, mailbox, attempt: 1, others: 0, envelope },
        body,
      );
    },
  });
  const { text, isError } = await broker.agent.call({ operation: 'wait', mailbox: 'box' });
  assert.deepEqual(
    [isError, text.slice(0, 59)],
    [true, 'bad_frame: the time of a message is 9007199254740991. To do'],
  );
  const { code, errors } = await broker.run(['wait', 'box']);
  assert.deepEqual([code, errors.slice(0, 15)], [1, 'ipc: bad_frame:']);
});
