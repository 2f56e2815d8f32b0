// Whether a wait whose time is over could be read on a NATS server, and why not. The clock moves by hand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IpcError } from '../../../src/base/errors.ts';
import { OwnerSearch } from '../../../src/session/owner-search.ts';

const away = new IpcError('unreachable', 'the connection to the server is lost');
const silent = new IpcError('owner_silent', 'the owner of the broker does not answer');

function makeSearch() {
  const clock = { now: 100_000 };
  const search = new OwnerSearch({ now: () => clock.now });
  const pass = (ms: number) => {
    clock.now += ms;
  };
  /** Returns the connection. */
  const find = () => {
    search.begins();
    const connection = { lastReceived: clock.now };
    search.found(connection);
    return connection;
  };
  return { search, clock, pass, find };
}

test('a wait that no owner has had ends with what the search met last', () => {
  const { search } = makeSearch();
  search.begins();
  search.met(away);
  search.met(silent);
  assert.deepEqual(search.unread(false, 5_000), { isOwnerFound: false, ms: 5_000, reason: silent });
});

test('what an earlier attempt to connect has met is not named in the next one', () => {
  const { search, pass } = makeSearch();
  search.begins();
  search.met(away);
  pass(60_000);
  search.begins();
  assert.deepEqual(search.unread(false, 1_000), {
    isOwnerFound: false,
    ms: 1_000,
    reason: undefined,
  });
});

test('a wait that an owner had may report no mail if it could be read for half of its time', () => {
  const { search, clock, pass, find } = makeSearch();
  const connection = find();
  pass(60_000);
  connection.lastReceived = clock.now;
  search.begins();
  search.met(away);
  pass(2_000);
  assert.equal(search.unread(true, 5_000), undefined);
  pass(1_000);
  assert.equal(search.unread(true, 5_000)?.reason, away);
});

test('a wait of any length says so when no mail could be read for 15 s, over several attempts to connect', () => {
  const { search, clock, pass, find } = makeSearch();
  const connection = find();
  pass(60_000);
  connection.lastReceived = clock.now;
  search.begins();
  pass(8_000);
  search.begins();
  search.met(away);
  pass(6_900);
  assert.equal(search.unread(true, 60_000), undefined);
  pass(100);
  assert.equal(search.unread(true, 60_000)?.reason, away);
});

test('the silence before a connection ended counts as time without an owner', () => {
  const { search, pass, find } = makeSearch();
  find();
  pass(10_000);
  search.begins();
  search.met(silent);
  pass(500);
  assert.equal(search.unread(true, 5_000)?.reason, silent);
});

test('an owner that has not answered a short wait may have kept all mail from it, but not from one of a minute', () => {
  const { search, pass, find } = makeSearch();
  find();
  pass(60_000);
  assert.deepEqual(search.unread(true, 4_000), {
    isOwnerFound: true,
    ms: 4_000,
    reason: undefined,
  });
  assert.equal(search.unread(true, 30_000)?.isOwnerFound, true);
  assert.equal(search.unread(true, 31_000), undefined);
});

test('an owner that was found just now has not kept mail for long, but from a wait that it has not had', () => {
  const { search, pass, find } = makeSearch();
  find();
  pass(900);
  assert.equal(search.unread(true, 6_000), undefined);
  assert.deepEqual(search.unread(false, 6_000), {
    isOwnerFound: true,
    ms: 6_000,
    reason: undefined,
  });
});
