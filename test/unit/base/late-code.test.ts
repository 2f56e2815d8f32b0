// A failed import becomes an error with a code and a hint.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { IpcError } from '../../../src/base/errors.ts';
import { lateCode } from '../../../src/base/late-code.ts';

const requireHere = createRequire(import.meta.url);
const gone: string = './no-such-file.cjs';

function isHelpful(error: unknown): true {
  assert(error instanceof IpcError);
  assert.equal(error.code, 'version_mismatch');
  assert.match(error.message, /^a file of agent-ipc is gone.*no-such-file\.cjs/);
  assert(!error.message.includes('\n'));
  assert.match(error.hint, /start it again/);
  return true;
}

test('a module that is there is returned', async () => {
  const { version } = await lateCode(import('../../../src/base/version.ts'));
  assert.equal(typeof version, 'string');
});

test('a file that is gone is an error with a code, and says what to do', async () => {
  await assert.rejects(lateCode(import(gone)), isHelpful);
  const required = Promise.resolve().then(() => requireHere(gone));
  await assert.rejects(lateCode(required), isHelpful);
});

test('when the process has too many open files, the error says so', async () => {
  const error = Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' });
  await assert.rejects(lateCode(Promise.reject(error)), { code: 'too_many_files' });
});

test('an error of the code itself stays as it is', async () => {
  const error = new TypeError('not a function');
  await assert.rejects(lateCode(Promise.reject(error)), error);
});
